"""SIGQUIT: a cold shutdown, as an impatient deployment ends with, or REMAP_SIGTERM begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault
from sandbox.parts import Name

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


def cannot_quit(scenario: Scenario, worker: str) -> str | None:
    """Return why a worker cannot be quit: one sentence, or None."""
    pool = scenario.pool_of(worker)
    if pool is None:
        return None
    if pool.pool != "prefork":
        return f"worker {worker!r} has a {pool.pool} pool, whose tasks nothing can cancel"
    if not pool.soft_shutdown_timeout_s:
        return None
    for task in scenario.tasks:
        if task.queue in pool.queues and (task.soft_time_limit_s or task.time_limit_s):
            return (
                f"worker {worker!r} has a soft_shutdown_timeout_s, in which nobody watches the "
                f"time limit of task {task.name!r}; allowed: one of the two"
            )
    return None


class QuitWorker(Fault):
    """SIGQUIT to the main process of ``worker``: a cold shutdown, after a soft one if it is set.

    It cancels what runs, then exits. With ``soft_shutdown_timeout_s`` it first lets tasks run
    that long: a sleep of its main process, which is not cut short when they end, and in which
    no other task begins.

    - early ack: what ran is lost, and its result says RETRY; prefetched ones go back at once.
    - acks_late: all of it goes back to the front of its queue when the worker exits.
    - acks_late + reject_on_worker_lost: the same.
    """

    kind: Literal["quit_worker"] = "quit_worker"
    worker: Name

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return cannot_quit(scenario, self.worker)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "quit_worker", {"worker": self.worker}),)
