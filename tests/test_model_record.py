"""What the model records is a choice that changes nothing else; its clock keeps SimPy's order."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from typing import Any

import pytest
import simpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simpy.core import StopSimulation

from sandbox.draws import Empirical, Exponential, LogNormal, Uniform, draw_s
from sandbox.engines.model import start, waits_s
from sandbox.engines.model.alarm import Alarm, Steps
from sandbox.engines.model.chance import Stream
from sandbox.engines.model.clock import Clock
from sandbox.errors import EngineError
from sandbox.faults import OnEvent
from sandbox.metrics import READ, measure
from sandbox.overheads import Overheads
from sandbox.run import KINDS, Run
from sandbox.scenario import Scenario
from tests.test_model import OVERHEADS, ZERO, scenario, scenarios

RANDOM = settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


def run_of(described: Scenario, overheads: Overheads, **more: Any) -> Run:
    with start(described, overheads=overheads, **more) as session:
        session.wait()
    return session.close()


# --- the record ----------------------------------------------------------------------------


@RANDOM
@given(scenarios(), OVERHEADS)
def test_metrics_need_no_other_kinds(described: Scenario, overheads: Overheads) -> None:
    """A prediction's light record gives the very metrics that the full record gives."""
    light = run_of(described, overheads, kinds=READ)
    assert not {"received", "published", "acked"} & {
        event.kind for event in light.events
    } - watched(described)
    assert measure(light) == measure(run_of(described, overheads))


@RANDOM
@given(scenarios(), OVERHEADS, st.sets(st.sampled_from(sorted(KINDS))))
def test_a_light_record_is_the_full_one_without_the_rest(
    described: Scenario, overheads: Overheads, kinds: set[str]
) -> None:
    """What is not kept leaves no trace in what is, and no other kind is kept."""
    full, light = run_of(described, overheads), run_of(described, overheads, kinds=kinds)
    assert light.of_kind(*kinds) == full.of_kind(*kinds)
    assert {event.kind for event in light.events} <= kinds | watched(described)


def watched(described: Scenario) -> set[str]:
    return {fault.when.event for fault in described.faults if fault.when.on == "event"}


@RANDOM
@given(scenarios(), OVERHEADS)
def test_waits_are_those_of_the_full_record(described: Scenario, overheads: Overheads) -> None:
    """`waits_s` is first sent to first started of each task, in the order of the starts."""
    sent: dict[str | None, float] = {}
    waits: dict[str | None, float] = {}
    for event in run_of(described, overheads).of_kind("sent", "started"):
        if event.kind == "sent":
            sent.setdefault(event.task, event.t_s)
        else:
            waits.setdefault(event.task, event.t_s - sent[event.task])
    assert waits_s(described, overheads=overheads) == list(waits.values())


def test_a_fault_sees_what_is_not_recorded() -> None:
    """A fault that waits for a kind works whatever is kept, and its kind is kept from then on."""
    when = {"on": "event", "event": "received", "nth": 2}
    killed = scenario(faults=[{"kind": "kill_worker", "worker": "worker1", "when": when}])
    run = run_of(killed, ZERO, kinds=("worker_exited",))
    assert [event.kind for event in run.events].count("worker_exited") == 1


def test_nobody_can_wait_for_what_is_not_recorded() -> None:
    """`wait_for` counts from the start of the run, so it refuses a kind that was not kept."""
    with (
        start(scenario(), overheads=ZERO, kinds=("sent",)) as session,
        pytest.raises(EngineError, match=r"'started', which is not recorded; allowed: sent"),
    ):
        session.wait_for(OnEvent(event="started"))


@RANDOM
@given(scenarios(), OVERHEADS, st.integers(0, 40))
def test_events_are_the_same_whenever_they_are_read(
    described: Scenario, overheads: Overheads, n: int
) -> None:
    """From a point on while the session runs, at once when it is over, or from a pickle."""
    with start(described, overheads=overheads) as session:
        session.wait(0.5)
        early = list(session.events_since(n))
        session.wait()
    run = session.close()
    copy = pickle.loads(pickle.dumps(run))
    assert list(run.events[n : n + len(early)]) == early
    assert list(session.events_since(n)) == list(run.events[n:])
    assert copy.events == run.events


def test_a_closed_run_gets_no_more_events() -> None:
    """What the controls are told after the end is not in the run, read before or after."""
    session = start(scenario(), overheads=ZERO)
    session.wait()
    run = session.close()
    session.controls.kill_worker("worker1")
    assert run.events[-1].kind == "ended"
    assert session.events_since(len(run.events)) == []


def test_a_run_keeps_its_events_once() -> None:
    """Read, it holds them as objects and no longer as what they were made of."""
    run = run_of(scenario(), ZERO)
    assert run.record is not run.events
    assert run.record is run.events
    assert run.events is run.events


def test_an_event_takes_200_bytes_at_most() -> None:
    """All that a run of 10,000 tasks holds, when it ends and once its events have been read."""
    described = scenario(
        loads=[{"kind": "poisson", "task": "job", "rate_per_s": 1.0}],
        workers=[{"concurrency": 2}], horizon_s=10_000.0, deadline_s=50_000.0,
    )  # fmt: skip
    run_of(scenario(), Overheads())  # What is imported at first use is not the run's.
    gc.collect()
    tracemalloc.start()
    try:
        run = run_of(described, Overheads())
        gc.collect()
        ended, _ = tracemalloc.get_traced_memory()
        n_events = len(run.events)
        gc.collect()
        read, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_events > 60_000
    assert max(ended, read) / n_events < 200


# --- the clock -----------------------------------------------------------------------------

DELAYS = st.lists(st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0]), max_size=3), max_size=40)


def order(env: simpy.Environment, delays: list[list[float]]) -> list[tuple[int, float]]:
    """Return which event came when; each one that comes schedules the next list's delays."""
    seen: list[tuple[int, float]] = []
    programme = enumerate(delays)

    def happen(number: int) -> None:
        seen.append((number, env.now))
        i, more = next(programme, (0, []))
        for j, delay_s in enumerate(more):
            later = 3 * i + j + 1
            simpy.Timeout(env, delay_s).callbacks.append(lambda _, n=later: happen(n))

    for number in range(3):
        simpy.Timeout(env, 0.5).callbacks.append(lambda _, n=-number: happen(n))
    simpy.Timeout(env, 1000.0).callbacks.append(stop)
    env.run()
    return seen


def stop(_: simpy.Event) -> None:
    raise StopSimulation(None)


@RANDOM
@given(DELAYS)
def test_the_clock_keeps_simpys_order(delays: list[list[float]]) -> None:
    """The line beside the heap changes the speed alone: same events, same order, same times."""
    assert order(Clock(), delays) == order(simpy.Environment(), delays)


def test_a_silenced_alarm_wakes_nobody() -> None:
    """A killed process stands still where it was, although its alarm had been set."""
    clock, woken = Clock(), []

    def process(alarm: Alarm) -> Steps:
        while True:
            alarm.ring(1.0, len(woken))
            yield
            woken.append((clock.now, alarm.value))

    alarm = Alarm(clock)
    alarm.begin(process(alarm))
    simpy.Timeout(clock, 2.5).callbacks.append(lambda _: alarm.silence())
    simpy.Timeout(clock, 9.0).callbacks.append(stop)
    clock.run()
    assert woken == [(1.0, 0), (2.0, 1)]


@pytest.mark.parametrize(
    "times",
    [
        Exponential(mean_s=0.3),
        LogNormal(mean_s=0.3, cv=2.0),
        Uniform(low_s=0.1, high_s=0.7),
        Empirical(values_s=(0.1, 0.4, 0.9)),
    ],
)
def test_draws_in_blocks_are_single_draws(times: Exponential) -> None:
    """What a block holds is bit for bit what a worker's child draws, however far it grows."""
    stream = Stream(7, "job/service", 10, times.quantile)
    for n in (0, 9, 10, 1500, 5_000_000):
        for retry in (0, 1):
            assert stream.at(n, retry) == draw_s(times, 7, "job/service", n, retry=retry)
