"""Stills: a board and a counterfactual as a static figure, with the table that says the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

import sandbox
from sandbox import pictures
from sandbox.errors import ScenarioError
from sandbox.pictures.cards import LOOKS
from sandbox.pictures.standing import standing
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.systems import get
from tests.waiting import until

pytest.importorskip("matplotlib")
pytest.importorskip("anywidget")

from sandbox.widgets.board import Board
from sandbox.widgets.curves import Curves
from sandbox.widgets.timeline import Timeline
from sandbox.widgets.whatif import Sliders

AFTER_S = 0.9


def test_the_board_s_table_is_the_panel_s(night: Run) -> None:
    """Law: at any moment a still counts what the live panel's counters count from the same events."""
    from sandbox.widgets.tally import Tally

    for at_s in (0.0, AFTER_S, 7.9, 28.6, 40.0):
        tally = Tally(night.scenario).feed(e for e in night.events if e.t_s <= at_s)
        tally.count()
        counts = tally.count()
        table = pictures.board_table(night, at_s=at_s)["n"].to_dict()
        for queue, depth in counts.queues:
            assert table[f"queued in {queue}"] == depth
        assert table["unacked, no owner"] == counts.waiting
        for name, n in (("done", counts.done), ("lost", counts.lost), ("failed", counts.failed)):
            assert table[name] == n, (at_s, name)
        busy = {post.name: sum(t is not None for t in post.slots) for post in found(night, at_s)}
        assert busy == {worker.name: worker.busy for worker in counts.workers}
        states = {post.name: post.state for post in found(night, at_s)}
        assert states == {worker.name: worker.state for worker in counts.workers}


def found(run: Run, at_s: float) -> Any:
    """Return the workers at a moment."""
    return standing(run, at_s).workers


def test_what_a_dead_worker_held_waits_for_the_timeout(night: Run) -> None:
    """Law: the clock is the visibility timeout less the message's age, and skipped time ages it."""
    orphans = standing(night, AFTER_S).orphans
    assert [one.worker for one in orphans] == ["worker2"] * 4
    assert all(3599.0 < one.due_s < 3600.0 for one in orphans)
    assert all(one.due_s <= 0 for one in standing(night, 28.2).orphans)
    back = standing(night, 28.6)
    assert back.orphans == ()
    assert {back.again[one.task] for one in orphans} == {2}


def test_a_still_is_a_function_of_run_and_moment(night: Run) -> None:
    """Law: same run, same moment, same bytes; its words say what is in it, its name is stable."""
    picture = pictures.board_picture(night, at_s=AFTER_S)
    png, about = picture._repr_png_()
    assert pictures.board_picture(night, at_s=AFTER_S)._repr_png_()[0] == png
    assert "4 unacked without an owner" in about["alt"]
    assert "worker2 killed" in about["alt"]
    assert repr(picture) == "<Picture: board of leadlawk at 0.9 s>"


def test_looks_differ_in_more_than_colour() -> None:
    """Law: no two places of a message share shape, fill and dash."""
    assert len({(one.shape, one.fill == "#ffffff", one.dash) for one in LOOKS.values()}) == len(
        LOOKS
    )


def test_an_empty_and_a_crowded_board_can_be_drawn() -> None:
    """Law: nothing fails for want of events or of room; a moment that is none is refused."""
    small = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    assert pictures.board_picture(Run(small, ()), at_s=3.0)._repr_png_()
    with pytest.raises(ScenarioError, match="at_s is nan"):
        pictures.board_picture(Run(small, ()), at_s=math.nan)
    crowd = small.but(
        queues=[f"q{i}" for i in range(20)],
        workers=[{"n_workers": 40, "concurrency": 32, "queues": [f"q{i}" for i in range(20)]}],
        tasks=[{"name": f"t{i}", "queue": f"q{i}", "service": {"kind": "deterministic", "value_s": 9}}
               for i in range(20)],
        loads=[{"kind": "burst", "task": f"t{i}", "n": 150} for i in range(20)], deadline_s=5.0,
    )  # fmt: skip
    run = sandbox.run(crowd, engine="model")
    picture = pictures.board_picture(run, at_s=5.0)
    words = [text.get_text() for text in picture.axes[0].texts]
    assert any(word.startswith("and 28 more workers") for word in words)
    assert any(word.startswith("and 8 more queues") for word in words)
    assert any(word.startswith("+") for word in words), "what has no seat is counted"


def test_a_counterfactual_s_still_and_table_name_the_same_tasks(calm: Run, night: Run) -> None:
    """Law: the table has a row for each task that fares otherwise, and only these are not faded."""
    table = pictures.counterfactual_table(calm, night)
    assert len(table) == 5
    assert table["executions_after"].tolist() == [2] * 5
    picture = pictures.counterfactual_picture(calm, night, names=("calm", "kills"))
    bars = [c for axes in picture.axes for c in axes.collections if c.get_alpha() == 1.0]
    assert len(bars) == 5 + 10, "one attempt each without the kills, two each with them"
    assert "5 done in 1 → 2 executions" in picture.alt


def test_sliders_tell_their_figures_as_a_table() -> None:
    """Law: the table has what is pinned, what is now, and the difference on the same draws."""
    sliders = Sliders(get("leadlawk").scenario, overheads=sandbox.overheads.Overheads())
    try:
        sliders.pin()
        sliders.move({"ack:celery_app.browser_automation_task": 0})
        shown = lambda: dict(sliders.shown)  # noqa: E731 - a look, taken again and again
        until("it is answered", lambda: shown().get("number") == 2 and shown()["difference"])
        table = sliders.to_frame()
        assert list(table) == ["pinned", "now", "now − pinned"]
        assert (table.loc["lost", "pinned"], table.loc["lost", "now"]) == (0, 4)
        gaps = table["now"] - table["pinned"]
        assert table["now − pinned"].tolist() == pytest.approx(gaps.tolist(), abs=0.01)
    finally:
        sliders.close()


@pytest.mark.parametrize(
    ("make", "pictured"),
    [  # runs are made once, by fixtures, which no parameter can ask for
        (lambda calm, night: Board(night, at_s=AFTER_S), True),
        (lambda calm, night: Timeline(night), True),
        (lambda calm, night: Timeline(calm, night, at_s=AFTER_S), True),
        (lambda calm, night: Curves(night, [calm]), True),
        (lambda calm, night: Sliders(night.scenario), False),
    ],
    ids=["board", "timeline", "counterfactual", "curves", "sliders"],
)
def test_a_saved_notebook_shows_something(
    make: Callable[[Run, Run], Any], pictured: bool, calm: Run, night: Run, tmp_path: Path
) -> None:
    """Law: nbconvert of a notebook with the widget has its table, and its picture if it has one."""
    nbconvert = pytest.importorskip("nbconvert")
    widget = make(calm, night)
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/plain"] == repr(widget) == repr(make(calm, night))
    cell = nbformat.v4.new_code_cell("widget")
    cell.outputs = [nbformat.v4.new_output("display_data", dict(data))]
    book = nbformat.v4.new_notebook(cells=[cell])
    page, _ = nbconvert.HTMLExporter(template_name="basic").from_notebook_node(book)
    shown = page.split("</style>")[-1]
    assert ("data:image/png;base64," in shown) is pictured
    assert "<table" in shown
    widget.close()
