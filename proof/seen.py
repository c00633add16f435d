"""What a fault was seen to do, from the record alone: which task was what, what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from proof.damage import ROLES, Back, Case, Fate, Harm
from sandbox.audit import Account, audit
from sandbox.engines import VERBS
from sandbox.journeys import Attempt, Journey
from sandbox.run import Run

_BEFORE_S = 0.05
"""Roles are taken so long before the moment: the record may note an order after its effect."""
_CLOCK_S = 0.1


@dataclass(frozen=True)
class Seen:
    """How many tasks of each role came to which fate, and how workers ended."""

    roles: dict[str, Counter[Fate]]
    exits: tuple[str, ...]

    def is_as(self, declared: Harm, role: str) -> bool:
        """Whether the tasks of a role came to the declared fates, each of them, and no other."""
        if role == "exits":
            return self.exits == declared.exits
        return set(self.roles[role]) == set(getattr(declared, role))

    def told(self, role: str) -> str:
        """Say what the tasks of a role came to; ``exits``: how workers ended."""
        if role == "exits":
            return ", ".join(self.exits)
        found = sorted(self.roles[role].items())
        return "; ".join(f"{n} {fate}" for fate, n in found)


def seen(run: Run, case: Case) -> Seen:
    """Observe a run; RuntimeError when the moment that its case names did not come."""
    moment_s = _moment(run, case.moment) - _BEFORE_S
    roles: dict[str, Counter[Fate]] = {role: Counter() for role in ROLES}
    accounts = audit(run).tasks
    attempts: dict[str, list[Attempt]] = {}
    for attempt in run.fold.attempts:
        attempts.setdefault(attempt.task, []).append(attempt)
    for task, journey in run.fold.journeys.items():
        role = _role(journey, attempts.get(task, []), moment_s, case.worker)
        if role is not None:
            roles[role][_fate(run, accounts[task], moment_s)] += 1
    return Seen(roles, tuple(_exits(run)))


def _moment(run: Run, name: str) -> float:
    """Return when a verb was first carried out, or else an event of a kind first came."""
    kind, _, of_type = name.partition(" ")
    for event in run.events:
        if name in VERBS:
            is_it = event.kind == "control" and (event.detail or {})["verb"] == name
        else:
            is_it = event.kind == kind and (event.task or "").startswith(of_type)
        if is_it:
            return event.t_s
    raise RuntimeError(f"the run of {run.scenario.name!r} has no {name}")


def _role(journey: Journey, attempts: list[Attempt], at_s: float, worker: str) -> str | None:
    """Return what a task was at a moment; None for one that had ended, or was elsewhere."""
    if journey.first_sent_s is None or journey.first_sent_s > at_s:
        return "published"
    there = [one for one in attempts if one.delivered_s <= at_s]
    if not there:
        return "queued"
    last = there[-1]
    if last.worker != worker or (last.ended_s is not None and last.ended_s <= at_s):
        return None
    return "running" if last.started_s is not None and last.started_s <= at_s else "prefetched"


def _fate(run: Run, account: Account, since_s: float) -> Fate:
    in_unacked = any(place.where == "unacked" for place in account.places)
    waits: Back = "never" if account.verdict == "stuck" and in_unacked else ""
    back = _back(run, account.task, since_s) or waits
    return Fate(account.verdict, min(account.n_started, 2), back)


def _back(run: Run, task: str, since_s: float) -> Back:
    """Return how its message first came back, by its age in `unacked` with what was skipped."""
    delivered_s, timeout_s = 0.0, run.scenario.broker.visibility_timeout_s
    for event in run.of_kind("delivered", "requeued", "restored"):
        if event.task != task:
            continue
        if event.kind == "delivered":
            delivered_s = event.t_s
        elif event.t_s >= since_s:
            age_s = run.fold.scenario_time(event.t_s) - run.fold.scenario_time(delivered_s)
            is_old = event.kind == "restored" and age_s >= timeout_s - _CLOCK_S
            return "late" if is_old else "at once"
    return ""


def _exits(run: Run) -> Iterator[str]:
    for event in run.of_kind("worker_exited"):
        yield from (f"{how} {code}" for how, code in (event.detail or {}).items())
