"""SIGKILL to one process of a pool, as the kernel's out-of-memory killer does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault
from sandbox.parts import Name

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


def no_children(scenario: Scenario, worker: str) -> str | None:
    """Return why a worker has no child to kill: one sentence, or None."""
    pool = scenario.pool_of(worker)
    if pool is not None and pool.pool != "prefork":
        return f"worker {worker!r} has a {pool.pool} pool, which has no child processes"
    return None


class KillChild(Fault):
    """SIGKILL the child of ``worker`` that has been busy longest; its main process lives on.

    - early ack: the task becomes FAILURE (WorkerLostError) and is not run again.
    - acks_late: the same; the main process acknowledges the message of the failed task.
    - acks_late + reject_on_worker_lost: requeued at the back of its queue, run again at once.
    """

    kind: Literal["kill_child"] = "kill_child"
    worker: Name

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return no_children(scenario, self.worker)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "kill_child", {"worker": self.worker}),)
