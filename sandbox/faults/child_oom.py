"""A child out of memory: a leak in the newest release, inputs larger than a container's limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from sandbox.errors import ScenarioError
from sandbox.faults._base import Command, Fault
from sandbox.faults.kill_child import no_children
from sandbox.parts import Count, Name, Positive
from sandbox.slots import SlotNumber

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


_NO_WORKER = "slot is {slot!r} without a worker; allowed: None"


def no_child_to_kill(
    scenario: Scenario, task: str, worker: str | None = None, slot: object = None
) -> str | None:
    """Return why executions of a type have no child of their own there: one sentence, or None."""
    if worker is None and slot is not None:
        return _NO_WORKER.format(slot=slot)
    unknown = scenario.unknown_task(task)
    if unknown is not None:
        return unknown
    queue = scenario.task(task).queue
    if worker is not None and (chosen := scenario.pool_of(worker)) is not None:
        if queue not in chosen.queues:
            return f"worker {worker!r} does not take the queue of task {task!r}, {queue!r}"
        return no_children(scenario, worker, slot)
    for pool in scenario.workers:
        if queue in pool.queues and pool.pool != "prefork":
            return (
                f"worker pool {pool.name!r}, a {pool.pool} pool, takes the queue of task {task!r}; "
                "allowed: prefork pools"
            )
    return None


class ChildOom(Fault):
    """Have the next ``n`` executions of ``task`` that work longer than ``after_s`` killed there.

    So ends a child that takes more memory than there is: by the kernel's SIGKILL, at a moment of
    the body's own work; its worker lives on. ``n`` is None for all from now on. A ``kill_child``
    strikes one worker, whatever it runs, and a ``poison`` message is one too many; this strikes
    the tasks that the load publishes. An allocation that is refused is a ``memory_error``.
    With ``worker``, and ``slot`` counted from 0, only executions there are meant.

    - early ack: the task becomes FAILURE (WorkerLostError) and is not run again.
    - acks_late: the same; the main process acknowledges the message of the failed task.
    - acks_late + reject_on_worker_lost: requeued at the back of its queue and run again, and
      killed again as long as ``n`` lasts; without an end where ``n`` is None.
    """

    platforms: ClassVar[str] = "Linux and macOS, whose kernel has no out-of-memory killer"
    kind: Literal["child_oom"] = "child_oom"
    task: Name
    after_s: Positive
    n: Count | None = 1
    worker: Name | None = None
    slot: SlotNumber | None = None

    @model_validator(mode="after")
    def _slot_of_a_worker(self) -> ChildOom:
        if self.worker is None and self.slot is not None:
            raise ScenarioError(_NO_WORKER.format(slot=self.slot))
        return self

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return no_child_to_kill(scenario, self.task, self.worker, self.slot)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        arguments: dict[str, Any] = {"task": self.task, "after_s": self.after_s, "n": self.n}
        chosen = {"worker": self.worker, "slot": self.slot}
        arguments |= {name: value for name, value in chosen.items() if value is not None}
        return (Command(self.when, "child_oom", arguments),)
