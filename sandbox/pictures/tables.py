"""Tables: what small experiments show beside their pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from sandbox.comparison import shown
from sandbox.metrics import known, measure
from sandbox.run import Run
from sandbox.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

    from sandbox.claims import Evidence


def side_by_side(runs: Mapping[str, Run], counts: Sequence[str]) -> pd.DataFrame:
    """Return metrics that count something, a row each, with a column for each run."""
    import pandas as pd

    for name in counts:
        if known(name).kind != "count":
            raise ValueError(f"{name} is no count; its decimals would differ from run to run")
    values = {
        title: [int(measure(run).value(name)) for name in counts] for title, run in runs.items()
    }
    return pd.DataFrame(values, index=pd.Index(list(counts), name="metric"))


def task_table(scenario: Scenario) -> pd.DataFrame:
    """Return the task types of a scenario: where they go, how long they take, when acked."""
    import pandas as pd

    rows = [
        [task.queue, round(task.service.mean_s, 2), "late" if task.acks_late else "early",
         "yes" if task.reject_on_worker_lost else "no"]
        for task in scenario.tasks
    ]  # fmt: skip
    columns = ["queue", "mean_s", "ack", "reject_on_worker_lost"]
    return pd.DataFrame(rows, columns=columns, index=pd.Index(scenario.task_names, name="task"))


def retry_gaps(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return the whole seconds from the end of each attempt to the next one's start.

    A row a task, and for each run a column of its gaps in order.
    """
    import pandas as pd

    gaps = {title: _gaps(run) for title, run in runs.items()}
    tasks = list(dict.fromkeys(task for found in gaps.values() for task in sorted(found)))
    columns = {title: [found.get(task, "") for task in tasks] for title, found in gaps.items()}
    return pd.DataFrame(columns, index=pd.Index(tasks, name="task"))


def _gaps(run: Run) -> dict[str, str]:
    spans: dict[str, list[tuple[float, float]]] = {}
    for attempt in run.fold.attempts:
        if attempt.started_s is not None and attempt.ended_s is not None:
            spans.setdefault(attempt.task, []).append((attempt.started_s, attempt.ended_s))
    return {
        task: ", ".join(f"{round(begin - end)}" for (_, end), (begin, _) in pairwise(sorted(found)))
        for task, found in spans.items()
    }


def claims_table(found: Iterable[Evidence]) -> pd.DataFrame:
    """Return what was found on claims: a row each, with its verdict, its numbers and why.

    Sentences are shown whole wherever this table is.
    """
    import pandas as pd

    pd.set_option("display.max_colwidth", None, "display.max_rows", 200)
    rows = [
        [one.claim.text, one.verdict, _numbers(one.predicted, one), _numbers(one.measured, one),
         one.claim.why]
        for one in found
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["claim", "verdict", "predicted", "measured", "why"])


def _numbers(numbers: Mapping[str, float], one: Evidence) -> str:
    told = (f"{shown(n)} ({label})" if label else shown(n) for label, n in numbers.items())
    return f"{', '.join(told)} {one.claim.unit_shown}".strip() if numbers else ""
