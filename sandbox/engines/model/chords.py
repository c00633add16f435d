"""Chords: who has ended of each header, and the body that the last of them publishes.

Compare celery/backends/redis.py ``CHORD_PART_RETURN_LUA`` and ``on_chord_part_return``: the
first result of each header task counts, whoever records the last one sees to the body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engines.model.broker import Kind, Message
from sandbox.schedule import canvases

if TYPE_CHECKING:
    from sandbox.engines.model.world import World


class Chord:
    """One chord: what is known of its header's results."""

    def __init__(self, kind: Kind, n: int, size: int) -> None:
        self.kind, self.n, self.size = kind, n, size
        self.succeeded: dict[str, bool] = {}


class Chords:
    """The chords of a run, found by the keys of their header tasks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._of: dict[str, Chord] = {}
        for canvas in canvases(world.scenario):
            if canvas.body is not None:
                name, n = canvas.body
                chord = Chord(world.kinds[name], n, canvas.n)
                self._of |= dict.fromkeys(canvas.keys, chord)

    def part(self, message: Message, worker: str, *, succeeded: bool) -> Message | None:
        """Count a header task's result; return the body if it is to be published now."""
        chord = self._of.get(message.key)
        if chord is None or message.key in chord.succeeded:
            return None
        chord.succeeded[message.key] = succeeded
        if len(chord.succeeded) < chord.size:
            return None
        if all(chord.succeeded.values()):
            return self._world.first_message(chord.kind, chord.n)
        key = f"{chord.kind.name}/{chord.n}"
        self._world.record.note("chord_failed", task=key, worker=worker)
        return None
