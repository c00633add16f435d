"""A half-open connection: a NAT that forgot it, a firewall's idle limit, a failover without RST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault, only_prefork
from sandbox.parts import Name

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


class HalfOpen(Fault):
    """Have the connections of ``worker`` carry nothing more, while nobody closes them.

    New connections work, but kombu sets no timeout: main hangs for ever at its next command, be
    it an acknowledgement, a sweep, or the look after bindings that it has once a minute. Until
    then BRPOP is watched: one without an answer for 1 s + ``broker.health_check_interval_s`` is
    replaced, the new one brings one message, and noting it in ``unacked`` is such a command: the
    message is lost. So is one that the old BRPOP is answered with. Only SIGKILL helps. A child
    that had a connection for results waits, for two minutes, with its next result.

    - early ack: what runs ends, one more begins, unacknowledged; all but what ran waits for the
      visibility timeout, so that this one runs twice.
    - acks_late: what runs ends and is not acknowledged: it runs again after the timeout.
    - acks_late + reject_on_worker_lost: the same; no child was lost.
    """

    kind: Literal["half_open"] = "half_open"
    worker: Name

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return only_prefork(self.kind, scenario)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "half_open", {"worker": self.worker}),)
