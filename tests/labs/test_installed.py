"""The labs travel in the wheel: listed, started and graded where there is no clone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandbox.labs import lesson, notebook
from tools import build_labs

REPOSITORY = Path(__file__).parents[2]
LABS = lesson.all_lessons()


def sandbox(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder that is not the clone's."""
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(site), "SANDBOX_ENGINE": "model"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the wheel holds."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    site = folder / "site"
    zipfile.ZipFile(next(folder.glob("*.whl"))).extractall(site)
    return site


@pytest.mark.parametrize("one", LABS.values(), ids=LABS)
def test_what_is_started_is_what_is_built(one: lesson.Lesson) -> None:
    """Law: the copy that `sandbox labs start` writes is the built exercise, byte for byte."""
    built = build_labs.exercise_path(one).read_text(encoding="utf-8")
    assert notebook.text_of(one.notebook("exercise")) == built


def test_the_labs_work_from_the_wheel(site: Path, tmp_path: Path) -> None:
    """List, start, grade as it is; then grade the solution."""
    where = "import sandbox; print(sandbox.__file__)"
    told = subprocess.run([sys.executable, "-c", where], cwd=tmp_path, check=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(site)}, capture_output=True)  # fmt: skip
    assert Path(told.stdout.strip()).is_relative_to(site)
    listed = json.loads(sandbox(site, tmp_path, "labs", "--json").stdout)
    assert [row["lab"] for row in listed] == list(LABS)
    assert sandbox(site, tmp_path, "labs", "start", "03", "--no-open").returncode == 0
    exercise = tmp_path / f"{LABS['03'].name}.ipynb"
    assert exercise.read_bytes() == build_labs.exercise_path(LABS["03"]).read_bytes()
    open_ = sandbox(site, tmp_path, "labs", "check", "--json")
    (row,) = json.loads(open_.stdout)
    assert (open_.returncode, row["right"], row["of"], row["trouble"]) == (1, 0, 4, "")
    assert {one["status"] for one in row["checks"].values()} == {"not attempted"}
    solved = sandbox(site, tmp_path, "labs", "start", "03", "--no-open", "--solution")
    assert solved.returncode == 0
    (tmp_path / f"{LABS['03'].name}-solution.ipynb").replace(exercise)
    graded = sandbox(site, tmp_path, "labs", "check")
    assert graded.returncode == 0, graded.stdout + graded.stderr
    assert graded.stdout.startswith("lab 03, ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("start", "99"), "there is no lab '99'; allowed: "),
        (("start", "03", "--no-open", "--folder", "file/below"), "cannot be copied to file/below"),
        (("check", "."), "holds no lab's notebook; allowed: a folder with one, such as 01-"),
        (("check", "nowhere"), "does not exist"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = sandbox(REPOSITORY, tmp_path, "labs", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
