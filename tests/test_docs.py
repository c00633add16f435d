"""Documents are run: every doctest, the README's Python, and every name that it tells to type."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
import runpy
from pathlib import Path

import pytest

import sandbox
from sandbox import cli
from tests.test_house import targets

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MODULES = sorted(
    {"sandbox"}
    | {
        module.name
        for module in pkgutil.walk_packages(sandbox.__path__, "sandbox.")
        if not module.name.endswith("__main__")
    }
)


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run documents where they can leave nothing in the checkout."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_every_module_are_true(name: str) -> None:
    """Each prompt in a docstring gives what stands below it."""
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_every_public_name_is_documented() -> None:
    """What `import sandbox` offers explains itself, and is there."""
    assert [name for name in sandbox.__all__ if not inspect.getdoc(getattr(sandbox, name))] == []


def test_the_readme_s_python_runs(tmp_path: Path) -> None:
    """Its blocks are one program, in their order, and its asserts hold."""
    program = tmp_path / "readme.py"
    program.write_text("\n".join(blocks("python")), encoding="utf-8")
    runpy.run_path(str(program))


def test_the_readme_names_only_targets_that_exist() -> None:
    """Every `make …` in the README is a target of the Makefile."""
    named = re.findall(r"(?:^|`)make ([a-z][a-z-]*)", README, re.MULTILINE)
    assert set(named) <= set(targets())


def test_the_readme_names_only_commands_that_exist() -> None:
    """Every `sandbox …` in the README is a command."""
    named = re.findall(r"(?:^|`|bin/)sandbox ([a-z]+)", README, re.MULTILINE)
    assert set(named) <= set(cli.main.commands)


def test_the_readme_points_only_to_files_that_exist() -> None:
    """Every link that is no address leads to a file of the repository."""
    links = re.findall(r"\]\(([^)#]+)", README)
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (REPOSITORY / link).exists()] == []
