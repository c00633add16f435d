"""A workshop: twenty learners on one Redis, each under a prefix of their own, one room of guesses."""

from __future__ import annotations

import doctest
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from click.testing import CliRunner

from sandbox import Run, Scenario, cli, lab, measure, workbench, workshop_command
from sandbox.audit import audit
from sandbox.engines import Session
from sandbox.labs import kernel, room
from sandbox.labs.room import Room
from tests.redis_wire import PASSWORD, real_server
from tests.test_foreign_broker import REFUSED

N = 20
AT_ONCE = 4
TASKS, MORE = 6, 3
LEARNERS = [f"learner-{n:02}" for n in range(N)]
_KEY = re.compile(r"(sandbox-[0-9a-f]{16}:|sandbox-room:)")
QUESTION = "How many of the twelve pictures are lost?"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Yield the URL of the Redis that the workshop shares."""
    with real_server() as port:
        yield f"redis://:{quote(PASSWORD)}@127.0.0.1:{port}/0"


def own(learner: str) -> Scenario:
    """Return a scenario whose tasks bear the learner's name, and whose worker dies."""
    return Scenario(
        name=learner,
        tasks=[{"name": learner, "acks_late": True, "service": {"kind": "deterministic", "value_s": 0.2}}],
        workers=[{"concurrency": 2}],
        loads=[{"kind": "burst", "task": learner, "n": TASKS}],
        horizon_s=2.0,
        deadline_s=60.0,
    )  # fmt: skip


def own_task(key: str) -> str:
    return key.rpartition("/")[0]


@pytest.mark.live
@pytest.mark.redis
@pytest.mark.timeout(400)
def test_twenty_learners_share_one_redis(url: str, tmp_path: Path) -> None:
    """Law: all twenty open at once, each sees its own tasks only, and nothing of them is left."""
    server = redis.Redis.from_url(url, decode_responses=True)
    owner = "somebody else's task"
    server.lpush("celery", owner)

    def begin(learner: str) -> Session:
        return workbench.start(own(learner), broker=url, runs=tmp_path / learner)

    def end(session: Session) -> Run:
        with session:
            assert session.wait() == "drained"
        return session.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        sessions = list(pool.map(begin, LEARNERS))
        prefixes = {session.broker.prefix for session in sessions}
        assert len(prefixes) == N
        for learner, session in zip(LEARNERS, sessions, strict=True):
            session.controls.submit(learner, MORE)
        used = {found[1] for key in server.scan_iter() if (found := _KEY.match(key))}
        assert used == prefixes
        runs = list(pool.map(end, sessions))
    for learner, run in zip(LEARNERS, runs, strict=True):
        assert {own_task(e.task) for e in run.events if e.task} == {learner}
        assert measure(run).value("done") == TASKS + MORE
        assert audit(run).counts()["done once"] == TASKS + MORE
    assert list(server.scan_iter()) == ["celery"]
    assert server.lrange("celery", 0, -1) == [owner]
    server.delete("celery")


@pytest.mark.redis
def test_the_room_pools_twenty_guesses_and_who_is_how_far(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: everybody's guess stands beside model and measurement; another room is not touched."""
    monkeypatch.chdir(tmp_path)
    server = redis.Redis.from_url(url, decode_responses=True)
    server.set("sandbox-room:tuesday:questions", "kept")
    monkeypatch.setenv("SANDBOX_ROOM", f"{url}#monday")
    for n, learner in enumerate(LEARNERS):
        (tmp_path / learner).mkdir()
        monkeypatch.chdir(tmp_path / learner)
        monkeypatch.setenv("SANDBOX_LEARNER", learner)
        open_ = kernel.lesson("03")
        guess = lab.predict(QUESTION, (4, 8, 12)[n % 3])
        open_.check("early_loses", ...)
        open_.check("still_killed", killed())
    told = repr(guess.against(model=4, measured=4)).splitlines()
    assert told[1:4] == ["  you guessed  8", "  the model    4", "  measured     4"]
    assert [int(line.rsplit(" ", 1)[1]) for line in told[5:]] == [7, 7, 6]
    shown = CliRunner().invoke(cli.main, ["workshop", "show", f"{url}#monday", "--json"])
    found = json.loads(shown.output)
    assert sorted(found["guesses"][QUESTION]) == LEARNERS
    assert found["progress"] == {learner: {"03": "1/4"} for learner in LEARNERS}
    lines = CliRunner().invoke(cli.main, ["workshop", "show", f"{url}#monday"]).output.splitlines()
    assert lines[0] == QUESTION
    assert lines[4:] == [f"{learner}: lab 03 1/4" for learner in LEARNERS]
    assert CliRunner().invoke(cli.main, ["workshop", "end", f"{url}#monday"]).exit_code == 0
    assert server.keys("sandbox-room:*") == ["sandbox-room:tuesday:questions"]
    nobody = CliRunner().invoke(cli.main, ["workshop", "show", f"{url}#monday"])
    assert nobody.output == "monday: nobody yet\n"


def killed() -> Run:
    from sandbox.run import Event

    one = Event(0.1, "worker_exited", worker="worker1", detail={"signal": 9})
    return Run(own("one"), (one,), {"ended": "drained"})


@pytest.mark.redis
def test_one_line_joins(url: str, tmp_path: Path) -> None:
    """Law: it gives the three settings, and the first lab in the learner's folder."""
    line = ["workshop", "join", f"{url}#monday", "--as", "anna", "--folder", str(tmp_path)]
    joined = CliRunner().invoke(cli.main, [*line, "--no-open"])
    assert joined.exit_code == 0, joined.output
    assert [text.partition("=")[0] for text in joined.output.splitlines()] == [
        "export SANDBOX_ROOM", "export SANDBOX_LEARNER", "export SANDBOX_BROKER",
    ]  # fmt: skip
    assert (tmp_path / "01-first-task.ipynb").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("join", "monday"), 2, "a room is redis://host:port/0#name"),
        (("join", "redis://127.0.0.1:1/0#monday"), 3, "at 127.0.0.1:1 does not answer"),
        (("show", "redis://:secret@127.0.0.1:1/0#monday"), 3, "at 127.0.0.1:1 does not answer"),
        (("end", "http://127.0.0.1/#monday"), 3, "allowed: one of 'redis', 'rediss'"),
        (("show", "redis://127.0.0.1/0#a:b"), 2, "the room's name is 'a:b'; allowed: "),
        (("join", "redis://127.0.0.1/0#a", "--as", "x\ty"), 2, "the learner's name is "),
    ],
)
def test_what_cannot_be_is_a_sentence(arguments: tuple[str, ...], status: int, says: str) -> None:
    done = CliRunner().invoke(cli.main, ["workshop", *arguments])
    assert done.exit_code == status
    assert says in done.output
    assert "secret" not in done.output
    assert len(done.output.splitlines()) == 1


def test_without_its_server_a_learner_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANDBOX_ROOM", "redis://127.0.0.1:1/0#monday")
    open_ = kernel.lesson("03")
    assert "the room" not in repr(lab.predict(QUESTION, 4).against(model=4))
    assert open_.check("still_killed", killed()).is_right


@pytest.mark.parametrize("fault", REFUSED, ids=lambda fault: fault["kind"])
def test_what_would_hurt_the_others_runs_on_a_broker_of_one_s_own(fault: dict[str, Any]) -> None:
    one = own("one").but(faults=[fault])
    assert kernel.broker_for(one, "redis://host/0") == "auto"
    assert kernel.broker_for(one, "redis") == "redis"
    assert kernel.broker_for(own("one"), "redis://host/0") == "redis://host/0"


@pytest.mark.parametrize("module", [kernel, room, workshop_command], ids=lambda m: m.__name__)
def test_the_examples_run(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert (found.attempted > 0, found.failed) == (True, 0)


def test_a_room_is_by_default_this_machine_s_user() -> None:
    assert re.fullmatch(r"[\w.@ -]{1,40}", Room.at("redis://host/0").learner)
