"""A run of 100,000 events: both folds agree on it, its page is compact, its still pictures draw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("anywidget")

from sandbox import pictures
from sandbox.export import to_html
from sandbox.widgets.feed import SILENT, Encoder
from sandbox.widgets.topology import topology
from tests.large import large_run
from tests.nodes import JS, node
from tests.test_fold_js import compared

_MOMENTS = (105_000, 60_017, 27_500)
_MOST_BYTES_AN_EVENT = 20


def test_100_000_events_are_folded_alike(tmp_path: Path) -> None:
    """Law: at any moment of a large run, and back again, both folds say the same."""
    run = large_run()
    seen = [event for event in run.events if event.kind not in SILENT]
    assert len(seen) > 100_000
    told_of = topology(run.scenario)
    case = {"topology": told_of, "rows": Encoder(told_of).rows(seen), "prefixes": _MOMENTS}
    (tmp_path / "cases.json").write_text(json.dumps([case]))
    (answers,) = json.loads(node(JS / "states.mjs", tmp_path / "cases.json"))
    for n, told in zip(_MOMENTS, answers, strict=True):
        compared(told, run.scenario, seen[:n])


def test_a_large_run_s_page_is_compact() -> None:
    """Law: an exported page has at most 20 bytes an event, its programs included."""
    run = large_run()
    assert len(to_html(run)) < _MOST_BYTES_AN_EVENT * len(run.events)


def test_a_large_run_has_still_pictures() -> None:
    """Law: too many attempts for a bar each are drawn by share of time; no event is left out."""
    run = large_run()
    picture = pictures.timeline(run)
    assert "succeeded" in picture.alt and "left out" not in picture.alt
    assert picture._repr_png_()[0].startswith(b"\x89PNG")
    assert pictures.curves(run)._repr_png_()[0].startswith(b"\x89PNG")
    assert pictures.timeline_table(run).loc["all", "killed"] > 0
