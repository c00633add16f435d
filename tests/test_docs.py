"""Documents are run: doctests, README, CONTRIBUTING's recipes, and every name they tell to type."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import sandbox
from sandbox import cli
from tests.test_house import targets

REPOSITORY = Path(__file__).parent.parent
DOCUMENTS = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])
}
README, CONTRIBUTING = DOCUMENTS["README.md"], DOCUMENTS["CONTRIBUTING.md"]
RECIPES = re.findall(r"^## (A new .+)$", CONTRIBUTING, re.MULTILINE)
MODULES = sorted(
    {"sandbox"}
    | {
        module.name
        for module in pkgutil.walk_packages(sandbox.__path__, "sandbox.")
        if not module.name.endswith("__main__")
    }
)
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "dist", "notebooks", "runs")
QUICK = ("list", "predict", "schema")


def blocks(text: str, language: str) -> list[str]:
    """Return a document's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def sections(text: str) -> dict[str, str]:
    """Return a document's sections of the second level by heading."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run documents where they can leave nothing in the checkout."""
    monkeypatch.chdir(tmp_path)


# --- the package ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_every_module_are_true(name: str) -> None:
    """Each prompt in a docstring gives what stands below it."""
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_every_public_name_is_documented() -> None:
    """What `import sandbox` offers explains itself, and is there."""
    assert [name for name in sandbox.__all__ if not inspect.getdoc(getattr(sandbox, name))] == []


# --- every document -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_names_only_targets_that_exist(name: str) -> None:
    """Every `make …` that it tells to type is a target of the Makefile."""
    named = re.findall(r"(?:^|`)make ([a-z][a-z-]*)", DOCUMENTS[name], re.MULTILINE)
    assert set(named) <= set(targets())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_names_only_commands_that_exist(name: str) -> None:
    """Every `sandbox …` that it tells to type is a command."""
    named = re.findall(r"(?:^|`|bin/)sandbox ([a-z][a-z-]*)", DOCUMENTS[name], re.MULTILINE)
    assert set(named) <= set(cli.main.commands)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_points_only_to_files_that_exist(name: str) -> None:
    """Every link that is no address leads to a file of the repository."""
    links = re.findall(r"\]\(([^)#]+)", DOCUMENTS[name])
    local = [link for link in links if "://" not in link]
    here = (REPOSITORY / name).parent
    assert [link for link in local if not (here / link).exists()] == []


@pytest.mark.parametrize("name", sorted(set(DOCUMENTS) - {"CONTRIBUTING.md"}))
def test_a_document_s_python_runs(name: str, tmp_path: Path) -> None:
    """Its blocks are one program, in their order, and its asserts hold; prompts are doctests."""
    program = tmp_path / "document.py"
    code = [block for block in blocks(DOCUMENTS[name], "python") if not block.startswith(">>>")]
    program.write_text("\n".join(code), encoding="utf-8")
    runpy.run_path(str(program))
    assert doctest.testfile(str(REPOSITORY / name), module_relative=False).failed == 0


def commands(text: str) -> list[str]:
    """Return the quick `sandbox …` that a document tells to type, in code or in a table."""
    quick = "|".join(QUICK)
    found = re.findall(rf"(?:^|`|bin/)(sandbox (?:{quick})\b[^`\n#>]*)", text, re.MULTILINE)
    return sorted(set(found))


@pytest.mark.parametrize("line", commands(README))
def test_the_readme_s_quick_commands_work(line: str) -> None:
    """Those that start no worker are run as they stand; a prediction with a smaller budget."""
    _, command, *arguments = shlex.split(line)
    budget = ["--budget", "0.2"] if command == "predict" else []
    done = CliRunner().invoke(cli.main, [command, *arguments, *budget])
    assert done.exit_code == 0, done.output


# --- the recipes ----------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the repository whose .venv is this environment."""
    root = tmp_path / "copy"
    shutil.copytree(REPOSITORY, root, ignore=NOT_COPIED)
    (root / ".venv").symlink_to(sys.prefix)
    return root


def write_files(root: Path, recipe: str) -> list[str]:
    """Write each Python block to the file that its first line names; return their names."""
    written = []
    for block in blocks(recipe, "python"):
        first, _, code = block.partition("\n")
        name, _, where = first.removeprefix("# ").partition(", ")
        path = root / name
        assert path.exists() == bool(where), f"{name}: a new file, or an old one 'at the end'"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n\n{code}" if where else code)
        written.append(name)
    return written


@pytest.mark.live
@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_of_contributing_proves_itself(title: str, copy: Path) -> None:
    """Its files, written where it says, make its command succeed, and meet the linter."""
    recipe = sections(CONTRIBUTING)[title]
    written = write_files(copy, recipe)
    (proof,) = blocks(recipe, "sh")
    lint = f"{sys.executable} -m ruff check --quiet {' '.join(written)}"
    done = subprocess.run(
        ["bash", "-euc", f"set -o pipefail\n{lint}\n{proof}"],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "skipped" not in done.stdout or shutil.which("redis-server") is None


def test_a_recipe_touches_one_place_of_the_package() -> None:
    """A scenario, a fault and a metric are each one file or one function, and one test.

    What a fault does is declared besides, in proof/damage/.
    """
    for title in RECIPES:
        files = [block.split("\n")[0] for block in blocks(sections(CONTRIBUTING)[title], "python")]
        places = [name.removeprefix("# ").split("/")[0] for name in files]
        assert sorted(set(places) - {"proof"}) == ["sandbox", "tests"], title
        assert places.count("sandbox") == places.count("tests") == 1, title
    assert len(RECIPES) == 3
