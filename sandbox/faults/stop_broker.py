"""The broker killed: a container without a volume, an out-of-memory kill, a failover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault, later, only_plain
from sandbox.parts import Positive

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


def cannot_stop(scenario: Scenario) -> str | None:
    """Return why the broker cannot be stopped: one sentence, or None."""
    return only_plain("stop_broker", scenario)


class StopBroker(Fault):
    """SIGKILL the broker; after ``down_s`` seconds, if given, it is started again.

    ``broker.persistence`` says what it keeps. Workers come back when they next try (2, 6, 12,
    20 … s after the stop) and have then forgotten what they had not begun. A task that ends
    meanwhile fails, for its result has no place, unless its type has ``ignore_result``. A
    publish is tried again for 0.6 s; then nobody knows whether the broker has it.

    A worker does not come back, but exits with code 1 once what runs has ended, if and only if
    it waited for more in BRPOP and held a message not acknowledged: closing a channel in BRPOP
    fails half way, and closing it once more then fails to restore (kombu/transport/redis.py
    ``Channel.close``, ``QoS.restore_unacked``). A full worker, and one with no such message, do.

    - early ack: what runs is finished; what was prefetched waits in ``unacked`` for the
      visibility timeout, or is lost with what is queued, as ``broker.persistence`` has it.
    - acks_late: the same; what runs is acknowledged when its worker is back, and runs again
      after the timeout where the worker exits and the message was kept.
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
