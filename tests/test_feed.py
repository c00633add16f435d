"""What is sent to a board: few bytes, nothing twice, and a crowd that is counted, not hidden."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("anywidget")

from sandbox import workbench
from sandbox.fold import Fold
from sandbox.run import Event, Run
from sandbox.scenario import Scenario
from sandbox.systems import get
from sandbox.widgets import Board, Curves, Timeline
from sandbox.widgets.board import MODULES
from sandbox.widgets.feed import PER_S, Encoder, Feed, text_of
from sandbox.widgets.modules import joined
from sandbox.widgets.page import standalone
from sandbox.widgets.topology import topology
from tests.nodes import JS, node
from tests.waiting import until

_MOST_BYTES = 150


def scenario() -> Scenario:
    """Return one worker with four slots for one task type with late ack."""
    return Scenario(
        name="fed",
        tasks=[{"name": "app.resize", "acks_late": True}],
        workers=[{"concurrency": 4}],
        loads=[{"kind": "burst", "task": "app.resize", "n": 600}],
        horizon_s=1.0,
        deadline_s=60.0,
    )


class Told:
    """A session whose events a test writes."""

    def __init__(self) -> None:
        self.scenario, self.info, self.now_s = scenario(), {"engine": "live"}, 1.0
        self.events: list[Event] = []

    def events_since(self, n: int) -> Sequence[Event]:
        """Return the events after the first ``n``."""
        return self.events[n:]


@pytest.fixture(scope="module")
def burst() -> Run:
    """Return 600 tasks at once in the model: far more than 200 events a second."""
    return workbench.run(scenario(), engine="model")


def test_an_event_has_at_most_150_bytes() -> None:
    """Law: each event of LeadLawk's night, its faults included, is 150 bytes of JSON or less."""
    run = workbench.run(get("leadlawk").scenario, engine="model")
    encoder = Encoder(topology(run.scenario))
    sizes = [len(text_of([row])) for row in encoder.rows(run.events)]
    assert max(sizes) <= _MOST_BYTES
    long = Event(1.0, "control", worker="worker1", detail={"verb": "skip", "error": "x" * 5000})
    assert len(text_of([encoder.row(long)])) <= _MOST_BYTES


def test_beyond_200_events_a_second_tasks_are_counted() -> None:
    """Law: a task is followed or counted, never both; who is not followed stays counted."""
    run = workbench.run(scenario(), engine="model")
    now = [0.0]
    feed = Feed(Encoder(topology(run.scenario)), clock=lambda: now[0])
    rows = [row for event in run.events for row in feed.batch([event])]
    crowds = [row[9] for row in rows if row[1] == len(topology(run.scenario)["kinds"]) - 1]
    followed = {row[3] for row in rows if len(row) > 3 and row[3] is not None}
    assert 0 < len(followed) < 600
    assert len(followed) + crowds[-1]["tasks"] == 600
    assert crowds[-1]["done"] + len(followed) == 600
    assert crowds[-1]["kinds"]["started"] == crowds[-1]["tasks"]


def test_a_slow_session_is_followed_task_by_task(burst: Run) -> None:
    """Law: with time enough between its events every task is followed."""
    now = [0.0]
    feed = Feed(Encoder(topology(burst.scenario)), clock=lambda: now[0])
    rows = []
    for event in burst.events:
        now[0] += 1 / PER_S
        rows += feed.batch([event])
    assert len({row[3] for row in rows if len(row) > 3}) == 600 + 1  # None of the workers' events
    assert rows == Encoder(topology(burst.scenario)).rows(burst.events)


def test_the_counted_are_where_the_fold_has_them(burst: Run, tmp_path: Any) -> None:
    """Law: followed and counted together are what the fold says, at any moment."""
    told = topology(burst.scenario)
    seen: list[Event] = []
    for n in (900, 2000, len(burst.events)):
        feed = Feed(Encoder(told), clock=lambda: 0.0)
        seen = list(burst.events[:n])
        case = {"topology": told, "rows": feed.batch(seen), "prefixes": [n]}
        (tmp_path / "cases.json").write_text(json.dumps([case]))
        ((state,),) = json.loads(node(JS / "states.mjs", tmp_path / "cases.json"))
        fold, sums = Fold().feed(seen), state["totals"]
        assert state["broken"] == 0
        expected = (fold.queued, fold.reserved, fold.running, fold.unacked)
        assert tuple(sums[k] for k in ("queued", "reserved", "running", "unacked")) == expected
        assert sums["done"] == sum(j.n_succeeded > 0 for j in fold.journeys.values())
        assert sums["published"] == len(fold.journeys)


def test_a_page_that_comes_late_gets_all() -> None:
    """Law: ``past`` is what was sent so far; what a page has missed is sent when it asks."""
    session = Told()
    session.events += [Event(0.0, "worker_ready", worker="worker1")]
    board = Board(session)
    sent: list[dict[str, Any]] = []
    board.send = sent.append
    assert len(json.loads(board.get_state()["past"])) == 1
    session.events += [Event(0.1, "sent", "app.resize/0", queue="celery")]
    until("it is sent", lambda: sent, 10.0)
    assert sent[0]["from"] == 1
    assert json.loads(board.get_state()["past"])[1:] == json.loads(sent[0]["text"])
    board._asked(board, {"kind": "want", "from": 1}, [])
    assert sent[1] | {"now_s": 0} == sent[0] | {"now_s": 0}
    thread = board.stream.follower.thread
    session.events.append(Event(0.2, "ended", detail={"why": "drained"}))
    until("its thread ends with the session", lambda: not thread.is_alive(), 10.0)
    board.close()


def test_a_newer_board_of_a_session_takes_the_older_one_s_place() -> None:
    """Law: one thread a session follows it, however often a cell is run, for all its pictures."""
    session = Told()
    older, newer, timeline, curves = (
        Board(session),
        Board(session),
        Timeline(session),
        Curves(session),
    )
    pictures: list[Any] = [older, newer, timeline, curves]
    assert len({id(picture.stream) for picture in pictures}) == 1
    thread = newer.stream.follower.thread
    sent: dict[int, list[Any]] = {id(picture): [] for picture in pictures}
    for picture in pictures:
        picture.send = sent[id(picture)].append
    session.events += [Event(0.1, "sent", "app.resize/0", queue="celery")]
    until("all newer ones have it", lambda: all(sent[id(one)] for one in pictures[1:]), 10.0)
    assert sent[id(older)] == []
    assert sent[id(newer)] == sent[id(timeline)] == sent[id(curves)]
    assert len([t for t in threading.enumerate() if t.name == "sandbox-board"]) == 1
    for picture in pictures:
        assert thread.is_alive()
        picture.close()
    assert not thread.is_alive()


def test_what_was_before_is_followed_by_its_own_clock(burst: Run) -> None:
    """Law: who comes late sees what they would have seen, and of an ended session everything."""
    slow = [e._replace(t_s=i / PER_S) for i, e in enumerate(burst.events) if e.kind != "ended"]
    told = topology(burst.scenario)
    assert Feed(Encoder(told), clock=lambda: 0.0).past(slow) == Encoder(told).rows(slow)
    at_once = Feed(Encoder(told), clock=lambda: 0.0).past(burst.events)
    assert at_once[-1][9]["tasks"] > 0
    session = Told()
    session.events += burst.events
    assert Timeline(session).n_shown == len(Encoder(told).rows(burst.events))


def test_a_board_has_a_stable_name_and_something_to_show_without_a_page(burst: Run) -> None:
    """A saved notebook holds a table; the text is the same in every run."""
    board = Board(burst)
    bundle = board._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert repr(board) == data["text/plain"] == "<Board of 'fed'>"
    assert '<th scope="row">done</th><td>600</td>' in data["text/html"]


def test_the_joined_module_is_one_plain_module(tmp_path: Any) -> None:
    """Law: joined, the files are one ES module without an import and with one export."""
    text = joined(*MODULES)
    assert "\nimport " not in text
    assert text.count("\nexport ") == 1
    (tmp_path / "board.mjs").write_text(text)
    assert node("--input-type=module", "-e", f"""
        const board = await import({json.dumps((tmp_path / "board.mjs").as_uri())});
        console.log(typeof board.default.render);""").strip() == "function"  # fmt: skip


def test_a_page_of_its_own_asks_nobody(burst: Run) -> None:
    """Law: the page has all it needs in it, and no word of a run can end its script."""
    page = standalone(Board(burst))
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert page.count("</script>") == 2, "the events' and the page's own"
    assert "export default" not in page
