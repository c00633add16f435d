"""The dashboard: its claims on the model, its app and scenarios as one, its real work, its door."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox import evidence, systems, workbench
from sandbox.claims import Claim
from sandbox.engines.live import data
from sandbox.metrics import measure
from sandbox.overheads import Overheads
from sandbox.patterns.dead_letters import DeadLetters
from sandbox.run import Event, Run
from sandbox.scenario import Scenario
from sandbox.service.serve import Served, serve
from sandbox.systems.dashboard import SYSTEM, app, front, numbers, ops, scenarios, store
from tests.openapi import check_openapi
from tests.waiting import until

CLAIMS = SYSTEM.claims
ROWS = {
    "1.2 #1", "1.2 #2", "1.2 #22", "1.2 #27", "1.5-4 S1/S5 sync door",
    *(f"1.3 S1-{n}" for n in range(1, 9)),
}  # fmt: skip
N_EXAMPLES = 3
DOOR = dataclasses.replace(front.DOOR, reply_s=0.2)
"""The dashboard's door, without a second's wait in each look at its workers."""
EVENT = {"eventName": "user_login", "userId": 123}


def modelled(what: Scenario) -> Run:
    return workbench.run(what, engine="model", overheads=Overheads())


# --- claims -----------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_the_evidence_says_what_is_stated(claim: Claim) -> None:
    """By the model and by Celery's own configuration."""
    found = next(evidence.gather([claim], overheads=Overheads()))
    assert found.is_as_stated, found.status
    assert found.predicted or found.measured or found.status in {"as stated", "live only"}


def test_every_row_of_the_facts_is_judged() -> None:
    assert {row for claim in CLAIMS for row in claim.rows} == ROWS


@pytest.mark.parametrize(
    ("name", "turned"),
    [
        ("retries", "mended"),
        ("crash-running", "mended"),
    ],
)
def test_a_verdict_turns_with_what_is_claimed(name: str, turned: str) -> None:
    """The mended app bears out what the document's does not: the number tells the two apart."""
    claim = next(one for one in CLAIMS if one.name == name)
    (shown,) = claim.shown_by.values()
    app_path = f"sandbox.systems.dashboard.app:{turned}"
    mended = systems.get("dashboard").variant(turned)
    other = shown.but(
        app=app_path,
        tasks=tuple(
            mended.task(one.name).but(service=one.service, p_failure=one.p_failure)
            for one in shown.tasks
        ),
    )
    assert claim.judge(claim.of_run(modelled(shown))) is False
    assert claim.judge(claim.of_run(modelled(other))) is True


# --- app and scenarios ------------------------------------------------------------------------


@pytest.mark.parametrize("name", SYSTEM.variants)
def test_a_variant_is_what_its_app_and_its_commands_say(name: str) -> None:
    """Nothing of what an app states can drift from what is run: it is asked anew."""
    found = SYSTEM.variant(name)
    assert found.app is not None
    own = getattr(app, found.app.partition(":")[2])
    for kind in found.tasks:
        task = own.tasks[kind.name]
        route = own.amqp.router.route({}, kind.name).get("queue")
        assert kind.queue == (route.name if route else own.conf.task_default_queue)
        assert kind.acks_late is bool(task.acks_late)
        assert kind.time_limit_s == own.conf.task_time_limit
        assert kind.soft_time_limit_s == own.conf.task_soft_time_limit


@pytest.mark.parametrize(
    ("name", "processes"),
    [("corrected", 6), ("specialised", 11), ("single-server", 4), ("multi-server", 12)],
)
def test_the_stated_topologies(name: str, processes: int) -> None:
    """4 + 2, or 8, 2 and 1; one server, or two of each."""
    found = SYSTEM.variant(name).workers
    assert sum(pool.n_workers * pool.concurrency for pool in found) == processes


def test_as_written_nothing_is_done_and_mended_nothing_is_lost() -> None:
    """Without routes no worker takes an event; with late acknowledgement a crash loses none."""
    written, corrected, mended = (
        measure(modelled(SYSTEM.variant(name))) for name in ("as-written", "corrected", "mended")
    )
    assert (written.value("done"), written.value("stuck")) == (0, written.value("published"))
    assert corrected.value("lost") == 2
    assert (mended.value("lost"), mended.value("done")) == (0, mended.value("published"))


def test_the_wrong_models_differ_where_they_are_to_be_told_apart() -> None:
    right = measure(modelled(SYSTEM.scenario))
    for wrong in SYSTEM.wrong.values():
        other = measure(modelled(wrong.edit(SYSTEM.scenario)))
        assert all(right.value(row) != other.value(row) for row in wrong.rejected_by)


def test_every_section_with_commands_has_its_operations() -> None:
    sections = {op.section.partition(",")[0] for op in ops.OPS}
    assert sections == {
        "Running the System", "Monitoring", "Configuration", "Troubleshooting", "Next Steps",
    }  # fmt: skip
    assert len({(op.section, op.command) for op in ops.OPS}) == len(ops.OPS)


# --- numbers ----------------------------------------------------------------------------------


def test_what_was_under_way_at_a_worker_s_end_is_told_from_what_waited() -> None:
    """Of two that ran one is done later; of two that waited both."""
    began = [Event(0.1 * i, "sent", f"a/{i}") for i in range(4)]
    began += [Event(0.5, "started", f"a/{i}") for i in range(2)]
    after = [Event(1.0, "worker_exited", worker="worker1")]
    after += [Event(2.0, "succeeded", f"a/{i}") for i in (1, 2, 3)]
    what = Scenario(name="one", tasks=[{"name": "a"}], workers=[{}], horizon_s=1.0)
    run = Run(what, (*began, *after))
    assert (numbers.kept_of_running(run), numbers.kept_of_waiting(run)) == (0.5, 1.0)


# --- the real work ----------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Keep this process's data in a folder of the test's."""
    url = f"sqlite:///{tmp_path / 'data.sqlite'}"
    monkeypatch.setattr(data, "url", lambda: url)
    store.database.cache_clear()
    yield url
    store.database().close()
    store.database.cache_clear()


def test_with_a_key_an_event_is_stored_once_and_without_one_each_time(database: str) -> None:
    event = {"app_id": 1, "event_name": "login", "payload": {"b": 1, "a": 2}}
    valid = event | {"validation_status": "valid"}
    for key in ("task/1", "task/1", None, None):
        store.store_event(valid, key)
    assert store.stored_hashes(database) == {store.payload_hash({"a": 2, "b": 1}): 3}


def test_with_a_key_a_mail_is_sent_once(database: str) -> None:
    first = store.send_mail("me@example.com", "Your OTP", "1", "task/1")
    assert store.send_mail("me@example.com", "Your OTP", "1", "task/1") == first
    assert store.send_mail("me@example.com", "Your OTP", "1") != first


def test_statistics_count_an_app_s_events(database: str) -> None:
    for app_id, status in ((1, "valid"), (1, "invalid"), (2, "valid")):
        event = {"app_id": app_id, "event_name": "login", "payload": {}}
        store.store_event(event | {"validation_status": status})
    assert store.aggregate(1, 24) == {"n_events": 2, "n_invalid": 1}


def test_an_event_with_an_unknown_status_is_no_matter_of_trying_again(database: str) -> None:
    with pytest.raises(store.Permanent, match="validation_status is 'odd'; allowed: "):
        store.store_event({"validation_status": "odd"})


# --- the front door ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield the mended dashboard's door with its workers, on the fake."""
    mended = SYSTEM.variant("mended")
    # One worker, and work without padding: the door is looked at, not its speed.
    quick = {"kind": "deterministic", "value_s": 0.01}
    what = mended.but(
        name="door",
        front_door={"app": f"{__name__}:DOOR", "n_web_workers": 4},
        faults=(),
        loads=(),
        tasks=tuple(task.but(service=quick) for task in mended.tasks),
        workers=tuple(pool.but(concurrency=1) for pool in mended.workers),
    )
    with serve(what, broker="fake", runs=tmp_path_factory.mktemp("runs")) as door:
        yield door


@pytest.fixture
def client(opened: Served) -> Iterator[httpx.Client]:
    """Yield a client that has the token."""
    with httpx.Client(base_url=opened.url, headers=dict(opened.headers), timeout=20) as found:
        yield found


def final(client: httpx.Client, task_id: str) -> dict[str, object]:
    """Wait for a task's end and return its state."""
    found: dict[str, object] = {}

    def ended() -> bool:
        found.update(client.get(f"/api/tasks/{task_id}").json())
        return found["state"] in {"SUCCESS", "FAILURE"}

    until(f"the end of {task_id}", ended, timeout_s=15)
    return found


@pytest.mark.live
def test_an_event_is_accepted_then_stored_with_its_hash(client: httpx.Client) -> None:
    answer = client.post("/api/logs/app123", json=EVENT)
    assert answer.status_code == 202
    told = answer.json()
    task_id = told.pop("task_id")
    assert told == {
        "event_name": "user_login", "status": "valid", "message": "Event queued for processing",
    }  # fmt: skip
    found = final(client, task_id)
    assert found["result"]["payload_hash"] == store.payload_hash(EVENT)  # type: ignore[index]


@pytest.mark.live
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/logs/app123", {"userId": 1}, 422),
        ("/api/logs/app123", {"eventName": 7}, 422),
        ("/api/logs/app 123", EVENT, 422),
        ("/api/logs/app123", EVENT | {"more": "x" * 1_000_001}, 413),
        ("/api/otp", {"email": "nobody"}, 422),
        ("/api/apps/app123/statistics", {"hours": 0}, 422),
        ("/api/nothing", {}, 404),
    ],
)
def test_a_bad_request_is_one_clear_sentence(
    client: httpx.Client, path: str, body: dict[str, object], status: int
) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, list(answer.json())) == (status, ["detail"])


@pytest.mark.live
def test_an_unknown_id_is_404_and_the_other_tasks_run(client: httpx.Client) -> None:
    assert client.get(f"/api/tasks/{scenarios.PROCESS}~999999").status_code == 404
    for path, body in (("/api/otp", {"email": "me@example.com"}), ("/api/apps/a/statistics", {})):
        answer = client.post(path, json=body)
        assert answer.status_code == 202
        assert final(client, answer.json()["task_id"])["state"] == "SUCCESS"
    assert client.get("/api/queues").json()["waiting"] == 0


@pytest.mark.live
def test_what_fails_for_good_is_kept(client: httpx.Client, opened: Served) -> None:
    """A mail server that refuses an address refuses it for ever: no retry, and a dead letter."""
    answer = client.post("/api/otp", json={"email": "me@example.com."})
    found = final(client, answer.json()["task_id"])
    assert (found["state"], str(found["error"]).partition(":")[0]) == ("FAILURE", "BadRecipient")
    looker = app.build(app.CORRECTED)
    looker.conf.broker_url = opened.session.broker.url
    letters = DeadLetters(looker)
    until("the dead letter", letters.list)
    assert [one.task for one in letters.list()] == [scenarios.EMAIL]


@pytest.mark.live
def test_the_door_answers_as_its_openapi_says(opened: Served) -> None:
    """Valid and invalid requests to every endpoint, made up by Schemathesis."""
    assert "POST /api/logs/{app_id}" in check_openapi(opened, n_examples=N_EXAMPLES)


@pytest.mark.parametrize(
    ("more", "wrong"),
    [({"userId": 1}, []), ({}, ["userId"]), ({"userId": 1, "timestamp": 3}, ["timestamp"])],
)
def test_validation_names_the_field(more: dict[str, object], wrong: list[str]) -> None:
    found = front.validate(front.Event.model_validate({"eventName": "login"} | more))
    assert [name for name in found if name != "status"] == wrong
    assert found["status"] == ("invalid" if wrong else "valid")


@pytest.mark.parametrize("name", ["front", "store"])
def test_the_examples_run(name: str) -> None:
    module = importlib.import_module(f"sandbox.systems.dashboard.{name}")
    assert doctest.testmod(module).failed == 0
