"""The line before a dependency: who is served, who waits, what an outage ends. It has no clock.

Both engines use it, since a dependency is the sandbox's own in both: the model drives it with
virtual time, the live engine with a server's. What is compared is what Celery makes of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Generic, TypeVar

from sandbox.dependencies import Dependency

C = TypeVar("C")

SERVED, REFUSED, LEFT, ABANDONED = "served", "refused", "left", "abandoned"


class Line(ABC, Generic[C]):
    """The places of one dependency and the first-in-first-out line for them."""

    def __init__(self, settings: Dependency) -> None:
        self.name, self.capacity = settings.name, settings.capacity
        self.factor = 1.0
        self._waiting: deque[C] = deque()
        self._gone: dict[C, bool] = {}  # who is being served, and whether they have hung up
        self._outages = {"fail": 0, "hang": 0}

    @abstractmethod
    def begin(self, call: C) -> None:
        """Serve a call, and tell ``serve_out`` at its end."""

    @abstractmethod
    def ended(self, call: C, outcome: str) -> None:
        """Tell the caller, if it is still there: served, refused, left or abandoned."""

    @abstractmethod
    def changed(self, kind: str, how: str) -> None:
        """Tell that an outage has begun or that the last one is over."""

    # --- what a call does ------------------------------------------------------------

    def arrive(self, call: C) -> None:
        """Serve a call now or have it wait; fail it in an outage."""
        if self._outages["fail"]:
            self.ended(call, REFUSED)
            return
        self._waiting.append(call)
        self._serve_next()

    def serve_out(self, call: C) -> None:
        """End the service of a call, unless an outage has ended it before."""
        has_left = self._gone.pop(call, None)
        if has_left is not None:
            self.ended(call, ABANDONED if has_left else SERVED)
            self._serve_next()

    def leave(self, call: C) -> None:
        """Let a caller hang up: out of the line, but not out of a place."""
        if call in self._gone:
            self._gone[call] = True
        elif call in self._waiting:
            self._waiting.remove(call)
            self.ended(call, LEFT)

    def _serve_next(self) -> None:
        while self._waiting and len(self._gone) < self.capacity and not any(self._outages.values()):
            call = self._waiting.popleft()
            self._gone[call] = False
            self.begin(call)

    # --- outages, which may overlap --------------------------------------------------

    def go_down(self, how: str = "fail") -> None:
        """Begin an outage; one that fails ends every call that is here."""
        self._outages[how] += 1
        self.changed("dependency_down", how)
        if how == "fail":
            here = [*self._gone, *self._waiting]
            self._gone.clear()
            self._waiting.clear()
            for call in here:
                self.ended(call, REFUSED)

    def come_up(self, how: str = "fail") -> None:
        """End an outage; with the last one over, the line moves again."""
        self._outages[how] -= 1
        if not any(self._outages.values()):
            self.changed("dependency_up", how)
        self._serve_next()
