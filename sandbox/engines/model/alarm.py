"""An alarm: the one SimPy event of a process, set again for each of its waits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from heapq import heappush
from typing import Any

import simpy
from simpy.events import NORMAL, URGENT

from sandbox.engines.model.clock import Clock

Steps = Iterator[None]
"""A process: a generator that sets its alarm and then waits with a bare ``yield``."""


class Alarm(simpy.Event):
    """Wakes a process; cheaper than SimPy's own, which wants a new event for each wait.

    A process has one alarm for life. ``value`` tells the process what it rang with.
    """

    env: Clock
    value: Any = None

    def __init__(self, env: Clock) -> None:
        self.env, self.callbacks, self._ok = env, [], True

    def begin(self, steps: Steps) -> None:
        """Let a process take its first step at this moment, before all else."""
        # An ended generator gives its default, the alarm, back: SimPy does not look at it.
        self.callbacks = [partial(next, steps)]
        self.env.schedule(self, URGENT)

    def ring(self, delay_s: float = 0.0, value: Any = None) -> None:
        """Let the process go on ``delay_s`` seconds from now; once only for each wait."""
        clock, self.value = self.env, value
        if delay_s:
            heappush(clock.heap, (clock.now + delay_s, NORMAL, next(clock.serial), self))
        else:
            clock.line.append(self)

    def silence(self) -> None:
        """End the process where it stands: what the alarm was set for does not happen."""
        self.callbacks = []
