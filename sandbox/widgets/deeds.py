"""Deeds: what was done to a session by hand, as a scenario that does it again by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from sandbox.engines import Session
from sandbox.engines.commands import matches
from sandbox.faults import FAULTS, At, Fault, OnEvent
from sandbox.faults.bandwidth import Bandwidth
from sandbox.faults.cut_off import CutOff
from sandbox.faults.latency import Latency
from sandbox.faults.maxmemory import MaxMemory
from sandbox.faults.pause_broker import MOST_S, PauseBroker
from sandbox.loads import Burst
from sandbox.run import Event
from sandbox.scenario import Scenario

_LEAST_S = 0.001


class Deed(NamedTuple):
    """A verb that was carried out, or ordered for later: ``controls.<verb>(**arguments)``."""

    when: At | OnEvent
    verb: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        """Say when, and which call."""
        call = f"{self.verb}({', '.join(repr(value) for value in self.arguments.values())})"
        if isinstance(self.when, At):
            return f"{self.when.at_s:.1f} s: {call}"
        after = f" + {self.when.after_s:g} s" if self.when.after_s else ""
        return f"{self.when.event} {self.when.nth}{after}: {call}"


def since_start(when: At | OnEvent | None, session: Session) -> At | OnEvent:
    """Return a moment as a scenario has it: now as a time, an event counted from the start.

    An order counts the events that come after it, a scenario's fault those of the whole run.
    """
    if when is None:
        return At(at_s=round(max(0.0, session.now_s), 3))
    if isinstance(when, At):
        return when
    before = sum(matches(when, event) for event in session.events_since(0))
    return when.but(nth=when.nth + before)


def as_scenario(scenario: Scenario, deeds: Iterable[Deed]) -> tuple[Scenario, list[str]]:
    """Return the scenario with the deeds as faults and bursts, and what has no place there.

    >>> from sandbox.scenario import TaskType, WorkerPool
    >>> idle = Scenario(name="idle", tasks=[TaskType(name="hi")], workers=[WorkerPool()],
    ...                 horizon_s=9.0)
    >>> done = [Deed(At(at_s=1.0), "submit", {"task": "hi", "n": 2}),
    ...         Deed(At(at_s=2.0), "kill_worker", {"worker": "worker1"})]
    >>> again, left_out = as_scenario(idle, done)
    >>> again.loads[0].n, again.faults[0].kind, left_out
    (2, 'kill_worker', [])
    """
    left_out: list[str] = []
    bursts: list[Burst] = []
    faults: list[Fault] = []
    found = list(deeds)
    for i, deed in enumerate(found):
        if deed.verb == "submit" and isinstance(deed.when, At):
            bursts.append(Burst(at_s=deed.when.at_s, **deed.arguments))
        elif (fault := _fault(deed, found[i + 1 :])) is not None:
            faults.append(fault)
        elif not _ends_another(deed):
            left_out.append(str(deed))
    times = [deed.when.at_s for deed in found if isinstance(deed.when, At)]
    horizon_s = max([scenario.horizon_s, *(at_s + 1.0 for at_s in times)])
    deadline_s = scenario.deadline_s
    if deadline_s is not None:
        deadline_s = max(deadline_s, horizon_s)
    again = scenario.but(
        loads=(*scenario.loads, *bursts), faults=(*scenario.faults, *faults),
        horizon_s=horizon_s, deadline_s=deadline_s,
    )  # fmt: skip
    return again, left_out


_UNTIL = {"cut_off": "mend_link", "pause_broker": "resume_broker", "latency": "latency",
          "bandwidth": "bandwidth", "fill_memory": "free_memory"}  # fmt: skip
"""Verbs that another ends: as faults they have ``for_s`` instead."""
_LASTING: dict[str, Callable[..., Fault]] = {
    "cut_off": CutOff, "latency": Latency, "bandwidth": Bandwidth,
}  # fmt: skip


def _ends_another(deed: Deed) -> bool:
    if deed.verb == "latency":
        return deed.arguments.get("delay_s") == 0
    if deed.verb == "bandwidth":
        return deed.arguments.get("bytes_per_s") is None
    return deed.verb in _UNTIL.values()


def _fault(deed: Deed, later: Iterable[Deed]) -> Fault | None:
    """Return the fault that is this deed, None where there is none."""
    if _ends_another(deed):
        return None
    for_s = _for_s(deed, later)
    if deed.verb in _LASTING:
        return _LASTING[deed.verb](when=deed.when, for_s=for_s, **deed.arguments)
    if deed.verb == "pause_broker":
        return PauseBroker(when=deed.when, for_s=min(for_s or MOST_S, MOST_S))
    if deed.verb in {"fill_memory", "evict"}:
        policy: Any = "noeviction" if deed.verb == "fill_memory" else "allkeys-lru"
        return MaxMemory(when=deed.when, policy=policy, for_s=for_s)
    made = FAULTS.get(deed.verb)
    return made(when=deed.when, **deed.arguments) if made is not None else None


def _for_s(deed: Deed, later: Iterable[Deed]) -> float | None:
    """Return how long it lasted (s), by the next deed that ends it; None where none does."""
    if deed.verb not in _UNTIL or not isinstance(deed.when, At):
        return None
    for other in later:
        same = other.arguments.get("worker") == deed.arguments.get("worker")
        if other.verb == _UNTIL[deed.verb] and same and isinstance(other.when, At):
            return max(_LEAST_S, round(other.when.at_s - deed.when.at_s, 3))
    return None


def so_far(session: Session) -> list[Event]:
    """Return the events of a session until now, in the order of their times."""
    return sorted(session.events_since(0), key=lambda event: event.t_s)
