"""The hooks: methods of Celery and kombu replaced by ones that write down what they do.

Celery's signals tell part of a worker's moments (recorder.py); the rest needs hooks on a few
named methods of Celery and kombu 5.7, and ``missing_hooks`` says which event kinds another
version cannot give.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from sandbox.engines.live.writer import Writer

_MOST_REMEMBERED = 100_000
"""More than a worker reserves at a time."""

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


def remember(known: dict[str, str], key: str, value: str) -> None:
    """Note the newest of a kind and forget the oldest: a worker may live for millions of tasks."""
    known.pop(key, None)
    known[key] = value
    if len(known) > _MOST_REMEMBERED:
        del known[next(iter(known))]


class Hooks:
    """The hooks of a worker's main process; its children inherit them and never call them."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.given_back: dict[str, str] = {}

    def connect(self, package: str = "") -> None:
        """Replace the methods of one package ("" for all) that this version has."""
        for path in HOOKS.keys() - missing_hooks().keys():
            if not path.startswith(package):
                continue
            owner, method = _resolve(path)
            wrapper = getattr(self, "_wrap_" + method.lstrip("_"))
            setattr(owner, method, wraps(getattr(owner, method))(wrapper(getattr(owner, method))))

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
            # A reply to an inspection can be restored, too: it is no task's message.
            task = payload["headers"].get("id") if payload else None
            if task is not None:
                name = tag.decode() if isinstance(tag, bytes) else tag
                remember(self.given_back, name, task)
                kind = "requeued" if leftmost else "restored"
                self.writer.write(kind, at=at, task=task, tag=name)
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
            self._write_of("rate_released", request)
            return original(consumer, request)

        return move_to_pool

    def _wrap_apply_eta_task(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def apply_eta_task(consumer: Any, request: Any) -> Any:
            self._write_of("eta_released", request)
            return original(consumer, request)

        return apply_eta_task

    def _hold(self, request: Any) -> None:
        self._write_of("rate_held", request)

    def _write_of(self, kind: str, request: Any) -> None:
        self.writer.write(kind, task=request.id, tag=request.message.delivery_tag)

    def _wrap_on_failure(self, original: Callable[..., Any]) -> Callable[..., Any]:
        from redis.exceptions import ResponseError

        def on_failure(request: Any, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            exc = exc_info.exception
            if isinstance(getattr(exc, "exc", exc), lost_process()):
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


def lost_process() -> tuple[type[BaseException], ...]:
    """Return the errors by which main reports a task for a child that is gone."""
    from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError

    return (WorkerLostError, Terminated, TimeLimitExceeded)
