"""Audit: what became of every task, and the evidence that proves it.

The evidence is the ledger that the tasks' own bodies wrote, the recorder's events of tasks and
workers, and the broker's last dump. Never the faults, the ``control`` events or a prediction:
so the audit can contradict all three.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sandbox.audit.account import VERDICTS as VERDICTS
from sandbox.audit.account import Account as Account
from sandbox.audit.account import Place as Place
from sandbox.audit.account import Verdict as Verdict
from sandbox.audit.account import event_told
from sandbox.audit.clues import Dump, Record, effects_of, journeys
from sandbox.audit.evidence import proof, state
from sandbox.audit.order import Ways
from sandbox.audit.places import places
from sandbox.audit.totals import Totals
from sandbox.errors import RunError, one_of
from sandbox.guarantees import Guarantee, at_least_once, at_most_once, effectively_once
from sandbox.journeys import Journey
from sandbox.ledger import Effect
from sandbox.run import Run

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 10
_COLUMNS = (
    "verdict", "state", "where", "effect_unknown", "n_published", "n_delivered", "n_started",
    "n_succeeded", "n_killed", "n_effects", "n_effective", "overtaken_by", "late_s",
)  # fmt: skip


@dataclass(frozen=True)
class Audit:
    """The account of every task of a run, in the order of their first events."""

    title: str
    tasks: Mapping[str, Account]
    at_least_once: Guarantee
    at_most_once: Guarantee
    effectively_once: Guarantee
    dumped: bool
    kept: bool = field(default=False)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The verdicts on the three guarantees."""
        return (self.at_least_once, self.at_most_once, self.effectively_once)

    @cached_property
    def totals(self) -> Totals:
        """The accounts, added up."""
        return Totals.of(self.tasks.values())

    @property
    def unknown_share(self) -> float:
        """The share of tasks of which a verdict, on itself or on a guarantee, is unknown."""
        unknown = {task for one in self.guarantees for task in one.open_tasks}
        unknown |= {task.task for task in self.tasks.values() if task.verdict == "unknown"}
        return len(unknown) / len(self.tasks) if self.tasks else 0.0

    def counts(self) -> dict[Verdict, int]:
        """Return how many tasks got each verdict, zeros included."""
        found = Counter(task.verdict for task in self.tasks.values())
        return {verdict: found[verdict] for verdict in VERDICTS}

    def of(self, verdict: str) -> tuple[Account, ...]:
        """Return the tasks that got a verdict; ValueError for a word that is none."""
        if verdict not in VERDICTS:
            raise ValueError(f"verdict is {verdict!r}; allowed: {one_of(verdict, VERDICTS)}")
        return tuple(task for task in self.tasks.values() if task.verdict == verdict)

    def account(self, task: str) -> Account:
        """Return the account of one task; RunError for one that the run does not have."""
        if task not in self.tasks:
            raise RunError(f"task is {task!r}; allowed: {one_of(task, self.tasks)}")
        return self.tasks[task]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a task: the account's columns, and the evidence as text."""
        import pandas as pd

        rows = [
            [*(getattr(t, name) for name in _COLUMNS), "; ".join(map(event_told, t.evidence))]
            for t in self.tasks.values()
        ]
        columns = [*_COLUMNS, "evidence"]
        return pd.DataFrame(rows, columns=columns, index=pd.Index(self.tasks, name="task"))

    def to_dict(self) -> dict[str, Any]:
        """Return counts, totals, guarantees and accounts as what JSON can hold."""
        return {
            "counts": self.counts(),
            "totals": self.totals.to_dict(),
            "guarantees": {one.name: one.to_dict() for one in self.guarantees},
            "unknown_share": self.unknown_share,
            "tasks": {
                name: {column: getattr(task, column) for column in _COLUMNS}
                for name, task in self.tasks.items()
            },
        }

    def summary(self) -> str:
        """Return the audit as text: counts, totals, guarantees, what is not done once."""
        clues = ["the events"]
        clues += ["the ledger"] if self.kept else []
        clues += ["the broker's last dump"] if self.dumped else []
        source = " and ".join([", ".join(clues[:-1]), clues[-1]] if len(clues) > 1 else clues)
        lines = [f"{self.title}: {len(self.tasks)} tasks, judged from {source}"]
        lines += [f"  {verdict:<20} {n:>7}" for verdict, n in self.counts().items() if n]
        lines += [f"  {line}" for line in str(self.totals).splitlines()]
        lines += [f"  {guarantee}" for guarantee in self.guarantees]
        odd = [t for t in self.tasks.values() if t.verdict != "done once" or t.effect_unknown]
        for task in odd[:_SHOWN]:
            flag = ", effect of a killed execution unknown" if task.effect_unknown else ""
            lines.append(f"  {task.task}: {task.verdict}{flag}; {task.where}")
            lines.append("    " + "; ".join(map(event_told, task.evidence[:_SHOWN])))
        if len(odd) > _SHOWN:
            lines.append(f"  and {len(odd) - _SHOWN} more")
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return the summary."""
        return self.summary()


def _present(journey: Journey, dump: Dump | None) -> bool:
    """Whether something can still happen to a task; its places name what."""
    if dump is None or not dump.rules(journey.task):
        return not journey.gone
    return bool(journey.running or journey.held or journey.kept) or dump.holds(journey.task)


def _verdict(journey: Journey, dump: Dump | None, effects: tuple[Effect, ...] | None) -> Verdict:
    """Judge one task: by its effects what it has done, by the rest where it has got to."""
    done = journey.n_succeeded if effects is None else len(effects)
    is_over = bool(journey.n_failed or journey.n_revoked) and not journey.n_succeeded
    if done and not is_over:
        return "done once" if done == 1 else "done more than once"
    if journey.n_failed:
        return "failed"
    if journey.n_revoked:
        return "revoked"
    if _present(journey, dump):
        return "stuck"
    return "unknown" if journey.publish_unknown and not journey.n_deliveries else "lost"


def verdicts(run: Run) -> dict[str, Verdict]:
    """Return the verdict on each task without the account: `audit`, but quick.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> verdicts(Run(one, (Event(0.0, "sent", "hi/0", queue="celery"),)))
    {'hi/0': 'stuck'}
    """
    dump, ledger = Dump.of(run), run.ledger
    return {
        task: _verdict(journey, dump, effects_of(ledger, task))
        for task, journey in journeys(run, dump).items()
    }


def audit(run: Run, *, late_s: float | None = None) -> Audit:
    """Return the account of every task of ``run``, and the verdicts on three guarantees.

    A task that first began more than ``late_s`` seconds after it was due (when it was sent, or
    at its ETA) counts as late, as does one that began after its expiry.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> print(audit(Run(one, (Event(0.0, "sent", "hi/0", queue="celery"),))).tasks["hi/0"].where)
    queue celery
    """
    dump, record = Dump.of(run), Record.of(run)
    found = journeys(run, dump)
    judged = verdicts(run)
    ways = Ways.through(run.events)
    overtaken = ways.overtaken(run)
    stuck = {task for task, verdict in judged.items() if verdict == "stuck"}
    late = ways.late(run, late_s, stuck)
    tasks = {
        task: _account(
            journey, judged[task], record, dump,
            effects_of(run.ledger, task), overtaken.get(task), late.get(task),
        )
        for task, journey in found.items()
    }  # fmt: skip
    return Audit(
        title=f"audit of {run.scenario.name!r} on {run.info.get('engine', '?')}",
        tasks=tasks,
        at_least_once=at_least_once(tasks, record.attempts),
        at_most_once=at_most_once(tasks, record.attempts),
        effectively_once=effectively_once(tasks, record.attempts),
        dumped=dump is not None,
        kept=run.ledger is not None,
    )


def _account(  # noqa: PLR0913, PLR0917 - all that is known of one task
    journey: Journey,
    verdict: Verdict,
    record: Record,
    dump: Dump | None,
    effects: tuple[Effect, ...] | None,
    overtaken_by: str | None,
    late_s: float | None,
) -> Account:
    task, evidence = journey.task, proof(journey.task, verdict, record)
    overruled = (
        dump is not None
        and dump.rules(task)
        and (verdict in {"stuck", "lost", "unknown"} or dump.holds(task))
    )
    if overruled and dump is not None:
        evidence = (*evidence, dump.event)
    return Account(
        task,
        verdict,
        places(journey, record, dump),
        evidence,
        effects,
        state=state(task, record),
        n_sent=journey.n_sent,
        n_published=record.count(task, "published"),
        n_delivered=journey.n_deliveries,
        n_started=journey.n_executions,
        n_succeeded=journey.n_succeeded,
        n_killed=journey.n_killed,
        overtaken_by=overtaken_by,
        late_s=late_s,
    )
