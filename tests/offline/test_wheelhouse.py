"""The real wheelhouse, installed and used where there is no network: ``make wheelhouse-test``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sandbox

HOUSE = Path(__file__).parents[2] / "dist" / "wheelhouse"
NOWHERE = "http://127.0.0.1:9"
_OUTSIDE = ("192.0.2.1", 9)
pytestmark = pytest.mark.timeout(600)


def isolation() -> list[str]:
    """Return what to put before a command to give it loopback only; empty where nothing can."""
    for unshare in (["unshare", "-n"], ["unshare", "-rn"]):
        alone = [*unshare, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        if sys.platform == "linux" and shutil.which("unshare") and shutil.which("ip"):
            if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0:
                return alone
    return []


def call(*command: str | Path, cwd: Path) -> str:
    """Run a command without network: in a namespace of its own, or with proxies to nowhere."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    proxies = {f"{kind}_proxy": NOWHERE for kind in ("http", "https", "all")}
    pip = {"PIP_INDEX_URL": NOWHERE, "PIP_FIND_LINKS": "", "PIP_RETRIES": "0"}
    done = subprocess.run(
        [*isolation(), *command],
        cwd=cwd,
        env=env | proxies | pip | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheelhouse, moved, and the environment its installer made."""
    assert HOUSE.exists(), "make wheelhouse first"
    folder = tmp_path_factory.mktemp("room")
    shutil.copytree(HOUSE, folder / "house", copy_function=os.link)
    call(folder / "house" / "install.sh", cwd=folder)
    return folder


def test_there_is_no_network_in_the_room() -> None:
    """The namespace reaches nothing outside, so what works below works without it."""
    if not isolation():
        pytest.skip("no network namespaces here: only proxies and indexes lead nowhere")
    probe = f"import socket; socket.create_connection({_OUTSIDE!r}, 1)"
    alone = [*isolation(), sys.executable, "-c", probe]
    done = subprocess.run(alone, capture_output=True, text=True, check=False)
    assert "OSError" in done.stderr or "unreachable" in done.stderr


def test_the_installation_is_the_wheel_s(room: Path) -> None:
    """It does not lean on the checkout."""
    where = call(
        room / "venv/bin/python", "-c", "import sandbox; print(sandbox.__file__)", cwd=room
    )
    assert Path(where.strip()).is_relative_to(room / "venv")


def test_the_doctor_finds_a_broker(room: Path) -> None:
    """Live runs work in the room: a Redis of its own or the fake, and a complete recorder."""
    report = json.loads(call(room / "venv/bin/sandbox", "doctor", "--json", cwd=room))
    assert report["recorder"] == "complete"
    assert not report["brokers"]["fake"].startswith("not here")


def test_a_prediction_is_made(room: Path) -> None:
    """The model has all it needs."""
    command = ("predict", "leadlawk", "--budget", "0.5", "--json")
    told = json.loads(call(room / "venv/bin/sandbox", *command, cwd=room))
    assert told["scenario"] == "leadlawk"
    assert told["n"] > 0


def test_real_workers_run(room: Path) -> None:
    """Celery's workers do their tasks over loopback."""
    scenario = sandbox.Scenario(
        name="room",
        tasks=(sandbox.TaskType(name="hi"),),
        workers=(sandbox.WorkerPool(concurrency=2),),
        loads=(sandbox.Burst(task="hi", n=4),),
        horizon_s=1.0,
    )
    program = (
        "import sys, sandbox\n"
        "run = sandbox.run(sandbox.Scenario.from_file(sys.argv[1]), broker='fake')\n"
        "print(sandbox.measure(run).value('done'))\n"
    )
    (room / "scenario.json").write_text(scenario.to_json(), encoding="utf-8")
    (room / "program.py").write_text(program, encoding="utf-8")
    done = call(room / "venv/bin/python", "program.py", "scenario.json", cwd=room)
    assert done == "4.0\n"


def test_the_labs_came_along(room: Path) -> None:
    """They are listed, and one is started; JupyterLab need not be opened for it."""
    assert len(json.loads(call(room / "venv/bin/sandbox", "labs", "--json", cwd=room))) >= 5
    call(room / "venv/bin/sandbox", "labs", "start", "03", "--no-open", cwd=room)
    assert (room / "03-early-and-late-ack.ipynb").exists()


def test_the_notebook_s_tools_are_there(room: Path) -> None:
    """JupyterLab starts far enough to say its version, and the first notebook came along."""
    assert call(room / "venv/bin/jupyter", "lab", "--version", cwd=room).strip()
    assert (room / "house" / "notebooks" / "00-start-here.ipynb").exists()
