"""Counterfactual: what changed from one run to another, on runs of a few hand-written events."""

from __future__ import annotations

import sandbox
from sandbox.audit import verdicts
from sandbox.capacity.counterfactual import counterfactual
from sandbox.engines import model
from sandbox.overheads import Overheads
from sandbox.run import Event, Run
from sandbox.scenario import Scenario
from tests.test_capacity_offered import queue

ONE = Scenario(name="one", tasks=[{"name": "scrape"}], workers=[{}], horizon_s=1.0)


def sent(n: int) -> Event:
    return Event(0.0, "sent", f"scrape/{n}", queue="celery")


def life(
    n: int, at_s: float, *, tag: str = "a", ends: bool = True, acks: bool = True
) -> list[Event]:
    """Return a delivery of a task: begun at once, ended a second later."""
    task, more = f"scrape/{n}", {"worker": "worker1", "tag": tag}
    found = [Event(at_s, "delivered", task, queue="celery", **more),
             Event(at_s, "started", task, slot=n, retry=0, **more)]  # fmt: skip
    if ends:
        found.append(Event(at_s + 1, "succeeded", task, slot=n, retry=0, **more))
    return [*found, Event(at_s + 1, "acked", task, **more)] if acks else found


def run(*events: Event, scenario: Scenario = ONE) -> Run:
    return Run(scenario, tuple(sorted(events, key=lambda event: event.t_s)))


def test_a_run_differs_from_itself_in_nothing() -> None:
    one = run(sent(0), *life(0, 0.0), sent(1))
    found = counterfactual(one, one)
    assert str(found) == "2 the same"
    assert found.changes == ()
    assert len(found.to_frame()) == 0


def test_a_lost_task_that_would_have_been_done_is_named() -> None:
    gone = Event(0.5, "worker_exited", worker="worker1", detail={"signal": 9})
    early = [sent(0), *life(0, 0.0, ends=False, acks=False),
             Event(0.0, "acked", "scrape/0", worker="worker1", tag="a"), gone]  # fmt: skip
    found = counterfactual(run(*early), run(sent(0), *life(0, 0.0)))
    assert found.summary() == "0 the same, 1 lost → done (scrape/0)"


def test_a_task_done_twice_is_named_so() -> None:
    """Three events more: restored, and done again."""
    again = Event(1.5, "restored", "scrape/1", worker="worker1", tag="a")
    twice = [sent(1), *life(1, 0.0, acks=False), again, *life(1, 2.0)]
    found = counterfactual(run(sent(1), *life(1, 0.0)), run(*twice))
    assert found.summary() == "0 the same, 1 done → done twice (scrape/1)"
    row = found.to_frame().loc["scrape/1"]
    assert (row["executions_before"], row["executions_after"]) == (1, 2)
    assert (row["before"], row["after"]) == ("done", "done twice")


def test_a_task_that_only_ran_more_often_differs_too() -> None:
    """Killed and run again: done once in both, but its body was begun twice."""
    killed = [
        sent(0), *life(0, 0.0, ends=False, acks=False),
        Event(0.5, "child_lost", "scrape/0", worker="worker1", tag="a"),
        Event(0.5, "requeued", "scrape/0", worker="worker1", tag="a"), *life(0, 1.0),
    ]  # fmt: skip
    found = counterfactual(run(sent(0), *life(0, 0.0)), run(*killed))
    assert found.summary() == "0 the same, 1 done in 1 → 2 executions (scrape/0)"


def test_tasks_of_one_run_only_are_changes() -> None:
    """Each task stands on exactly one side: the same, changed, or in one run only."""
    a, b = run(sent(0), sent(1), *life(1, 0.0)), run(sent(1), *life(1, 0.0), sent(2))
    found = counterfactual(a, b)
    assert [str(change) for change in found.changes] == ["stuck → not there", "not there → stuck"]
    assert found.n_same + len(found.changes) == len({*verdicts(a), *verdicts(b)})


def test_many_of_a_kind_are_counted_and_the_most_frequent_comes_first() -> None:
    before = run(*(sent(n) for n in range(6)), *life(5, 0.0))
    after = run(*(sent(n) for n in range(6)), *(e for n in range(4) for e in life(n, 0.0)))
    found = counterfactual(before, after)
    assert found.summary() == "1 the same, 4 stuck → done, 1 done → stuck (scrape/5)"


def test_other_draws_and_other_loads_are_said() -> None:
    """Tasks of one name are the same task only with the same seed and the same loads."""
    other = ONE.but(seed=5, loads=[{"kind": "burst", "task": "scrape", "n": 1}])
    told = counterfactual(run(), run(scenario=other)).summary()
    assert "the seeds are 0 and 5" in told
    assert "other loads" in told


def test_a_change_of_capacity_changes_no_task_s_fate() -> None:
    """Law: without faults or limits every task is done once, whatever the number of slots."""
    few = queue(1.0, n=2, kind="terminating", horizon_s=30.0)
    many = queue(1.0, n=8, kind="terminating", horizon_s=30.0)
    runs = []
    for scenario in (few, many):
        with model.start(scenario, overheads=Overheads()) as session:
            session.wait()
        runs.append(session.close())
    found = counterfactual(*runs)
    assert (len(found.changes), found.notes) == (0, ())
    assert found.n_same == len(verdicts(runs[0])) > 10


def test_late_ack_would_have_saved_leadlawk_s_tasks() -> None:
    """The tasks lost in the first run are those that the audit calls lost there."""
    late = sandbox.load("leadlawk")
    early = late.but(tasks=[task.but(acks_late=False) for task in late.tasks])
    a, b = (sandbox.run(one, engine="model", overheads=Overheads()) for one in (early, late))
    saved = {c.task for c in counterfactual(a, b).changes if str(c) == "lost → done"}
    assert saved == {task for task, verdict in verdicts(a).items() if verdict == "lost"} != set()
