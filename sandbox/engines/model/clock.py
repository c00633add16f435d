"""The clock: SimPy's environment, made quicker for what is due at this very moment."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from heapq import heappop, heappush

import simpy
from simpy.core import StopSimulation
from simpy.events import NORMAL, EventPriority

from sandbox.errors import EngineError

MOST_STEPS = 20_000_000
"""What a run may take: a million tasks need half of it, and it is a minute's work."""


class Clock(simpy.Environment):
    """Virtual time in seconds from 0; ``now`` is an attribute, because it is read so often.

    An event without a delay waits in a line and not in the heap: it comes after all that is
    due at this moment already, and before all that is due later, so the order is SimPy's.
    """

    now: float = 0.0

    def __init__(self) -> None:
        super().__init__(initial_time=0.0)
        self.heap, self.serial = self._queue, self._eid
        self.line: deque[simpy.Event] = deque()
        self._left = iter(range(MOST_STEPS))

    def schedule(
        self, event: simpy.Event, priority: EventPriority = NORMAL, delay: float = 0.0
    ) -> None:
        """Let an event happen ``delay`` seconds from now."""
        if delay or priority != NORMAL:
            heappush(self.heap, (self.now + delay, priority, next(self.serial), event))
        else:
            self.line.append(event)

    def run(self, until: object = None) -> None:
        """Let one event after the other happen, until one of them raises StopSimulation.

        Unlike SimPy's own loop it marks no event as processed, so an alarm can ring again,
        and looks for none that failed, since here none does.

        EngineError after ``MOST_STEPS`` in all, as where clients never think and tasks take
        no time.
        """
        heap, line = self.heap, self.line
        with suppress(StopSimulation):
            for _ in self._left:
                if line and not (heap and heap[0][0] <= self.now):
                    event = line.popleft()
                else:
                    self.now, _, _, event = heappop(heap)
                for callback in event.callbacks:
                    callback(event)
            raise EngineError(
                f"the model took {MOST_STEPS:,} steps by t = {self.now:g} s, which is all that is "
                "allowed; a shorter horizon_s, longer times or fewer tasks need fewer"
            )
