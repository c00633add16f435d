"""Subtasks: a body publishes a task and waits for its result, in its slot.

Compare engines/model/subtask.py.
"""

from __future__ import annotations

from celery import Task

from sandbox.engines.live.publish import publishing
from sandbox.scenario import Scenario, TaskType
from sandbox.schedule import subtask_number


class SubtaskFailed(Exception):  # noqa: N818 - what a reader of a task's result sees
    """A subtask has failed, or was revoked; an ordinary exception to Celery."""


def wait_for(child: TaskType, scenario: Scenario, parent: Task, number: int) -> None:
    """Publish the subtask of an attempt and return when it has succeeded; else SubtaskFailed.

    ``disable_sync_subtasks=False`` lifts the guard (celery/result.py ``assert_will_not_block``)
    as ``with allow_join_result()`` does, which sets one flag for all threads of a process. The
    subtask's own error is not raised here: a WorkerLostError would make the main process take
    the parent for lost, too (celery/worker/request.py ``on_failure``).
    """
    n = subtask_number(scenario, parent.name, number, parent.request.retries)
    subtask = parent.app.tasks[child.name]
    result = subtask.apply_async(task_id=f"{child.name}/{n}", **publishing(child))
    result.get(propagate=False, disable_sync_subtasks=False)
    if not result.successful():
        raise SubtaskFailed(f"{result.id} ended in {result.state}")
