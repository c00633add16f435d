"""What became of each chord of a run: its body's fate, from the events of its header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandbox.run import Run
from sandbox.schedule import canvases

Fate = Literal["done", "under way", "failed", "waits"]


@dataclass(frozen=True)
class ChordFate:
    """One chord. ``missing``: the header tasks without a result, which the body waits for.

    ``done``: the body has succeeded. ``under way``: it is published. ``failed``: it is FAILURE,
    by ChordError or by its own work. ``waits``: neither, and with a lost header for ever.
    """

    body: str
    fate: Fate
    missing: tuple[str, ...]


def chords(run: Run) -> tuple[ChordFate, ...]:
    """Return the fate of each chord of a run, in the order of the loads.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> photos = Scenario(name="photos", tasks=[{"name": "resize"}, {"name": "zip"}], workers=[{}],
    ...     horizon_s=1.0, loads=[{"kind": "chord", "task": "resize", "n": 2, "body": "zip"}])
    >>> events = [Event(0.0, "sent", "resize/0"), Event(0.1, "failed", "resize/0")]
    >>> chords(Run(photos, tuple(events)))[0]
    ChordFate(body='zip/0', fate='waits', missing=('resize/1',))
    """
    failed = {event.task for event in run.of_kind("chord_failed")}
    found = []
    for canvas in canvases(run.scenario):
        if canvas.body is not None:
            body = f"{canvas.body[0]}/{canvas.body[1]}"
            missing = tuple(key for key in canvas.keys if not _has_result(run, key))
            found.append(ChordFate(body, _fate(run, body, body in failed), missing))
    return tuple(found)


def _has_result(run: Run, key: str) -> bool:
    journey = run.fold.journeys.get(key)
    return journey is not None and bool(
        journey.n_succeeded or journey.n_failed or journey.n_revoked
    )


def _fate(run: Run, body: str, has_chord_error: bool) -> Fate:
    journey = run.fold.journeys.get(body)
    if journey is None:
        return "failed" if has_chord_error else "waits"
    if journey.n_succeeded:
        return "done"
    return "failed" if journey.n_failed or has_chord_error else "under way"
