"""The front door's answers: the right status, one clear sentence, and nothing lost that was accepted."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from sandbox.engines.live import data
from sandbox.errors import ScenarioError
from sandbox.scenario import Scenario
from sandbox.service.answers import Busy
from sandbox.service.guard import method
from sandbox.service.serve import Served, serve, served
from sandbox.service.web_workers import WebWorkers
from tests.conftest import real_redis
from tests.doors import MOST_BYTES
from tests.openapi import check_openapi
from tests.test_conformance import scenario, task
from tests.waiting import until

JSON = {"Content-Type": "application/json"}


def described(**door: Any) -> Scenario:
    """Return a system of one quick task behind the test door."""
    return scenario(
        tasks=[task(service_s=0.01)],
        workers=[{"concurrency": 1}],
        loads=[],
        front_door={"app": "tests.doors:DOOR"} | door,
    )


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield an open door with a worker behind it, on the fake."""
    runs = tmp_path_factory.mktemp("runs")
    with serve(described(), broker="fake", runs=runs) as door:
        yield door


@pytest.fixture
def client(opened: Served) -> Iterator[httpx.Client]:
    """Yield a client that has the token."""
    with httpx.Client(base_url=opened.url, headers=dict(opened.headers), timeout=20) as found:
        yield found


def submissions(door: Served) -> list[tuple[str, int, str]]:
    """Return what the door's database says was submitted."""
    with closing(sqlite3.connect(door.session.folder / data.FILE)) as book:
        return book.execute("select task, number, accepted from submissions order by 2").fetchall()


def ended(client: httpx.Client, task_id: str) -> dict[str, Any]:
    """Wait until a task is done and return its state as it is answered."""
    states = ("SUCCESS", "FAILURE", "REVOKED")

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(f"/api/tasks/{task_id}").json()
        return found if found["state"] in states else None

    found = until(f"{task_id} ends", look)
    assert found is not None
    return found


# --- answers ----------------------------------------------------------------------------------


@pytest.mark.live
@pytest.mark.parametrize(
    ("status", "sentence", "ask"),
    [
        (401, "token", {"headers": {"Authorization": ""}}),
        (401, "token", {"headers": {"Authorization": "Bearer nobody"}}),
        (400, "Host", {"headers": {"Host": "example.org"}}),
        (413, "too large", {"content": b"[" * (MOST_BYTES + 1), "headers": JSON}),
        (413, "too large", {"content": iter([b"x" * MOST_BYTES, b"x"])}),
        (422, "not JSON", {"content": b'{"note": NaN}', "headers": JSON}),
        (422, "not JSON", {"content": b'{"note": 1, "note": 2}', "headers": JSON}),
        (422, "not JSON", {"content": b'{"note": "\\ud800"}', "headers": JSON}),
        (422, "nested too deeply", {"content": b"[" * 1999, "headers": JSON}),
        (422, "not JSON", {"content": b"\xff\xfe", "headers": JSON}),
        (422, "body", {"content": b'{"task": "job"}', "headers": {"Content-Type": "text/plain"}}),
        (422, "body.task: ", {"json": {"task": 7}}),
        (404, "did you mean 'job'", {"json": {"task": "jbo"}}),
        (422, "X-Task-Number", {"json": {}, "headers": {"X-Task-Number": "-1"}}),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_and_recorded_nowhere(
    opened: Served, client: httpx.Client, status: int, sentence: str, ask: dict[str, Any]
) -> None:
    """A refused request has its status and one line of JSON, and leaves no submission behind."""
    before = submissions(opened)
    answer = client.post("/jobs", **ask)
    detail = answer.json()["detail"]
    assert (answer.status_code, sentence in detail) == (status, True), detail
    assert "\n" not in detail
    assert len(detail) < 400
    assert submissions(opened) == before


@pytest.mark.live
def test_an_id_that_was_never_submitted_is_unknown(client: httpx.Client) -> None:
    """404 and not PENDING, whatever the id looks like; a path that is not there is 404 too."""
    for task_id in ("job~123456", "nobody", "~", "job~", "job~99999999999999999999", "job~٣"):
        answer = client.get(f"/api/tasks/{task_id}")
        assert answer.status_code == 404, task_id
        assert client.post(f"/api/tasks/{task_id}/cancel").status_code == 404, task_id
    assert client.get("/nowhere").status_code == 404
    assert client.put("/jobs").status_code == 405


@pytest.mark.live
def test_what_was_accepted_is_done_and_counted(client: httpx.Client, opened: Served) -> None:
    """202, an id, its state to the end, the wished-for number once; the figures count it."""
    answer = client.post("/jobs", json={}, headers={"X-Task-Number": "4711"})
    assert (answer.status_code, answer.json()) == (202, {"task_id": "job~4711"})
    again = client.post("/jobs", json={}, headers={"X-Task-Number": "4711"})
    assert again.status_code == 409
    assert ended(client, "job~4711")["state"] == "SUCCESS"
    cancelled = client.post("/api/tasks/job~4711/cancel").json()
    assert (cancelled["asked"], cancelled["state_before"]) == (False, "SUCCESS")
    health = until("the worker answers", lambda: (it := client.get("/health")).is_success and it)
    assert health.json()["workers"] == ["worker1@sandbox"]
    text = client.get("/metrics").text
    n = sum(state == "accepted" for _, _, state in submissions(opened))
    assert f'tasks_submitted_total{{task="job"}} {float(n)}' in text
    assert 'tasks_done_total{task="job"}' in text
    assert "\nbroker_up 1.0" in text


@pytest.mark.live
def test_a_notice_comes_when_the_work_is_done(client: httpx.Client, opened: Served) -> None:
    """The socket says the final state; it too wants the token, and a known id."""
    task_id = client.post("/jobs", json={}).json()["task_id"]
    place = opened.url.replace("http", "ws") + "/ws/"
    with connect(place + task_id, additional_headers=opened.headers) as socket:
        assert '"state":"SUCCESS"' in str(socket.recv(timeout=20))
    with pytest.raises(InvalidStatus, match="403"):
        connect(place + task_id)
    with (
        connect(place + "nobody", additional_headers=opened.headers) as socket,
        pytest.raises(ConnectionClosedError, match="was ever submitted"),
    ):
        socket.recv(timeout=20)


@pytest.mark.live
def test_the_openapi_is_true(opened: Served) -> None:
    """Schemathesis finds no answer that the door's own OpenAPI does not state."""
    assert "POST /jobs" in check_openapi(opened, n_examples=6)


# --- a broker that is gone ----------------------------------------------------------------------


@pytest.mark.live
@pytest.mark.redis
def test_without_a_broker_nothing_is_accepted_and_nothing_forgotten(tmp_path: Path) -> None:
    """503 with Retry-After; the record says not accepted; what was accepted waits and is known."""
    with (
        serve(described(), broker=real_redis(), runs=tmp_path, workers=False) as door,
        httpx.Client(base_url=door.url, headers=dict(door.headers), timeout=30) as client,
    ):
        for _ in range(3):
            assert client.post("/jobs", json={}).status_code == 202
        held = client.get("/api/queues").json()
        assert (held["waiting"], client.get("/api/tasks/active").json()) == (3, [])
        assert client.get("/health").json()["status"] == "no workers"
        door.session.controls.stop_broker()
        refused = client.post("/jobs", json={})
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
        assert "does not answer" in refused.json()["detail"]
        assert client.get("/api/tasks/job~0").status_code == 503
        assert client.get("/health").json()["status"] == "no broker"
        assert "\nbroker_up 0.0" in client.get("/metrics").text
        assert [state for _, _, state in submissions(door)] == ["accepted"] * 3 + ["not accepted"]


# --- web workers --------------------------------------------------------------------------------


def test_exactly_n_web_workers_work_at_once_and_the_loop_goes_on() -> None:
    """Two block, two wait, a fifth is refused, a read is not; meanwhile the loop is free."""
    go, begun = threading.Event(), threading.Semaphore(0)
    workers = WebWorkers(2, most_waiting=2)

    def block() -> str:
        begun.release()
        go.wait(20)
        return threading.current_thread().name

    async def all_of_it() -> tuple[list[str], int]:
        method.set("POST")
        four = [asyncio.create_task(workers.do(block)) for _ in range(4)]
        await asyncio.to_thread(until, "two wait", lambda: workers.waiting == 2)
        with pytest.raises(Busy, match="2 requests wait"):
            await workers.do(block)
        method.set("GET")
        read = asyncio.create_task(workers.do(lambda: "read"))
        n = sum(
            [begun.acquire(timeout=20), begun.acquire(timeout=20), begun.acquire(blocking=False)]
        )
        go.set()  # only a loop that is not blocked comes here
        assert await read == "read"
        return await asyncio.gather(*four), n

    names, n = asyncio.run(all_of_it())
    workers.close()
    assert (len(set(names)), n) == (2, 2)


# --- what can be served -----------------------------------------------------------------------


def test_only_a_system_with_a_door_of_its_own_is_served() -> None:
    """One sentence."""
    with pytest.raises(ScenarioError, match="conformance has no front door of its own"):
        served(scenario())
    with pytest.raises(ScenarioError, match=r"front_door\.requests is None; allowed: requests, or"):
        scenario(front_door={})
