"""Export: a script that needs only celery and redis shows what the scenario shows."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient

from sandbox import cli, systems
from sandbox.engines.live.supervisor import die_with_parent
from sandbox.errors import ScenarioError
from sandbox.export import to_notebook, to_script
from sandbox.faults import FAULTS
from sandbox.scenario import Scenario
from tests.conftest import real_redis

QUICK_SWEEPS = {
    "visibility_timeout_s": 2.0,
    "unacked_restore_interval_s": 0.5,
    "unacked_restore_throttle": 1,
}
REJECT = {"acks_late": True, "reject_on_worker_lost": True}
NEEDS_THE_PROXY = ("bandwidth", "cut_off", "half_open", "latency")


def described(fault: dict[str, Any] | None = None, **kind: Any) -> Scenario:
    started = {"on": "event", "event": "started", "nth": 1, "after_s": 0.5}
    task = {"name": "job", "service": {"kind": "deterministic", "value_s": 1.0}} | kind
    return Scenario(
        name="exported",
        tasks=[task],
        workers=[{"concurrency": 1, "prefetch_multiplier": 1}],
        loads=[{"kind": "burst", "task": "job", "n": 2}],
        broker=QUICK_SWEEPS,
        faults=[] if fault is None else [{"when": started} | fault],
        horizon_s=2.0,
        deadline_s=25.0,
    )


def performed(script: str, folder: Path) -> tuple[int, str]:
    """Run a script where no sandbox is at hand; return its exit status and what it said."""
    path = folder / "a script.py"
    path.write_text(script, encoding="utf-8")
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "REDIS_URL"}}
    done = subprocess.run(
        [sys.executable, str(path)], cwd=folder, env=env, capture_output=True, text=True,
        check=False, timeout=90, preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def imported(script: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(script)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


# --- the script -----------------------------------------------------------------------------------


@pytest.mark.live
@pytest.mark.redis
def test_a_script_shows_the_loss(tmp_path: Path) -> None:
    """Early ack, the worker killed: the script prints the lost task and exits with 1."""
    real_redis()
    kill = {"kind": "kill_worker", "worker": "worker1", "back_after_s": 0.5}
    status, said = performed(to_script(described(kill)), tmp_path)
    assert status == 1, said
    assert "VIOLATED by job/0" in said
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if "job/" in line[:4]}
    assert rows["job/0"] == ["1", "1", "0", "gone", "LOST"]
    assert rows["job/1"] == ["1", "1", "1", "gone"]


@pytest.mark.live
@pytest.mark.redis
def test_a_script_shows_none_where_none_is(tmp_path: Path) -> None:
    """acks_late and reject_on_worker_lost, the child killed: begun again, and exit status 0."""
    real_redis()
    kill = {"kind": "kill_child", "worker": "worker1"}
    status, said = performed(to_script(described(kill, **REJECT)), tmp_path)
    assert status == 0, said
    assert "holds" in said
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if "job/" in line[:4]}
    assert rows["job/0"] == ["1", "2", "1", "gone"]


def test_a_chance_is_in_a_script_only_if_it_strikes() -> None:
    """With the scenario's own seed, as in its runs."""
    kill = {"kind": "kill_worker", "worker": "worker1", "when": {"on": "time", "at_s": 1.0}}
    for probability, strikes in ((1.0, True), (0.0, False)):
        chance = {"kind": "maybe", "probability": probability, "fault": kill}
        script = to_script(described().but(faults=[chance]))
        assert ("- kill_worker: " in script) is strikes
        assert ("'verb': 'kill_worker'" in script) is strikes


def test_a_script_needs_only_celery_and_redis() -> None:
    """It imports nothing else that is not Python's own, and does not name the sandbox."""
    faults = [{"kind": "skip", "seconds": 5.0}, {"kind": "deploy"}, {"kind": "stop_broker"}]
    for fault in faults:
        script = to_script(described(fault, p_failure=0.5, retries=[{"kind": "auto"}]))
        others = imported(script) - set(sys.stdlib_module_names)
        assert others == {"celery", "redis"}
        assert "sandbox" not in script


def test_a_script_has_the_verbs_it_uses_and_no_others() -> None:
    """Fit for a report: what a fault does not need is left out."""
    script = to_script(described({"kind": "kill_worker", "worker": "worker1"}))
    parts = {p.name for p in ast.walk(ast.parse(script)) if isinstance(p, ast.FunctionDef)}
    assert {name for name in parts if name.startswith("do_")} == {"do_kill_worker"}


def test_every_fault_is_in_a_script_or_refused_by_name() -> None:
    """Faults of the network need the proxy; a script that left one out would show nothing."""
    worker = {"worker": "worker1"}
    more: dict[str, Any] = {
        "bandwidth": {"bytes_per_s": 100.0}, "latency": {"delay_s": 0.1}, "half_open": worker,
        "cut_off": worker, "skew": worker | {"offset_s": 5.0},
    }  # fmt: skip
    for kind in (*NEEDS_THE_PROXY, "skew"):
        assert kind in FAULTS
        with pytest.raises(ScenarioError, match=rf"faults\[0\] is '{kind}', which a script"):
            to_script(described({"kind": kind, **more[kind]}))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("app", {}),
        (r"loads\[0\].kind", {"loads": [{"kind": "closed", "task": "job", "n_clients": 1}]}),
        (r"hosts\[0\].cores", {"hosts": [{"cores": 1}]}),
    ],
)
def test_what_a_script_cannot_do_is_refused(field: str, changes: dict[str, Any]) -> None:
    """One sentence with the field's name."""
    scenario = systems.load("leadlawk") if field == "app" else described()
    with pytest.raises(ScenarioError, match=field):
        to_script(Scenario(**(scenario.model_dump(mode="json") | changes)))


# --- the notebook, the command --------------------------------------------------------------------


@pytest.mark.live
def test_the_notebook_runs_model_and_workers(tmp_path: Path) -> None:
    """It is a valid notebook; run, it shows the audit of the model and of real workers."""
    book = nbformat.reads(to_notebook(described()), as_version=4)
    nbformat.validate(book)
    NotebookClient(book, timeout=90, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = ["".join(out.get("text", "") for out in cell.get("outputs", [])) for cell in book.cells]
    assert "on model: 2 tasks" in shown[2] and "on live: 2 tasks" in shown[3]


def test_the_command_writes_script_notebook_and_scenario(tmp_path: Path) -> None:
    """``sandbox export FILE``: to files, or the script to the screen."""
    source = tmp_path / "in.json"
    source.write_text(described().to_json(), encoding="utf-8")
    names = {option: str(tmp_path / option) for option in ("script", "notebook", "json")}
    options = [part for option, path in names.items() for part in (f"--{option}", path)]
    done = CliRunner().invoke(cli.main, ["export", str(source), *options])
    assert done.exit_code == 0, done.output
    assert Scenario.from_file(names["json"]) == described()
    assert json.loads(Path(names["notebook"]).read_text(encoding="utf-8"))["nbformat"] == 4
    printed = CliRunner().invoke(cli.main, ["export", str(source), "--claim", "lost"])
    assert printed.output == to_script(described(), claims=("lost",))


def test_the_command_refuses_in_one_sentence(tmp_path: Path) -> None:
    """Exit status 2, and the fault that no script can do."""
    source = tmp_path / "in.json"
    fault = {"kind": "cut_off", "worker": "worker1"}
    source.write_text(described(fault).to_json(), encoding="utf-8")
    done = CliRunner().invoke(cli.main, ["export", str(source)])
    assert done.exit_code == 2
    assert "which a script without the sandbox cannot do" in done.output
