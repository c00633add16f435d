"""The house: what two files say twice, they say alike."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parent.parent
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
NAME: str = PROJECT["project"]["name"]
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]

# What an extra brings along in pip, conda-forge has under a name of its own.
BY_EXTRA = {"redis-py": ("celery", "redis"), "lupa": ("fakeredis", "lua")}
ONLY_CONDA = {"python", "redis-server", "pip"}


def phony() -> list[str]:
    """Return the Makefile's phony targets."""
    return " ".join(re.findall(r"^\.PHONY:(.*)$", MAKEFILE, re.MULTILINE)).split()


def targets() -> list[str]:
    """Return the names that the Makefile has a rule for."""
    return re.findall(r"^([a-z][a-z-]*):(?!=)", MAKEFILE, re.MULTILINE)


def requirements(*extras: str) -> dict[str, Requirement]:
    """Return the project's own requirements by name, with some extras."""
    lines = [*PROJECT["project"]["dependencies"], *(one for e in extras for one in EXTRAS[e])]
    found = [Requirement(line) for line in lines]
    return {one.name: one for one in found if canonicalize_name(one.name) != NAME}


def conda() -> dict[str, Requirement]:
    """Return what environment.yml names, without its pip section."""
    text = (REPOSITORY / "environment.yml").read_text(encoding="utf-8")
    section = text.split("dependencies:\n")[1].split("  - pip:\n")[0]
    found = [Requirement(line) for line in re.findall(r"^  - (\S+)$", section, re.MULTILINE)]
    assert len(found) == section.count("  - ")
    return {one.name: one for one in found}


def pins() -> dict[str, str]:
    """Return the versions of constraints.txt by canonical name."""
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").split()
    return {canonicalize_name(name): pin for name, _, pin in (one.partition("==") for one in lines)}


# --- environment.yml and pyproject.toml -----------------------------------------------------------


def test_conda_and_pip_ask_for_the_same_packages() -> None:
    """environment.yml is pyproject.toml with the notebook's extra, and a Redis."""
    assert set(conda()) - ONLY_CONDA - set(BY_EXTRA) == set(requirements("notebook"))


@pytest.mark.parametrize("name", sorted(requirements("notebook")))
def test_conda_and_pip_ask_for_the_same_versions(name: str) -> None:
    """One bound, written twice."""
    assert conda()[name].specifier == requirements("notebook")[name].specifier


@pytest.mark.parametrize("name", sorted(BY_EXTRA))
def test_what_an_extra_brings_is_named_for_conda(name: str) -> None:
    """conda-forge has no extras: what pip takes through one stands there by its own name."""
    package, extra = BY_EXTRA[name]
    assert name in conda()
    assert extra in requirements()[package].extras


def test_conda_brings_the_python_the_project_needs() -> None:
    """requires-python is the bound on conda's python; mypy and ruff aim at the same one."""
    needed: str = PROJECT["project"]["requires-python"]
    assert str(conda()["python"].specifier) == needed
    assert needed == f">={PROJECT['tool']['mypy']['python_version']}"
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{needed[2:].replace('.', '')}"


def test_conda_installs_the_project_itself_and_nothing_else_by_pip() -> None:
    """The pip section is the checkout."""
    text = (REPOSITORY / "environment.yml").read_text(encoding="utf-8")
    assert text.split("  - pip:\n")[1].split() == ["-", "-e", "."]


# --- constraints.txt ------------------------------------------------------------------------------


def test_constraints_are_pins_and_hold_no_address() -> None:
    """One name, one version a line, each name once: no index, no path, no URL."""
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.!+]+", line)] == []
    assert len(pins()) == len(lines)
    assert NAME not in pins()


@pytest.mark.parametrize("name", sorted(requirements(*EXTRAS)))
def test_every_direct_dependency_is_pinned_within_its_bounds(name: str) -> None:
    """What pyproject.toml asks for, an installation gets in the version that was tested."""
    pin = pins()[canonicalize_name(name)]
    assert requirements(*EXTRAS)[name].specifier.contains(pin), pin


# --- Makefile -------------------------------------------------------------------------------------


def test_every_phony_target_has_a_rule() -> None:
    """A phony name without a rule would do nothing and say that all is well."""
    assert sorted(phony()) == sorted(set(targets()))


def test_make_alone_lists_every_target_with_what_it_does() -> None:
    """The help is made from the rules: each has its comment."""
    if shutil.which("make") is None:
        pytest.skip("no make on this machine")
    done = subprocess.run(
        ["make", "--no-print-directory"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    told = [re.match(r"make (\S+)\s+\S+", line) for line in done.stdout.splitlines()]
    assert sorted(line[1] for line in told if line) == sorted(set(targets()))


def test_ci_runs_the_readme_s_test_command() -> None:
    """What CI proves is what a reader can type."""
    assert "make test" in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


# --- versions -------------------------------------------------------------------------------------


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    """pyproject.toml, the newest heading and the installed distribution name one version."""
    stated: str = PROJECT["project"]["version"]
    changelog = REPOSITORY / "CHANGELOG.md"
    if changelog.exists():
        headings = re.findall(
            r"^## \[?([\d.]+)", changelog.read_text(encoding="utf-8"), re.MULTILINE
        )
        assert headings[0] == stated
    assert version(NAME) == stated


@pytest.mark.parametrize("key", ["readme", "license-files"])
def test_the_files_that_the_project_names_are_there(key: str) -> None:
    """README and licence go into the distribution."""
    value = PROJECT["project"][key]
    for name in [value] if isinstance(value, str) else value:
        assert (REPOSITORY / name).stat().st_size > 0
