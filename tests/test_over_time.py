"""Timeline, curves and the exported page: what their Python side promises."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import sandbox
from sandbox.cli import main
from sandbox.errors import RunError, SandboxError
from sandbox.export import to_html
from sandbox.export.html import page
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.widgets.feed import Encoder
from sandbox.widgets.modules import BOARD, CURVES, TIMELINE, joined
from sandbox.widgets.series import LINES, band, bin_s_of, series
from sandbox.widgets.topology import topology
from tests.nodes import JS, node

pytest.importorskip("anywidget")
pytest.importorskip("matplotlib")

from sandbox.widgets.board import Board
from sandbox.widgets.curves import Curves
from sandbox.widgets.linked import Linked
from sandbox.widgets.timeline import Timeline


def test_measured_and_predicted_series_have_one_meaning(night: Run, tmp_path: Path) -> None:
    """Law: the browser's lines and those that the band is made of are the same numbers."""
    told, bin_s = topology(night.scenario), 0.5
    mine = series(night, bin_s)
    case = {
        "topology": told, "rows": Encoder(told).rows(night.events), "bin_s": bin_s,
        "bins": len(mine["queued"]),
    }  # fmt: skip
    (tmp_path / "case.json").write_text(json.dumps(case))
    theirs = json.loads(node(JS / "series.mjs", tmp_path / "case.json"))
    for name in LINES:
        assert theirs[name] == pytest.approx(mine[name], abs=1e-3), name
    assert max(x or 0.0 for x in mine["utilisation"]) == pytest.approx(1.0, abs=0.01)


def test_a_band_goes_from_the_lowest_to_the_highest_run(night: Run, calm: Run) -> None:
    """Law: each run lies within the band of all; a single run is its own band."""
    told = band([night, calm], 0.5)
    assert told is not None and told["n"] == 2
    for run in (night, calm):
        for ranged, x in zip(told["lines"]["queued"], series(run, 0.5)["queued"], strict=False):
            assert ranged[0] - 1e-3 <= x <= ranged[2] + 1e-3
    assert band([], 1.0) is None
    assert [bin_s_of(x) for x in (0.0, 5.0, 100.0, 3600.0)] == [0.01, 0.05, 1.0, 50.0]


def test_a_prediction_becomes_runs_of_its_own_draws_first(night: Run) -> None:
    """Law: a Prediction is drawn as the range of eight runs of the model."""
    prediction = sandbox.predict(night.scenario, budget_s=0.1)
    head = Curves(night, prediction).head
    assert head["band"]["n"] == 8


def test_widgets_have_a_stable_name_and_a_picture_and_table_beside_it(night: Run) -> None:
    """Law: what a saved notebook keeps needs no kernel."""
    for widget in (Timeline(night), Curves(night, night)):
        bundle = widget._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        assert repr(widget) == data["text/plain"] == f"<{type(widget).__name__} of 'leadlawk'>"
        assert "data:image/png;base64," in data["text/html"]
        assert "<table" in data["text/html"]


def test_a_counterfactual_lights_the_tasks_that_differ(night: Run, calm: Run) -> None:
    """Law: the picture's tasks are those of `sandbox.counterfactual`, with the same words."""
    joined_runs = sandbox.counterfactual(calm, night)
    head = Timeline(calm, night, names=("calm", "a kill")).head
    assert [task for task, _ in head["changes"]] == [c.task for c in joined_runs.changes]
    assert head["summary"] == joined_runs.summary()
    assert joined_runs.changes
    assert Timeline(night, night).head["changes"] == []


def test_a_page_reaches_for_nothing(night: Run) -> None:
    """Law: the page names no address, and a name in it cannot end its script."""
    assert "http" not in to_html(night).replace("http://www.w3.org/2000/svg", "")
    told = page({"topology": {"name": "</script><b>"}, "bin_s": 1.0}, "[]")
    assert "</script><b>" not in told


def test_joined_modules_are_modules(tmp_path: Path) -> None:
    """Law: the names at the top of all files that are joined are different."""
    for i, names in enumerate((BOARD, TIMELINE, CURVES)):
        file = tmp_path / f"{i}.mjs"
        file.write_text(joined(*names))
        node("--check", file)


def test_the_command_writes_a_stored_run(night: Run, tmp_path: Path) -> None:
    """Law: ``export RUN --html FILE`` writes the page, and of a scenario what the model does."""
    night.save(tmp_path / "run")
    asked = ["export", str(tmp_path / "run"), "--html", str(tmp_path / "run.html")]
    told = CliRunner().invoke(main, asked)
    assert told.exit_code == 0, told.output
    assert (tmp_path / "run.html").read_text() == to_html(Run.load(tmp_path / "run"))
    one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    (tmp_path / "one.json").write_text(one.to_json())
    asked = ["export", str(tmp_path / "one.json"), "--html", str(tmp_path / "one.html")]
    assert CliRunner().invoke(main, asked).exit_code == 0
    assert "<title>one</title>" in (tmp_path / "one.html").read_text()


def test_a_stored_run_s_folder_is_shown_like_the_run(night: Run, tmp_path: Path) -> None:
    """Law: a folder gives the same events; the picture says that it is a stored run."""
    folder = night.save(tmp_path / "night")
    for made in (Board, Timeline, Curves):
        shown, stored = made(night), made(folder)
        assert stored.get_state()["past"] == shown.get_state()["past"]
        assert stored.head["topology"]["source"] == "stored run, model"
    with pytest.raises(RunError, match="is not a stored run"):
        Timeline(tmp_path)


def test_a_counterfactual_is_drawn_from_its_own_runs(night: Run, calm: Run) -> None:
    """Law: the same picture as of its two runs; two runs are needed."""
    joined_runs = sandbox.counterfactual(calm, night)
    assert Timeline(joined_runs).head == Timeline(calm, night).head
    with pytest.raises(RunError, match="has no runs to draw"):
        Timeline(replace(joined_runs, runs=()))


def test_linked_pictures_keep_what_stands_for_each(night: Run) -> None:
    """Law: a saved notebook holds each picture's own fallback; one picture is no link."""
    pictures = (Board(night), Timeline(night), Curves(night))
    both = Linked(*pictures)
    assert repr(both) == f"<Linked {', '.join(map(repr, pictures))}>"
    kept = both._repr_mimebundle_()["text/html"]
    assert kept == "".join(one.still_html() for one in pictures)
    with pytest.raises(SandboxError, match="two pictures or more"):
        Linked(pictures[0])
