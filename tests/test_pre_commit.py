"""The hooks before a commit: each runs offline, passes a clean tree, and fails on its own fault."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parent.parent
CONFIG = ".pre-commit-config.yaml"
HOOKS: dict[str, dict[str, Any]] = {
    hook["id"]: hook
    for repo in yaml.safe_load((REPOSITORY / CONFIG).read_text(encoding="utf-8"))["repos"]
    for hook in repo["hooks"]
}
CLEAN = {
    "sandbox/__init__.py": '"""A package."""\n\nONE: int = 1\n',
    "data.json": '{"a": 1}\n',
    "data.yml": "a: 1\n",
    "data.toml": "a = 1\n",
}
FAULTY = {
    "end-of-file-fixer": ("notes.txt", "no end"),
    "trailing-whitespace": ("notes.txt", "blank \n"),
    "mixed-line-ending": ("notes.txt", "one\r\ntwo\n"),
    "check-merge-conflict": ("notes.txt", "<<<<<<< mine\n"),
    "check-yaml": ("data.yml", "a: [1\n"),
    "check-toml": ("data.toml", "a = \n"),
    "check-json": ("data.json", '{"a": 1,}\n'),
    "check-added-large-files": ("notes.txt", "x" * 1_100_000 + "\n"),
    "ruff": ("sandbox/__init__.py", '"""A package."""\n\nimport os\n'),
    "ruff-format": ("sandbox/__init__.py", '"""A package."""\n\nONE  =  1\n'),
    "mypy": ("sandbox/__init__.py", '"""A package."""\n\nONE: str = 1\n'),
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a small clean repository with the project's settings and environment."""
    if shutil.which("git") is None:
        pytest.skip("pre-commit works on git repositories; no git on this machine")
    root = tmp_path / "repository"
    for name, text in CLEAN.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    for name in (CONFIG, "pyproject.toml"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / ".venv").symlink_to(sys.prefix)
    (root / ".gitignore").write_text(".venv\n.*_cache\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", "."], cwd=root, check=True)
    return root


def commit_hooks(root: Path, *hook: str) -> subprocess.CompletedProcess[str]:
    """Stage everything and run one hook, or all, as a commit would."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", "add", "--all"], cwd=root, env=env, check=True)
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", *hook],
        cwd=root,
        env=env | {"PRE_COMMIT_HOME": str(root.parent / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_hook_is_a_tool_of_the_project_s_environment() -> None:
    """Nothing is cloned or downloaded: an environment that passes the tests has them all."""
    assert {hook["language"] for hook in HOOKS.values()} == {"system"}
    for hook in HOOKS.values():
        program = Path(hook["entry"].split()[0])
        assert program.parent == Path(".venv/bin")
        assert (Path(sys.prefix) / "bin" / program.name).exists(), program


def test_a_clean_tree_passes_every_hook(repository: Path) -> None:
    """The hooks agree with each other and with the project's settings; none is left out."""
    done = commit_hooks(repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == len(HOOKS)


def test_every_hook_has_a_fault_to_find() -> None:
    """A new hook comes with what it is for."""
    assert sorted(FAULTY) == sorted(HOOKS)


@pytest.mark.parametrize("hook", FAULTY)
def test_a_hook_fails_on_its_own_fault(repository: Path, hook: str) -> None:
    """A hook that never fails checks nothing."""
    name, text = FAULTY[hook]
    (repository / name).write_bytes(text.encode())
    done = commit_hooks(repository, hook)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Failed" in done.stdout
