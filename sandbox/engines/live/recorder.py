"""The recorder: one line for each event of a worker, client or operator.

Each process that Celery runs in appends to a file of its own (a child to that of its slot),
stamped with the monotonic clock that all processes of a host share. Celery's signals, which are
connected here, give part of the moments; the rest needs hooks (hooks.py).
"""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import datetime
from typing import Any

from sandbox.engines.live.hooks import Hooks, lost_process, remember
from sandbox.engines.live.writer import Writer


def record_publishing(writer: Writer) -> None:
    """Write ``sent`` before and ``published`` after each publish of this process."""
    from celery import signals

    def sent(headers: dict[str, Any] | None = None, **rest: Any) -> None:
        headers = headers or {}
        eta = _monotonic(headers.get("eta"))
        writer.write(
            "sent",
            task=headers.get("id"),
            queue=rest.get("routing_key"),
            retry=headers.get("retries") or 0,
            detail={"eta": eta} if eta is not None else None,
        )

    def published(headers: dict[str, Any] | None = None, **_rest: Any) -> None:
        writer.write("published", task=(headers or {}).get("id"))

    signals.before_task_publish.connect(sent, weak=False)
    signals.after_task_publish.connect(published, weak=False)


def _monotonic(eta: str | None) -> float | None:
    """Return a message's ETA (ISO 8601) on the clock that events are stamped with."""
    if not eta:
        return None
    return datetime.fromisoformat(eta).timestamp() - time.time() + time.monotonic()


def record_worker(writer: Writer) -> None:
    """Hook everything a worker's main process and its children do; call before it starts."""
    record_publishing(writer)
    Hooks(writer).connect()
    _Main(writer).connect()
    _record_executions(writer)


def record_sweeps(writer: Writer) -> None:
    """Hook what a client that only sweeps does to messages: it restores those of others."""
    Hooks(writer).connect("kombu.")


def _slot(process: Any) -> int:
    """Return which of its worker's processes (or threads) runs this; billiard's ``process``."""
    index = getattr(process, "index", None)
    if index is not None:
        return int(index)
    _, _, number = threading.current_thread().name.rpartition("_")
    return int(number) if number.isdigit() else 0


def _record_executions(writer: Writer) -> None:
    """Write what happens to a task's body, in the process (or thread) that runs it."""
    from billiard import current_process
    from celery import signals

    def write(kind: str, task: Any, more: str = "", here: bool = True) -> None:
        request = task.request
        tag = (request.properties or {}).get("delivery_tag")
        if tag is not None:  # else it was called, not delivered
            if here:
                more = f',"slot":{_slot(current_process())},"retry":{request.retries}{more}'
            writer.write_task(kind, request.id, tag, more)

    def started(task: Any, **_rest: Any) -> None:
        write("started", task, f',"detail":{{"pid":{os.getpid()}}}')

    def succeeded(sender: Any, **_rest: Any) -> None:
        write("succeeded", sender)

    def retried(sender: Any, reason: Any = None, **_rest: Any) -> None:
        # For a child that is gone, the main process has published it, and there is no slot.
        here = not isinstance(getattr(reason, "exc", None), lost_process())
        write("retried", sender, f',"detail":{{"error":{json.dumps(str(reason)[:200])}}}', here)

    def up(**_rest: Any) -> None:
        slot = getattr(current_process(), "index", None)
        if slot is not None:
            writer.branch(str(slot))
        writer.write("_child_up", slot=slot, detail={"pid": os.getpid()})

    signals.worker_process_init.connect(up, weak=False)
    signals.task_prerun.connect(started, weak=False)
    signals.task_success.connect(succeeded, weak=False)
    signals.task_retry.connect(retried, weak=False)


class _Main:
    """The signals of a worker's main process; of a child's, only a failure."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.tags: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    def connect(self) -> None:
        """Connect the signals."""
        from celery import signals

        signals.worker_ready.connect(self._ready, weak=False)
        signals.task_received.connect(self._received, weak=False)
        signals.task_revoked.connect(self._revoked, weak=False)
        signals.task_failure.connect(self._failed, weak=False)

    def _ready(self, **_rest: Any) -> None:
        self.writer.write("worker_ready", detail={"pid": os.getpid()})

    def _received(self, request: Any, **_rest: Any) -> None:
        tag = request.message.delivery_tag
        remember(self.tags, request.id, tag)
        self.failed.pop(tag, None)
        self.writer.write_task("received", request.id, tag)
        if request.eta:
            self.writer.write("eta_held", task=request.id, tag=tag)

    def _revoked(self, request: Any, expired: bool = False, **_rest: Any) -> None:
        tag = (request.properties or {}).get("delivery_tag")
        reason = "expired" if expired else "revoked"
        self.writer.write("revoked", task=request.id, tag=tag, detail={"reason": reason})

    def _failed(self, sender: Any, task_id: str, exception: BaseException, **_rest: Any) -> None:
        """Write a task's final failure: by its child, or by main when the child is gone."""
        from billiard import current_process

        request = sender.request
        here = not isinstance(exception, lost_process())
        tag = (request.properties or {}).get("delivery_tag") if here else self.tags.get(task_id)
        if not here and (tag or "") in self.failed:
            return  # a hard time limit is reported twice: by the timer and by the lost child
        remember(self.failed, tag or "", task_id)
        self.writer.write(
            "failed",
            task=task_id,
            slot=_slot(current_process()) if here else None,
            tag=tag,
            retry=request.retries if here else None,
            detail={"error": f"{type(exception).__name__}: {exception}"[:200]},
        )
