"""Scenario.from_run: a recording gives back what made it, within its own standard errors."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from typing import Any

import pytest

import sandbox
from sandbox.derive.fits import Fit, fit_arrivals, fit_service
from sandbox.derive.from_run import Fitted, fit
from sandbox.draws import Deterministic, Distribution, Exponential, LogNormal, Uniform, uniforms
from sandbox.errors import ScenarioError
from sandbox.loads import Poisson, Rates, Trace
from sandbox.overheads import Overheads
from sandbox.run import Run
from sandbox.scenario import AutoRetry, Scenario
from tests.test_scenario import sentence_of, small

RATE_PER_S, P_FAILURE, MEAN_S, CV = 8.0, 0.2, 0.3, 0.7
SERVICES: dict[str, Distribution] = {
    "exponential": Exponential(mean_s=MEAN_S),
    "lognormal": LogNormal(mean_s=MEAN_S, cv=CV),
    "uniform": Uniform(low_s=0.1, high_s=0.5),
    "deterministic": Deterministic(value_s=MEAN_S),
}
SURE = 3.5
"""A fit may be this many standard errors away; the draws are fixed, so a test does not flicker."""


def draws(service: Distribution, n: int, seed: int = 1) -> list[float]:
    return [service.quantile(u) for u in uniforms(seed, "law", n).tolist()]


def poisson(rate_per_s: float, stop_s: float, seed: int = 1, start_s: float = 0.0) -> list[float]:
    load = Poisson(task="a", rate_per_s=rate_per_s, start_s=start_s)
    return load.arrivals_s(stop_s, seed=seed, stream="law")


def original(**changes: Any) -> Scenario:
    """Return a scenario with one task type a service, some of whose attempts fail."""
    fields: dict[str, Any] = {
        "tasks": [
            {
                "name": name,
                "service": service,
                "p_failure": P_FAILURE,
                "retries": [AutoRetry(max_retries=1, countdown_s=1.0)],
            }
            for name, service in SERVICES.items()
        ],
        "workers": [{"concurrency": 16}],
        "loads": [Poisson(task=name, rate_per_s=RATE_PER_S) for name in SERVICES],
        "horizon_s": 60.0,
        "seed": 5,
    }
    return small(**(fields | changes))


def recorded(scenario: Scenario) -> Run:
    return sandbox.run(scenario, engine="model", overheads=Overheads())


@cache
def fitted() -> Fitted:
    return fit(recorded(original()))


def fit_of(found: Fitted, task: str, what: str) -> Fit:
    return next(one for one in found.fits if (one.task, one.what) == (task, what))


def near(fit_: Fit, **expected: float) -> None:
    for name, value in expected.items():
        estimate, error = fit_.parameters[name]
        assert abs(estimate - value) <= SURE * error + 1e-9, (name, estimate, value, error)


# --- one law at a time ------------------------------------------------------------------------------


@pytest.mark.parametrize("law", SERVICES)
@pytest.mark.parametrize("n", [60, 2000])
def test_times_drawn_from_a_law_are_fitted_by_it(law: str, n: int) -> None:
    """The likeliest law is the one they were drawn from, and no test rejects it."""
    found, told = fit_service("a", draws(SERVICES[law], n))
    assert found.kind == law == told.chosen
    assert not told.distance > 1


@pytest.mark.parametrize(
    ("law", "parameters"),
    [
        ("exponential", {"mean_s": MEAN_S}),
        ("lognormal", {"mean_s": MEAN_S, "cv": CV}),
        ("deterministic", {"value_s": MEAN_S}),
    ],
)
def test_parameters_are_recovered_within_their_standard_errors(
    law: str, parameters: dict[str, float]
) -> None:
    """For many seeds: off by a standard error on average, never by far more."""
    scores = []
    for seed in range(40):
        _, told = fit_service("a", draws(SERVICES[law], 400, seed))
        for name, value in parameters.items():
            estimate, error = told.parameters.get(name, (value, math.inf))
            scores.append((estimate - value) / error if error > 1e-12 else 0.0)
    assert max(map(abs, scores)) < SURE
    assert math.sqrt(sum(z * z for z in scores) / len(scores)) < 1.3


def test_times_of_no_known_law_are_kept_as_they_are() -> None:
    """Two far modes: every law is rejected, and the empirical one has their quantiles."""
    times = draws(Uniform(low_s=0.1, high_s=0.2), 300) + draws(Uniform(low_s=3.0, high_s=4.0), 300)
    found, told = fit_service("a", times)
    assert found.kind == "empirical"
    assert told.distance > 1
    assert found.quantile(0.25) == pytest.approx(sorted(times)[150], rel=0.02)


@pytest.mark.parametrize("law", ["exponential", "lognormal"])
def test_times_cut_short_are_not_taken_for_short_ones(law: str) -> None:
    """A limit at the median hides the longer half; the law's mean is found all the same."""
    times = draws(SERVICES[law], 4000)
    limit_s = SERVICES[law].quantile(0.5)
    whole = [one for one in times if one < limit_s]
    found, told = fit_service("a", whole, [limit_s] * (len(times) - len(whole)))
    assert found.kind == law
    assert told.parameters["mean_s"][0] == pytest.approx(MEAN_S, rel=0.15)


def test_a_poisson_process_is_a_rate_and_others_are_their_times() -> None:
    """Over many seeds nearly all Poisson processes pass; regular, changing and burst ones do not."""
    chosen = Counter(
        fit_arrivals("a", poisson(5.0, 100.0, seed), 100.0)[1].chosen for seed in range(50)
    )
    assert chosen["poisson"] >= 45
    changing = Rates(task="a", steps=((0.0, 1.0), (50.0, 9.0)))
    for times in (
        [0.5 * i for i in range(200)],
        changing.arrivals_s(100.0, seed=1, stream="a"),
        sorted([1.0] * 50 + poisson(5.0, 100.0)),
    ):
        load, _ = fit_arrivals("a", times, 100.0)
        assert load == Trace(task="a", at_s=tuple(times))


def test_a_poisson_load_may_begin_late_and_end_early() -> None:
    """Its window is found from its first and last arrival."""
    load, told = fit_arrivals("a", poisson(5.0, 60.0, start_s=20.0), 100.0)
    assert isinstance(load, Poisson)
    assert (load.start_s, load.stop_s) == pytest.approx((20.0, 60.0), abs=1.5)
    near(told, rate_per_s=5.0)


def test_few_arrivals_stay_as_they_are() -> None:
    """No test can tell what three arrivals come from."""
    assert fit_arrivals("a", [1.0, 2.0, 7.0], 10.0)[0] == Trace(task="a", at_s=(1.0, 2.0, 7.0))


# --- a run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", SERVICES)
def test_a_run_gives_back_the_scenario_that_made_it(task: str) -> None:
    """Service, failures and rate of each type, within their standard errors."""
    found = fitted()
    assert found.scenario.task(task).service.kind == task
    near(fit_of(found, task, "failures"), p_failure=P_FAILURE)
    near(fit_of(found, task, "arrivals"), rate_per_s=RATE_PER_S)
    if task != "uniform":
        name = "value_s" if task == "deterministic" else "mean_s"
        near(fit_of(found, task, "service"), **{name: MEAN_S})


def test_what_is_not_fitted_is_the_run_s_own() -> None:
    """Workers, queues, retries, broker, faults, horizon: a recording keeps its topology."""
    found, made = fitted().scenario, original()
    for field in ("workers", "queues", "broker", "hosts", "beat", "faults", "horizon_s", "kind"):
        assert getattr(found, field) == getattr(made, field), field
    for task in made.tasks:
        other = found.task(task.name)
        assert task.but(service=other.service, p_failure=other.p_failure) == other


def test_the_fitted_scenario_predicts_as_the_original_does() -> None:
    """Every metric's mean lies in the original's interval for one further run."""
    theirs = sandbox.predict(original(), budget_s=0.01, overheads=Overheads())
    ours = sandbox.predict(fitted().scenario, budget_s=0.01, overheads=Overheads())
    rows = theirs.to_frame()
    outside = [
        name
        for name, row in rows.iterrows()
        if not row["low"] - 1e-9 <= ours.mean(str(name)) <= row["high"] + 1e-9
    ]
    assert outside == []


def test_from_run_is_the_fitted_scenario() -> None:
    """The class method gives the same, and it goes through JSON."""
    run = recorded(original(horizon_s=10.0))
    found = Scenario.from_run(run)
    assert found == fit(run).scenario
    assert Scenario.from_json(found.to_json()) == found


def test_what_beat_published_is_not_fitted_as_a_load() -> None:
    """The beat stays, and is not counted twice."""
    tasks = [{"name": "a", "service": Deterministic(value_s=0.01)}]
    beat = [{"name": "tick", "task": "a", "every_s": 1.0}]
    scenario = small(tasks=tasks, beat=beat, horizon_s=50.0)
    found = fit(recorded(scenario)).scenario
    assert found.loads == ()
    assert recorded(found).fold.journeys.keys() == recorded(scenario).fold.journeys.keys()


def test_clients_that_wait_stay_as_they_are_and_that_is_said() -> None:
    """A closed load's arrivals come from the system, so they are no load to fit."""
    think = {"kind": "exponential", "mean_s": 0.5}
    loads = [{"kind": "closed", "task": "a", "n_clients": 3, "think": think}]
    scenario = small(tasks=[{"name": "a", "service": SERVICES["exponential"]}], loads=loads)
    found = fit(recorded(scenario)).scenario
    assert found.loads == scenario.loads
    assert any("loads.a" in note.where for note in found.not_derived)


def test_a_time_limit_s_failures_are_not_the_task_s_own() -> None:
    """What the limit ended is neither a short time nor a failure that the work drew."""
    limited = {"name": "a", "service": SERVICES["exponential"], "time_limit_s": 0.3}
    load = Poisson(task="a", rate_per_s=8.0)
    scenario = small(tasks=[limited], workers=[{"concurrency": 16}], loads=[load], horizon_s=100.0)
    found = fit(recorded(scenario))
    assert found.scenario.task("a").p_failure == 0.0
    near(fit_of(found, "a", "service"), mean_s=MEAN_S)


def test_leadlawk_s_run_with_its_faults_can_be_fitted_and_run_again() -> None:
    """Killed executions are cut times; what never ran keeps its times, and that is said."""
    run = recorded(sandbox.load("leadlawk"))
    found = fit(run)
    service = found.scenario.task("celery_app.database_task").service
    assert isinstance(service, Deterministic)
    assert service.value_s == pytest.approx(0.1)
    assert any("cleanup_stale_jobs" in note.where for note in found.scenario.not_derived)
    assert recorded(found.scenario).ended == "drained"


def test_an_empty_run_is_refused_in_one_sentence() -> None:
    """There is nothing to fit."""
    with pytest.raises(ScenarioError) as error:
        fit(recorded(small()))
    sentence_of(error)


def test_a_live_record_without_overheads_says_what_it_took() -> None:
    """Given overheads are used in silence; the defaults are noted."""
    run = recorded(original(horizon_s=5.0))
    bare = Run(run.scenario, run.events, {"ended": "drained"})
    assert any("Celery's own" in note.what for note in fit(bare).scenario.not_derived)
    assert fit(bare, Overheads()).scenario.not_derived == ()
