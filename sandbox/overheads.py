"""Overheads: what Celery, the broker and this machine add to the work itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from sandbox.errors import ScenarioError, one_of
from sandbox.parts import Part, Probability

_Seconds = Annotated[float, Field(ge=0, le=3600, strict=True)]
_Share = Annotated[float, Field(ge=0, le=100, strict=True)]
_P_INSTANT = "p_instant_detection"


class Overheads(Part):
    """Seconds that a task costs beside its own work, measured on no-op tasks only.

    Never fitted to the scenario that is compared. ``errors`` holds the half-width of a
    figure's 95 % interval as a share of the figure; ``relative_error`` is that share for a
    figure that ``errors`` does not name. Raises ScenarioError for an error of no figure.

    >>> Overheads(errors={"publish_s": 0.1}).error("publish_s")
    0.1
    """

    round_trip_s: _Seconds = 0.0002
    """One command to the broker and its answer; a part of most figures, added to none."""
    publish_s: _Seconds = 0.002
    """A client's publish call: two tasks of one burst are this far apart."""
    deliver_s: _Seconds = 0.002
    """From a message's arrival in an idle broker to the worker's `received`, one at a time."""
    dispatch_s: _Seconds = 0.001
    """From `received` by a worker with an idle process to `started` in that process."""
    dispatch_threads_s: _Seconds = 0.001
    """The same in a worker whose pool is threads."""
    body_s: _Seconds = 0.002
    """From `started` to `succeeded` of a task whose body does nothing: the stored result."""
    body_ignored_s: _Seconds = 0.0005
    """The same of a task with ``ignore_result``, which stores none."""
    finish_s: _Seconds = 0.002
    """From `succeeded` until the process can start the next task that waits for it."""
    ack_s: _Seconds = 0.002
    """From `succeeded` until the late acknowledgement frees the prefetch credit."""
    child_start_s: _Seconds = 0.2
    """From the notice that a child died to its replacement's readiness."""
    worker_start_s: _Seconds = 0.6
    """From the order to start a worker to its readiness."""
    worker_exit_s: _Seconds = 1.7
    """Of a warm shutdown with child processes: from its last task's end, or from the order where
    none runs, to the worker's exit. Without child processes it is over after the last ack."""
    p_instant_detection: Probability = 0.4
    """Chance that a killed child is noticed at once, not at the next 5 s maintenance tick."""
    detection_s: _Seconds = 0.04
    """From the kill to the notice, when it is noticed at once."""
    sweep_s: _Seconds = 0.3
    """From the order to skip until the sweep has restored the messages."""
    errors: Mapping[str, _Share] = {}
    relative_error: _Share = 0.25
    source: str = "defaults, not measured on this machine"

    @model_validator(mode="after")
    def _errors_are_of_figures(self) -> Self:
        for name in self.errors:
            if name not in self.figures():
                raise ScenarioError(f"errors has {name!r}; allowed: {one_of(name, self.figures())}")
        return self

    @classmethod
    def figures(cls) -> tuple[str, ...]:
        """Return the names of what is measured: every duration, and the one chance."""
        return tuple(name for name in cls.model_fields if name.endswith("_s") or name == _P_INSTANT)

    def body_cost_s(self, *, ignore_result: bool) -> float:
        """Return what the body of a task takes beside its own work (s)."""
        return self.body_ignored_s if ignore_result else self.body_s

    def error(self, figure: str) -> float:
        """Return the half-width of a figure's 95 % interval, as a share of the figure."""
        return self.errors.get(figure, self.relative_error)

    def scaled(self, factor: float) -> Overheads:
        """Return the overheads with every duration multiplied by ``factor``.

        >>> Overheads(publish_s=0.002).scaled(2.0).publish_s
        0.004
        """
        return self.but(**{name: getattr(self, name) * factor for name in self._durations()})

    def moved(self, by: float) -> Overheads:
        """Return the overheads with every duration moved by ``by`` of its own half-widths.

        1 is the costly end of every interval at once and -1 the cheap one, as on a machine
        that is slower or faster altogether. The chance of an instant detection stays: the
        few kills of one further run vary by that chance itself, not by what is known of it.

        >>> Overheads(publish_s=0.002, errors={"publish_s": 0.5}).moved(1).publish_s
        0.003
        """
        moved = {
            # A factor and its inverse, so that no cost is moved below zero.
            name: min(3600.0, getattr(self, name) * (1 + self.error(name)) ** by)
            for name in self._durations()
        }
        return self.but(**moved)

    @classmethod
    def _durations(cls) -> tuple[str, ...]:
        return tuple(name for name in cls.figures() if name != _P_INSTANT)
