"""What a task manager answers: records that can be written as JSON as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far a task says that it is: the meta of its last ``update_state("PROGRESS", …)``."""

    current: float
    total: float


@dataclass(frozen=True)
class Status:
    """What is known of a task; every field can be written as JSON.

    ``state`` is one of Celery's, or PROGRESS, or what Celery would call PENDING: "EXPIRED"
    (there is neither a result nor a message any more: it ended and its result is older than
    ``result_expires``, or it was lost), "NOT ACCEPTED" (never published), "UNKNOWN" (the broker
    went away while it was published, and no message of it is there). ``retries`` is None unless
    the app has ``result_extended``.
    """

    id: str
    state: str
    progress: Progress | None = None
    result: Any = None
    error: str | None = None
    retries: int | None = None


@dataclass(frozen=True)
class Cancelled:
    """What became of a cancellation.

    ``asked``: whether workers were asked at all; ``heard``: those that answered. ``uncertain``
    says in sentences what is not guaranteed.
    """

    id: str
    state_before: str
    asked: bool
    heard: tuple[str, ...]
    uncertain: tuple[str, ...]


@dataclass(frozen=True)
class Inline:
    """What came of a task that was executed without a queue."""

    state: str
    result: Any = None
    error: str | None = None


@dataclass(frozen=True)
class ActiveTask:
    """A task that a worker is executing; ``started_s``: since the epoch, by the worker's clock."""

    id: str
    task: str
    worker: str
    started_s: float | None


def told(task_id: str, meta: Mapping[str, Any]) -> Status:
    """Return what a stored result says; an exception in it is text already, and stays so."""
    state, result = meta["status"], meta.get("result")
    retries = meta.get("retries")
    if state == "PROGRESS" and isinstance(result, dict):
        return Status(task_id, state, _progress(result), result, None, retries)
    if isinstance(result, dict) and "exc_type" in result:
        return Status(task_id, state, error=_told(result), retries=retries)
    return Status(task_id, state, result=result, retries=retries)


def _progress(meta: Mapping[str, Any]) -> Progress | None:
    """Return the progress in a meta with ``current`` and ``total`` or, in per cent, ``progress``.

    >>> _progress({"current": 3, "total": 10})
    Progress(current=3.0, total=10.0)
    """
    current, total = meta.get("current", meta.get("progress")), meta.get("total", 100)
    if not isinstance(current, int | float) or not isinstance(total, int | float):
        return None
    return Progress(float(current), float(total))


def _told(error: Mapping[str, Any]) -> str:
    message = error.get("exc_message")
    parts = message if isinstance(message, list) else [message]
    return f"{error['exc_type']}: {', '.join(map(str, parts))}"


def uncertain(before: str, heard: tuple[str, ...], terminate: bool) -> Iterator[str]:
    """Say what a cancellation does not guarantee."""
    if not heard:
        yield "no worker answered: the message waits, and a worker that starts later will run it"
    else:
        yield "a worker that did not answer, or starts later, may still run it"
    if not terminate:
        yield "if it runs already, it runs to its end"
    elif before != "PENDING":
        yield "only a prefork worker kills a running task, and what it has done so far stays done"
    yield "REVOKED as its state is no proof that it did not run"
