"""Overheads: what Celery, the broker and this machine add to the work itself."""

from __future__ import annotations

from sandbox.parts import NonNegative, Part, Probability


class Overheads(Part):
    """Seconds that a task costs beside its own work, measured on no-op tasks only.

    Never fitted to the scenario that is compared. ``relative_error`` is the half-width of
    the calibration's own interval as a share of each figure.

    >>> Overheads().publish_s > 0
    True
    """

    publish_s: NonNegative = 0.002
    """A client's publish call: two tasks of one burst are this far apart."""
    deliver_s: NonNegative = 0.002
    """From a message's arrival in an idle broker to the worker's `received`, one at a time."""
    dispatch_s: NonNegative = 0.001
    """From `received` by a worker with an idle process to `started` in that process."""
    body_s: NonNegative = 0.002
    """From `started` to `succeeded` of a task whose body does nothing: the stored result."""
    finish_s: NonNegative = 0.002
    """From `succeeded` until the process can start the next task that waits for it."""
    ack_s: NonNegative = 0.002
    """From `succeeded` until the late acknowledgement frees the prefetch credit."""
    child_start_s: NonNegative = 0.03
    """From the death of a child to its replacement's readiness, once noticed."""
    worker_start_s: NonNegative = 0.6
    """From the order to start a worker to its readiness."""
    p_instant_detection: Probability = 0.5
    """Chance that a killed child is noticed at once, not at the next 5 s maintenance tick."""
    detection_s: NonNegative = 0.1
    """From the kill to the notice, when it is noticed at once."""
    sweep_s: NonNegative = 0.3
    """From the order to skip until the sweep has restored the messages."""
    relative_error: NonNegative = 0.25
    source: str = "defaults, not measured on this machine"

    def scaled(self, factor: float) -> Overheads:
        """Return the overheads with every duration multiplied by ``factor``.

        >>> Overheads(publish_s=0.002).scaled(2.0).publish_s
        0.004
        """
        times = [name for name in type(self).model_fields if name.endswith("_s")]
        return self.but(**{name: getattr(self, name) * factor for name in times})
