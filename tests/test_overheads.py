"""Overheads: what a task costs beside its work, how far that may be off, and what follows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Burst, Scenario, TaskType, WorkerPool, workbench
from sandbox.draws import LogNormal
from sandbox.engines.live.calibrate.figures import chance, median
from sandbox.errors import ScenarioError
from sandbox.metrics import METRICS
from sandbox.overheads import Overheads
from sandbox.prediction import Prediction

DURATIONS = [name for name in Overheads.figures() if name.endswith("_s")]
SHARES = st.floats(0, 10)
SURE = Overheads(relative_error=0.0)


def scenario(pool: str = "prefork") -> Scenario:
    """Return a burst whose time is half work, half overheads."""
    return Scenario(
        name="burst",
        tasks=[TaskType(name="job", service=LogNormal(mean_s=0.01, cv=0.5), acks_late=True)],
        workers=[WorkerPool(concurrency=2, prefetch_multiplier=1, pool=pool)],
        loads=[Burst(task="job", n=40)],
        horizon_s=1.0,
    )


# --- figures and their errors ---------------------------------------------------------------------


def test_a_figure_without_an_error_of_its_own_has_the_common_one() -> None:
    """What was not measured is as uncertain as a default."""
    overheads = Overheads(errors={"publish_s": 0.1}, relative_error=0.4)
    assert overheads.error("publish_s") == 0.1
    assert overheads.error("ack_s") == 0.4


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"errors": {"publish": 0.1}}, "errors has 'publish'; allowed: "),
        ({"errors": {"publish_s": -0.1}}, "errors"),
        ({"errors": {"publish_s": math.nan}}, "errors"),
        ({"publish_s": 1e9}, "publish_s is 1000000000.0: "),
        ({"p_instant_detection": 1.5}, "p_instant_detection is 1.5: "),
    ],
)
def test_overheads_that_cannot_be_are_refused_in_a_sentence(
    wrong: dict[str, object], told: str
) -> None:
    """An error belongs to a figure, a cost is below an hour, a chance is below 1."""
    with pytest.raises(ScenarioError) as caught:
        Overheads(**wrong)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


@given(st.dictionaries(st.sampled_from(DURATIONS), SHARES), SHARES, st.floats(0, 1))
def test_each_duration_moves_by_its_own_error(
    errors: dict[str, float], common: float, by: float
) -> None:
    """Law: cheap ≤ measured ≤ costly for each, and at the ends by exactly its own error."""
    middle = Overheads(errors=errors, relative_error=common)
    cheap, costly = middle.moved(-by), middle.moved(by)
    for name in DURATIONS:
        value = getattr(middle, name)
        assert 0 < getattr(cheap, name) <= value <= getattr(costly, name)
        end = getattr(middle.moved(1), name)
        assert end == pytest.approx(value * (1 + errors.get(name, common)))
    assert cheap.p_instant_detection == costly.p_instant_detection == middle.p_instant_detection


def test_overheads_without_errors_do_not_move() -> None:
    """Law: with no uncertainty both ends are the figures themselves."""
    assert SURE.moved(1) == SURE.moved(-1) == SURE


# --- in the intervals -----------------------------------------------------------------------------


def predicted(error: float) -> Prediction:
    """Return a prediction from the same three replications, however uncertain the figures."""
    return workbench.predict(scenario(), budget_s=1e-9, overheads=Overheads(relative_error=error))


def test_more_uncertain_overheads_give_no_narrower_interval() -> None:
    """Law: the calibration's uncertainty is in the interval, around the same middle."""
    found = [predicted(error) for error in (0.0, 0.1, 0.3, 0.9)]
    names = ("makespan_s", "mean_latency_s", "throughput_per_s")
    for name in names:
        widths = [prediction.half_width(name) for prediction in found]
        assert widths == sorted(widths)
        assert widths[-1] > 1.05 * widths[0]
        assert len({prediction.mean(name) for prediction in found}) == 1


def test_without_uncertainty_the_interval_is_that_of_the_draws() -> None:
    """Law: errors of 0 leave every interval as the replications alone make it."""
    sure = predicted(0.0)
    alone = Prediction(sure.scenario, sure.overheads, sure.paired, sure.replications)
    for name in METRICS:
        if len(sure.values(name)) > 1:
            assert sure.interval(name, rows=9) == alone.interval(name, rows=9)


def test_the_error_of_one_figure_moves_only_what_it_costs() -> None:
    """Nobody starts a worker here: that figure's error is in no interval."""
    no_start = Overheads(errors={"worker_start_s": 5.0}, relative_error=0.0)
    prediction = workbench.predict(scenario(), budget_s=1e-9, overheads=no_start)
    assert all(prediction.spread(name) == 0.0 for name in METRICS)


@pytest.mark.parametrize(("pool", "pays"), [("threads", True), ("prefork", False)])
def test_threads_have_a_dispatch_of_their_own(pool: str, pays: bool) -> None:
    """The model takes the figure that was measured on the same kind of pool."""
    slow = SURE.but(dispatch_threads_s=2.0)
    run = workbench.run(scenario(pool), engine="model", overheads=slow)
    started = min(event.t_s for event in run.of_kind("started"))
    assert (started > 2.0) == pays


# --- a prediction says what it rests on -----------------------------------------------------------


def test_a_prediction_says_which_calibration_it_used() -> None:
    """In its text, in the heading of its table, in a notebook, in the model's run."""
    source = "calibrated on <fake>, 3 min ago"
    overheads = SURE.but(source=source)
    prediction = workbench.predict(scenario(), budget_s=1e-9, overheads=overheads)
    assert source in repr(prediction)
    assert "3 replications" in repr(prediction)
    assert source in str(prediction.to_frame())
    shown = prediction._repr_html_()
    assert "calibrated on &lt;fake&gt;, 3 min ago" in shown
    assert "<fake>" not in shown
    run = workbench.run(scenario(), engine="model", overheads=overheads)
    assert run.info["overheads"]["source"] == source


# --- the statistics of a calibration --------------------------------------------------------------


def test_a_median_is_no_surer_than_a_tenth_and_known_parts_are_taken_off() -> None:
    """Equal values still leave what the next minute changes; nothing measured is no figure."""
    figure = median([0.004] * 30, less=0.001)
    assert figure is not None
    assert (figure.value, figure.error) == (pytest.approx(0.003), 0.1)
    assert median([]) is None
    assert median([-1.0]) is None


def test_fewer_values_are_less_sure() -> None:
    """Law: the same values seen more often have no wider interval; one alone is unsure."""
    errors = []
    for times in (1, 2, 8, 100):
        figure = median([0.008, 0.010, 0.012] * times)
        assert figure is not None
        errors.append(figure.error)
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[1] > errors[-1] == 0.1
    alone = median([0.01])
    assert alone is not None and alone.error == 0.5


def test_a_medians_interval_covers_the_true_median_about_95_times_in_100() -> None:
    """Its half-width is what it says, on skewed times and few of them."""
    import numpy as np

    rng = np.random.default_rng(3)
    covered = 0
    for sample in rng.lognormal(0.0, 0.8, (2000, 12)):
        figure = median(sample)
        assert figure is not None
        covered += abs(figure.value - 1.0) <= figure.error * figure.value
    assert 0.90 <= covered / 2000 <= 0.99


@pytest.mark.parametrize(("hits", "misses"), [(0, 0), (0, 5), (5, 0), (3, 4)])
def test_few_trials_only_move_a_chance(hits: int, misses: int) -> None:
    """Law: it lies between what was known and what was seen, and more trials make it surer."""
    figure, before = chance(hits, misses).value, chance(0, 0).value
    seen = hits / (hits + misses) if hits + misses else before
    assert min(before, seen) <= figure <= max(before, seen)
    assert 0 < figure < 1
    assert chance(10 * hits + 10, 10 * misses + 15).error < chance(hits, misses).error


def test_only_a_stored_result_is_charged() -> None:
    """ignore_result: the body takes ``body_ignored_s`` beside its work, not ``body_s``."""
    overheads = Overheads(body_s=0.5, body_ignored_s=0.125)
    ends = {}
    for ignored in (False, True):
        described = Scenario(
            name="ignored", horizon_s=1.0, tasks=[{"name": "t", "ignore_result": ignored}],
            workers=[{}], loads=[{"kind": "burst", "task": "t", "n": 1}],
        )  # fmt: skip
        with workbench.start(described, engine="model", overheads=overheads) as session:
            session.wait()
        run = session.close()
        ends[ignored] = run.of_kind("succeeded")[0].t_s - run.of_kind("started")[0].t_s
    assert ends == {False: pytest.approx(0.5), True: pytest.approx(0.125)}
