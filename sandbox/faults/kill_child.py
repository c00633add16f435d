"""SIGKILL to one process of a pool, as the kernel's out-of-memory killer does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault
from sandbox.parts import Name
from sandbox.slots import SlotNumber, no_such_slot

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


def no_children(scenario: Scenario, worker: str, slot: object = None) -> str | None:
    """Return why a worker has no child to kill, or none in ``slot``: one sentence, or None."""
    pool = scenario.pool_of(worker)
    if pool is None:
        return None
    if pool.pool != "prefork":
        return f"worker {worker!r} has a {pool.pool} pool, which has no child processes"
    return None if slot is None else no_such_slot(pool, slot)


class KillChild(Fault):
    """SIGKILL the child of ``worker`` that has been busy longest; its main process lives on.

    With ``slot`` it is the child in that slot, counted from 0, whether it is busy or idle.

    - early ack: the task becomes FAILURE (WorkerLostError) and is not run again.
    - acks_late: the same; the main process acknowledges the message of the failed task.
    - acks_late + reject_on_worker_lost: requeued at the back of its queue, run again at once.
    """

    kind: Literal["kill_child"] = "kill_child"
    worker: Name
    slot: SlotNumber | None = None

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return no_children(scenario, self.worker, self.slot)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        chosen = {} if self.slot is None else {"slot": self.slot}
        return (Command(self.when, "kill_child", {"worker": self.worker} | chosen),)
