"""The recorder: hooks that write one line for each event of a worker, client or operator.

Each process that Celery runs in appends to a file of its own (a child to that of its slot),
stamped with the monotonic clock that all processes of a host share. Celery's signals give
part of the moments; the rest needs hooks on a few named methods of Celery and kombu 5.7, and
``missing_hooks`` says which event kinds another version cannot give.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from sandbox.engines.live.writer import Writer as Writer  # noqa: PLC0414 - used from here

HOOKS = {
    "kombu.transport.redis:QoS.append": ("delivered",),
    "kombu.transport.redis:QoS.ack": ("acked",),
    "kombu.transport.redis:QoS.reject": ("rejected",),
    "kombu.transport.redis:QoS.restore_by_tag": ("restored", "requeued"),
    "kombu.transport.redis:QoS.restore_visible": ("sweep",),
    "kombu.transport.redis:Channel._do_restore_message": ("restored", "requeued"),
    "celery.worker.consumer.consumer:Consumer._limit_task": ("rate_held",),
    "celery.worker.consumer.consumer:Consumer._limit_move_to_pool": ("rate_released",),
    "celery.worker.consumer.consumer:Consumer.apply_eta_task": ("eta_released",),
    "celery.worker.consumer.consumer:Consumer._limit_post_eta": ("eta_released",),
    "celery.worker.consumer.consumer:Consumer.on_close": ("disconnected",),
    "celery.worker.request:Request.on_failure": ("child_lost",),
    "celery.backends.base:Backend.chord_error_from_stack": ("chord_failed",),
    "celery.worker.autoscale:Autoscaler._maybe_scale": ("scaled",),
    "celery.concurrency.asynpool:AsynPool._create_worker_process": ("_child_forking",),
}
"""Every method of Celery or kombu that is hooked, and the kinds of lines that come from it.

A kind that begins with an underscore is a note: it is no event of the run.
"""


def _resolve(path: str) -> tuple[Any, str]:
    """Return (class, method name) of a hook; AttributeError or ImportError when it is gone."""
    module_name, _, dotted = path.partition(":")
    class_name, _, method = dotted.partition(".")
    module = __import__(module_name, fromlist=[class_name])
    owner = getattr(module, class_name)
    getattr(owner, method)
    return owner, method


def missing_hooks(hooks: dict[str, tuple[str, ...]] | None = None) -> dict[str, tuple[str, ...]]:
    """Return the hooks that this Celery or kombu does not have, with the kinds it cannot give.

    >>> missing_hooks({"kombu.transport.redis:QoS.gone": ("acked",)})
    {'kombu.transport.redis:QoS.gone': ('acked',)}
    """
    missing = {}
    for path, kinds in (HOOKS if hooks is None else hooks).items():
        try:
            _resolve(path)
        except (ImportError, AttributeError):
            missing[path] = kinds
    return missing


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
    _Main(writer).connect()
    _record_executions(writer)


def record_sweeps(writer: Writer) -> None:
    """Hook what a client that only sweeps does to messages: it restores those of others."""
    _Main(writer).hook("kombu.")


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
        here = not isinstance(getattr(reason, "exc", None), _lost())
        write("retried", sender, f',"detail":{{"error":{json.dumps(str(reason)[:200])}}}', here)

    def up(**_rest: Any) -> None:
        slot = getattr(current_process(), "index", None)
        if slot is not None:
            writer.branch(str(slot))
        writer.write("_child_up")

    signals.worker_process_init.connect(up, weak=False)
    signals.task_prerun.connect(started, weak=False)
    signals.task_success.connect(succeeded, weak=False)
    signals.task_retry.connect(retried, weak=False)


class _Main:
    """The hooks of a worker's main process; its children inherit them and never call them."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.tags: dict[str, str] = {}
        self.held: set[str] = set()
        self.given_back: dict[str, str | None] = {}
        self.failed: set[str | None] = set()
        self.pid = os.getpid()

    def connect(self) -> None:
        """Connect the signals and replace the methods that this version has."""
        from celery import signals

        self.hook("")
        signals.worker_ready.connect(self._ready, weak=False)
        signals.task_received.connect(self._received, weak=False)
        signals.task_revoked.connect(self._revoked, weak=False)
        signals.task_failure.connect(self._failed, weak=False)

    def hook(self, package: str) -> None:
        """Replace the methods of one package ("" for all) that this version has."""
        for path in HOOKS.keys() - missing_hooks().keys():
            if not path.startswith(package):
                continue
            owner, method = _resolve(path)
            wrapper = getattr(self, "_wrap_" + method.lstrip("_"))
            setattr(owner, method, wraps(getattr(owner, method))(wrapper(getattr(owner, method))))

    # --- signals ---------------------------------------------------------------------

    def _ready(self, **_rest: Any) -> None:
        self.writer.write("worker_ready", detail={"pid": os.getpid()})

    def _received(self, request: Any, **_rest: Any) -> None:
        tag = request.message.delivery_tag
        self.tags[request.id] = tag
        self.failed.discard(tag)
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
        here = not isinstance(exception, _lost())
        tag = (request.properties or {}).get("delivery_tag") if here else self.tags.get(task_id)
        if not here and tag in self.failed:
            return  # a hard time limit is reported twice: by the timer and by the lost child
        self.failed.add(tag)
        self.writer.write(
            "failed",
            task=task_id,
            slot=_slot(current_process()) if here else None,
            tag=tag,
            retry=request.retries if here else None,
            detail={"error": f"{type(exception).__name__}: {exception}"[:200]},
        )

    # --- kombu: a message's way ------------------------------------------------------

    def _wrap_append(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def append(qos: Any, message: Any, delivery_tag: str) -> Any:
            task, at = message.headers.get("id"), time.monotonic()
            result = original(qos, message, delivery_tag)
            if task is not None:
                queue = json.dumps(message.delivery_info.get("routing_key"))
                more = f',"queue":{queue},"retry":{message.headers.get("retries") or 0}'
                self.writer.write_task("delivered", task, delivery_tag, more, at)
            return result

        return append

    def _task_of(self, qos: Any, tag: str) -> str | None:
        message = qos._delivered.get(tag)  # noqa: SLF001 - kombu keeps the message nowhere else
        # One that has been restored can still be acknowledged: the tag is that of its new owner.
        return self.given_back.get(tag) if message is None else message.headers.get("id")

    def _wrap_ack(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def ack(qos: Any, delivery_tag: str) -> Any:
            task, at = self._task_of(qos, delivery_tag), time.monotonic()
            result = original(qos, delivery_tag)
            if task is not None:
                self.writer.write_task("acked", task, delivery_tag, at=at)
            return result

        return ack

    def _wrap_reject(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def reject(qos: Any, delivery_tag: str, requeue: bool = False) -> Any:
            task, at = self._task_of(qos, delivery_tag), time.monotonic()
            result = original(qos, delivery_tag, requeue=requeue)
            if task is not None and not requeue:
                self.writer.write("rejected", at=at, task=task, tag=delivery_tag)
            return result

        return reject

    def _wrap_do_restore_message(self, original: Callable[..., Any]) -> Callable[..., Any]:
        # The transaction around it may be tried again; only the last try counts.
        def do_restore(channel: Any, payload: Any, *args: Any, **kwargs: Any) -> Any:
            channel.sandbox_restored = payload
            return original(channel, payload, *args, **kwargs)

        return do_restore

    def _wrap_restore_by_tag(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def restore_by_tag(qos: Any, tag: Any, client: Any = None, leftmost: bool = False) -> Any:
            qos.channel.sandbox_restored = None
            at = time.monotonic()
            result = original(qos, tag, client=client, leftmost=leftmost)
            payload = qos.channel.sandbox_restored
            if payload:
                name = tag.decode() if isinstance(tag, bytes) else tag
                self.given_back[name] = payload["headers"].get("id")
                kind = "requeued" if leftmost else "restored"
                self.writer.write(kind, at=at, task=payload["headers"].get("id"), tag=name)
            return result

        return restore_by_tag

    def _wrap_restore_visible(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def restore_visible(qos: Any, start: int = 0, num: int = 10, interval: int = 10) -> Any:
            # kombu counts the calls and looks at the broker on every interval-th one.
            looks = qos._vrestore_count % (interval or 1) == 0  # noqa: SLF001
            if looks:
                self.writer.write("sweep")
            return original(qos, start=start, num=num, interval=interval)

        return restore_visible

    # --- celery: what the consumer holds ---------------------------------------------

    def _wrap_limit_task(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def limit_task(consumer: Any, request: Any, bucket: Any, tokens: Any) -> Any:
            self._hold(request)
            return original(consumer, request, bucket, tokens)

        return limit_task

    def _wrap_on_close(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def on_close(consumer: Any) -> Any:
            keeps = type(consumer.pool).__module__ == "celery.concurrency.thread"
            self.writer.write("disconnected", detail={"keeps": True} if keeps else None)
            return original(consumer)

        return on_close

    def _wrap_limit_post_eta(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def limit_post_eta(consumer: Any, request: Any, bucket: Any, tokens: Any) -> Any:
            self._write_of("eta_released", request)
            self._hold(request)
            return original(consumer, request, bucket, tokens)

        return limit_post_eta

    def _wrap_limit_move_to_pool(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def move_to_pool(consumer: Any, request: Any) -> Any:
            self.held.discard(request.message.delivery_tag)
            self._write_of("rate_released", request)
            return original(consumer, request)

        return move_to_pool

    def _wrap_apply_eta_task(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def apply_eta_task(consumer: Any, request: Any) -> Any:
            self._write_of("eta_released", request)
            return original(consumer, request)

        return apply_eta_task

    def _hold(self, request: Any) -> None:
        self.held.add(request.message.delivery_tag)
        self._write_of("rate_held", request)

    def _write_of(self, kind: str, request: Any) -> None:
        self.writer.write(kind, task=request.id, tag=request.message.delivery_tag)

    def _wrap_on_failure(self, original: Callable[..., Any]) -> Callable[..., Any]:
        from redis.exceptions import ResponseError

        def on_failure(request: Any, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            exc = exc_info.exception
            if isinstance(getattr(exc, "exc", exc), _lost()):
                self._write_of("child_lost", request)
            try:
                return original(request, exc_info, *args, **kwargs)
            except ResponseError:
                # Its result is refused, as by a full Redis: nobody else ever says that it ended.
                self._write_of("failed", request)
                raise

        return on_failure

    def _wrap_chord_error_from_stack(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def chord_error(backend: Any, callback: Any, *args: Any, **kwargs: Any) -> Any:
            self.writer.write("chord_failed", task=callback.id)
            return original(backend, callback, *args, **kwargs)

        return chord_error

    def _wrap_maybe_scale(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def maybe_scale(scaler: Any, req: Any = None) -> Any:
            before = scaler.processes
            result = original(scaler, req)
            if scaler.processes != before:
                self.writer.write("scaled", detail={"processes": scaler.processes})
            return result

        return maybe_scale

    def _wrap_create_worker_process(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def create_worker_process(pool: Any, index: int) -> Any:
            # For a lost child, this is the moment at which its death has been noticed.
            self.writer.write("_child_forking")
            return original(pool, index)

        return create_worker_process


def _lost() -> tuple[type[BaseException], ...]:
    from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError

    return (WorkerLostError, Terminated, TimeLimitExceeded)
