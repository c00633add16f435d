"""The record: every event goes through here, in the order of virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import simpy

from sandbox.engines.commands import matches
from sandbox.faults import OnEvent
from sandbox.run import Event

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message

_new = tuple.__new__  # An Event without the cost of naming its fields, some seven times a task.


class Record:
    """The events so far, and who waits for one of them.

    A method for each shape of event, with the fields that a live worker's recorder gives it.
    """

    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self.events: list[Event] = []
        self.put: Callable[[Event], None] = self.events.append
        self._watches: list[_Watch] = []

    def note(self, kind: str, **fields: Any) -> None:
        """Record any event, now."""
        self.put(Event(self.env.now, kind, **fields))

    def sent(self, message: Message, worker: str | None = None) -> None:
        """Record that a client, or a worker that retries, begins to publish."""
        detail = None if message.eta_s is None else {"eta_s": message.eta_s}
        queue, retry = message.kind.queue, message.retry
        fields = (self.env.now, "sent", message.key, worker, None, queue, None, retry, detail)
        self.put(_new(Event, fields))

    def published(self, message: Message, worker: str | None = None) -> None:
        """Record that the broker has the message."""
        fields = (self.env.now, "published", message.key, worker, None, None, None, None, None)
        self.put(_new(Event, fields))

    def delivered(self, message: Message, worker: str) -> None:
        """Record that a worker has taken the message from its queue."""
        queue, tag, retry = message.kind.queue, message.tag, message.retry
        fields = (self.env.now, "delivered", message.key, worker, None, queue, tag, retry, None)
        self.put(_new(Event, fields))

    def message(
        self, kind: str, message: Message, worker: str | None, detail: dict[str, Any] | None = None
    ) -> None:
        """Record what a worker's main process, or a sweep, does with a message."""
        fields = (self.env.now, kind, message.key, worker, None, None, message.tag, None, detail)
        self.put(_new(Event, fields))

    def execution(
        self, kind: str, message: Message, worker: str, slot: int,
        detail: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Record what happens to a task's body in a child."""
        tag, retry = message.tag, message.retry
        fields = (self.env.now, kind, message.key, worker, slot, None, tag, retry, detail)
        self.put(_new(Event, fields))

    # --- who waits for an event ------------------------------------------------------

    def watch(
        self, what: OnEvent, then: Callable[[Event], None], *, since: int = 0
    ) -> Callable[[], None]:
        """Call ``then`` with the event, as soon as it is or at once if it has been.

        Counts the events after the first ``since``. Returns what ends the watch.
        """
        watch = _Watch(what, then)
        for event in self.events[since:]:
            if watch.sees(event):
                then(event)
                return lambda: None
        self._watches.append(watch)
        self.put = self._put_watched
        return lambda: self._drop(watch)

    def _put_watched(self, event: Event) -> None:
        self.events.append(event)
        for watch in [watch for watch in self._watches if watch.sees(event)]:
            self._drop(watch)
            watch.then(event)

    def _drop(self, watch: _Watch) -> None:
        if watch in self._watches:
            self._watches.remove(watch)
        if not self._watches:
            self.put = self.events.append  # Nobody waits: recording is an append again.


class _Watch:
    """One wait for the n-th event of a kind."""

    def __init__(self, what: OnEvent, then: Callable[[Event], None]) -> None:
        self.what, self.then, self.left = what, then, what.nth

    def sees(self, event: Event) -> bool:
        """Count an event; tell whether it is the one."""
        self.left -= matches(self.what, event)
        return self.left == 0
