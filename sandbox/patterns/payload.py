"""The bytes that publishing a task would push to a list of the broker, without pushing them.

With them a message can become part of a transaction or a script in Redis, which publishing by
Celery alone cannot. A transport of kombu's own kind keeps what it is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.connection import Connection
from kombu.transport import virtual

from sandbox.patterns import lists


class _Channel(virtual.Channel):
    """A channel that keeps each message with the queue that it was meant for."""

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        self.connection.kept.append((queue, message))

    def _size(self, queue: str) -> int:
        return 0


class _Transport(virtual.Transport):
    Channel = _Channel
    driver_type = driver_name = "kept"

    def __init__(self, client: Any, **options: Any) -> None:
        self.kept: list[tuple[str, dict[str, Any]]] = []
        super().__init__(client, **options)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Message:
    """A message as Redis holds it, and the key of the list that it belongs to."""

    key: str
    payload: str


def message_of(
    app: Celery,
    task: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    **options: Any,
) -> Message:
    r"""Return the message that ``apply_async`` with these options would push.

    >>> app = Celery(broker="redis://", set_as_current=False)
    >>> made = message_of(app, "send", ["+49 1"], {}, task_id="send/3", queue="sms", priority=9)
    >>> made.key, json.loads(made.payload)["headers"]["id"]
    ('sms\x06\x169', 'send/3')
    """
    with Connection(transport=_Transport) as connection:  # type: ignore[no-untyped-call]
        signature = app.signature(task, args=tuple(args), kwargs=dict(kwargs))
        one = app.tasks.get(task, signature)
        ignored = bool(getattr(one, "ignore_result", False))
        one.apply_async(
            args=tuple(args),
            kwargs=dict(kwargs),
            connection=connection,
            ignore_result=True,
            headers={"ignore_result": ignored},
            **options,
        )
        ((queue, message),) = connection.transport.kept
    priority = int(message["properties"].get("priority") or 0)
    return Message(lists.Keys.of(app).list_for(queue, priority), json.dumps(message))
