"""The types that an installed package shows: a user's program, checked as strictly as ours."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import sandbox

REPOSITORY = Path(__file__).parent.parent
PROGRAM = Path(__file__).parent / "typed_api" / "use.py"
SHIPPED = ("sandbox/py.typed", "sandbox/widgets/board.js", "sandbox/widgets/board.css")


def call(*command: str | Path, cwd: Path) -> str:
    """Run a command; on failure, show what it said."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project's wheel, built from this checkout without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=REPOSITORY)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that has the wheel, and what the wheel needs from this environment."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    layout = {"base": str(home), "platbase": str(home)}
    site = Path(sysconfig.get_path("purelib", "venv", layout))
    zipfile.ZipFile(wheel).extractall(site)
    # A path in a .pth file comes after the folder it is in: the wheel's sandbox is found first.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return home / "bin" / "python"


def mypy(program: Path, python: Path) -> subprocess.CompletedProcess[str]:
    """Check a program outside the checkout, as strictly as mypy can."""
    strict = ("--strict", "--config-file=", "--python-executable", python)
    return subprocess.run(
        [sys.executable, "-m", "mypy", *strict, program],
        cwd=program.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_program_uses_every_public_name() -> None:
    """No name of ``sandbox.__all__`` has types that nobody looked at."""
    tree = ast.parse(PROGRAM.read_text(encoding="utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert [name for name in sandbox.__all__ if name not in used] == []


@pytest.mark.types
def test_a_user_s_program_is_typed_and_wrong_uses_are_refused(
    installed: Path, tmp_path: Path
) -> None:
    """Every ``assert_type`` holds, and every wrong line draws the complaint that it names."""
    program = tmp_path / "use.py"
    program.write_text(PROGRAM.read_text(encoding="utf-8"), encoding="utf-8")
    done = mypy(program, installed)
    assert done.returncode == 0, done.stdout


@pytest.mark.types
def test_a_wrong_use_that_is_accepted_would_be_seen(installed: Path, tmp_path: Path) -> None:
    """An ``ignore`` over a right line is itself an error, so the wrong lines do test something."""
    program = tmp_path / "right.py"
    line = "import sandbox\nsandbox.load('leadlawk')  # type: ignore[call-arg]\n"
    program.write_text(line, encoding="utf-8")
    assert "unused-ignore" in mypy(program, installed).stdout


def test_the_program_runs_on_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    """What the type checker accepts also works, from the wheel and not from the checkout."""
    assert call(installed, PROGRAM, cwd=tmp_path) == "typed\n"
    where = call(installed, "-c", "import sandbox; print(sandbox.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent.parent)


def test_the_wheel_has_all_that_a_user_needs(wheel: Path) -> None:
    """Types, the panel's files and the schema are shipped; tests and notebooks are not."""
    names = zipfile.ZipFile(wheel).namelist()
    schema = [
        name for name in names if name.endswith("share/celery-sandbox-lab/schema/scenario-1.json")
    ]
    assert set(SHIPPED) <= set(names)
    assert len(schema) == 1
    assert {name.split("/")[0].split("-")[0] for name in names} == {"sandbox", "celery_sandbox_lab"}


def test_every_module_of_the_checkout_is_in_the_wheel(wheel: Path) -> None:
    """What runs from the checkout runs from the wheel: it has the same files."""
    kinds = {".py", ".js", ".css", ".json", ".typed"}
    ours = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "sandbox").rglob("*")
        if path.suffix in kinds or path.name == "py.typed"
    }
    assert ours <= set(zipfile.ZipFile(wheel).namelist())
