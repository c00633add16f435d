"""Nowhere: a run ends without a message that the broker shows to be gone, and only without such."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from sandbox.audit import audit
from sandbox.engines.live import nowhere
from sandbox.engines.live.nowhere import QUIET_S, Nowhere, given_up
from sandbox.faults import OnEvent
from sandbox.fold import Fold
from sandbox.run import Event
from tests.conftest import Begin
from tests.test_conformance import assert_laws, burst, scenario, task
from tests.waiting import until

ON_FAKE, ON_REDIS = [pytest.mark.live], [pytest.mark.live, pytest.mark.redis]
ANSWER_S = 20.0


def happened(*kinds: str, at_s: float = 0.0) -> list[Event]:
    """Return what happened to hi/0: events of its message are of worker1, under the tag t."""
    found = []
    for i, kind in enumerate(kinds):
        task_ = None if kind.startswith("worker_") else "hi/0"
        who = None if kind in {"sent", "published"} else "worker1"
        queue = "celery" if kind == "sent" else None
        slot = 0 if kind in {"started", "succeeded"} else None
        found.append(Event(at_s + i / 100, kind, task_, who, slot, queue, "t"))
    return found


READY = happened("worker_ready")
TAKEN = [*READY, *happened("sent", "published", "delivered", "received", "started", at_s=0.1)]
DONE = [*TAKEN, *happened("succeeded", at_s=0.2)]
KILLED = [*DONE, *happened("worker_exited", at_s=0.3)]


def control(verb: str, at_s: float = 0.05, worker: str | None = None, **more: Any) -> Event:
    return Event(at_s, "control", worker=worker, detail={"verb": verb, **more})


def samples(
    first_s: float, last_s: float, *, step_s: float = 0.5, queued: int = 0, unacked: int = 0
) -> list[Event]:
    seen = {"queues": {"celery": queued}, "unacked": unacked}
    n = int((last_s - first_s) / step_s) + 1
    return [Event(first_s + i * step_s, "sample", detail=seen) for i in range(n)]


def missing(events: Iterable[Event]) -> tuple[str, ...]:
    """Return the tasks given up when the last of these events has become known."""
    ordered = sorted(events, key=lambda event: event.t_s)
    found = Nowhere()
    found.feed(ordered)
    return found.tasks(ordered, Fold().feed(ordered))


LONG = samples(0.5, 0.5 + 3 * QUIET_S)


def test_a_message_without_a_place_and_without_an_owner_is_given_up() -> None:
    """Acknowledged as its worker died: done, not in the broker, and in no living worker."""
    assert missing([*KILLED, *LONG]) == ("hi/0",)
    assert "hi/0" in given_up(["hi/0", "hi/1"])[0]
    assert "1 more" in given_up(["hi/0", "hi/1"])[0]


def test_a_message_taken_by_a_worker_that_died_at_once_is_given_up() -> None:
    """Taken from its list, in no `unacked` yet, and nobody has written that down."""
    assert missing([*READY, *happened("sent", "published", at_s=0.1), *LONG]) == ("hi/0",)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([*KILLED, *samples(0.5, 20.0, unacked=1)], id="it is in unacked"),
        pytest.param([*KILLED, *samples(0.5, 20.0, queued=1)], id="it is in a queue"),
        pytest.param([*KILLED, *samples(0.5, 0.4 + QUIET_S)], id="not long enough"),
        pytest.param([*KILLED, *samples(0.5, 20.0, step_s=4.0)], id="no samples between"),
        pytest.param(
            [*KILLED, *samples(0.5, 20.0), *happened("worker_ready", at_s=17.0)],
            id="a worker has just come",
        ),
        pytest.param([*TAKEN, *LONG], id="it runs"),
        pytest.param([*TAKEN[:-1], *LONG], id="a worker has it in memory"),
        pytest.param([*TAKEN[:2], *LONG], id="it is being published"),
        pytest.param([*KILLED, *LONG, control("bandwidth", bytes_per_s=1.0)], id="narrow link"),
        pytest.param([*KILLED, *LONG, control("latency", delay_s=10.0)], id="answers on their way"),
        pytest.param(
            [*KILLED, *LONG, *[Event(0.05, "worker_ready", worker="worker2")],
             control("pause_worker", 0.06, "worker2")],
            id="a paused worker may have it",
        ),
        pytest.param(
            [*KILLED, *LONG, Event(0.1, "sent", "hi/0", queue="other"),
             Event(0.2, "published", "hi/0")],
            id="no sample speaks of its queue",
        ),
        pytest.param([*DONE, *happened("acked", at_s=0.3), *LONG], id="nothing is waited for"),
    ],
)  # fmt: skip
def test_a_message_that_may_yet_show_is_waited_for(events: list[Event]) -> None:
    """While anybody may have it, or the broker has not been seen empty long enough, nothing ends."""
    assert missing(events) == ()


@pytest.mark.parametrize(
    "mended",
    [
        [control("bandwidth", bytes_per_s=1.0), control("bandwidth", 0.06, bytes_per_s=None)],
        [control("latency", delay_s=1.0)],
        [control("pause_worker", worker="worker1"), control("resume_worker", 0.06, "worker1")],
        [control("pause_worker", worker="worker1")],
        [control("latency", worker="worker1", delay_s=60.0)],
    ],
)
def test_what_hides_nothing_any_more_keeps_no_run_going(mended: list[Event]) -> None:
    """A link mended, a worker that goes on or is dead: the samples count again."""
    assert missing([*KILLED, *LONG, *mended]) == ("hi/0",)


def test_a_living_worker_that_has_ended_the_task_does_not_hold_it() -> None:
    """Its acknowledgement took effect and its answer was cut off: it will say nothing more."""
    assert missing([*DONE, *LONG]) == ("hi/0",)


def gone_from_broker(event: Event) -> bool:
    seen = event.detail or {}
    return event.kind == "sample" and not (seen["unacked"] or any(seen["queues"].values()))


@pytest.mark.parametrize(
    ("begin", "slow_from", "verdict"),
    [
        pytest.param("redis", "started", "done once", marks=ON_REDIS),
        pytest.param("fake", None, "lost", marks=ON_FAKE),
    ],
    indirect=["begin"],
)
def test_a_kill_with_an_answer_on_its_way_does_not_hold_up_the_end(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, slow_from: str | None, verdict: str
) -> None:
    """What took effect in the broker and was not written down: the run ends, the audit says what.

    Its worker is killed between the effect and the answer, which the link brings late: that of
    the acknowledgement, or that of taking the message, which is lost with kombu's Redis transport.
    """
    monkeypatch.setattr(nowhere, "QUIET_S", 1.5)
    when = {"on": "event", "event": slow_from} if slow_from else {"on": "time", "at_s": 0.0}
    described = scenario(
        tasks=[task(service_s=0.3, acks_late=True, ignore_result=True)],
        workers=[{"concurrency": 1}],
        loads=[burst(1, at_s=0.3)],
        horizon_s=1.0,
        deadline_s=60.0,
        faults=[{"kind": "latency", "worker": "worker1", "delay_s": ANSWER_S, "when": when}],
    )
    with begin(described) as session:
        session.wait_for(OnEvent(event="succeeded" if slow_from else "published"))
        n = len(session.events_since(0))
        until("gone", lambda: any(map(gone_from_broker, session.events_since(n))))
        session.controls.kill_worker("worker1")
        assert session.wait() == "drained"
    run = session.close()
    assert not run.fold.drained, "the answer was in time: nothing was tested"
    assert_laws(run)
    account = audit(run).tasks["job/0"]
    assert (account.verdict, account.where) == (verdict, "gone")
    assert any("job/0" in note for note in run.info["notes"])
