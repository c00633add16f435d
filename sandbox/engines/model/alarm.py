"""An alarm: a bare SimPy event that somebody else sets."""

from __future__ import annotations

from typing import Any

import simpy
from simpy.events import NORMAL


class Alarm(simpy.Event):
    """What an idle process waits for; cheaper than a timeout, a condition or an interrupt."""

    def ring(self, delay_s: float = 0.0, value: Any = None) -> None:
        """Wake the process ``delay_s`` seconds from now, with a value; once only."""
        self._ok, self._value = True, value
        self.env.schedule(self, NORMAL, delay_s)
