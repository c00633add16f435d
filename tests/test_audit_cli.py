"""sandbox audit: totals, the verdict on each guarantee with its tasks, one task's account."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sandbox import cli, workbench
from sandbox.ledger import FILE
from sandbox.scenario import Scenario

CRASH = Scenario(
    name="crash",
    tasks=[{"name": "job", "service": {"kind": "deterministic", "value_s": 0.3}}],
    workers=[{"n_workers": 2, "concurrency": 1, "prefetch_multiplier": 1}],
    loads=[{"kind": "burst", "task": "job", "n": 6}],
    faults=[
        {
            "kind": "kill_worker",
            "worker": "worker1",
            "when": {"on": "event", "event": "started", "worker": "worker1", "after_s": 0.1},
        }
    ],
    horizon_s=2.0,
    deadline_s=5.0,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Store a run of the model in which a worker dies under early ack."""
    return workbench.run(CRASH, engine="model").save(tmp_path / "run")


def invoke(*args: str | Path) -> Result:
    return CliRunner().invoke(cli.main, ["audit", *map(str, args)])


def test_totals_and_guarantees_are_printed_with_their_tasks(folder: Path) -> None:
    text = invoke(folder).output
    assert "judged from the events, the ledger and the broker's last dump" in text
    assert "lost 1, duplicated 0, stuck 1" in text
    assert "at least once: violated by job/0 (over without an execution" in text
    assert "at most once: holds" in text
    assert "effectively once: violated by job/0" in text


def test_the_account_of_one_task_is_printed_whole(folder: Path) -> None:
    text = invoke(folder, "--task", "job/0").output
    assert "job/0: lost, STARTED; gone" in text
    assert "delivered 1, started 1, succeeded 0, killed 1" in text
    assert "effect applied 0, effective 0" in text
    assert "worker_exited" in text
    assert "at least once: violated (over without" in text


def test_json_holds_the_same(folder: Path) -> None:
    whole = json.loads(invoke(folder, "--json").output)
    assert whole["totals"]["lost"] == 1 and len(whole["tasks"]) == 6
    assert whole["guarantees"]["at least once"]["verdict"] == "violated"
    one = json.loads(invoke(folder, "--task", "job/1", "--json").output)
    assert list(one["tasks"]) == ["job/1"] and len(one["effects"]) == 1


def test_deleting_a_row_by_hand_is_found_out(folder: Path) -> None:
    with closing(sqlite3.connect(folder / FILE)) as base:
        base.execute("DELETE FROM effects WHERE task = 'job/1'")
        base.commit()
    told = invoke(folder, "--task", "job/1").output
    assert "at least once: violated (it succeeded, but its effect is not in the ledger)" in told


@pytest.mark.parametrize(("name", "status"), [("at most once", 0), ("at least once", 1)])
def test_a_guarantee_can_be_required(folder: Path, name: str, status: int) -> None:
    assert invoke(folder, "--require", name).exit_code == status


def test_late_tasks_are_counted_from_what_is_asked_for(folder: Path) -> None:
    """Two that run at once, later ones behind them; the stuck one waits to the end."""
    assert json.loads(invoke(folder, "--late", "0.2", "--json").output)["totals"]["late"] == 4
    assert json.loads(invoke(folder, "--late", "60", "--json").output)["totals"]["late"] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--task", "jib/0"], "task is 'jib/0'; allowed: one of"),
        (["--late", "-1"], "late is -1.0; allowed: seconds, 0 or more"),
    ],
)
def test_wrong_input_ends_in_a_sentence(folder: Path, arguments: list[str], sentence: str) -> None:
    found = invoke(folder, *arguments)
    assert (found.exit_code, len(found.stderr.splitlines())) == (2, 1)
    assert sentence in found.stderr


def test_a_folder_that_is_no_run_ends_in_a_sentence(tmp_path: Path) -> None:
    found = invoke(tmp_path)
    assert found.exit_code == 2 and "is not a stored run" in found.stderr


def test_a_ledger_that_cannot_be_read_ends_in_a_sentence(folder: Path) -> None:
    (folder / FILE).write_bytes(b"torn" * 300)
    found = invoke(folder)
    assert found.exit_code == 2 and "is not a ledger" in found.stderr
