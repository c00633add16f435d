"""The record: every event goes through here, in the order of virtual time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from sandbox.engines.commands import matches
from sandbox.engines.model.clock import Clock
from sandbox.engines.model.rows import Row, Rows, event_of
from sandbox.faults import OnEvent
from sandbox.run import KINDS, Event

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message

_HOT = {"sent", "published", "delivered", "received", "started", "succeeded", "acked"}
"""What happens to every task, each by its own method."""


def _keep_nothing(*_: object) -> None:
    """Stand in for the method of a kind that is not kept."""


class Record:
    """The events so far, of the kinds that are kept, and who waits for one of them.

    A method for each shape of event, with the fields that a live worker's recorder gives it.
    ``kinds`` is what to keep, None for all; what nobody asked for costs next to nothing.
    """

    def __init__(self, env: Clock, kinds: Collection[str] | None = None) -> None:
        self.env = env
        self.events = Rows()
        self.put: Callable[[Row], None] = self.events.add
        self._watches: list[_Watch] = []
        self.kinds = set(KINDS if kinds is None else kinds)
        for kind in _HOT - self.kinds:
            setattr(self, kind, _keep_nothing)

    def note(self, kind: str, **fields: Any) -> None:
        """Record any event, now."""
        if kind in self.kinds:
            now_s = self.env.now
            self.put((now_s, kind, Event(now_s, kind, **fields), None, None))

    # --- what happens to every task ----------------------------------------------------

    def sent(self, message: Message, worker: str | None = None) -> None:
        """Record that a client, or a worker that retries, begins to publish."""
        self.put((self.env.now, "sent", message, worker, None))

    def published(self, message: Message, worker: str | None = None) -> None:
        """Record that the broker has the message."""
        self.put((self.env.now, "published", message, worker, None))

    def delivered(self, message: Message, worker: str) -> None:
        """Record that a worker has taken the message from its queue."""
        self.put((self.env.now, "delivered", message, worker, None))

    def received(self, message: Message, worker: str) -> None:
        """Record that the worker's consumer has read the message."""
        self.put((self.env.now, "received", message, worker, None))

    def started(self, message: Message, worker: str, slot: int) -> None:
        """Record that a child has begun the task's body."""
        self.put((self.env.now, "started", message, worker, slot))

    def succeeded(self, message: Message, worker: str, slot: int) -> None:
        """Record that the task's body has returned."""
        self.put((self.env.now, "succeeded", message, worker, slot))

    def acked(self, message: Message, worker: str) -> None:
        """Record that the message is gone from `unacked`."""
        self.put((self.env.now, "acked", message, worker, None))

    # --- what happens to some ----------------------------------------------------------

    def message(
        self, kind: str, message: Message, worker: str | None, detail: dict[str, Any] | None = None
    ) -> None:
        """Record what a worker's main process, or a sweep, does with a message."""
        if detail is not None:
            self.note(kind, task=message.key, worker=worker, tag=message.tag, detail=detail)
        elif kind in self.kinds:
            self.put((self.env.now, kind, message, worker, None))

    def execution(
        self, kind: str, message: Message, worker: str, slot: int, detail: dict[str, Any]
    ) -> None:
        """Record that the body of a task has ended otherwise than by returning."""
        self.note(
            kind, task=message.key, worker=worker, slot=slot,
            tag=message.tag, retry=message.retry, detail=detail,
        )  # fmt: skip

    def end(self) -> Rows:
        """Return what is known, and record nothing from now on."""
        self.events.close()
        self.put = self.events.add
        return self.events

    # --- who waits for an event ------------------------------------------------------

    def watch(
        self, what: OnEvent, then: Callable[[Event], None], *, since: int = 0
    ) -> Callable[[], None]:
        """Call ``then`` with the event, as soon as it is or at once if it has been.

        Counts the events after the first ``since``. Returns what ends the watch. From now on
        events of this kind are kept.
        """
        if what.event not in self.kinds:
            self.kinds.add(what.event)
            self.__dict__.pop(what.event, None)
        watch = _Watch(what, then)
        for event in self.events.since(since):
            if watch.sees(event):
                then(event)
                return lambda: None
        self._watches.append(watch)
        self.put = self._put_watched
        return lambda: self._drop(watch)

    def _put_watched(self, row: Row) -> None:
        self.events.add(row)
        concerned = [watch for watch in self._watches if watch.what.event == row[1]]
        if concerned:
            event = event_of(row)
            for watch in [watch for watch in concerned if watch.sees(event)]:
                self._drop(watch)
                watch.then(event)

    def _drop(self, watch: _Watch) -> None:
        if watch in self._watches:
            self._watches.remove(watch)
        if not self._watches:
            self.put = self.events.add  # Nobody waits: recording is adding to a list again.


class Waits(Record):
    """Keeps how long each task waited, from first sent to first started, and nothing else.

    Only for a fault that waits for an event are events kept, too.
    """

    def __init__(self, env: Clock) -> None:
        super().__init__(env, kinds=("sent", "started"))
        self.waits_s: list[float] = []
        self._sent_s: dict[Message, float] = {}

    def sent(self, message: Message, worker: str | None = None) -> None:
        """Note when a task is sent; its retries do not count."""
        if not message.retry:
            self._sent_s[message] = self.env.now

    def started(self, message: Message, worker: str, slot: int) -> None:
        """Note how long the task has waited, the first time it starts."""
        since_s = self._sent_s.pop(message, None)
        if since_s is not None:
            self.waits_s.append(self.env.now - since_s)
        if self._watches:
            super().started(message, worker, slot)


class _Watch:
    """One wait for the n-th event of a kind."""

    def __init__(self, what: OnEvent, then: Callable[[Event], None]) -> None:
        self.what, self.then, self.left = what, then, what.nth

    def sees(self, event: Event) -> bool:
        """Count an event; tell whether it is the one."""
        self.left -= matches(self.what, event)
        return self.left == 0
