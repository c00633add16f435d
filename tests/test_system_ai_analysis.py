"""The AI analysis: its claims on the model, its app and scenarios as one, its real work, its door."""

from __future__ import annotations

import doctest
import importlib
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from sandbox import evidence, workbench
from sandbox.claims import Claim
from sandbox.engines.live import app as apps
from sandbox.engines.live import data
from sandbox.front import FrontDoor
from sandbox.loads import Burst
from sandbox.metrics import measure
from sandbox.overheads import Overheads
from sandbox.patterns.database import Database
from sandbox.patterns.providers import ai
from sandbox.run import Run
from sandbox.scenario import Scenario, TaskType
from sandbox.service.serve import Served, serve
from sandbox.systems.ai_analysis import SYSTEM, app, front, ops, probes, store
from sandbox.systems.ai_analysis.names import ANALYZE, CHAT, LIMIT, MINUTE_S, TEST
from sandbox.systems.ai_analysis.scenarios import WORKER, consuming
from tests.openapi import check_openapi
from tests.waiting import until

CLAIMS = {claim.name: claim for claim in SYSTEM.claims}
ROWS = {
    *(f"1.2 #{n}" for n in (7, 12, 15, 18, 19, 20, 24, 25, 26, 31)),
    *(f"1.3 S2-{n}" for n in range(1, 10)),
    "1.5-1 S2 /chat",
}  # fmt: skip
SECTION = {"section": "Introduction", "content": "A very short text. It has two sentences."}


def modelled(what: Scenario) -> Run:
    return workbench.run(what, engine="model", overheads=Overheads())


# --- claims -----------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_the_evidence_says_what_is_stated(claim: Claim) -> None:
    """By the model and by Celery's own configuration."""
    found = next(evidence.gather([claim], overheads=Overheads()))
    assert found.is_as_stated, found.status
    assert found.predicted or found.measured or found.status in {"as stated", "live only"}


def test_every_row_of_the_facts_is_judged() -> None:
    assert {row for claim in CLAIMS.values() for row in claim.rows} == ROWS


def _apart(one: Scenario) -> Scenario:
    return SYSTEM.wrong["chats on a worker of their own"].edit(one)


def _of_the_mended_app(one: Scenario) -> Scenario:
    mended = SYSTEM.variant("mended")
    kinds = [
        mended.task(t.name).but(service=t.service, p_failure=t.p_failure, rate_limit=None)
        for t in one.tasks
    ]
    return one.but(tasks=kinds, deadline_s=5000.0)


def _unlimited(one: Scenario) -> Scenario:
    unlimited = SYSTEM.wrong["no rate limits"].edit(one)
    return unlimited.but(workers=[pool.but(concurrency=10) for pool in one.workers])


def _polling(one: Scenario) -> Scenario:
    door = SYSTEM.variant("after").front_door
    return one.but(front_door=door)


def _two_retries(one: Scenario) -> Scenario:
    kinds = [t.but(retries=[t.retries[0].but(max_retries=2)]) for t in one.tasks]
    return one.but(tasks=kinds)


def _with_queues(one: Scenario) -> Scenario:
    return one.but(workers=[pool.but(queues=one.queues) for pool in one.workers])


def _by_order(one: Scenario) -> Scenario:
    return one.but(broker=one.broker.but(queue_order_strategy="priority"))


def _scaling(one: Scenario) -> Scenario:
    return one.but(workers=[pool.but(autoscale=(4, 1)) for pool in one.workers])


TURNS: list[tuple[str, Callable[[Scenario], Scenario]]] = [
    ("chat-first", _apart),
    ("priority-by-queue", _by_order),
    ("backoff-outlasts-a-minute", _of_the_mended_app),
    ("three-times", _two_retries),
    ("worker-without-queues", _with_queues),
    ("phase-2", _polling),
    ("chat-as-a-task", _unlimited),
    ("a-queue-scales", _unlimited),
    ("polls", _unlimited),
    ("auto-scale", _scaling),
]


@pytest.mark.parametrize(("name", "turn"), TURNS, ids=[name for name, _ in TURNS])
def test_a_verdict_turns_with_what_is_claimed(
    name: str, turn: Callable[[Scenario], Scenario]
) -> None:
    """Were it otherwise, the number would say so."""
    claim = CLAIMS[name]
    (shown,) = claim.shown_by.values()
    assert claim.judge(claim.of_run(modelled(shown))) is False
    assert claim.judge(claim.of_run(modelled(turn(shown)))) is True


# --- app and scenarios ------------------------------------------------------------------------


@pytest.mark.parametrize("name", SYSTEM.variants)
def test_a_variant_is_what_its_app_says(name: str) -> None:
    """Nothing of what an app states can drift from what is run: it is asked anew."""
    found = SYSTEM.variant(name)
    assert found.app is not None
    own = getattr(app, found.app.partition(":")[2])
    for kind in found.tasks:
        task = own.tasks[kind.name]
        assert kind.queue == own.amqp.router.route({}, kind.name)["queue"].name
        assert (kind.rate_limit, kind.acks_late) == (task.rate_limit, bool(task.acks_late))
        assert kind.time_limit_s == own.conf.task_time_limit


def test_the_stated_deployments() -> None:
    """Two processes beside Flask, four in a container of their own, five such containers."""
    sizes = {
        name: [(pool.n_workers, pool.concurrency) for pool in SYSTEM.variant(name).workers]
        for name in ("option-1", "option-2", "option-3")
    }
    assert sizes == {"option-1": [(1, 2)], "option-2": [(1, 4)], "option-3": [(5, 4)]}


def test_as_written_nothing_is_done_and_mended_all_is() -> None:
    written, mended = (measure(modelled(SYSTEM.variant(n))) for n in ("as-written", "mended"))
    assert (written.value("done"), written.value("stuck")) == (0, written.value("published"))
    assert mended.value("done") == mended.value("published")


def test_the_wrong_models_differ_where_they_are_to_be_told_apart() -> None:
    right = measure(modelled(SYSTEM.scenario))
    for wrong in SYSTEM.wrong.values():
        other = measure(modelled(wrong.edit(SYSTEM.scenario)))
        assert all(right.value(row) != other.value(row) for row in wrong.rejected_by)


def test_a_minute_of_the_document_is_two_seconds() -> None:
    """All its rates are as many times as high."""
    rates = {t: app.hurried_written.tasks[t].rate_limit for t in (ANALYZE, CHAT, TEST)}
    assert rates == {ANALYZE: "150/m", CHAT: "300/m", TEST: None}
    assert app.written.tasks[ANALYZE].rate_limit == "5/m"


def test_the_operations_are_the_document_s() -> None:
    said = [op.command for op in ops.OPS]
    for word in ("redis-cli", "--loglevel=debug", "/queue_stats", "flower", "/cancel_task"):
        assert any(word in command for command in said), word


# --- real work --------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Yield the database of a run that is under way in this process, on no broker."""
    monkeypatch.setattr(data._Place, "url", f"sqlite:///{tmp_path / data.FILE}")
    monkeypatch.setattr(apps._Work, "scenario", SYSTEM.variant("after"))
    store.database.cache_clear()
    yield store.database()
    store.database().close()
    store.database.cache_clear()


def test_with_a_key_the_provider_is_asked_once_and_the_feedback_stored_once(here: Database) -> None:
    """However often the task is executed; as written, each execution is one more of both."""
    for _ in range(2):
        found = store.ask("A text.", "Introduction", key="one/1")
        store.keep("one/1", "A text.", found, key="one/1")
    assert store.counts(here) == (1, 1)
    for _ in range(2):
        store.keep("two/1", "A text.", store.ask("A text.", "Introduction"))
    assert store.counts(here) == (3, 3)


@pytest.mark.live
def test_mended_two_workers_keep_the_rate_of_one(tmp_path: Path) -> None:
    """In T seconds the provider gets no more than the burst and the rate times T; none is lost."""
    mended = SYSTEM.variant("mended")
    crowd = mended.but(
        loads=[Burst(task=ANALYZE, n=9)], horizon_s=1.0, tasks=_never_failing(mended),
        workers=[mended.workers[0].but(n_workers=2)],
    )  # fmt: skip
    run = workbench.run(crowd, broker="fake", runs=tmp_path)
    (book,) = tmp_path.glob(f"*/{data.FILE}")
    with closing(sqlite3.connect(book)) as found:
        at = [when for (when,) in found.execute("select at from provider_messages order by at")]
    windows = [(at[j] - at[i], j - i + 1) for i in range(len(at)) for j in range(i, len(at))]
    # What is noted is noted up to a transaction later than what Redis has allowed.
    late_s = 0.5
    assert all(n <= app.BURST + LIMIT / MINUTE_S * (span_s + late_s) for span_s, n in windows)
    assert (measure(run).value("done"), len(at)) == (9, 9)
    assert measure(run).value("executions") > 9, "the second worker had to wait for tokens"


def _never_failing(one: Scenario) -> list[TaskType]:
    return [kind.but(p_failure=0.0) for kind in one.tasks]


@pytest.fixture
def nowhere() -> str:
    """Return the URL of a broker that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_without_a_broker_it_is_done_in_the_request(here: Database, nowhere: str) -> None:
    """The document's fallback; it says that it was one."""
    door = front.DOOR.api(probes.app_at(nowhere), FrontDoor(app="a.front:DOOR"), here.url)
    with TestClient(door) as client:
        answer = client.post("/analyze_section", json=SECTION)
    assert (answer.status_code, answer.json()["fallback"]) == (200, True)
    assert answer.json()["result"]["words"] == 8
    assert sum(ai(here).counts().values()) == 1


def test_as_read_and_as_measured_a_publish_tries_for_19_s() -> None:
    """Measured once: 19.2 s until apply_async raised."""
    assert probes.fallback_when_refused() == 19.0


# --- the front door ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield an open door with a worker behind it, on the fake."""
    runs = tmp_path_factory.mktemp("runs")
    after = SYSTEM.variant("after")
    assert after.front_door is not None
    quick = after.but(front_door=after.front_door.but(app="tests.doors:AI_ANALYSIS"))
    with serve(quick, broker="fake", runs=runs) as door:
        yield door


@pytest.fixture
def client(opened: Served) -> Iterator[httpx.Client]:
    """Yield a client that has the token."""
    with httpx.Client(base_url=opened.url, headers=dict(opened.headers), timeout=20) as found:
        yield found


@pytest.mark.live
def test_what_is_submitted_is_followed_to_its_end(client: httpx.Client) -> None:
    """202 and an id, then states until a final one, with the feedback."""
    answer = client.post("/analyze_section", json=SECTION)
    assert (answer.status_code, answer.json()["status"]) == (202, "processing")
    path = f"/task_status/{answer.json()['task_id']}"

    def look() -> dict[str, Any] | None:
        told: dict[str, Any] = client.get(path).json()
        return told if told["final"] else None

    told = until("the analysis ends", look)
    assert told is not None
    assert (told["state"], told["progress"], told["result"]["result"]["words"]) == (
        "SUCCESS", 100, 8,
    )  # fmt: skip


@pytest.mark.live
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/analyze_section", {"section": "Introduction"}, 422),
        ("POST", "/analyze_section", SECTION | {"content": 7}, 422),
        ("POST", "/analyze_section", SECTION | {"more": 1}, 422),
        ("POST", "/chat", {"message": ""}, 422),
        ("POST", "/chat", {"message": "x" * 10_001}, 422),
        ("POST", "/chat", {"message": "What does it say?"}, 202),
        ("POST", "/test_connection", None, 202),
        ("GET", "/task_status/abc-123-def", None, 404),
        ("GET", f"/task_status/{ANALYZE}~999", None, 404),
        ("POST", "/cancel_task/abc-123-def", None, 404),
        ("GET", "/analyze_section", None, 405),
    ],
)
def test_each_request_has_its_status(
    client: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    """An id that was never given is 404, not PENDING, and not cancelled."""
    assert client.request(method, path, json=body).status_code == status


@pytest.mark.live
def test_the_endpoints_are_as_their_document_says(opened: Served) -> None:
    """Whatever is sent to them; and the document's are all there."""
    labels = set(check_openapi(opened, n_examples=1))
    assert {
        "POST /analyze_section", "POST /chat", "GET /task_status/{task_id}", "GET /queue_stats",
        "POST /cancel_task/{task_id}",
    } <= labels  # fmt: skip


def test_the_examples_run() -> None:
    assert consuming(WORKER).endswith("-Q analysis,chat,test")
    for name in ("app", "store", "numbers", "scenarios", "claims"):
        module = importlib.import_module(f"sandbox.systems.ai_analysis.{name}")
        assert doctest.testmod(module).failed == 0
