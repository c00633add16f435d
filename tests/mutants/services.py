"""Wrong models of dependencies, groups and chords, and the front door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.engines import downstream as line
from sandbox.engines.model import broker, chords, downstream, front, world
from sandbox.loads import Group
from tests.mutants.registry import Patch, after, mutant

# --- dependencies --------------------------------------------------------------------------


@mutant("a dependency serves all at once", "four callers, two places")
def _(patch: Patch) -> None:
    after(patch, line.Line, "__init__", lambda self, _: setattr(self, "capacity", 99))


@mutant("a dependency that is out has its callers wait", "a call that is refused")
def _(patch: Patch) -> None:
    original = line.Line.go_down
    patch.setattr(line.Line, "go_down", lambda self, how="fail": original(self, "hang"))


@mutant("an outage ends no call that is under way", "a backoff longer than the outage")
def _(patch: Patch) -> None:
    original = line.Line.go_down

    def go_down(self: line.Line[Any], how: str = "fail") -> None:
        served, self._gone = self._gone, {}
        original(self, how)
        self._gone = served

    patch.setattr(line.Line, "go_down", go_down)


@mutant("a dependency that hangs refuses", "a dependency that hangs")
def _(patch: Patch) -> None:
    original = line.Line.go_down
    patch.setattr(line.Line, "go_down", lambda self, how="fail": original(self, "fail"))


@mutant("no limit counts in a call", "a hard limit in a call that hangs")
def _(patch: Patch) -> None:
    original = downstream.Attempt.begin
    patch.setattr(
        downstream.Attempt, "begin", lambda self, work_s, *_: original(self, work_s, None, "done")
    )


@mutant("who hangs up takes the work along", "a call that is served to nobody")
def _(patch: Patch) -> None:
    original = line.Line.leave

    def leave(self: line.Line[Any], call: Any) -> None:
        original(self, call)
        self.serve_out(call)

    patch.setattr(line.Line, "leave", leave)


@mutant("slow_dependency slows nothing", "a slow dependency")
def _(patch: Patch) -> None:
    patch.setattr(
        line.Line, "factor", property(lambda self: 1.0, lambda self, value: None), raising=False
    )


# --- groups and chords ---------------------------------------------------------------------


@mutant("a group is a chain", "a group")
def _(patch: Patch) -> None:
    original = Group.arrivals_s
    patch.setattr(Group, "arrivals_s", lambda self, *a, **k: original(self, *a, **k)[:1])


@mutant("a body does not wait for the last of its header", "a chord's body after its header")
def _(patch: Patch) -> None:
    def smaller(self: chords.Chord, *_: object) -> None:
        self.size -= 1

    after(patch, chords.Chord, "__init__", smaller)


@mutant("a body follows the report of its header", "a chord of one process")
def _(patch: Patch) -> None:
    from sandbox.engines.model import pool

    def report_first(self: pool.Pool, slot: Any) -> Any:
        message = slot.message
        self.record.succeeded(message, self.name, slot.number)
        body = self.world.chords.part(message, self.name, succeeded=True)
        if body is not None:
            yield from self._publish(slot.alarm, body)
        self._end(slot, message)

    patch.setattr(pool.Pool, "_succeed_watched", report_first)


@mutant("a header task counts as often as it runs", "a header task that runs twice counts once")
def _(patch: Patch) -> None:
    original = chords.Chords.part

    def part(
        self: chords.Chords, message: broker.Message, worker: str, *, succeeded: bool
    ) -> broker.Message | None:
        chord = self._of.get(message.key)
        if chord is not None and len(chord.succeeded) == chord.size:
            chord.succeeded.clear()
        return original(self, message, worker, succeeded=succeeded)

    patch.setattr(chords.Chords, "part", part)


@mutant("a body comes whatever became of its header", "a failing header")
def _(patch: Patch) -> None:
    original = chords.Chords.part
    patch.setattr(
        chords.Chords, "part",
        lambda self, message, worker, *, succeeded: original(self, message, worker, succeeded=True),
    )  # fmt: skip


@mutant("a chord does not hear of failures", "an expired header")
def _(patch: Patch) -> None:
    patch.setattr(world.World, "ends_badly", lambda self, message, worker: None)


# --- the front door ------------------------------------------------------------------------


@mutant("a door has one web worker", "two web workers that do it themselves")
def _(patch: Patch) -> None:
    _door(patch, n_web_workers=1)


@mutant("a door has a web worker for everybody", "three web workers that do it themselves")
def _(patch: Patch) -> None:
    _door(patch, n_web_workers=99)


@mutant("any number may wait at the door", "a door that is full")
def _(patch: Patch) -> None:
    _door(patch, most_waiting=None)


@mutant("a visitor sees the result as soon as it is there", "accepted, then polled for")
def _(patch: Patch) -> None:
    _door(patch, poll_every_s=0.02)


@mutant("visitors wait for ever", "visitors give up, the tasks are done")
def _(patch: Patch) -> None:
    _door(patch, timeout_s=None)


def _door(patch: Patch, **fields: Any) -> None:
    original: Callable[..., None] = front.Front.__init__
    patch.setattr(
        front.Front, "__init__", lambda self, world, door: original(self, world, door.but(**fields))
    )


@mutant("who gives up spares the work", "visitors give up, the door works on")
def _(patch: Patch) -> None:
    original = front.Front.admit

    def admit(self: front.Front, work: Any, *, is_poll: bool = False) -> bool:
        visitor = work.args[1].__self__

        def unless_gone(over: front.Then) -> None:
            if visitor._is_over:
                over()
            else:
                work(over)

        return original(self, unless_gone, is_poll=is_poll)

    patch.setattr(front.Front, "admit", admit)
