"""Boards: runs side by side under one player, each with its strips of depth and latency."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import anywidget
import traitlets

from sandbox import workbench
from sandbox.capacity.counterfactual import counterfactual
from sandbox.errors import ScenarioError
from sandbox.metrics import known, measure
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.widgets.modules import BOARD, CURVES, PLOTS, joined, scoped, styles
from sandbox.widgets.over_time import told_of
from sandbox.widgets.series import bin_s_of, end_of, series
from sandbox.widgets.still import counts_table
from sandbox.widgets.tally import Tally

STRIPS = {"queued": ("queued",), "latency": ("p50", "p95")}
"""The strips below a board, and the lines of each."""
ROWS = ("done", "lost", "duplicated", "redelivered", "mean_wait_s", "p95_latency_s", "utilisation")
_NAMED = 5
"""So many differences are named; the others are counted."""


class Boards(anywidget.AnyWidget):
    """One run, or several side by side, each with strips of depth and latency, and one player.

    Of a scenario the model's run is shown; with the same seed each task has the same draws in
    all. What differs in the descriptions, and what became of the tasks, is told above the
    pictures. ``cursor_s`` is the moment shown and ``focus`` the chosen task, in all of them.
    Raises ScenarioError without a run.

    >>> from sandbox import systems
    >>> Boards(systems.load("leadlawk"), systems.load("leadlawk:mended"))
    <Boards of 'leadlawk', 'leadlawk-mended'>
    """

    _esm = (
        f"const board = {scoped(*BOARD)};\nconst curves = {scoped(*CURVES)};\n{joined('boards.js')}"
    )
    _css = styles(*PLOTS, "boards.css")
    heads = traitlets.List(traitlets.Dict()).tag(sync=True)
    pasts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    told = traitlets.List(traitlets.Unicode()).tag(sync=True)
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    cursor_s = traitlets.Float(0.0).tag(sync=True)
    focus = traitlets.Unicode("").tag(sync=True)
    motion = traitlets.Unicode("").tag(sync=True)
    version = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        *of: Run | Scenario,
        names: Sequence[str] = (),
        assumptions: Sequence[str] = (),
        at_s: float = 0.0,
    ) -> None:
        super().__init__()
        self.show(*of, names=names, assumptions=assumptions, at_s=at_s)

    def show(
        self,
        *of: Run | Scenario,
        names: Sequence[str] = (),
        assumptions: Sequence[str] = (),
        at_s: float = 0.0,
    ) -> None:
        """Show other runs in the place of those that are shown; the arguments are the same."""
        if not of:
            raise ScenarioError("boards needs a run or a scenario to show")
        runs = [one if isinstance(one, Run) else workbench.run(one, engine="model") for one in of]
        shown = list(names) or [f"{chr(65 + i)}: {_name(run)}" for i, run in enumerate(runs)]
        if len(shown) != len(runs):
            raise ScenarioError(f"names has {len(shown)} names; allowed: {len(runs)}, one a run")
        self.runs, (first, *others) = runs, runs
        with self.hold_sync():
            self.heads = _heads(runs, assumptions)
            self.pasts = [told_of(run)[1] for run in runs]
            self.names = shown
            self.told = [line for one in others for line in against(first, one)]
            self.rows = [_row(name, runs) for name in ROWS] if others else []
            self.cursor_s, self.focus = at_s, ""
            self.version += 1

    def __repr__(self) -> str:
        """Name it by what does not change; a memory address would."""
        return f"<Boards of {', '.join(repr(run.scenario.name) for run in self.runs)}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the pictures and, for a saved notebook, a table of each run's counters."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle or {},)
        tables = [
            counts_table(Tally(run.scenario).feed(run.events).count(), f"Counters of {name}")
            for name, run in zip(self.names, self.runs, strict=True)
        ]
        data = {"text/plain": repr(self)} | data | {"text/html": "".join(tables)}
        return (data, *rest) if rest else data


def against(first: Run, second: Run) -> list[str]:
    """Return in sentences what differs between two runs: seed, description, fates.

    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> against(Run(one, ()), Run(one.but(seed=7), ()))[0]
    'The seeds differ (0 and 7): so do the draws, and a task is not the same one in both.'
    """
    a, b = first.scenario, second.scenario
    seeds = (
        f"Same seed ({a.seed}): each task has the same draws in both."
        if a.seed == b.seed
        else f"The seeds differ ({a.seed} and {b.seed}): so do the draws, and a task is not the "
        "same one in both."
    )
    found = list(differing(a.model_dump(mode="json"), b.model_dump(mode="json")))
    more = f"; {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    settings = f"What differs: {'; '.join(found[:_NAMED]) or 'nothing in the description'}{more}."
    return [
        seeds,
        settings,
        f"What became of the tasks: {counterfactual(first, second).summary()}.",
    ]


def differing(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """Yield each place at which two descriptions differ, with both values.

    >>> list(differing({"n": 1, "tasks": [{"name": "a"}]}, {"n": 2, "tasks": []}))
    ['n 1 → 2', 'tasks.a only in the first']
    """
    if a == b or where in {"name", "seed"}:
        return
    if isinstance(a, list) and isinstance(b, list):
        a, b = _by_name(a), _by_name(b)
    if not isinstance(a, dict) or not isinstance(b, dict):
        yield f"{where} {_said(a)} → {_said(b)}"
        return
    for key in dict.fromkeys((*a, *b)):
        place = f"{where}.{key}".removeprefix(".")
        if key in a and key in b:
            yield from differing(a[key], b[key], place)
        else:
            yield f"{place} only in the {'first' if key in a else 'second'}"


def _by_name(parts: list[Any]) -> dict[str, Any]:
    return {
        str(part.get("name", i)) if isinstance(part, dict) else str(i): part
        for i, part in enumerate(parts)
    }


def _said(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _name(run: Run) -> str:
    engine = {"model": "model", "live": "real workers"}.get(str(run.info.get("engine", "")), "")
    return f"{run.scenario.name} ({engine})" if engine else run.scenario.name


def _heads(runs: Sequence[Run], assumptions: Sequence[str]) -> list[dict[str, Any]]:
    """Return what each picture has to know: scales and length are those of all runs."""
    until_s = max(end_of(run) for run in runs)
    bin_s = bin_s_of(until_s)
    lines = [series(run, bin_s) for run in runs]
    tops = {
        name: max((x or 0.0 for one in lines for line in of for x in one[line]), default=0.0)
        for name, of in STRIPS.items()
    }
    return [
        {
            "topology": told["topology"], "live": False, "until_s": until_s, "bin_s": bin_s,
            "strips": list(STRIPS), "tops": tops,
        }
        for told in (_told(run, assumptions) for run in runs)
    ]  # fmt: skip


def _told(run: Run, assumptions: Sequence[str]) -> dict[str, Any]:
    topology = told_of(run)[0]
    stated = [*topology["assumptions"], *assumptions]
    return {"topology": topology | {"assumptions": stated}}


def _row(name: str, runs: Sequence[Run]) -> dict[str, Any]:
    definition = known(name)
    values = [measure(run).value(name) for run in runs]
    whole = definition.kind == "count"
    return {
        "name": name, "unit": definition.unit or "share",
        "values": [None if math.isnan(x) else int(x) if whole else round(x, 6) for x in values],
    }  # fmt: skip
