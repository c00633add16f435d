"""The command ``sandbox what-if``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sandbox import cli
from sandbox.errors import ScenarioError
from sandbox.loads import Burst
from sandbox.what_if_command import assignments
from tests.test_capacity_offered import queue


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Write a small scenario; return its file."""
    path = tmp_path / "small.json"
    small = queue(1.0, kind="terminating", loads=[Burst(task="t", n=8)])
    path.write_text(small.to_json(), encoding="utf-8")
    return str(path)


def what_if(file: str, *args: str) -> Result:
    return CliRunner().invoke(cli.main, ["what-if", file, *args])


def test_it_shows_a_row_a_point(file: str) -> None:
    result = what_if(file, "--set", "workers.w.concurrency=1,2", "--replications", "2")
    assert result.exit_code == 0, result.output
    rows = [line.split()[0] for line in result.stdout.splitlines()[2:]]
    assert rows == ["1", "2"]


def test_it_prints_one_json_object_with_an_answer(file: str) -> None:
    result = what_if(
        file, "--set", "workers.w.concurrency=1,2,4,8", "--until", "makespan_s < 100",
        "--replications", "2", "--json",
    )  # fmt: skip
    data = json.loads(result.stdout)
    assert data["answer"]["value"] == 1
    assert data["answer"]["verdict"] == "yes"
    assert data["stopped"] == "replications"
    assert {row["unit"] for row in data["points"] if row["metric"] == "makespan_s"} == {"s"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--set", "workers.w.concurency=1"), "did you mean 'concurrency'?"),
        (("--set", "workers.w.concurrency=0"), "at workers.w.concurrency = 0: "),
        (("--set", "workers.w.concurrency"), "allowed: a path, =, and its values"),
        (("--set", "seed=1", "--set", "seed=2"), "names seed twice"),
        (("--set", "seed=1", "--metric", "speed"), "metric is 'speed'"),
        (("--set", "seed=1,2", "--until", "fast"), "such as 'p95_latency_s < 30'"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_status_2(
    file: str, args: tuple[str, ...], words: str
) -> None:
    result = what_if(file, *args)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("x=1,2.5,true,null", [1, 2.5, True, None]),
        ("x=prefork,solo", ["prefork", "solo"]),
        ("x=[0,3],[0,3,6]", [[0, 3], [0, 3, 6]]),
        ('x={"kind": "deterministic", "value_s": 1}', [{"kind": "deterministic", "value_s": 1}]),
        ("x=30/m,null", ["30/m", None]),
    ],
)
def test_values_are_json_or_words(text: str, values: list[Any]) -> None:
    assert assignments((text,)) == {"x": values}


def test_no_value_is_wrong_input() -> None:
    with pytest.raises(ScenarioError):
        assignments(("x=",))
