"""The session's side of beat: which processes it takes, and the verb that starts a second one.

A scenario with an app of its own has its entries published by a real ``celery beat`` (beat.py). Of
a generated one they are part of the client's plan, at exactly the model's times: its rows are
compared to the millisecond, and there is no ``beat_schedule`` of anybody's to be true to.
"""

from __future__ import annotations

from sandbox.engines.commands import second_beat
from sandbox.engines.live.deploy import DeployControls
from sandbox.faults import At, OnEvent
from sandbox.scenario import Scenario

BEAT = "beat"
"""The name of the first beat's process, of its link to the broker, and of the role of all."""


def is_real(scenario: Scenario) -> bool:
    """Return whether a ``celery beat`` of its own publishes the entries.

    >>> clock = {"name": "clock", "task": "hi", "every_s": 1.0}
    >>> hello = Scenario(
    ...     name="hello", tasks=[{"name": "hi"}], workers=[{}], horizon_s=2.0, beat=[clock]
    ... )
    >>> is_real(hello), is_real(hello.but(app="shop.app:app"))
    (False, True)
    """
    return bool(scenario.app and scenario.beat)


def processes(scenario: Scenario) -> tuple[str, ...]:
    """Return the processes that the scenario's beat takes from the start."""
    return (BEAT,) if is_real(scenario) else ()


def commands(scenario: Scenario) -> list[str]:
    """Return the shell command of each of them, as it is started outside the sandbox."""
    return [f"celery -A {scenario.app} beat" for _ in processes(scenario)]


class BeatControls(DeployControls):
    """Controls of a live session that may start further beats; ``more_beats`` has their names."""

    more_beats: tuple[str, ...] = ()

    def start_beat(self, *, when: At | OnEvent | None = None) -> None:
        """Start a second beat with the same schedule: from now on every entry is there twice."""
        if self._postponed("start_beat", {}, when):
            return
        self._log("start_beat")
        now_s = self._record.now()
        planned = second_beat(self.scenario, now_s)
        if is_real(self.scenario):
            self._fork_beat(now_s, [task for task, _ in planned])
        else:
            for task, at_s in planned:
                self.submit(task, when=At(at_s=at_s))

    def _fork_beat(self, now_s: float, tasks: list[str]) -> None:
        """Start the process; the numbers of what it will publish are taken here and now."""
        first: dict[str, int] = {}
        for task in tasks:
            first.setdefault(task, next(self._by_hand[task]))
        name = f"{BEAT}{len(self.more_beats) + 2}"
        self.more_beats += (name,)
        self._processes.order("client", name=name, role=BEAT, **self.links.of(BEAT))
        go = {"go": (self._record.t0 or 0.0) + now_s, "now_s": now_s, "first": first}
        self._processes.order("tell", name=name, message=go)
