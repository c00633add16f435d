"""The failures: how an attempt can fail, and who records the end of a task that has no retry left.

Compare celery/worker/request.py (``on_failure``, ``on_timeout``) and celery/app/trace.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.engines.model import request, trips
from sandbox.engines.model.crash import OUT_OF_MEMORY
from sandbox.engines.model.downstream import FAILED, TIMED_OUT
from sandbox.engines.model.limits import HARD, SOFT
from sandbox.engines.model.outage import CUT_OFF
from sandbox.engines.model.subtask import SUBTASK_FAILED

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message
    from sandbox.engines.model.request import Settle
    from sandbox.engines.model.slot import Slot
    from sandbox.engines.model.worker import Worker

FAILS = "WorkFailed"
"""The outcome of a body that raises, by its drawn chance to."""

ERRORS: dict[str, dict[str, Any]] = {
    error: {"error": error}
    for error in (FAILS, SOFT, HARD, CUT_OFF, FAILED, TIMED_OUT, SUBTASK_FAILED)
}
"""What the record says of each outcome that is a failure."""
ERRORS |= {OUT_OF_MEMORY: {"error": "MemoryError"}, trips.NO_ROOM: {"error": trips.NO_ROOM}}

BEYOND_RETRY = frozenset({HARD, CUT_OFF, trips.NO_ROOM})
"""What no retry policy of the body sees: it is over, or its result is what fails."""


def report(worker: Worker, slot: Slot, message: Message, error: str) -> Settle | None:
    """Record that a task has failed for good; return what is done with its message, if late."""
    record, detail = worker.record, ERRORS[error]
    if message.kind.is_watched:
        worker.world.ends_badly(message, worker.name)
    if error == HARD:  # The main process has killed the child, and reports for it.
        record.message("child_lost", message, worker.name)
        record.message("failed", message, worker.name, detail)
        return request.after_timeout(worker, message)
    if error == CUT_OFF:  # The main process reports it, when it has a broker again.
        told = worker.pause
        assert told is not None
        told.later(record.execution, "failed", message, worker.name, slot.number, detail)
    elif error == trips.NO_ROOM:  # The main process hears of it, and cannot store that either.
        record.message("failed", message, worker.name, detail)
    else:
        record.execution("failed", message, worker.name, slot.number, detail)
    return request.after_failure(worker, message)
