"""Notebooks: built from their sources, verified, and the same when built again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

from tools import build_notebooks as builder  # noqa: E402 - needs both

SOURCES = sorted(builder.SOURCES.glob("[0-9]*.py"))
BUDGET = 0.10
_SMALL = """# %% [markdown]
# # A title
#
# Text.

# %%
from sandbox import lab

run = lab.model(lab.load("leadlawk"))

# %% tags=["nbval-ignore-output"]
lab.timeline_picture(run)

# %%
lab.timeline_table(run)
"""
_ALL = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def built(source: Path) -> list[dict]:
    """Return the cells of a built notebook."""
    return json.loads(builder.target(source).read_text(encoding="utf-8"))["cells"]


def code(source: Path) -> list[dict]:
    """Return its code cells."""
    return [cell for cell in built(source) if cell["cell_type"] == "code"]


def test_there_is_something_to_check() -> None:
    """The first notebook exists."""
    assert "00_start_here" in {source.stem for source in SOURCES}


@_ALL
def test_source_and_notebook_agree(source: Path) -> None:
    """Law: a notebook's cells are those of its source, executed in order."""
    assert builder.agrees(source), "run tools/build_notebooks.py"
    assert [cell["execution_count"] for cell in code(source)] == [*range(1, len(code(source)) + 1)]


@_ALL
def test_few_cells_go_unverified(source: Path) -> None:
    """Law: at most one code cell in ten has an output that nothing compares."""
    tagged = [cell["metadata"]["tags"] for cell in code(source) if "tags" in cell["metadata"]]
    assert all(tags == [builder.IGNORED] for tags in tagged)
    assert len(tagged) / len(code(source)) <= BUDGET


@_ALL
def test_a_saved_notebook_shows_something(source: Path) -> None:
    """Law: no output needs a running kernel, none is an error, each picture has a table."""
    for cell in code(source):
        kinds = {kind for output in cell["outputs"] for kind in output.get("data", {})}
        assert not any("widget" in kind for kind in kinds)
        assert not any(output["output_type"] == "error" for output in cell["outputs"])
        assert "image/png" not in kinds or "text/html" in kinds, cell["source"]


@_ALL
def test_compared_outputs_are_no_accidents(source: Path) -> None:
    """Law: what nbval compares holds no path, port, address, date or measured time."""
    for outputs in builder.compared(nbformat.read(builder.target(source), as_version=4)):
        text = json.dumps(outputs)
        for accident in (
            r"/(?:home|root|tmp|work)/",
            r"127\.0\.0\.1",
            r"0x[0-9a-f]{6}",
            r"20\d\d-",
        ):
            assert not re.search(accident, text), (accident, text[:300])


def test_real_workers_stand_behind_verified_cells() -> None:
    """At least three verified cells of notebook 00 show what real workers did."""
    cells = [c for c in code(builder.SOURCES / "00_start_here.py") if "tags" not in c["metadata"]]
    words = ("measured", "crashed", "lab.run(", "session.controls")
    live = [c for c in cells if c["outputs"] and any(w in "".join(c["source"]) for w in words)]
    assert len(live) >= 3


def test_two_builds_are_byte_identical(tmp_path: Path) -> None:
    """Law: cells of the model give the same bytes each time; an unchanged notebook is left."""
    (tmp_path / "src").mkdir()
    source = tmp_path / "src" / "00_small.py"
    source.write_text(_SMALL, encoding="utf-8")
    assert builder.build(source)
    first = builder.target(source).read_bytes()
    assert not builder.build(source), "nothing has changed"
    builder.target(source).unlink()
    builder.build(source)
    assert builder.target(source).read_bytes() == first


def test_check_tells_an_edited_notebook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A notebook that is missing, not executed or edited by hand does not pass the check."""
    (tmp_path / "src").mkdir()
    source = tmp_path / "src" / "00_small.py"
    source.write_text(_SMALL, encoding="utf-8")
    assert builder.main(["--check", str(source)]) == 1
    book = builder.parse(_SMALL)
    nbformat.write(book, builder.target(source))
    assert builder.main(["--check", str(source)]) == 1, "it has not been executed"
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
    nbformat.write(book, builder.target(source))
    assert builder.main(["--check", str(source)]) == 0
    book.cells[0].source += " Edited."
    nbformat.write(book, builder.target(source))
    assert builder.main(["--check", str(source)]) == 1
    assert "is not built from its source" in capsys.readouterr().out


def test_ids_depend_on_place_and_text_only() -> None:
    """Law: the same text at the same place has the same id; another place, another id."""
    ids = [cell.id for cell in builder.parse(_SMALL).cells]
    assert ids == [cell.id for cell in builder.parse(_SMALL).cells]
    twice = builder.parse("# %%\n1\n# %%\n1\n").cells
    assert twice[0].id != twice[1].id
