"""Student messaging: every claim's verdict, the app and its scenarios, its work and its front door."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from sandbox import systems
from sandbox.claims import Claim
from sandbox.evidence import gather
from sandbox.overheads import Overheads
from sandbox.patterns.database import Database
from sandbox.patterns.providers import BadRecipient
from sandbox.service.serve import Served, serve
from sandbox.systems.students import app as apps
from sandbox.systems.students import endpoints
from sandbox.systems.students.scenarios import BULK, CLEANUP
from sandbox.systems.students.school import N_STUDENTS, School, phone
from tests.waiting import until

SYSTEM = systems.get("students")
ROWS = {
    "1.2 #5", "1.2 #8", "1.2 #9", "1.2 #16", "1.2 #17", "1.2 #33",
    *(f"1.3 S5-{n}" for n in range(1, 9)),
    "1.5-2 S5 event loop", "1.5-3 S5 GET export", "1.5-4 S1/S5 sync door",
}  # fmt: skip
DOCUMENT = (
    "What's New", "Performance Comparison", "Architecture", "Usage Examples 1", "Usage Examples 2",
    "Usage Examples 3", "Usage Examples 4", "Usage Examples 5", "Configuration",
    "Running Celery Workers", "Available Tasks", "Task States", "Monitoring Task Progress",
    "Creating Custom Tasks", "Best Practices", "Troubleshooting", "Performance Impact",
    "Next Steps", "Resources",
)  # fmt: skip


# --- claims -----------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", SYSTEM.claims, ids=lambda claim: claim.name)
def test_the_model_says_of_each_claim_what_is_stated(claim: Claim) -> None:
    """Law: a verdict is what the evidence says, not an opinion."""
    (found,) = gather([claim], overheads=Overheads())
    assert found.is_as_stated, found.status
    assert claim.why


def test_every_row_of_the_facts_has_its_claim() -> None:
    """Law: no row of the table of facts that names this system is skipped."""
    assert {row for claim in SYSTEM.claims for row in claim.rows} == ROWS


def test_every_section_of_the_document_is_judged_operated_served_or_left_out() -> None:
    """Law: going through the document from top to bottom, no section is forgotten."""
    sources = [claim.source for claim in SYSTEM.claims] + [*SYSTEM.left_out]
    told = " ".join(sources + [op.section for op in SYSTEM.operate()])
    assert [section for section in DOCUMENT if section not in told] == []


def test_claims_that_can_be_tested_run_live() -> None:
    """Law: at least nine of ten testable claims ask real workers, or Celery itself."""
    testable = [claim for claim in SYSTEM.claims if claim.is_testable]
    assert sum(not claim.not_live for claim in testable) >= 0.9 * len(testable)
    assert len({claim.name for claim in SYSTEM.claims}) == len(SYSTEM.claims)


def test_the_event_loop_is_what_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: with a publish that returns, the other request is answered: the number can be 1."""
    documented = endpoints.documented

    def quick(app, begun=None):  # type: ignore[no-untyped-def] # as the original's
        app.conf.broker_url = "memory://"
        return documented(app, begun)

    monkeypatch.setattr(endpoints, "documented", quick)
    monkeypatch.setattr(endpoints, "_accepted", lambda mute: None)
    assert endpoints.answered_beside_a_mute_broker() == 1


# --- the app and its scenarios ----------------------------------------------------------------


@pytest.mark.parametrize("name", SYSTEM.variants)
def test_no_scenario_drifts_from_its_app(name: str) -> None:
    """Law: limits, rates and acknowledgement of a variant are those of the app that it runs."""
    scenario = SYSTEM.variant(name)
    app = getattr(apps, str(scenario.app).partition(":")[2])
    for kind in scenario.tasks:
        task = app.tasks[kind.name]
        assert (kind.soft_time_limit_s, kind.time_limit_s, kind.rate_limit, kind.acks_late) == (
            task.soft_time_limit,
            task.time_limit,
            task.rate_limit,
            bool(task.acks_late),
        )
        assert kind.queue == app.amqp.router.route({}, kind.name)["queue"].name


def test_a_changed_setting_changes_the_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: the scenario is asked of the app each time, not copied from it."""
    monkeypatch.setattr(apps.celery_app.tasks[BULK], "soft_time_limit", 7)
    assert SYSTEM.make()["corrected"].task(BULK).soft_time_limit_s == 7


def test_what_is_mended_is_another_setting() -> None:
    """Law: the mended app differs from the written one in each setting that a change names."""
    written, mended = apps.written.conf, apps.mended.conf
    for change in SYSTEM.changes:
        for setting in re.findall(r"\b(?:task|worker|result|beat)_[a-z_]+\b", change.where):
            if setting != "task_rate_limit":  # no setting of Celery's: that is the finding
                assert written[setting] != mended[setting], setting


def test_every_task_of_the_mended_app_is_consumed() -> None:
    """Law: mended, beat's cleanup has a worker; corrected, it has none."""
    for name, consumed in (("mended", True), ("corrected", False)):
        app = getattr(apps, {"corrected": "celery_app"}.get(name, name))
        queue = app.amqp.router.route({}, CLEANUP)["queue"].name
        taken = {queue for pool in SYSTEM.variant(name).workers for queue in pool.queues}
        assert (queue in taken) is consumed


# --- its work ---------------------------------------------------------------------------------


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    """Yield a school of its own."""
    with closing(Database(tmp_path / "school.db")) as database:
        yield School(database)


def test_a_phone_gets_its_message_once_although_the_task_ran_twice(school: School) -> None:
    """Law: with a key for each task and phone a second attempt sends nothing again."""
    phones = [phone(i) for i in range(20)]
    school.send("bulk/1", phones[:10], "hi", once=True)
    school.send("bulk/1", phones, "hi", once=True)
    assert school.messages() == dict.fromkeys(phones, 1)


def test_as_written_each_attempt_sends_again(school: School) -> None:
    """Law: without a key the provider sends what it is given, and another task's anyway."""
    for _ in range(2):
        school.send("bulk/1", [phone(1)], "hi", once=False)
    school.send("bulk/2", [phone(1)], "hi", once=True)
    assert school.messages() == {phone(1): 3}


def test_what_is_no_number_is_refused_for_good(school: School) -> None:
    """Law: a bad recipient is permanent, so the mended tasks do not try it again."""
    with pytest.raises(BadRecipient):
        school.send("bulk/1", ["nobody"], "hi", once=True)
    assert not issubclass(BadRecipient, apps.Repeatable.autoretry_for)


def test_an_export_has_every_student_once(school: School) -> None:
    """Law: the CSV has a head and one row a student; a second run replaces it."""
    for active_only in (False, True):
        rows = school.export("export/1", active_only=active_only)
        text = school.csv_of("export/1")
        assert text is not None
        assert len(text.splitlines()) == rows + 1
        assert (rows == N_STUDENTS) is not active_only
    assert school.csv_of("export/2") is None


def test_a_report_counts_what_was_sent_and_created(school: School) -> None:
    """Law: statistics are those of the database; who is not at the school has none."""
    school.send("bulk/1", [phone(3)], "hi", once=True)
    school.notify("notify/1", [3, 4], "hi")
    school.notify("notify/1", [3], "hi")
    assert school.report(3) == {"student": "student 3", "messages": 1, "notifications": 1}
    with pytest.raises(LookupError):
        school.report(N_STUDENTS + 1)


def test_old_sessions_are_deleted_once(school: School) -> None:
    """Law: a clean-up deletes what is too old, and a second one finds nothing."""
    assert school.clean_up() > 0
    assert school.clean_up() == 0


# --- its front door ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield the mended system's door on the fake."""
    runs = tmp_path_factory.mktemp("runs")
    with serve(SYSTEM.variant("mended"), broker="fake", runs=runs) as door:
        yield door


@pytest.fixture
def client(opened: Served) -> Iterator[httpx.Client]:
    """Yield a client that has the token."""
    with httpx.Client(base_url=opened.url, headers=dict(opened.headers), timeout=20) as found:
        yield found


@pytest.mark.live
def test_a_bulk_send_is_a_task_for_every_ten_phones(client: httpx.Client, opened: Served) -> None:
    """Law: 202 names every task; each ends, and each phone gets one message."""
    phones = [phone(i) for i in range(25)]
    body = {"phone_numbers": phones, "message": "hi"}
    answer = client.post("/api/send-bulk-messages", json=body)
    told = answer.json()
    assert (answer.status_code, len(told["task_ids"]), told["recipients"]) == (202, 3, 25)
    for task_id in told["task_ids"]:
        path = f"/api/tasks/{task_id}/progress"
        until("it ends", lambda path=path: client.get(path).json()["status"] == "completed")
    with closing(Database(opened.session.folder / "data.sqlite")) as database:
        assert School(database).messages() == dict.fromkeys(phones, 1)


@pytest.mark.live
def test_an_export_can_be_fetched_once_it_is_done(client: httpx.Client) -> None:
    """Law: no file before, the CSV after; the address is told; a GET starts nothing."""
    assert client.get("/api/students/export").status_code == 404
    task_id = client.post("/api/students/exports", json={}).json()["task_id"]
    path = f"/api/students/exports/{task_id}"
    assert client.get(path).status_code == 404
    until("the file is there", lambda: client.get(path).status_code == 200)
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(answer.text.splitlines()) == N_STUDENTS + 1


@pytest.mark.live
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/send-bulk-messages", {}, 422),
        ("POST", "/api/send-bulk-messages", {"phone_numbers": ["x"], "message": "hi"}, 422),
        ("POST", "/api/send-bulk-messages", {"phone_numbers": [], "message": "hi"}, 422),
        ("POST", "/api/students/100000/report", None, 404),
        ("POST", "/api/students/0/report", None, 422),
        ("GET", "/api/students/exports/never~1", None, 404),
        ("GET", "/api/tasks/never~1/progress", None, 404),
    ],
)
def test_what_is_wrong_is_said(
    client: httpx.Client, method: str, path: str, body: object, status: int
) -> None:
    """Law: a caller's mistake has its own status and one sentence."""
    answer = client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["detail"]
