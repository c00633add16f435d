"""The conversation platform: its claims hold on the model, and its app does what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from sandbox import evidence, systems, workbench
from sandbox.claims import Claim, Evidence
from sandbox.engines.live.stage import Stage
from sandbox.metrics import measure
from sandbox.overheads import Overheads
from sandbox.patterns.database import Database
from sandbox.patterns.errors import Permanent
from sandbox.patterns.providers import ai
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.service.serve import Served, serve
from sandbox.systems.conversations import data, deploy, of_order, of_reliability, probes
from sandbox.systems.conversations.app import build, mended, written
from sandbox.systems.conversations.front import DOOR, PATHS
from tests.openapi import check_openapi
from tests.waiting import until

PLATFORM = systems.get("conversations")
CLAIMS = {claim.name: claim for claim in PLATFORM.claims}


def modelled(scenario: Scenario) -> Run:
    return workbench.run(scenario, engine="model", overheads=Overheads())


# --- claims -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found() -> dict[str, Evidence]:
    """Return what the model, and Celery's configuration, say of each claim; each scenario once."""
    gathered = evidence.gather(PLATFORM.claims, overheads=Overheads())
    return {one.claim.name: one for one in gathered}


@pytest.mark.parametrize("name", CLAIMS)
def test_the_model_says_what_is_stated(name: str, found: dict[str, Evidence]) -> None:
    assert found[name].is_as_stated, found[name].status


def late(scenario: Scenario, **more: Any) -> Scenario:
    tasks = tuple(task.but(acks_late=True, **more) for task in scenario.tasks)
    return scenario.but(tasks=tasks)


def only(claim: Claim) -> Scenario:
    (scenario,) = claim.shown_by.values()
    return scenario


MENDS = {
    "priority": lambda _: of_order.both("mended"),
    "distribution": lambda _: of_order.shared_out("mended"),
    "unrouted": lambda _: of_reliability.unrouted("mended"),
    "worker-killed": late,
    "child-killed": lambda one: late(one, reject_on_worker_lost=True),
    "broker-killed": lambda one: one.but(broker=one.broker.but(persistence="aof")),
    "limits": lambda one: one.but(tasks=[task.but(time_limit_s=1.0) for task in one.tasks]),
}


@pytest.mark.parametrize("name", MENDS)
def test_what_is_wrong_would_be_right_were_it_so(name: str) -> None:
    """A claim's number tells: with what it lacks as written, it is borne out."""
    claim = CLAIMS[name]
    assert claim.verdict == "wrong"
    assert claim.judge(claim.of_run(modelled(MENDS[name](only(claim))))) is True


# --- variants -----------------------------------------------------------------------------------


def test_as_written_loses_what_runs_and_mended_loses_nothing() -> None:
    as_written, better = (
        measure(modelled(PLATFORM.variant(name))) for name in ("as-written", "mended")
    )
    assert (as_written.value("lost"), as_written.value("ran_twice")) == (2, 0)
    assert (better.value("lost"), better.value("stuck")) == (0, 0)
    assert better.value("ran_twice") > 0


def test_the_scenario_is_the_app_s() -> None:
    """Law: another limit or route in the app is another scenario."""
    for app in (written, mended):
        for name in deploy.ITS_OWN:
            route = app.amqp.router.route({}, name)["queue"].name
            variant = PLATFORM.variant("as-written" if app is written else "mended")
            kind = variant.task(name)
            assert kind.queue == route
            assert kind.acks_late is bool(app.tasks[name].acks_late)
            assert kind.time_limit_s == app.tasks[name].time_limit


def test_each_app_has_the_eleven_tasks_of_its_own() -> None:
    mine = {name for name in build({}).tasks if name.startswith("app.")}
    assert mine == {*deploy.ITS_OWN, deploy.NOTIFY}
    assert len(deploy.ITS_OWN) == 11


# --- real work ----------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Put a database of this test's own in the place of the run's."""
    own = Database(tmp_path / "data.sqlite")
    monkeypatch.setattr(data, "database", lambda: own)
    yield own
    own.close()


def count(database: Database, table: Any) -> int:
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.mark.parametrize(("with_key", "times"), [(True, 1), (False, 2)])
def test_a_message_that_is_processed_twice(database: Database, with_key: bool, times: int) -> None:
    """Law: with a key it is stored and asked once; without one, as often as it runs."""
    said = [data.converse("t/1", "conv_1", "hello there", with_key=with_key) for _ in range(2)]
    assert said[0] == said[1]
    assert count(database, data.messages) == 2 * times
    assert ai(database).counts() == {"conv_1": times}


def test_a_webhook_that_a_platform_repeats_is_stored_once(database: Database) -> None:
    payload = {"event": "message", "data": {"n": 1}}
    first = data.receive("facebook", payload, with_key=True)
    assert data.receive("facebook", dict(reversed(payload.items())), with_key=True) == first
    assert count(database, data.webhooks) == 1
    data.receive("google", payload, with_key=True)
    assert count(database, data.webhooks) == 2


def test_what_no_attempt_could_process_is_permanent(database: Database) -> None:
    with pytest.raises(Permanent):
        data.receive("facebook", {"data": {}}, with_key=True)
    with pytest.raises(Permanent):
        data.converse("t/1", "conv_1", "  ", with_key=True)
    assert count(database, data.webhooks) == count(database, data.messages) == 0


@pytest.mark.live
def test_mended_keeps_what_has_failed(tmp_path: Path) -> None:
    """Law: as written no letter is kept a failed task, as mended one."""
    assert probes.letters_of("mended")(Stage("fake", tmp_path)) == 1


# --- the front door -----------------------------------------------------------------------------


def test_the_door_has_the_document_s_endpoints(tmp_path: Path) -> None:
    front_door = PLATFORM.variant("after").front_door
    assert front_door is not None
    paths = DOOR.api(mended, front_door, f"{tmp_path}/data.sqlite").openapi()["paths"]
    found = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(PATHS) <= found
    assert found - set(PATHS) == {"GET /health", "GET /metrics"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    runs = tmp_path_factory.mktemp("runs")
    with serve(PLATFORM.variant("after-mended"), broker="fake", runs=runs) as door:
        yield door


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {served.token}"}
    with httpx.Client(base_url=served.url, headers=headers, timeout=20) as one:
        yield one


MESSAGE = {"conversation_id": "conv_123", "message": "I need help with this product"}


@pytest.mark.live
def test_a_message_is_answered_later_or_at_once(client: httpx.Client) -> None:
    """Law: 202 with an id that leads to the answer, or 200 with the answer, as was asked for."""
    later = client.post("/conversations/message", json=MESSAGE | {"async_processing": True})
    assert (later.status_code, later.json()["status"]) == (202, "processing")
    assert later.json()["conversation_id"] == "conv_123"
    path = f"/conversations/tasks/{later.json()['task_id']}/status"
    until("the answer", lambda: client.get(path).json()["status"] == "SUCCESS")
    told = client.get(path).json()
    at_once = client.post("/conversations/message", json=MESSAGE)
    assert at_once.status_code == 200
    assert told["result"]["ai_response"] == at_once.json()["response"]
    assert told["progress"] == 100


@pytest.mark.live
def test_a_webhook_is_processed_later_unless_asked(client: httpx.Client) -> None:
    body = {"platform": "google", "payload": {"event": "message"}}
    later = client.post("/conversations/webhook-interaction", json=body)
    assert (later.status_code, later.json()["status"]) == (202, "processing")
    held = client.get("/conversations/tasks/queues/status").json()
    assert set(held["queues"]) == {"conversations", "webhooks", "analytics"}
    now = client.post("/conversations/webhook-interaction", json=body | {"async_processing": False})
    assert (now.status_code, len(now.json()["payload_hash"])) == (200, 64)


WAIT_FOR_WORKERS = {"GET /health", "GET /metrics", "GET /conversations/tasks/active"}


@pytest.mark.live
def test_the_door_keeps_to_its_own_openapi(served: Served) -> None:
    """Law: what is made up from the document is answered as the document says."""
    asked = check_openapi(served, 2, but=WAIT_FOR_WORKERS)
    assert set(asked) == set(PATHS) - WAIT_FOR_WORKERS


@pytest.mark.live
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "tasks/async_task_456/status", None, 404),
        ("POST", "tasks/async_task_456/cancel", None, 404),
        ("POST", "message", MESSAGE | {"message": " "}, 422),
        ("POST", "message", MESSAGE | {"message": "x" * 10_001}, 422),
        ("POST", "message", {"message": "hello"}, 422),
        ("POST", "webhook-interaction", {"platform": "myspace", "payload": {"event": "x"}}, 422),
        ("POST", "webhook-interaction", {"platform": "google", "payload": {}}, 422),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    client: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    answer = client.request(method, f"/conversations/{path}", json=body)
    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)
