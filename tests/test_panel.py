"""The panel: its counters on hand-written histories, its threads, its words; no browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import sandbox
from sandbox import workbench
from sandbox.engines import VERBS
from sandbox.errors import EngineError
from sandbox.faults import OnEvent
from sandbox.run import Event
from sandbox.scenario import Scenario

pytest.importorskip("ipywidgets")

from sandbox.widgets import Panel
from sandbox.widgets.tally import DEAD, Tally
from tests.waiting import until


def scenario(**changes: object) -> Scenario:
    """Return two workers with two processes each, and two task types."""
    settings: dict[str, object] = {
        "name": "panelled",
        "tasks": [{"name": "app.slow", "acks_late": True}, {"name": "quick", "queue": "fast"}],
        "queues": ["celery", "fast"],
        "workers": [{"n_workers": 2, "concurrency": 2, "queues": ["celery", "fast"]}],
        "horizon_s": 60.0,
    }
    return Scenario(**(settings | changes))


def delivered(task: str, worker: str = "worker1", tag: str = "a", at: float = 0.0) -> list[Event]:
    """Return the events of a message that a worker has taken."""
    return [
        Event(at, "sent", task, queue="celery"),
        Event(at + 0.1, "delivered", task, worker, tag=tag, queue="celery"),
    ]


def started(task: str, worker: str = "worker1", tag: str = "a", at: float = 0.2) -> Event:
    """Return the start of a task in slot 0."""
    return Event(at, "started", task, worker, slot=0, tag=tag, retry=0)


class Controls:
    """Controls that only remember, one of which fails and one of which takes its time."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.go_on = threading.Event()

    def refusal(self, _verb: str) -> None:
        """Return why a verb is not possible: never."""

    def __getattr__(self, verb: str) -> Callable[..., None]:
        def call(**arguments: Any) -> None:
            if verb == "kill_worker":
                raise EngineError("worker1 is down; start it first")
            if verb == "kill_child":
                raise RuntimeError("a bug")
            if verb == "start_worker":
                self.go_on.wait(10)
            self.calls.append((verb, arguments))

        return call


class Scripted:
    """A session whose events a test writes."""

    def __init__(self) -> None:
        self.scenario, self.controls = scenario(), Controls()
        self.info = {"engine": "live"}
        self.events: list[Event] = []
        self.now_s = 1.5

    def events_since(self, n: int) -> Sequence[Event]:
        """Return the events after the first ``n``."""
        return self.events[n:]


@pytest.fixture
def session() -> Iterator[Scripted]:
    """Return a scripted session; its panels' threads end with the test."""
    scripted = Scripted()
    yield scripted
    scripted.events.append(Event(99.0, "ended"))
    scripted.controls.go_on.set()


def button(panel: Panel, name: str) -> Any:
    """Return a button by its name."""
    return panel._inputs.buttons[name]


def told(panel: Panel) -> str:
    """Return the sentences that the panel shows."""
    return " | ".join(panel.board.log)


# --- counters ----------------------------------------------------------------------------


def test_a_message_is_counted_where_it_is() -> None:
    """Law: a message is queued, then reserved, then its task runs, then it is done."""
    tally = Tally(scenario())
    tally.feed([Event(0.0, "sent", "quick/0", queue="fast")])
    assert dict(tally.count().queues) == {"celery": 0, "fast": 1}
    tally.feed([Event(0.1, "delivered", "quick/0", "worker2", tag="a")])
    assert (tally.count().queued, tally.count().reserved) == (0, 1)
    tally.feed([Event(0.2, "started", "quick/0", "worker2", slot=1, tag="a", retry=0)])
    counts = tally.count()
    assert (counts.reserved, counts.running) == (0, 1)
    assert counts.workers[1].slots == (None, "quick/0")
    tally.feed([Event(0.3, "succeeded", "quick/0", "worker2", slot=1, tag="a")])
    tally.feed([Event(0.4, "acked", "quick/0", "worker2", tag="a")])
    assert (tally.count().running, tally.count().done) == (0, 1)


def test_a_dead_worker_s_messages_wait() -> None:
    """A killed worker's late-acked message waits; a restore makes it a redelivery."""
    tally = Tally(scenario()).feed([*delivered("app.slow/0"), started("app.slow/0")])
    tally.feed([Event(0.5, "worker_exited", worker="worker1", detail={"signal": 9})])
    counts = tally.count()
    assert (counts.waiting, counts.running, counts.lost) == (1, 0, 0)
    assert counts.workers[0].state == "killed"
    tally.feed([Event(9.0, "restored", "app.slow/0", tag="a")])
    tally.feed([Event(9.1, "delivered", "app.slow/0", "worker2", tag="a")])
    assert (tally.count().waiting, tally.count().redelivered) == (0, 1)


def test_lost_needs_a_second_look() -> None:
    """A task that is gone without a result is lost, once nothing has followed."""
    tally = Tally(scenario()).feed([*delivered("quick/0"), started("quick/0")])
    tally.feed([Event(0.3, "acked", "quick/0", "worker1", tag="a")])
    tally.feed([Event(0.5, "worker_exited", worker="worker1", detail={"signal": 9})])
    assert tally.count().lost == 0
    assert not tally.settled
    assert tally.count().lost == 1
    assert tally.settled


def test_a_failure_told_late_is_not_lost() -> None:
    """Between a child's loss and the word on its task, the task is not counted as lost."""
    tally = Tally(scenario()).feed([*delivered("quick/0"), started("quick/0")])
    tally.feed([Event(0.3, "acked", "quick/0", "worker1", tag="a")])
    tally.feed([Event(0.5, "child_lost", "quick/0", "worker1", tag="a")])
    assert tally.count().lost == 0
    tally.feed([Event(0.6, "failed", "quick/0", "worker1", tag="a")])
    counts = tally.count()
    assert (counts.lost, counts.failed, tally.count().lost) == (0, 1, 0)


def test_who_is_harmed_is_named() -> None:
    """Lost, done twice, held by the dead: the first three of each, in the order of their births."""
    tally = Tally(scenario())
    for n in range(5):
        tally.feed(delivered(f"quick/{n}", tag=str(n)))
        tally.feed([Event(0.3, "acked", f"quick/{n}", "worker1", tag=str(n))])
    tally.feed([*delivered("app.slow/0"), started("app.slow/0")])
    for at in (0.4, 0.6):
        tally.feed([Event(at, "succeeded", "app.slow/0", "worker1", slot=0, tag="a")])
    tally.feed(delivered("app.slow/1", "worker2", "z"))
    tally.feed([Event(0.7, "worker_exited", worker=w, detail={}) for w in ("worker1", "worker2")])
    tally.count()
    counts = tally.count()
    assert (counts.lost, counts.duplicated, counts.stuck) == (5, 1, 1)
    lost = ("quick/0", "quick/1", "quick/2")
    assert counts.harmed == (lost, ("app.slow/0",), ("app.slow/1",))
    rows = {name: (n, note) for name, n, note in counts.rows()}
    assert rows["lost"] == (5, ", ".join(lost))
    assert rows["stuck"] == (1, "app.slow/1")


def test_what_is_left_at_the_end_is_stuck() -> None:
    """A queue that nobody consumes: stuck when the run is over, only queued before."""
    tally = Tally(scenario()).feed([Event(0.0, "sent", "quick/0", queue="fast")])
    assert tally.count().stuck == 0
    assert tally.feed([Event(9.0, "ended")]).count().stuck == 1


def test_counters_agree_with_the_metrics() -> None:
    """Law: at the end of a run the panel's counters are the metrics of the same name."""
    run = sandbox.run(sandbox.load("leadlawk"), engine="model")
    tally = Tally(run.scenario).feed(run.events)
    tally.count()
    counts, metrics = tally.count(), sandbox.measure(run)
    for name in ("done", "failed", "lost", "redelivered", "retried"):
        assert getattr(counts, name) == metrics.value(name), name
    assert (counts.queued, counts.running, counts.ended) == (0, 0, True)
    totals = sandbox.audit(run).totals
    assert (counts.duplicated, counts.stuck) == (totals.duplicated, totals.stuck)


# --- the panel ---------------------------------------------------------------------------


def test_words_that_do_not_change(session: Scripted) -> None:
    """Law: repr and the static table are the same in every kernel; all is named."""
    panel = Panel(session)
    assert repr(panel) == "<Panel of 'panelled'>"
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"] == repr(panel)
    assert "<caption>Counters of panelled" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert Panel(session)._repr_mimebundle_()["text/html"] == bundle["text/html"]
    controls = [*panel._inputs.fields.all.values(), *panel._inputs.buttons.values()]
    assert all(control.description for control in controls)
    assert len({control.description for control in controls}) == len(controls)


def test_each_button_calls_the_verb_of_its_name(session: Scripted) -> None:
    """Law: a button only calls its verb, with what the fields say."""
    session.controls.go_on.set()
    panel = Panel(session)
    panel._inputs.fields["rate"].value = " 5/m "
    names = ["Trigger 1", "Trigger 10", "Set rate limit", "Warm stop", "Start worker"]
    others = ["Drop connections", "Broker off, data lost", "Broker on", "Set latency", "Deploy"]
    for name in [*names, "Skip", *others]:
        button(panel, name).click()
    until("all are done", lambda: len(session.controls.calls) == 11, 10.0)
    assert session.controls.calls == [
        ("submit", {"task": "app.slow", "n": 1}),
        ("submit", {"task": "app.slow", "n": 10}),
        ("rate_limit", {"task": "app.slow", "rate": "5/m"}),
        ("terminate_worker", {"worker": "worker1"}),
        ("start_worker", {"worker": "worker1"}),
        ("skip", {"seconds": 3600.0}),
        ("drop_connections", {}),
        ("stop_broker", {}),
        ("start_broker", {}),
        ("latency", {"delay_s": 0.1}),
        ("deploy", {"grace_s": 10.0}),
    ]


def test_the_buttons_of_a_worker_are_verbs_for_the_one_that_is_chosen(session: Scripted) -> None:
    """Law: what a button says is a verb of the controls, with spaces."""
    panel = Panel(session)
    panel._inputs.fields["worker"].value = "worker2"
    button(panel, "Cold stop").click()
    verbs = ["pause_worker", "resume_worker", "cut_off", "mend_link"]
    for verb in verbs:
        button(panel, verb.replace("_", " ").capitalize()).click()
    verbs.insert(0, "quit_worker")
    until("all are done", lambda: len(session.controls.calls) == len(verbs), 10.0)
    assert session.controls.calls == [(verb, {"worker": "worker2"}) for verb in verbs]
    assert set(verbs) <= set(VERBS)


def test_an_empty_rate_lifts_the_limit(session: Scripted) -> None:
    """An empty field means None: no limit."""
    panel = Panel(session)
    button(panel, "Set rate limit").click()
    until("it is called", lambda: session.controls.calls, 10.0)
    assert session.controls.calls == [("rate_limit", {"task": "app.slow", "rate": None})]


def test_a_slow_verb_blocks_nobody(session: Scripted) -> None:
    """Law: a click returns at once, and the counters go on while a verb takes its time."""
    panel = Panel(session)
    begun = time.monotonic()
    button(panel, "Start worker").click()
    button(panel, "Trigger 1").click()
    assert time.monotonic() - begun < 1
    session.events += delivered("app.slow/0")
    until("the board shows it", lambda: panel.board.n_shown == 2, 10.0)
    assert session.controls.calls == []
    session.controls.go_on.set()
    until("both are done, in order", lambda: len(session.controls.calls) == 2, 10.0)
    assert [verb for verb, _ in session.controls.calls] == ["start_worker", "submit"]


def test_trouble_is_one_sentence(session: Scripted) -> None:
    """A refused verb is told in a sentence, and so is a bug; the next verb works."""
    panel = Panel(session)
    button(panel, "Kill worker").click()
    until(
        "told",
        lambda: "kill_worker('worker1'): worker1 is down; start it first" in told(panel),
        10.0,
    )
    button(panel, "Kill child").click()
    until("told", lambda: "kill_child('worker1') failed: RuntimeError: a bug" in told(panel), 10.0)
    button(panel, "Trigger 1").click()
    until("told", lambda: "submit('app.slow', 1): done" in told(panel), 10.0)
    assert "Traceback" not in told(panel)


def test_nothing_is_sent_while_nothing_changes(session: Scripted) -> None:
    """Law: what moves no message is not sent, and what is known together is sent together."""
    panel = Panel(session)
    sent: list[object] = []
    panel.board.send = sent.append
    session.events += [Event(float(i), "sample", detail={"unacked": 0}) for i in range(50)]
    until("they are read", lambda: panel._reader._n == 50, 10.0)
    session.events += delivered("app.slow/0", at=60.0)
    until("it is shown", lambda: sent, 10.0)
    until("they are read", lambda: panel._reader._n == 52, 10.0)
    assert len(sent) <= 2


def test_a_newer_panel_ends_the_older_one(session: Scripted) -> None:
    """Law: a session has one panel; the older one's threads end and its buttons say so."""
    older = Panel(session)
    newer = Panel(session)
    assert not older._reader.thread.is_alive()
    until("its hand ends too", lambda: not older._hand.thread.is_alive(), 10.0)
    assert newer._reader.thread.is_alive()
    assert button(older, "Trigger 1").disabled
    assert not button(newer, "Trigger 1").disabled
    assert "newer panel" in told(older)


def test_the_end_of_a_session_ends_its_panel(session: Scripted) -> None:
    """Law: with the session the threads end, and the last state stays on view."""
    panel = Panel(session)
    session.events += [*delivered("app.slow/0"), started("app.slow/0"), Event(1.0, "ended")]
    until("both end", lambda: not panel._reader.thread.is_alive(), 10.0)
    until("both end", lambda: not panel._hand.thread.is_alive(), 10.0)
    assert panel.board.n_shown == 4
    assert button(panel, "Skip").disabled
    assert panel.snapshot().loc["running", "n"] == 1


@pytest.mark.live
def test_on_real_workers(tmp_path: Path) -> None:
    """Kill, skip and trigger by button; the snapshot says what became of the message."""
    slow = {"name": "slow", "service": {"kind": "deterministic", "value_s": 0.5}, "acks_late": True}
    pools = [{"n_workers": 2, "prefetch_multiplier": 1}]
    real = scenario(tasks=[slow], queues=["celery"], workers=pools)
    with workbench.start(real, broker="fake", runs=tmp_path) as session:
        panel = Panel(session)
        button(panel, "Trigger 1").click()
        worker = session.wait_for(OnEvent(event="started")).worker
        panel._inputs.fields["worker"].value = worker
        button(panel, "Kill worker").click()
        until("it waits", lambda: panel.snapshot().loc[DEAD, "n"] == 1, 10.0)
        button(panel, "Skip").click()
        until("it is done", lambda: panel.counts.done == 1, 20)
        assert (panel.counts.lost, panel.counts.redelivered) == (0, 1)
    until("the thread ends", lambda: not panel._reader.thread.is_alive(), 10.0)
    assert panel.counts.ended


@pytest.mark.live
def test_lab_start_leaves_one_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: a cell that is run again leaves one system; ``$SANDBOX_BROKER`` chose its broker."""
    from sandbox import lab

    monkeypatch.setattr(lab, "BROKER", "fake")
    monkeypatch.chdir(tmp_path)
    first = lab.start(scenario())
    second = lab.start(scenario())
    assert first.events_since(0)[-1].kind == "ended"
    second.controls.submit("quick", 2)
    second.wait_for(OnEvent(event="succeeded", nth=2))
    assert lab.so_far(second).fold.journeys.keys() == {"quick/1000000000", "quick/1000000001"}
    assert second.close().info["broker"].startswith("fake")
