"""Pictures and their tables: every kind of run, no global state, legible, the same each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sandbox
from sandbox import pictures
from sandbox.pictures.marks import Absence, absences, marks
from sandbox.run import Event, Run
from sandbox.scenario import Scenario

pytest.importorskip("matplotlib")

from sandbox.pictures import figure
from sandbox.pictures.curves import LINES
from sandbox.pictures.timeline import STYLES

_WHITE = "#ffffff"


def scenario(**changes: object) -> Scenario:
    """Return two workers that fail and retry, one of which is killed and started again."""
    settings: dict[str, object] = {
        "name": "pictured",
        "tasks": [
            {
                "name": "app.work",
                "service": {"kind": "exponential", "mean_s": 0.3},
                "acks_late": True,
                "p_failure": 0.2,
                "retries": [{"kind": "auto", "max_retries": 1, "backoff_s": 1}],
            }
        ],
        "workers": [{"n_workers": 2, "concurrency": 2}],
        "loads": [{"kind": "poisson", "task": "app.work", "rate_per_s": 8.0}],
        "faults": [
            {"kind": "kill_worker", "worker": "worker2", "when": {"on": "time", "at_s": 3.0}},
            {"kind": "start_worker", "worker": "worker2", "when": {"on": "time", "at_s": 5.0}},
            {"kind": "skip", "seconds": 3600.0, "when": {"on": "time", "at_s": 9.0}},
        ],
        "horizon_s": 10.0,
    }
    return Scenario(**(settings | changes))


@pytest.fixture(scope="module")
def run() -> Run:
    """Return a run of the model with every outcome in it."""
    return sandbox.run(scenario(), engine="model")


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read() -> None:
    """Law: text has a contrast of at least 4.5:1 to what it stands on."""
    assert contrast(figure.INK, _WHITE) >= 4.5
    assert contrast(figure.SOFT, _WHITE) >= 4.5
    for style in STYLES.values():
        assert contrast("#000000", style.colour) >= 4.5
    for line in LINES.values():
        assert contrast(line.colour, _WHITE) >= 4.5, "its name is written in its colour"


def test_outcomes_differ_in_more_than_colour() -> None:
    """Law: no two outcomes share a hatch."""
    assert len({style.hatch for style in STYLES.values()}) == len(STYLES)


@pytest.mark.parametrize("picture", [pictures.timeline, pictures.curves])
def test_same_run_same_bytes(picture: type, run: Run) -> None:
    """Law: a picture is a function of its run; a stored run has the same picture."""
    first, data = picture(run)._repr_png_()
    assert first.startswith(b"\x89PNG")
    assert data["alt"]
    assert picture(run)._repr_png_()[0] == first


def test_a_stored_run_has_the_same_tables(run: Run, tmp_path: Path) -> None:
    """Law: saving and loading changes nothing that is shown."""
    stored = Run.load(run.save(tmp_path / "stored"))
    assert pictures.timeline_table(stored).equals(pictures.timeline_table(run))
    assert pictures.curves_table(stored).equals(pictures.curves_table(run))


def test_timeline_table_counts_every_attempt(run: Run) -> None:
    """Law: the outcomes of a row add up, and the workers add up to the last row."""
    table = pictures.timeline_table(run)
    outcomes = table.drop(columns="attempts")
    assert (outcomes.sum(axis=1) == table["attempts"]).all()
    assert (table.drop(index="all").sum() == table.loc["all"]).all()
    assert table.loc["all", "attempts"] == len(run.fold.attempts)
    assert table.loc["all", "killed"] > 0


def test_curves_end_at_nothing_when_drained(run: Run) -> None:
    """Law: a drained run leaves no message, and never runs more than there are processes."""
    table = pictures.curves_table(run)
    assert run.ended == "drained"
    assert table["at_end"].tolist() == [0, 0, 0]
    assert table.loc["running", "peak"] <= 4


def test_curves_beside_a_prediction(run: Run) -> None:
    """A run beside itself: each number equals the predicted one, and both are drawn."""
    table = pictures.curves_table(run, run)
    assert (table["peak"] == table["predicted_peak"]).all()
    axes = pictures.curves(run, run).axes
    assert {len(a.get_lines()) - len(marks(run)) for a in axes} == {2}


def test_an_empty_run_can_be_drawn() -> None:
    """A run without events says so instead of failing."""
    empty = Run(scenario(), ())
    assert "none" in pictures.timeline(empty).alt
    assert pictures.curves(empty)._repr_png_()
    assert pictures.timeline(empty)._repr_png_()
    assert pictures.timeline_table(empty).loc["all"].sum() == 0


def test_a_hundred_thousand_events_are_drawn_by_share() -> None:
    """A large run is aggregated: few shapes, and its table still counts everything."""
    load = {"kind": "poisson", "task": "app.work", "rate_per_s": 100.0}
    big = scenario(loads=[load], workers=[{"n_workers": 4, "concurrency": 8}], horizon_s=120.0)
    run = sandbox.run(big, engine="model")
    assert len(run.events) > 90_000
    axes = pictures.timeline(run).axes[0]
    assert len(axes.patches) + len(axes.collections) < 60
    assert len(axes.get_yticks()) == 4
    table = pictures.timeline_table(run)
    assert table.loc["all", "attempts"] == len(run.fold.attempts)
    assert all(len(line.get_xdata()) < 3000 for line in pictures.curves(run).axes[0].get_lines())


def test_marks_and_absences() -> None:
    """A verb is marked once, one that failed is not; a worker is away until it is ready again."""
    events = (
        Event(1.0, "control", worker="worker1", detail={"verb": "kill_worker"}),
        Event(1.1, "worker_exited", worker="worker1", detail={"signal": 9}),
        Event(2.0, "control", worker="worker1", detail={"verb": "kill_worker", "error": "down"}),
        Event(3.0, "worker_ready", worker="worker1"),
        Event(4.0, "control", detail={"verb": "skip", "seconds": 3600.0}),
        Event(5.0, "worker_exited", worker="worker2"),
        Event(6.0, "ended"),
    )
    run = Run(scenario(), events)
    assert [mark.text for mark in marks(run)] == ["kill worker worker1", "skip 3600 s"]
    assert absences(run) == [Absence("worker1", 1.1, 3.0), Absence("worker2", 5.0, 6.0)]


def test_side_by_side_refuses_what_is_no_count(run: Run) -> None:
    """A time would differ from run to run, so it does not belong in this table."""
    table = pictures.side_by_side({"one": run, "same": run}, ["done", "lost"])
    assert table["one"].equals(table["same"])
    with pytest.raises(ValueError, match="makespan_s is no count"):
        pictures.side_by_side({"one": run}, ["makespan_s"])


def test_retry_gaps_are_whole_seconds() -> None:
    """Law: without jitter the gaps are the backoff's, 1, 2 and 4 s."""
    policy = {"kind": "auto", "max_retries": 3, "backoff_s": 1, "jitter": False}
    task = {"name": "app.work", "p_failure": 1.0, "retries": [policy]}
    load = {"kind": "burst", "task": "app.work", "n": 2}
    run = sandbox.run(
        scenario(tasks=[task], loads=[load], faults=[], horizon_s=20.0), engine="model"
    )
    assert pictures.retry_gaps({"gaps": run})["gaps"].tolist() == ["1, 2, 4", "1, 2, 4"]


def test_tables_need_no_matplotlib_and_pictures_no_pyplot() -> None:
    """Importing pictures imports neither; drawing one leaves pyplot alone."""
    code = (
        "import sys, sandbox.pictures as p; from sandbox.run import Run; import sandbox\n"
        "assert 'matplotlib' not in sys.modules and 'pandas' not in sys.modules\n"
        "run = sandbox.run(sandbox.Scenario.from_json(sys.argv[1]), engine='model')\n"
        "p.timeline_table(run); assert 'matplotlib' not in sys.modules\n"
        "p.timeline(run)._repr_png_(); assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert not {'celery', 'redis', 'ipywidgets'} & set(sys.modules)\n"
    )
    shop = {"name": "shop", "tasks": [{"name": "mail"}], "workers": [{}], "horizon_s": 1.0}
    given = sandbox.Scenario(**shop).to_json()  # a named system would ask its app
    subprocess.run([sys.executable, "-c", code, given], check=True)
