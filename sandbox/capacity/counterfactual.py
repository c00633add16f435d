"""Counterfactual: two runs on the same draws, joined task by task."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sandbox.audit import verdicts
from sandbox.run import Run

if TYPE_CHECKING:
    import pandas as pd

ABSENT = "not there"
_NAMED = 3


class Fate(NamedTuple):
    """What became of a task in one run, by the audit's verdict.

    ``executions`` counts how often its body was begun, ``successes`` how often it returned;
    ``latency_s`` is from first sent to finished, None if it never was.
    """

    verdict: str
    executions: int
    successes: int
    latency_s: float | None

    def __str__(self) -> str:
        """Say it in a word or two."""
        if self.verdict == "done once":
            return "done"
        if self.verdict == "done more than once":
            return f"done {'twice' if self.successes == 2 else f'{self.successes} times'}"
        return self.verdict


_NONE = Fate(ABSENT, 0, 0, None)


class Change(NamedTuple):
    """A task that fared otherwise in the second run."""

    task: str
    before: Fate
    after: Fate

    def __str__(self) -> str:
        """Say what changed, without the task's name."""
        before, after = str(self.before), str(self.after)
        if before == after:
            return f"{before} in {self.before.executions} → {self.after.executions} executions"
        return f"{before} → {after}"


@dataclass(frozen=True, repr=False)
class Counterfactual:
    """Two runs joined by task: what is the same, and what is not.

    ``changes`` are the tasks whose verdict, or number of executions, is another one; ``n_same``
    is the number of all others. ``notes`` say what makes this less than the same draws; ``runs``
    are the two that were joined.
    """

    n_same: int
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    runs: tuple[Run, ...] = field(default=(), compare=False)

    def summary(self) -> str:
        """Return one sentence, the most frequent change first."""
        named: dict[str, list[str]] = {}
        for change in self.changes:
            named.setdefault(str(change), []).append(change.task)
        counts = Counter({told: len(tasks) for told, tasks in named.items()})
        parts = [f"{self.n_same} the same"]
        for told, n in counts.most_common():
            which = f" ({', '.join(named[told])})" if n <= _NAMED else ""
            parts.append(f"{n} {told}{which}")
        return "; ".join([", ".join(parts), *self.notes])

    def __repr__(self) -> str:
        """Return the summary."""
        return self.summary()

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each task that differs.

        Columns: before, after (verdicts), executions_before, executions_after,
        latency_before_s, latency_after_s (nan: not finished).
        """
        import pandas as pd

        columns = [
            "before", "after", "executions_before", "executions_after",
            "latency_before_s", "latency_after_s",
        ]  # fmt: skip
        rows = [
            [str(a), str(b), a.executions, b.executions, a.latency_s, b.latency_s]
            for _, a, b in self.changes
        ]
        index = pd.Index([change.task for change in self.changes], name="task")
        times = dict.fromkeys(columns[-2:], "float64")
        return pd.DataFrame(rows, columns=columns, index=index).astype(times)


def counterfactual(before: Run, after: Run) -> Counterfactual:
    """Join two runs of either engine by task and tell what changed from one to the other.

    With the same seed a task has the same draws in both, whatever else differs. A task that is
    in one run only counts as a change from, or to, ``not there``.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> sent = Event(0.0, "sent", "hi/0", queue="celery")
    >>> counterfactual(Run(one, (sent,)), Run(one, ()))
    0 the same, 1 stuck → not there (hi/0)
    """
    a, b = fates(before), fates(after)
    changes, n_same = [], 0
    for task in dict.fromkeys([*a, *b]):
        change = Change(task, a.get(task, _NONE), b.get(task, _NONE))
        if change.before[:2] == change.after[:2]:
            n_same += 1
        else:
            changes.append(change)
    return Counterfactual(n_same, tuple(changes), tuple(_notes(before, after)), (before, after))


def fates(run: Run) -> dict[str, Fate]:
    """Return what became of each task, in the order of their first events."""
    journeys = run.fold.journeys
    found = {}
    for task, verdict in verdicts(run).items():
        journey = journeys.get(task)
        if journey is None:  # Only the broker's last dump knows of it.
            found[task] = Fate(verdict, 0, 0, None)
            continue
        sent, end = journey.first_sent_s, journey.finished_s
        latency_s = end - sent if sent is not None and end is not None else None
        found[task] = Fate(verdict, journey.n_executions, journey.n_succeeded, latency_s)
    return found


def _notes(a: Run, b: Run) -> list[str]:
    """Say what makes tasks of the same name other tasks."""
    notes = []
    if a.scenario.seed != b.scenario.seed:
        notes.append(f"other draws: the seeds are {a.scenario.seed} and {b.scenario.seed}")
    if (a.scenario.loads, a.scenario.beat) != (b.scenario.loads, b.scenario.beat):
        notes.append("other loads: tasks of one name may have been sent at other times")
    return notes
