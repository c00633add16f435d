"""Offered load: what is unstable is named, exactly, and nothing else is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sandbox.capacity.closed_forms import closed_form
from sandbox.capacity.offered import offered
from sandbox.draws import Deterministic, Exponential
from sandbox.engines import model
from sandbox.loads import Burst, Closed, Poisson, Rates, Trace
from sandbox.metrics import measure
from sandbox.overheads import Overheads
from sandbox.scenario import AutoRetry, Host, Scenario, TaskType, WorkerPool
from sandbox.theory import mmc

FREE = Overheads().scaled(0.0)


def queue(rate_per_s: float, n: int = 4, **more: Any) -> Scenario:
    """Return M/M/n with a mean service of one second."""
    task: dict[str, Any] = {"service": Exponential(mean_s=1.0), "acks_late": True}
    pool: dict[str, Any] = {"concurrency": n, "prefetch_multiplier": 1}
    scenario: dict[str, Any] = {"kind": "steady", "horizon_s": 200.0}
    for name, value in more.items():
        of = task if name in TaskType.model_fields else pool
        (scenario if name in Scenario.model_fields else of)[name] = value
    if "loads" not in scenario:
        scenario["loads"] = [Poisson(task="t", rate_per_s=rate_per_s)]
    return Scenario(name="q", tasks=[TaskType(name="t", **task)],
                    workers=[WorkerPool(name="w", **pool)], **scenario)  # fmt: skip


@pytest.mark.parametrize("rate", [0.1, 2.0, 3.9, 3.999, 4.0, 4.001, 4.1, 12.0])
def test_mmc_is_unstable_exactly_from_rho_1_on(rate: float) -> None:
    """Law: M/M/c has a steady state if and only if ρ < 1; above, λ - cμ tasks/s pile up."""
    found = offered(queue(rate), FREE)
    assert found.stable == (rate < 4)
    assert found.utilisation == pytest.approx(rate / 4, abs=1e-7)
    assert found.pools == {"w": pytest.approx(rate / 4, abs=1e-7)}
    assert found.growth_per_s == pytest.approx(max(0.0, rate - 4), abs=1e-7)
    assert found.note().startswith("unstable") == (rate >= 4)


@pytest.mark.parametrize(
    "load",
    [
        Burst(task="t", n=10_000),
        Trace(task="t", at_s=tuple(i / 100 for i in range(10_000))),
        Poisson(task="t", rate_per_s=50.0, stop_s=100.0),
        Rates(task="t", steps=((0.0, 50.0), (100.0, 1.0))),
        Closed(task="t", n_clients=100),
    ],
    ids=lambda load: load.kind,
)
def test_what_ends_or_waits_for_itself_is_not_unstable(load: Any) -> None:
    assert offered(queue(0.0, loads=[load]), FREE).stable


def test_the_last_rate_of_a_day_is_the_one_that_lasts() -> None:
    day = Rates(task="t", steps=((0.0, 1.0), (100.0, 5.0)))
    assert not offered(queue(0.0, loads=[day]), FREE).stable


def test_retries_are_load() -> None:
    """Half of the attempts fail, two retries: 1.75 attempts a task."""
    found = offered(queue(2.0, p_failure=0.5, retries=(AutoRetry(max_retries=2),)), FREE)
    assert found.utilisation == pytest.approx(2.0 * 1.75 / 4, abs=1e-7)


@pytest.mark.parametrize(
    ("more", "tightest", "utilisation"),
    [
        ({"rate_limit": "30/m", "n_workers": 3}, "rate limit of t in w", 1 / 1.5),
        ({"work": "cpu", "hosts": [Host(cores=2)]}, "cores of localhost", 1 / 2),
        ({"work": "cpu", "pool": "threads"}, "interpreters of w", 1.0),
        ({"soft_time_limit_s": math.log(2)}, "slots of w", 0.5 / 4),
        ({"time_limit_s": math.log(2), "p_failure": 0.0}, "slots of w", 0.5 / 4),
    ],
)
def test_every_limit_is_a_capacity(more: dict[str, Any], tightest: str, utilisation: float) -> None:
    """A rate limit a worker, cores a host, one interpreter a threads worker, time limits."""
    found = offered(queue(1.0, **more), FREE)
    assert (found.tightest, found.utilisation) == (tightest, pytest.approx(utilisation, abs=1e-3))


def pools(a_per_s: float, b_per_s: float) -> Scenario:
    """One pool that serves both queues with 4 slots, one of 2 slots for b alone."""
    service = Deterministic(value_s=1.0)
    return Scenario(
        name="two",
        kind="steady",
        queues=("a", "b"),
        tasks=[TaskType(name=name, queue=name, service=service) for name in ("a", "b")],
        workers=[
            WorkerPool(name="both", queues=("a", "b"), concurrency=4),
            WorkerPool(name="b_only", queues=("b",), concurrency=2),
        ],
        loads=[Poisson(task="a", rate_per_s=a_per_s), Poisson(task="b", rate_per_s=b_per_s)],
        horizon_s=100.0,
    )


@pytest.mark.parametrize(
    ("a", "b", "both", "b_only", "growth"),
    [
        (3.0, 1.5, 0.75, 0.75, 0.0),  # shared out evenly
        (3.5, 0.5, 0.875, 0.25, 0.0),  # a cannot use the other pool
        (3.0, 4.5, 1.25, 1.25, 1.5),  # both are full
        (5.0, 1.0, 1.25, 0.5, 1.0),  # a alone is too much
    ],
)
def test_queues_that_pools_share_flow_as_they_can(
    a: float, b: float, both: float, b_only: float, growth: float
) -> None:
    """Law (max flow): stable if and only if some split of the types over the pools fits."""
    found = offered(pools(a, b), FREE)
    assert found.pools == {
        "both": pytest.approx(both, abs=1e-6),
        "b_only": pytest.approx(b_only, abs=1e-6),
    }
    assert found.growth_per_s == pytest.approx(growth, abs=1e-6)
    assert found.stable == (growth == 0)


def test_a_queue_that_nobody_consumes_is_unstable() -> None:
    scenario = pools(1.0, 1.0)
    found = offered(scenario.but(workers=scenario.workers[1:]), FREE)
    assert not found.stable
    assert "queue of a, which no worker consumes" in found.note()


def test_tasks_that_expire_cannot_pile_up() -> None:
    found = offered(queue(8.0, expires_s=5.0), FREE)
    assert found.stable
    assert found.note() == "overloaded: slots of w at 2.00, tasks expire"


@pytest.mark.parametrize("overloaded", [queue(8.0, n=4), pools(5.0, 1.0)], ids=["one", "two"])
def test_the_model_s_backlog_grows_as_fast_as_it_says(overloaded: Scenario) -> None:
    """Law: what has piled up at the horizon is the growth times the horizon, or more."""
    ends = overloaded.but(kind="terminating", horizon_s=200.0, deadline_s=200.0)
    with model.start(ends, overheads=FREE) as session:
        session.wait()
    piled_up_per_s = measure(session.close()).value("stuck") / 200.0
    assert piled_up_per_s == pytest.approx(offered(ends, FREE).growth_per_s, rel=0.2)


@pytest.mark.parametrize("acks_late", [False, True])
def test_overheads_take_the_capacity_that_the_model_says(acks_late: bool) -> None:
    """Law: a pool that never idles does as many tasks a second as its slots allow."""
    heavy = Overheads().scaled(5.0)
    burst = queue(
        0.0, n=2, service=Deterministic(value_s=0.05), acks_late=acks_late, kind="terminating",
        loads=[Burst(task="t", n=2000)],
    )  # fmt: skip
    with model.start(burst, overheads=heavy) as session:
        session.wait()
    done_per_s = measure(session.close()).value("throughput_per_s")
    lasting = burst.but(loads=[Poisson(task="t", rate_per_s=done_per_s)])
    assert offered(lasting, heavy).utilisation == pytest.approx(1.0, abs=0.05)


# --- closed forms ------------------------------------------------------------------------


def test_the_closed_form_is_theory_s() -> None:
    found = closed_form(queue(3.2), FREE)
    assert found.queue == "M/M/4"
    assert found.exact["mean_wait_s"] == mmc(3.2, 1.0, 4).mean_wait_s
    two_workers = closed_form(queue(3.2, n=2, n_workers=2), FREE)
    assert two_workers.exact == found.exact


@pytest.mark.parametrize(
    "more",
    [
        {"acks_late": False},
        {"prefetch_multiplier": 4},
        {"p_failure": 0.1},
        {"rate_limit": "5/s"},
        {"kind": "terminating"},
        {"max_tasks_per_child": 100},
        {"loads": [Poisson(task="t", rate_per_s=1.0), Burst(task="t", n=5)]},
        {"loads": [Poisson(task="t", rate_per_s=4.0)]},
    ],
)
def test_no_closed_form_for_what_is_not_that_queue(more: dict[str, Any]) -> None:
    assert closed_form(queue(3.2, **more), FREE).exact == {}


def test_small_overheads_are_named_and_large_ones_forbid_a_closed_form() -> None:
    assert "ignores Celery's overheads" in closed_form(queue(3.2), Overheads()).note()
    assert closed_form(queue(3.2), Overheads().scaled(100.0)).exact == {}
