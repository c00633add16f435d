"""LeadLawk: its claims on the model, what it stores, its front door, its operations."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from sandbox import evidence, systems, workbench
from sandbox.claims import Claim
from sandbox.loads import BeatEntry
from sandbox.overheads import Overheads
from sandbox.scenario import AutoRetry, Scenario, SelfRetry
from sandbox.service.serve import Served, serve
from sandbox.systems.leadlawk import store
from sandbox.systems.leadlawk.app import CORRECTED, MENDED, WRITTEN, build
from sandbox.systems.leadlawk.ops import OPS
from sandbox.systems.leadlawk.small import BROWSER, DATABASE, HEALTH
from tests.openapi import check_openapi
from tests.waiting import until

LEADLAWK = systems.get("leadlawk")
CLAIMS = {claim.name: claim for claim in LEADLAWK.claims}
# Lead's own: judged on the system's whole scenario, which test_claims and the command run too.
SMALL = [name for name, one in CLAIMS.items() if LEADLAWK.scenario not in one.shown_by.values()]


def modelled(scenario: Scenario) -> Any:
    return workbench.run(scenario, engine="model", overheads=Overheads())


# --- claims -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_a_claim_is_as_stated(name: str) -> None:
    """By the model, or by Celery's own configuration; what only a living system shows is skipped."""
    (found,) = evidence.gather([CLAIMS[name]], overheads=Overheads())
    assert found.is_as_stated, found.status


def everywhere(**changes: Any) -> Callable[[Scenario], Scenario]:
    return lambda s: s.but(tasks=tuple(kind.but(**changes) for kind in s.tasks))


def with_broker(**changes: Any) -> Callable[[Scenario], Scenario]:
    return lambda s: s.but(broker=s.broker.but(**changes))


def with_workers(**changes: Any) -> Callable[[Scenario], Scenario]:
    return lambda s: s.but(workers=tuple(pool.but(**changes) for pool in s.workers))


def without_faults(scenario: Scenario) -> Scenario:
    return scenario.but(faults=())


def fresh_checks(scenario: Scenario) -> Scenario:
    """Beat's messages expire when the next one comes."""
    (check,) = scenario.beat
    assert isinstance(check, BeatEntry)
    return everywhere(expires_s=check.every_s)(scenario)


COUNTED = {
    "reject_on_worker_lost": False,
    "retry_on_worker_lost": True,
    "default_retry_delay_s": 0.1,
}
FLIPS: dict[str, Callable[[Scenario], Scenario]] = {
    "acks-late": everywhere(acks_late=False),
    "requeue": everywhere(reject_on_worker_lost=False),
    "poison": everywhere(**COUNTED),
    "prefetch": with_workers(prefetch_multiplier=4),
    "limit-is-visibility": with_broker(visibility_timeout_s=7200.0),
    "idempotent": with_broker(visibility_timeout_s=7200.0),
    "hard-limit": everywhere(time_limit_s=None),
    "soft-limit-retried": everywhere(retries=()),
    "countdown": lambda s: everywhere(retries=(AutoRetry(countdown_s=60.0),))(s.but(deadline_s=90.0)),
    "exponential": everywhere(retries=(SelfRetry(max_retries=5, countdown_s=0.2, factor=2.0),)),
    "auto-recovery": lambda s: s.but(
        faults=(*s.faults, {"kind": "start_worker", "worker": "worker2", "when": {"on": "time", "at_s": 1.0}})
    ),
    "beat-backlog": fresh_checks,
    "queue-priorities": with_broker(queue_order_strategy="priority"),
    "priority-5": everywhere(priority=0),
    "pickup": with_workers(queues=("browser",)),
    "message-ttl": everywhere(expires_s=None),
    "expires-and-recovery": everywhere(expires_s=None),
    "lru": without_faults,
    "aof": with_broker(persistence="none"),
}  # fmt: skip


@pytest.mark.parametrize("name", FLIPS)
def test_a_number_tells(name: str) -> None:
    """Were the thing claimed the other way round, the verdict would be, too."""
    claim = CLAIMS[name]
    (shown,) = claim.shown_by.values()
    stated = claim.judge(claim.of_run(modelled(shown)))
    other = claim.judge(claim.of_run(modelled(FLIPS[name](shown))))
    assert (stated, other) == (claim.verdict == "right", claim.verdict != "right")


def test_every_claim_of_the_document_has_a_source_and_a_name_of_its_own() -> None:
    assert len(CLAIMS) == len(LEADLAWK.claims)
    assert all(one.source and one.why for one in LEADLAWK.claims)


def test_nine_of_ten_testable_claims_ask_real_workers_or_celery() -> None:
    testable: list[Claim] = [one for one in LEADLAWK.claims if one.is_testable]
    assert sum(not one.not_live for one in testable) >= 0.9 * len(testable)


# --- apps and variants ------------------------------------------------------------------------


def test_what_is_mended_is_stated() -> None:
    """Each setting in which the mended app differs from the document's stands among the changes."""
    told = " ".join(change.where for change in LEADLAWK.changes) + " visibility_timeout"
    differing = {k for k in WRITTEN | MENDED if WRITTEN.get(k) != MENDED.get(k)}
    known = {"task_dead_letter_routing_key": "task_dead_letter_exchange",
             "task_retry_on_worker_lost": "task_reject_on_worker_lost",
             "broker_transport_options": "visibility_timeout"}  # fmt: skip
    assert [one for one in differing if known.get(one, one) not in told] == []
    assert {k for k in WRITTEN | CORRECTED if WRITTEN.get(k) != CORRECTED.get(k)} == {
        "task_default_queue"
    }


def test_the_scenarios_are_those_of_the_apps() -> None:
    """A setting that the app changes changes the scenario: they cannot drift apart."""
    written, mended = LEADLAWK.variant("as-written"), LEADLAWK.variant("mended")
    assert written.task(BROWSER).time_limit_s == build(WRITTEN).tasks[BROWSER].time_limit == 3600
    assert mended.task(BROWSER).time_limit_s == MENDED["task_time_limit"]
    assert mended.broker.visibility_timeout_s == 900
    assert (written.task(HEALTH).queue, mended.task(HEALTH).queue) == ("celery", "default")


def test_as_written_nothing_is_done_and_as_mended_all_of_it() -> None:
    written, mended = (modelled(LEADLAWK.variant(name)) for name in ("as-written", "mended"))
    assert not written.of_kind("started") and written.ended == "deadline"
    assert {journey.n_succeeded for journey in mended.fold.journeys.values()} == {1}


# --- what is stored ---------------------------------------------------------------------------


def test_a_page_that_is_read_twice_is_stored_once_as_mended_and_twice_as_written(
    tmp_path: Path,
) -> None:
    for name, rows in (("store_page", 6), ("store_page_once", 3)):
        url = f"sqlite:///{tmp_path / name}.sqlite"
        for _ in range(2):
            getattr(store, name)(url, "browser/7", 0)
        assert store.totals(url) == {"leads": rows, "websites": 3}
        store.database(url).close()


# --- the front door ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield the mended system's open door, with a worker behind it, on the fake."""
    after = LEADLAWK.variant("after")
    assert after.front_door is not None
    quick = {"kind": "deterministic", "value_s": 0.02}
    scenario = after.but(
        front_door=after.front_door.but(requests=None, app="tests.leadlawk_door:DOOR"),
        tasks=tuple(kind.but(service=quick) for kind in LEADLAWK.variant("mended").tasks),
        workers=(after.workers[0].but(concurrency=2),),
        loads=(),
        horizon_s=60.0,
    )
    with serve(scenario, broker="fake", runs=tmp_path_factory.mktemp("runs")) as door:
        yield door


@pytest.fixture
def client(opened: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=opened.url, headers=dict(opened.headers), timeout=20) as found:
        yield found


JOB = {"query": "injury lawyer", "city": "Houston"}


@pytest.mark.live
def test_a_job_is_told_of_when_it_is_done_and_its_leads_are_there(
    opened: Served, client: httpx.Client
) -> None:
    """202 with an id; a notice by WebSocket, without polling; then the leads of four pages."""
    answer = client.post("/jobs/browser", json=JOB)
    queued = answer.json()
    assert (answer.status_code, queued["status"]) == (202, "queued")
    address = opened.url.replace("http", "ws") + queued["notice_url"]
    with connect(address, additional_headers=dict(opened.headers)) as socket:
        assert '"SUCCESS"' in str(socket.recv(timeout=20))
    assert client.get(queued["status_url"]).json()["state"] == "SUCCESS"
    found = client.get("/leads").json()
    assert found["leads"] == found["websites"] >= 12


@pytest.mark.live
def test_what_fails_for_good_is_a_dead_letter_and_can_be_replayed(client: httpx.Client) -> None:
    """A job that no attempt can mend is tried once; replayed, it fails again."""
    # Not blank for the door, which looks for what is no space; blank once Python has stripped it.
    answer = client.post("/jobs/browser", json=JOB | {"query": "\x1c"})
    task_id = answer.json()["task_id"]

    def letter() -> Any:
        return next(
            (one for one in client.get("/dead-letters").json() if one["id"] == task_id), None
        )

    found = until("a dead letter", letter)
    assert found is not None and found["error"].startswith("Permanent: ") and found["retries"] == 0
    assert client.post(f"/dead-letters/{task_id}/replay").status_code == 202
    assert until("the letter again", letter)["id"] == task_id
    assert client.post("/dead-letters/browser~999/replay").status_code == 404


@pytest.mark.live
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/jobs/browser", {"query": "", "city": "Houston"}, 422),
        ("POST", "/jobs/browser", JOB | {"limit": 1001}, 422),
        ("POST", "/jobs/browser", JOB | {"limit": "50"}, 422),
        ("POST", "/jobs/pagespeed", {"url": "ftp://example.com"}, 422),
        ("GET", f"/jobs/{BROWSER}~9999", None, 404),
        ("POST", f"/jobs/{DATABASE}~9999/cancel", None, 404),
        ("GET", "/queues", None, 200),
        ("GET", "/jobs/active", None, 200),
    ],
)
def test_what_the_door_answers(
    client: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    answer = client.request(method, path, json=body)
    assert answer.status_code == status
    assert status == 200 or answer.json()["detail"].count("\n") == 0


@pytest.mark.live
def test_the_door_is_as_its_openapi_says(opened: Served) -> None:
    assert len(check_openapi(opened, n_examples=2)) >= 10


# --- operations -------------------------------------------------------------------------------


def test_every_command_of_the_document_is_there() -> None:
    """Monitoring, troubleshooting, scaling, Flower: what stands in a shell block there."""
    commands = "\n".join(op.command for op in OPS)
    for word in ("up -d", "inspect active", "inspect stats", "inspect ping", "purge", "revoke",
                 "restart", "scale celery-worker=5", "maxmemory 512mb", "flower"):  # fmt: skip
        assert word in commands
    assert all(op.why.endswith(".") for op in OPS)


@pytest.mark.parametrize("name", ["small", "store"])
def test_the_examples_run(name: str) -> None:
    module = importlib.import_module(f"sandbox.systems.leadlawk.{name}")
    assert doctest.testmod(module).failed == 0
