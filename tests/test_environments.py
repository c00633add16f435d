"""Where people are: Binder, a dev container, conda and pip install one and the same thing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_house import EXTRAS, NAME, PROJECT, REPOSITORY, pins, requirements, targets

PYTHON: str = PROJECT["tool"]["mypy"]["python_version"]
START = "notebooks/00-start-here.ipynb"
PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
}


def read(name: str) -> str:
    """Return a file of the repository."""
    return (REPOSITORY / name).read_text(encoding="utf-8")


# --- constraints.txt: everything that is installed, for each platform -----------------------------


@cache
def requires(name: str) -> tuple[Requirement, ...]:
    """Return what an installed package says that it needs; nothing for one that is not here."""
    try:
        return tuple(map(Requirement, importlib.metadata.requires(name) or ()))
    except importlib.metadata.PackageNotFoundError:
        return ()


def needed(wanted: list[Requirement], platform: str, version: str, patch: str = "0") -> set[str]:
    """Return the names of all that an installation brings, as this environment's metadata tell.

    A package that is not installed here, such as one for another platform, is not followed.
    """
    place = dict(default_environment()) | PLATFORMS[platform]
    place |= {"python_version": version, "python_full_version": f"{version}.{patch}"}
    found: set[str] = set()
    todo = [(one, "") for one in wanted]
    seen: set[tuple[str, str]] = set()
    while todo:
        one, extra = todo.pop()
        if one.marker is not None and not one.marker.evaluate(place | {"extra": extra}):
            continue
        name = canonicalize_name(one.name)
        found.add(name)
        for part in ({""} | one.extras) - {extra for known, extra in seen if known == name}:
            seen.add((name, part))
            todo += [(below, part) for below in requires(name)]
    return found - {canonicalize_name(NAME)}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_everything_that_is_installed_is_pinned(platform: str, version: str) -> None:
    """All extras with all that they need, on Linux and on macOS: no version is left to chance."""
    everything = list(requirements(*EXTRAS).values())
    names = needed(everything, platform, version)
    assert {"celery", "kombu", "jupyterlab", "ipykernel", "lupa"} <= names
    assert sorted(names - set(pins())) == []


def test_no_pin_is_there_for_nothing() -> None:
    """A pin that nothing needs any more is removed with what needed it."""
    everything = list(requirements(*EXTRAS).values())
    names = {name for where in PLATFORMS for name in needed(everything, where, PYTHON)}
    tools = {"pip", "setuptools", "uv"}  # what makes the environment
    peers = {"ciw", "salabim", "networkx", "tqdm"}  # what only `make bench` installs
    binary = {"psycopg-binary"}  # what only the extra `postgres` installs
    monitor = {"humanize", "pytz"}  # what only the extra `flower` installs
    assert sorted(set(pins()) - names - tools - peers - binary - monitor) == []


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"flower"}))
def test_flower_comes_only_to_who_asks_for_it(extra: str) -> None:
    """It slows every worker's start and can stop workers: no other extra brings it along."""
    assert "flower" in requirements("flower")
    assert "flower" not in needed(list(requirements(extra).values()), "linux", PYTHON)


# --- binder ---------------------------------------------------------------------------------------


def lines(name: str) -> list[str]:
    """Return a file's lines without comments and empty ones."""
    return [line for raw in read(name).splitlines() if (line := raw.split("#")[0].strip())]


def test_binder_installs_the_checkout_with_the_notebook_s_extra_as_pinned() -> None:
    """A requirement's own path is seen from the root, a constraint file's from binder/."""
    constraint, package = lines("binder/requirements.txt")
    assert (REPOSITORY / "binder" / constraint.removeprefix("-c ")).resolve() == (
        REPOSITORY / "constraints.txt"
    )
    assert package == "-e .[notebook]"
    assert "notebook" in EXTRAS


def test_binder_s_python_and_redis_are_those_of_the_other_ways() -> None:
    """The tested Python, and the real broker that conda and the dev container bring too."""
    assert lines("binder/runtime.txt") == [f"python-{PYTHON}"]
    assert lines("binder/apt.txt") == ["redis-server"]
    assert "redis-server" in yaml.safe_load(read("environment.yml"))["dependencies"]
    assert "redis-server" in read(".devcontainer/Dockerfile")


def test_binder_s_last_step_runs_and_proves_that_live_runs_work(tmp_path: Path) -> None:
    """postBuild is executable and passes where this suite passes."""
    script = REPOSITORY / "binder" / "postBuild"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [script],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "brokers:" in done.stdout


# --- the dev container ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def container() -> dict[str, Any]:
    """Return devcontainer.json."""
    read_back: dict[str, Any] = json.loads(read(".devcontainer/devcontainer.json"))
    return read_back


def test_the_container_has_the_tested_python(container: dict[str, Any]) -> None:
    """Its image is Python's own, in the version that constraints.txt was tested with."""
    dockerfile = read(f".devcontainer/{container['build']['dockerfile']}")
    assert re.findall(r"^FROM python:([\d.]+)-slim-\w+$", dockerfile, re.MULTILINE) == [PYTHON]
    assert {"make", "git"} <= set(dockerfile.split())


def test_the_container_is_made_by_the_makefile(container: dict[str, Any]) -> None:
    """It installs what `make test` needs, and its editor uses that environment."""
    made = container["postCreateCommand"].split(" && ")[0].split()
    assert made == ["make", ".venv/.dev"]
    assert "test: $(VENV)/.dev" in read("Makefile")
    assert "test" in targets()
    python = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python == "${containerWorkspaceFolder}/.venv/bin/python"


def test_the_container_opens_the_first_notebook(container: dict[str, Any]) -> None:
    """The notebook that `make lab` opens is there and opens here too."""
    assert container["customizations"]["codespaces"]["openFiles"] == [START]
    assert START in read("Makefile")
    assert (REPOSITORY / START).exists()


def test_a_process_one_that_reaps_is_asked_for(container: dict[str, Any]) -> None:
    """Without an init, killed workers would stay zombies of a PID 1 that does not wait."""
    assert container["init"] is True


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        ".pre-commit-config.yaml",
        "binder/requirements.txt",
        "binder/postBuild",
        ".devcontainer/Dockerfile",
        ".devcontainer/devcontainer.json",
        "environment.yml",
        "constraints.txt",
        "Makefile",
        "pyproject.toml",
    ],
)
def test_no_file_names_an_address(name: str) -> None:
    """Where packages come from is the business of the machine that installs them."""
    assert "://" not in read(name)
    assert not re.search(r"(index|find|trusted)-(url|links|host)", read(name))
