"""The broker killed: a container without a volume, an out-of-memory kill, a failover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault, later
from sandbox.parts import Positive
from sandbox.tasks import waiting

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


def cannot_stop(scenario: Scenario) -> str | None:
    """Return why the broker cannot be stopped: one sentence, or None.

    What a front door answers, and how far a group or a chord has come, while there is no broker
    is not in the model.
    """
    if scenario.front_door is not None:
        return "stop_broker has no meaning yet with a front_door; allowed: one of the two"
    for i, load in enumerate(scenario.loads):
        if load.kind in {"group", "chord"}:
            return f"stop_broker has no meaning yet with loads[{i}], a {load.kind}"
    problem = waiting(scenario.tasks)
    return None if problem is None else f"stop_broker {problem}"


class StopBroker(Fault):
    """SIGKILL the broker; after ``down_s`` seconds, if given, it is started again.

    ``broker.persistence`` says what it keeps. Workers come back when they next try (2, 6, 12,
    20 … s after the stop) and have then forgotten what they had not begun. A task that ends
    meanwhile fails, for its result has no place, unless its type has ``ignore_result``. A
    publish is tried again for 0.6 s; then nobody knows whether the broker has it.

    - early ack: what runs is finished; what was prefetched waits in ``unacked`` for the
      visibility timeout, or is lost.
    - acks_late: the same; what runs is acknowledged when its worker is back.
    - acks_late + reject_on_worker_lost: the same; no child was lost.
    """

    kind: Literal["stop_broker"] = "stop_broker"
    down_s: Positive | None = None

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return cannot_stop(scenario)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        stop = Command(self.when, "stop_broker", {})
        if self.down_s is None:
            return (stop,)
        return (stop, Command(later(self.when, self.down_s), "start_broker", {}))
