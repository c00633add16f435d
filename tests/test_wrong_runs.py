"""Wrong, empty and large runs: each picture has something to show, and says what is wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("anywidget")

from sandbox import pictures, workbench
from sandbox.cli import main
from sandbox.export import to_html
from sandbox.run import Event, Run
from sandbox.scenario import Scenario
from sandbox.widgets import Board
from sandbox.widgets.curves import Curves
from sandbox.widgets.timeline import Timeline


def described() -> Scenario:
    """Return one worker with two processes for one task type."""
    return Scenario(
        name="wrong", tasks=[{"name": "hi"}], workers=[{"concurrency": 2}], horizon_s=5.0
    )


def on(kind: str, at: float, slot: int | None = None) -> Event:
    """Return an event of the first task at the worker."""
    return Event(at, kind, "hi/0", "worker1", slot=slot, tag="a")


SENT = Event(0.0, "sent", "hi/0", queue="celery")
WRONG: dict[str, tuple[tuple[Event, ...], str]] = {
    "no event": ((), "no events"),
    "only that it has ended": ((Event(1.0, "ended"),), ""),
    "no worker's event": ((SENT, Event(1.0, "ended")), ""),
    "out of order": ((Event(3.0, "sent", "hi/1", queue="celery"), SENT), "follows sent at 3.0"),
    "started before sent": ((on("started", 0.5, 0), SENT._replace(t_s=1.0)), "without having been delivered"),
    "before the beginning": ((SENT._replace(t_s=-2.0),), "before the run's beginning"),
    "no number": ((SENT, on("delivered", math.nan)), "1 event is left out"),
    "an endless time": ((SENT, on("delivered", math.inf)), "1 event is left out"),
    "an unknown kind": ((SENT, on("exploded", 1.0)), "the first: exploded at 1 s"),
    "a slot of no worker": ((SENT, on("delivered", 1.0), on("started", 2.0, 2**52)), "in slot"),
    "two ends": (
        (SENT, on("delivered", 1.0), on("started", 1.5, 0), on("succeeded", 2.0, 0),
         on("succeeded", 3.0, 0)),
        "succeeded without having been started",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_run_is_drawn_and_told(name: str) -> None:
    """Law: static pictures of a wrong list are pictures, and their words say what is wrong."""
    events, words = WRONG[name]
    run = Run(described(), events)
    for picture in (pictures.timeline(run), pictures.curves(run)):
        assert words in picture.alt
        assert picture._repr_png_()[0].startswith(b"\x89PNG")
        assert words or ". " not in picture.alt
    assert len(pictures.timeline_table(run)) >= 1
    assert len(pictures.curves_table(run)) == 3


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_run_reaches_each_moving_picture_whole(name: str) -> None:
    """Law: what is sent is JSON that a browser can read, one row an event, whatever it holds."""
    run = Run(described(), WRONG[name][0])
    n_shown = sum(event.kind != "published" for event in run.events)
    for widget in (Board(run), Timeline(run), Curves(run)):
        rows = json.loads(widget.get_state()["past"], parse_constant=pytest.fail)
        assert len(rows) == n_shown
        if isinstance(widget, Board):
            bundle = widget._repr_mimebundle_()
            data = bundle[0] if isinstance(bundle, tuple) else bundle
            assert "<table" in data["text/html"]
        assert math.isfinite(widget.get_state()["head"].get("bin_s", 1.0))
        widget.close()
    assert '"bin_s":' in to_html(run)


def test_what_is_no_run_is_told_in_one_sentence(tmp_path: Path) -> None:
    """Law: `sandbox export` of what is no run exits with one sentence, not with a traceback."""
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    Run(described(), (SENT,)).save(tmp_path / "torn")
    (tmp_path / "torn" / "events.jsonl").write_text('{"t_s": 1, "kind": "sent"}\n{"t_s"')
    for source in ("notes.txt", "empty", "torn", "nowhere"):
        page = tmp_path / "page.html"
        done = CliRunner().invoke(main, ["export", str(tmp_path / source), "--html", str(page)])
        assert done.exit_code == 2, (source, done.output)
        assert len(done.output.strip().splitlines()) == 1, done.output
        assert "Traceback" not in done.output
        assert not page.exists()


def test_a_run_with_only_its_header_is_exported(tmp_path: Path) -> None:
    """A stored run without an event is a page that says so."""
    Run(described(), ()).save(tmp_path / "run")
    page = tmp_path / "page.html"
    done = CliRunner().invoke(main, ["export", str(tmp_path / "run"), "--html", str(page)])
    assert done.exit_code == 0, done.output
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_model_s_own_runs_have_no_trouble() -> None:
    """Law: nothing is told of a sound run."""
    run = workbench.run(described(), engine="model")
    assert ". " not in pictures.timeline(run).alt
