"""The front door and its visitors: n servers, a line before them, and polls.

Compare engines/live/front.py and engines/live/visitors.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sandbox.engines.model.alarm import Alarm
from sandbox.engines.model.chance import Chance
from sandbox.front import FrontDoor

if TYPE_CHECKING:
    from sandbox.engines.model.world import World

Then = Callable[[], None]


class Front:
    """The web workers: each does one piece of work at a time, first come, first served."""

    def __init__(self, world: World, door: FrontDoor) -> None:
        self.world, self.door, self.kind = world, door, world.kinds[str(door.task)]
        self._n_free = door.n_web_workers
        self._line: deque[Callable[[Then], None]] = deque()
        self.final: set[int] = set()
        times = door.arrivals_s(world.scenario)
        self.chance = Chance(self.kind.task, world.scenario.seed, len(times))
        for n, at_s in enumerate(times):
            world.n_sources += 1
            world.call_in(at_s, Visitor(self, n).ask)

    # --- the door --------------------------------------------------------------------

    def admit(self, work: Callable[[Then], None], *, is_poll: bool = False) -> bool:
        """Have a web worker do ``work``, now or in turn; False when too many wait already."""
        most = self.door.most_waiting
        if not (self._n_free or is_poll or most is None or len(self._line) < most):
            return False
        self._line.append(work)
        self._next()
        return True

    def _next(self) -> None:
        while self._n_free and self._line:
            self._n_free -= 1
            self._line.popleft()(self._over)

    def _over(self) -> None:
        self._n_free += 1
        self._next()

    # --- what a web worker does ------------------------------------------------------

    def do(self, n: int, answer: Callable[[str], None], over: Then) -> None:
        """Do request n itself, then answer."""
        outcome = "failed" if self.chance.fails(n, 0) else "done"
        takes_s = self.chance.service_s(n, 0) + self.door.request_s
        self.world.call_in(takes_s, _both, partial(answer, outcome), over)

    def publish(self, n: int, answer: Callable[[str], None], over: Then) -> None:
        """Publish task n, then answer 202."""
        world, message = self.world, self.world.first_message(self.kind, n)
        heard = Alarm(world.env)
        heard.callbacks = [lambda _: self.final.add(n)]
        world.results[message.key] = heard
        world.record.sent(message)

        def arrive() -> None:
            world.record.published(message)
            world.broker.publish(message)
            _both(partial(answer, "accepted"), over)

        world.call_in(self.door.request_s + world.overheads.publish_s, arrive)

    def look(self, n: int, answer: Callable[[str], None], over: Then) -> None:
        """Read task n's state from the result backend."""

        def read() -> None:
            outcome = "failed" if f"{self.kind.name}/{n}" in self.world.failed else "done"
            answer(outcome if n in self.final else "pending")
            over()

        request_s = self.door.request_s
        if request_s:
            self.world.call_in(request_s, read)
        else:
            read()


class Visitor:
    """One request: its answer, or polls until there is one, or its timeout."""

    def __init__(self, front: Front, n: int) -> None:
        self.front, self.n, self._is_over = front, n, False
        self.world, self.door = front.world, front.door
        self.key = f"{front.kind.name}/{n}"

    def ask(self) -> None:
        """Make the request."""
        self.world.record.note("requested", task=self.key)
        if self.door.timeout_s is not None:
            self.world.call_in(self.door.timeout_s, self._end, "timed out")
        work = self.front.do if self.door.mode == "sync" else self.front.publish
        if not self.front.admit(partial(work, self.n, self._answered)):
            self._end("refused")

    def _answered(self, what: str) -> None:
        if self._is_over:
            return
        if what == "accepted":
            self.world.record.note("accepted", task=self.key)
        if what in ("accepted", "pending"):
            self.world.call_in(self.door.poll_every_s, self._poll)
        else:
            self._end(what)

    def _poll(self) -> None:
        if not self._is_over:
            self.world.record.note("polled", task=self.key)
            self.front.admit(partial(self.front.look, self.n, self._answered), is_poll=True)

    def _end(self, outcome: str) -> None:
        if not self._is_over:
            self._is_over = True
            self.world.record.note("answered", task=self.key, detail={"outcome": outcome})
            self.world.n_sources -= 1
            self.world.look()


def _both(first: Then, second: Then) -> None:
    first()
    second()
