"""Conformance: a task that publishes another and waits for its result, in its slot (C1)."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.audit import audit
from sandbox.faults import OnEvent
from sandbox.run import Run
from sandbox.tasks import SUBTASKS
from tests.conftest import Begin
from tests.test_conformance import (
    CLOCK_S,
    HOUR_S,
    assert_laws,
    burst,
    executions,
    finish,
    scenario,
    task,
    verdicts,
)

FRONT = {"name": "front", "concurrency": 2, "prefetch_multiplier": 1, "queues": ["parents"]}
BACK = {"name": "back", "concurrency": 2, "prefetch_multiplier": 1, "queues": ["children"]}
CHILD_S = 0.3


def parent(service_s: float = 0.3, **more: Any) -> dict[str, Any]:
    return task("album", service_s, waits_for="job", **more)


def apart(**fields: Any) -> dict[str, Any]:
    """Return the fields of a scenario whose parents and children have workers of their own."""
    mine, theirs = fields.pop("parent", {}), fields.pop("child", {})
    return {
        "tasks": [
            parent(queue="parents", **mine),
            task(**{"service_s": CHILD_S, "queue": "children"} | theirs),
        ],
        "queues": ["parents", "children"],
        "workers": [FRONT, BACK],
        "loads": [burst(2, "album")],
    } | fields


def at(run: Run, kind: str, key: str) -> float:
    """Return when an event of a kind was first seen of a task (s)."""
    return next(event.t_s for event in run.of_kind(kind) if event.task == key)


def child_of(n: int, retry: int = 0) -> str:
    return f"job/{(1 + retry) * SUBTASKS + n}"


def errors(run: Run, type_name: str) -> list[str]:
    """Return the names of the errors with which tasks of a type failed or were retried."""
    found = [e for e in run.events if e.kind in {"failed", "retried"} and e.task is not None]
    told = [str((e.detail or {})["error"]) for e in found if e.task.startswith(f"{type_name}/")]  # type: ignore[union-attr]
    return [text.partition(":")[0].partition("(")[0] for text in told]


def test_with_enough_slots_parents_and_children_are_done(begin_full: Begin) -> None:
    """Each attempt publishes one, keeps its slot, and goes on when the result is there."""
    described = scenario(
        tasks=[parent(), task()], loads=[burst(2, "album")],
        workers=[{"concurrency": 4, "prefetch_multiplier": 1}],
    )  # fmt: skip
    run = finish(begin_full, described)
    assert executions(run) == {"album/0": 1, "album/1": 1, child_of(0): 1, child_of(1): 1}
    assert verdicts(run) == {"done once": 4}
    for n in range(2):
        mine, its = f"album/{n}", child_of(n)
        assert at(run, "started", mine) < at(run, "sent", its)
        assert at(run, "sent", its) < at(run, "started", its)
        assert at(run, "succeeded", its) <= at(run, "succeeded", mine)
    assert [e.worker for e in run.of_kind("sent") if e.task == child_of(0)] == ["worker1"]


def test_when_all_slots_wait_nothing_ends_any_more(begin_full: Begin) -> None:
    """Two slots, two parents: each holds the slot that the other's child needs."""
    described = scenario(
        tasks=[parent(), task()], loads=[burst(2, "album")],
        workers=[{"concurrency": 2, "prefetch_multiplier": 1}], horizon_s=1.0, deadline_s=2.0,
    )  # fmt: skip
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="published", nth=4))
        assert session.wait() == "deadline"
    run = session.close()
    assert_laws(run)
    assert executions(run) == {"album/0": 1, "album/1": 1}
    assert not run.of_kind("succeeded", "failed", "retried")
    assert verdicts(run) == {"stuck": 4}
    assert {found.task for found in audit(run).of("stuck")} >= {child_of(0), child_of(1)}


def test_workers_of_their_own_for_children_cannot_deadlock(begin_full: Begin) -> None:
    """More parents than slots, but none of them holds what a child needs."""
    run = finish(begin_full, scenario(**apart(loads=[burst(5, "album")])))
    assert verdicts(run) == {"done once": 10}


@pytest.mark.parametrize(("pool", "concurrency"), [("threads", 2), ("solo", 1)])
def test_other_pools_wait_as_well(begin_full: Begin, pool: str, concurrency: int) -> None:
    """A thread, and a solo worker's main process, wait for a child on another worker."""
    front = FRONT | {"pool": pool, "concurrency": concurrency}
    run = finish(begin_full, scenario(**apart(workers=[front, BACK], loads=[burst(4, "album")])))
    assert verdicts(run) == {"done once": 8}


def test_a_solo_worker_waits_for_itself_for_ever(begin_full: Begin) -> None:
    """Its one slot is its main process: the child is never even fetched."""
    described = scenario(
        tasks=[parent(), task()], loads=[burst(1, "album")],
        workers=[{"pool": "solo"}], horizon_s=1.0, deadline_s=1.5,
    )  # fmt: skip
    with begin_full(described) as session:
        assert session.wait() == "deadline"
    run = session.close()
    assert_laws(run)
    assert executions(run) == {"album/0": 1}
    assert verdicts(run) == {"stuck": 2}


def test_a_failed_child_fails_its_parent(begin_full: Begin) -> None:
    """The parent sees a failure of its own; without a policy it is final."""
    run = finish(begin_full, scenario(**apart(child={"p_failure": 1.0})))
    assert verdicts(run) == {"failed": 4}
    assert errors(run, "job") == ["WorkFailed"] * 2
    assert errors(run, "album") == ["SubtaskFailed"] * 2


def test_a_retried_parent_publishes_another_child(begin_full: Begin) -> None:
    """Each attempt has a child of its own, and all of them fail."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 0.2}
    mine = {"service_s": 0.1, "retries": [policy]}
    run = finish(begin_full, scenario(**apart(parent=mine, child={"p_failure": 1.0})))
    assert executions(run) == {
        "album/0": 2, "album/1": 2,
        child_of(0): 1, child_of(0, 1): 1, child_of(1): 1, child_of(1, 1): 1,
    }  # fmt: skip
    assert verdicts(run) == {"failed": 6}


def test_a_retried_child_holds_its_parent_back(begin_full: Begin) -> None:
    """A retry is no result: the parent waits for the last attempt."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 0.4}
    theirs = {"service_s": 0.1, "p_failure": 1.0, "retries": [policy]}
    run = finish(begin_full, scenario(**apart(child=theirs)))
    assert executions(run)[child_of(0)] == 2
    assert verdicts(run) == {"failed": 4}
    assert at(run, "failed", "album/0") >= at(run, "failed", child_of(0))


def test_a_child_that_expires_fails_its_parent(begin_full: Begin) -> None:
    """REVOKED is a result that one waits for, as a failure is."""
    tasks = [
        parent(0.1, queue="parents"),
        task("job", 0.1, queue="children", expires_s=0.5),
        task("first", 1.2, queue="children", acks_late=True),
    ]
    back = BACK | {"concurrency": 1}
    loads = [burst(1, "first"), burst(1, "album", 0.1)]
    described = scenario(**apart(tasks=tasks, loads=loads, workers=[FRONT, back]))
    run = finish(begin_full, described)
    assert verdicts(run) == {"done once": 1, "failed": 1, "revoked": 1}
    assert errors(run, "album") == ["SubtaskFailed"]


def test_a_soft_limit_ends_the_deadlock(begin_full: Begin) -> None:
    """The limit is raised in the wait; then the children find slots, and nobody reads them."""
    described = scenario(
        tasks=[parent(soft_time_limit_s=1.0), task()], loads=[burst(2, "album")],
        workers=[{"concurrency": 2, "prefetch_multiplier": 1}],
    )  # fmt: skip
    run = finish(begin_full, described)
    assert verdicts(run) == {"done once": 2, "failed": 2}
    assert errors(run, "album") == ["SoftTimeLimitExceeded"] * 2
    assert at(run, "started", child_of(0)) > min(e.t_s for e in run.of_kind("failed"))


def test_a_hard_limit_ends_the_deadlock(begin_full: Begin) -> None:
    """The parent is killed in its wait, and acknowledged."""
    described = scenario(
        tasks=[parent(time_limit_s=1.0), task()], loads=[burst(2, "album")],
        workers=[{"concurrency": 2, "prefetch_multiplier": 1}],
    )  # fmt: skip
    run = finish(begin_full, described)
    assert verdicts(run) == {"done once": 2, "failed": 2}


def test_a_killed_child_process_fails_the_parent_once(begin_full: Begin) -> None:
    """WorkerLostError is the child's; the parent, whose process lives, fails by itself."""
    kill = {"on": "event", "event": "started", "task": "job", "nth": 1, "after_s": 0.1}
    described = apart(
        parent={"acks_late": True, "reject_on_worker_lost": True}, child={"service_s": 0.8},
        loads=[burst(1, "album")],
        faults=[{"kind": "kill_child", "worker": "back1", "when": kill}],
    )  # fmt: skip
    run = finish(begin_full, scenario(**described))
    assert executions(run) == {"album/0": 1, child_of(0): 1}
    assert verdicts(run) == {"failed": 2}
    assert errors(run, "album") == ["SubtaskFailed"]


def test_a_redelivered_parent_publishes_the_same_child_again(begin_full: Begin) -> None:
    """It runs a second time beside the result of the first, which the parent takes at once."""
    kill = {"on": "event", "event": "started", "task": "job", "nth": 1, "after_s": 0.1}
    done = {"on": "event", "event": "succeeded", "task": "job", "nth": 1, "after_s": 0.3}
    described = apart(
        parent={"service_s": 0.1, "acks_late": True}, child={"service_s": 0.5},
        workers=[FRONT | {"concurrency": 1, "n_workers": 2}, BACK],
        loads=[burst(2, "album")],
        faults=[
            {"kind": "kill_worker", "worker": "front1", "when": kill},
            {"kind": "skip", "seconds": HOUR_S, "when": done},
        ],
    )  # fmt: skip
    run = finish(begin_full, scenario(**described))
    ran = executions(run)
    assert sorted(ran[f"album/{n}"] for n in range(2)) == [1, 2]
    assert sorted(ran[child_of(n)] for n in range(2)) == [1, 2]
    assert verdicts(run) == {"done once": 3, "done more than once": 1}
    again = next(n for n in range(2) if ran[child_of(n)] == 2)
    starts = [e.t_s for e in run.of_kind("started") if e.task == child_of(again)]
    assert at(run, "succeeded", f"album/{again}") < max(starts) + 0.5


def test_a_paused_parent_publishes_when_it_goes_on(begin_full: Begin) -> None:
    """Its own work is over meanwhile, but who stands still publishes nothing."""
    first = {"on": "event", "event": "started", "task": "album", "nth": 1, "after_s": 0.1}
    described = apart(
        parent={"service_s": 0.4}, loads=[burst(1, "album")],
        faults=[{"kind": "pause_worker", "worker": "front1", "for_s": 1.0, "when": first}],
    )  # fmt: skip
    run = finish(begin_full, scenario(**described))
    assert verdicts(run) == {"done once": 2}
    resumed = next(
        e.t_s for e in run.of_kind("control") if (e.detail or {})["verb"] == "resume_worker"
    )
    assert at(run, "sent", child_of(0)) >= resumed


def test_a_chord_of_parents_waits_for_all_of_it(begin_full: Begin) -> None:
    """The body comes when each header task has had its child's result."""
    tasks = [*apart()["tasks"], task("total", 0.05, queue="children")]
    load = {"kind": "chord", "task": "album", "n": 2, "body": "total"}
    run = finish(begin_full, scenario(**apart(tasks=tasks, loads=[load])))
    assert verdicts(run) == {"done once": 5}
    # Not from `succeeded`: a result can be read before its worker has told of it.
    began_s = [at(run, "started", child_of(n)) for n in range(2)]
    assert at(run, "sent", "total/0") >= max(began_s) + CHILD_S - CLOCK_S
