"""From a run: the scenario that a recording fits, on the topology of the run's own scenario."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.derive.fits import Fit, fit_arrivals, fit_service
from sandbox.errors import ScenarioError
from sandbox.loads import Chord, Closed, Group, Load
from sandbox.notes import Notes
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario, TaskType
from sandbox.tasks import SUBTASKS

if TYPE_CHECKING:
    from sandbox.journeys import Attempt
    from sandbox.run import Run

_OWN_END = ("succeeded", "failed", "retried")
_NEAR_LIMIT = 0.99
_BEAT_LATE_S = 1.0


@dataclass(frozen=True)
class Fitted:
    """A fitted scenario, and how each of its parts was fitted."""

    scenario: Scenario
    fits: tuple[Fit, ...]

    def __str__(self) -> str:
        """One line a fit, then one a thing that could not be derived."""
        return "\n".join(map(str, (*self.fits, *self.scenario.not_derived)))


def fit(run: Run, overheads: Overheads | None = None) -> Fitted:
    """Fit loads, service times and failures of each task type to a run.

    ``overheads`` say how much of an execution was Celery's own; without them those that the
    run's model had are used, else the defaults. Raises ScenarioError for a run without tasks.
    """
    if not run.fold.journeys and not run.of_kind("requested"):
        raise ScenarioError("the run has published no task, so there is nothing to fit")
    notes, fits = Notes(), list[Fit]()
    _note_surroundings(run, notes)
    body_s = _body_s(run, overheads, notes)
    kinds, loads = [], list[Load]()
    attempts: dict[str, list[Attempt]] = {}
    for attempt in run.fold.attempts:
        attempts.setdefault(attempt.task.rpartition("/")[0], []).append(attempt)
    for kind in run.scenario.tasks:
        kinds.append(_fit_task(kind, attempts.get(kind.name, ()), body_s, fits, notes))
        loads += _fit_loads(run, kind.name, fits, notes)
    if run.of_kind("control") and not run.scenario.faults:
        notes.add("faults", "the run had verbs that its scenario does not name", "none")
    fitted = run.scenario.but(
        name=f"{run.scenario.name[:190]}.fitted",
        tasks=tuple(kinds),
        loads=tuple(loads),
        app=None,
        not_derived=notes.found,
    )
    return Fitted(fitted, tuple(fits))


def _note_surroundings(run: Run, notes: Notes) -> None:
    """Note what stands around the tasks, and is kept as it was."""
    door = run.scenario.front_door
    if door is not None:
        what = "when visitors come, and how patient they are, is not fitted"
        notes.add("front_door", what, "the front door of the run's scenario")
    if run.scenario.dependencies:
        what = "what they can serve at once, and their outages, are not fitted"
        notes.add("dependencies", what, "those of the run's scenario")
    if run.scenario.beat:
        notes.add("beat", "its periods are not fitted", "the beat of the run's scenario")


def _body_s(run: Run, overheads: Overheads | None, notes: Notes) -> float:
    """Return what Celery adds to an execution's own work (s)."""
    if overheads is not None:
        return overheads.body_s
    modelled: Any = run.info.get("overheads")
    if isinstance(modelled, dict):
        return Overheads(**modelled).body_s
    default_s = Overheads().body_s
    what = "the record does not say how much of an execution was Celery's own"
    notes.add("tasks.service", what, f"{default_s:g} s")
    return default_s


# --- one task type ---------------------------------------------------------------------------


def _fit_task(
    kind: TaskType, attempts: Sequence[Attempt], body_s: float, fits: list[Fit], notes: Notes
) -> TaskType:
    begun = [a for a in attempts if a.started_s is not None and a.ended_s is not None]
    if kind.calls is not None:
        what = "an execution's time holds its call, and the wait for the dependency"
        notes.add(f"tasks.{kind.name}.service", what, "as in the run's scenario")
        return kind
    if kind.waits_for is not None:
        what = f"an execution's time holds its wait for {kind.waits_for}"
        notes.add(f"tasks.{kind.name}.service", what, "as in the run's scenario")
        return kind
    limit_s = min((s for s in (kind.soft_time_limit_s, kind.time_limit_s) if s), default=math.inf)
    whole = [a for a in begun if _came_to_its_end(a, limit_s)]
    cut = [a for a in begun if not _came_to_its_end(a, limit_s)]
    if not whole:
        told = f"as in the run's scenario: {kind.service.kind}"
        notes.add(f"tasks.{kind.name}.service", "none of its executions came to an end", told)
        return kind
    # A retry is published before its execution ends: those times hold more than the work.
    measured = [a for a in whole if a.outcome == "succeeded"] or whole
    service, told_service = fit_service(
        kind.name, [_took(a) - body_s for a in measured], [_took(a) for a in cut]
    )
    fits.append(told_service)
    if kind.work == "cpu":
        what = "its work computes, so a recorded time holds the wait for a core too"
        notes.add(f"tasks.{kind.name}.service", what, "all of it is work")
    n_bad = sum(a.outcome != "succeeded" for a in whole)
    share, near = n_bad / len(whole), (n_bad + 1) / (len(whole) + 2)
    error = math.sqrt(near * (1 - near) / len(whole))  # of a share near, since 0 has none
    chance = {"p_failure": (share, error)}
    fits.append(Fit(kind.name, "failures", "binomial", len(whole), chance))
    n_retried = sum(a.outcome == "retried" for a in begun)
    if n_retried:
        again = {"retries": (float(n_retried), math.sqrt(n_retried))}
        fits.append(Fit(kind.name, "retries", "as in the run's scenario", n_bad, again))
    return kind.but(service=service, p_failure=share)


def _took(attempt: Attempt) -> float:
    return (attempt.ended_s or 0.0) - (attempt.started_s or 0.0)


def _came_to_its_end(attempt: Attempt, limit_s: float) -> bool:
    """Return whether its body ended by itself; a killed child or a time limit cuts it short."""
    at_limit = attempt.outcome != "succeeded" and _took(attempt) >= _NEAR_LIMIT * limit_s
    return attempt.outcome in _OWN_END and not at_limit


# --- its loads -------------------------------------------------------------------------------


def _fit_loads(run: Run, name: str, fits: list[Fit], notes: Notes) -> list[Load]:
    own = [load for load in run.scenario.loads if load.task == name]
    if any(isinstance(load, Closed) for load in own):
        what = "clients that wait for results publish when the system lets them"
        notes.add(f"loads.{name}", what, "the loads of the run's scenario")
        return list(own)
    door = run.scenario.front_door
    if door is not None and door.task == name:
        return []  # the door publishes it, if anyone does
    if _is_in_a_canvas(run, name):
        what = "tasks of a group or a chord are not published by themselves"
        notes.add(f"loads.{name}", what, "the loads of the run's scenario")
        return list(own)
    times = _without_beat(run, name, _sent(run, name))
    if not times:
        return []
    end_s = run.scenario.horizon_s
    if run.ended == "stopped":
        end_s = min(end_s, run.events[-1].t_s)
    late = [at for at in times if at >= run.scenario.horizon_s]
    if late:
        what = f"{len(late)} were published after the horizon, where loads stop"
        notes.add(f"loads.{name}", what, "they are left out")
    times = [at for at in times if at < run.scenario.horizon_s]
    if not times:
        return []
    load, told = fit_arrivals(name, times, end_s)
    fits.append(told)
    return [load]


def _is_in_a_canvas(run: Run, name: str) -> bool:
    """Return whether a group or a chord publishes a type, as its task or its body."""
    loads = run.scenario.loads
    chords = [load for load in loads if isinstance(load, Chord)]
    return any(isinstance(load, Group | Chord) and load.task == name for load in loads) or any(
        chord.body == name for chord in chords
    )


def _sent(run: Run, name: str) -> list[float]:
    """Return when each task of a type was first published (s), ascending."""
    return sorted(
        max(0.0, journey.first_sent_s)
        for task, journey in run.fold.journeys.items()
        if journey.first_sent_s is not None and _is_of(task, name)
    )


def _is_of(task: str, name: str) -> bool:
    """Return whether a task is of a type, and nobody's subtask: its parent publishes that."""
    kind, _, number = task.rpartition("/")
    return kind == name and not (number.isdecimal() and int(number) >= SUBTASKS)


def _without_beat(run: Run, name: str, times: list[float]) -> list[float]:
    """Return the times without those that beat, which stays as it is, has published."""
    left = list(times)
    for i, entry in enumerate(run.scenario.beat):
        if entry.task != name:
            continue
        seed, horizon_s = run.scenario.seed, run.scenario.horizon_s
        for due in entry.arrivals_s(horizon_s, seed=seed, stream=f"beat{i}/arrival"):
            near = [at for at in left if -1e-6 <= at - due <= _BEAT_LATE_S]
            if near:
                left.remove(min(near))
    return left
