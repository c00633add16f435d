"""A second beat: two replicas, ``worker -B`` twice, a rolling update that overlaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


class StartBeat(Fault):
    """Start a second beat with the scenario's entries; nothing keeps the two apart.

    - every ack mode: the messages are different tasks, each of which runs once.
    """

    kind: Literal["start_beat"] = "start_beat"

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return None if scenario.beat else "beat is empty; a second one would publish nothing"

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "start_beat", {}),)
