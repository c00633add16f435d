"""``sandbox predict module:app``: a project's own app, from its folder, as ``celery -A`` finds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sandbox
from sandbox.derive.arguments import rates, services
from sandbox.derive.load import load_app
from sandbox.draws import Exponential, from_quantiles
from sandbox.errors import ScenarioError
from sandbox.loads import Poisson
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario
from tests.test_scenario import sentence_of

REPOSITORY = Path(__file__).parent.parent
PROJECT = {
    "shop/__init__.py": "",
    "shop/celery.py": """
from celery import Celery

print("a project may print when it is imported")
app = Celery("shop", broker="redis://nowhere", backend="redis://nowhere", include=["shop.tasks"])
app.conf.task_routes = {"shop.tasks.mail": "post"}
app.conf.beat_schedule = {"tick": {"task": "shop.tasks.tick", "schedule": 10}}
number = 3
""",
    "shop/tasks.py": """
from .celery import app

print("so may the modules that it includes")

@app.task(acks_late=True)
def mail():
    raise SystemExit("a task must not be run")

@app.task
def tick():
    pass
""",
    "shop/broken.py": "import shop.celery\n\nvalue = {}['no such key']\n",
    "shop/lacking.py": "import no_such_library\n",
    "shop/leaving.py": "raise SystemExit(3)\n",
    "shop/wordy.py": "this is no Python\n",
    "shop/plain.py": "",
}
WORKER = "celery -A shop worker -Q post,celery -c 4 -n mail1@%h -B"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in PROJECT.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def command(project: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run ``sandbox`` in the project's folder, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "SANDBOX_CACHE": str(project)}
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *args],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_predict_takes_an_app_with_its_commands_rates_and_times(project: Path) -> None:
    """Rows of a prediction, as JSON and nothing else, and what could not be derived."""
    done = command(
        project, "predict", "shop.celery:app", "--command", WORKER, "--rate",
        "shop.tasks.mail=3/s", "--service", "shop.tasks.mail=0.1/0.3", "--service",
        "shop.tasks.tick=0.01", "--horizon", "20", "--budget", "0.1", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    rows = {row["metric"]: row for row in data["rows"]}
    assert rows["published"]["mean"] == pytest.approx(3 * 20 + 1, rel=0.3)
    assert rows["lost"]["mean"] == 0
    told = {note["where"] for note in data["not_derived"]}
    assert told == {"tasks.work", "tasks.p_failure", "broker.persistence"}


def test_predict_of_an_app_alone_says_what_it_assumes(project: Path) -> None:
    """One worker, one of each task, 0.1 s each: a prediction, and a line for each assumption."""
    done = command(project, "predict", "shop.celery:app", "--budget", "0.1")
    assert done.returncode == 0, done.stderr
    assert "throughput_per_s" in done.stdout
    told = [line for line in done.stdout.splitlines() if line.startswith("not derived: ")]
    for where in ("tasks.service", "loads", "workers", "queues.post"):
        assert any(line.startswith(f"not derived: {where}") for line in told), where
    assert "may" not in done.stdout.splitlines()[0]


def test_schema_prints_the_derived_scenario_to_start_from(project: Path) -> None:
    """What schema prints is read back, and predict takes it as a file."""
    done = command(project, "schema", "shop.celery:app", "--command", WORKER)
    found = Scenario.from_json(done.stdout)
    assert found.task("shop.tasks.mail").queue == "post"
    assert found.workers[0].name == "mail"
    assert found.not_derived


def test_predict_takes_the_folder_of_a_run(tmp_path: Path) -> None:
    """The run is fitted, and the fitted scenario predicted."""
    run = sandbox.run(sandbox.load("leadlawk"), engine="model", overheads=Overheads())
    done = command(tmp_path, "predict", str(run.save(tmp_path / "run")), "--budget", "0.1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("leadlawk.fitted: ")


@pytest.mark.parametrize(
    ("app", "says"),
    [
        ("nowhere.at.all:app", "there is no module 'nowhere'"),
        ("shop.nothing:app", "there is no module 'shop.nothing'"),
        ("shop.celery:application", "has no 'application'"),
        ("shop.celery:number", "no Celery app but of type int"),
        ("shop.broken:app", "KeyError: 'no such key' ("),
        ("shop.lacking:app", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("shop.leaving:app", "SystemExit: 3"),
        ("shop.wordy:app", "SyntaxError"),
        ("shop.plain:", "without a Celery app"),
        (":app", "allowed: module:app"),
        ("shop..celery:app", "allowed: module:app"),
    ],
)
def test_an_app_that_cannot_be_had_is_refused_in_one_sentence(
    project: Path, monkeypatch: pytest.MonkeyPatch, app: str, says: str
) -> None:
    """Which module, which error of whose line; never a traceback."""
    monkeypatch.chdir(project)
    before = set(sys.modules)
    try:
        with pytest.raises(ScenarioError) as error:
            load_app(app)
    finally:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == "shop":
                del sys.modules[name]
    assert says in sentence_of(error)
    assert str(project) not in sys.path


def test_a_wrong_app_ends_the_command_with_status_2(project: Path) -> None:
    """The user's error is told in one line, with its file and line."""
    done = command(project, "predict", "shop.broken:app")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()[-1:]
    assert line.startswith("sandbox: app is 'shop.broken:app', which cannot be imported: KeyError")
    assert line.endswith("broken.py:3)")
    assert "Traceback" not in done.stderr


def test_a_module_alone_is_searched_for_its_app(project: Path) -> None:
    """``shop:`` finds shop.celery's app, as ``celery -A shop`` does."""
    assert command(project, "schema", "shop:").returncode == 0


@pytest.mark.parametrize("option", ["--command", "--rate", "--service", "--horizon"])
def test_only_an_app_takes_the_options_that_go_with_one(project: Path, option: str) -> None:
    """They would have no effect on a scenario that says all of it."""
    done = command(project, "predict", "leadlawk", option, "1")
    assert done.returncode == 2
    assert option in done.stderr


def test_rates_and_times_are_written_as_celery_and_people_write_them() -> None:
    """5/m is a rate; one number is a mean, two are median and 95th percentile."""
    assert rates(["a=30/m"]) == (Poisson(task="a", rate_per_s=0.5),)
    assert services(["a=0.2", "b=1/3"]) == {
        "a": Exponential(mean_s=0.2),
        "b": from_quantiles(p50_s=1.0, p95_s=3.0),
    }


@pytest.mark.parametrize("text", ["", "a", "a=", "=3", "a=fast", "a=-1", "a=nan", "a=3/1", "a=inf"])
def test_a_rate_or_time_that_is_none_is_refused_in_one_sentence(text: str) -> None:
    """Both name the text and what is allowed."""
    for read in (rates, services):
        with pytest.raises(ScenarioError) as error:
            read([text])
        sentence_of(error)
