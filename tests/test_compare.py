"""sandbox.prediction and sandbox.compare: each verdict's branch, and the interval's coverage."""

from __future__ import annotations

import doctest
import importlib
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sandbox.claims import Claim, judge_claim
from sandbox.compare import WIDEST, Comparison, Row, compare
from sandbox.definitions import Metric, Metrics
from sandbox.metrics import METRICS, measure
from sandbox.overheads import Overheads
from sandbox.prediction import Prediction, prediction_half_width, zero_bound
from sandbox.run import Event, Run
from sandbox.scenario import Scenario

SCENARIO = Scenario(name="farm", tasks=[{"name": "hi"}], workers=[{}], horizon_s=100.0, seed=7)
NO_COST = Overheads(
    publish_s=0.0, deliver_s=0.0, dispatch_s=0.0, finish_s=0.0, ack_s=0.0, relative_error=0.0
)


def metrics(**values: float) -> Metrics:
    """Return metrics with these values and nan for the rest."""
    return Metrics(
        tuple(
            Metric(d.name, values.get(d.name, math.nan), d.unit, d.kind, d.meaning)
            for d in METRICS.values()
        )
    )


def took(makespan_s: float) -> Run:
    """Return a run of one task whose makespan is given."""
    place: dict[str, Any] = {"worker": "worker1", "slot": 0, "tag": "a", "retry": 0}
    return Run(
        SCENARIO,
        (
            Event(0.0, "sent", "hi/0", queue="celery"),
            Event(0.0, "delivered", "hi/0", worker="worker1", tag="a"),
            Event(0.0, "started", "hi/0", **place),
            Event(makespan_s, "succeeded", "hi/0", **place),
            Event(makespan_s, "acked", "hi/0", worker="worker1", tag="a"),
        ),
    )


def predicted(
    paired: float | None, replications: tuple[float, ...] = (), **more: Any
) -> Prediction:
    """Return a prediction of the makespan alone; ``wrong`` and ``sensitivity`` as makespans."""
    wrong = {name: metrics(makespan_s=at) for name, at in more.pop("wrong", {}).items()}
    sensitivity = tuple(metrics(makespan_s=at) for at in more.pop("sensitivity", ()))
    return Prediction(
        scenario=SCENARIO,
        overheads=more.pop("overheads", NO_COST),
        paired=None if paired is None else metrics(makespan_s=paired),
        replications=tuple(metrics(makespan_s=at) for at in replications),
        wrong=wrong,
        rejects=dict.fromkeys(wrong, ("makespan_s",)),
        sensitivity=sensitivity,
        **more,
    )


def makespan(run: Run, prediction: Prediction, **more: Any) -> Row:
    return compare(run, prediction, rows=["makespan_s"], **more)["makespan_s"]


def verdicts(row: Row) -> tuple[str, str, str]:
    return row.paired_verdict, row.interval_verdict, row.verdict


NARROW = (9.8, 9.9, 10.0, 10.1, 10.2)  # ± 0.48 for one further run
WIDE = (6.0, 8.0, 10.0, 12.0, 14.0)  # ± 9.6


# --- the paired judge -------------------------------------------------------------------------


@pytest.mark.parametrize(("measured", "expected"), [(10.49, "agree"), (9.4, "differ")])
def test_without_replications_the_paired_prediction_decides(measured: float, expected: str) -> None:
    row = makespan(took(measured), predicted(10.0))
    assert verdicts(row) == (expected, "unknown", expected)
    assert row.tolerance == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("throughput_per_s", 0.05),
        ("utilisation", 0.05),
        ("mean_latency_s", 0.10),
        ("p95_latency_s", 0.15),
    ],
)
def test_the_allowed_share_depends_on_the_metric(name: str, share: float) -> None:
    prediction = replace(predicted(10.0), paired=measure(took(10.0)))
    row = compare(took(10.0), prediction, rows=[name])[name]
    assert row.tolerance == pytest.approx(share * row.paired)
    assert row.paired_verdict == "agree"


def test_a_callers_tolerance_replaces_the_share() -> None:
    assert makespan(took(10.49), predicted(10.0), tolerances={"makespan_s": 0.01}).verdict == (
        "differ"
    )


def test_three_spreads_of_the_calibration_widen_the_tolerance() -> None:
    row = makespan(took(10.7), predicted(10.0, sensitivity=(9.8, 10.25)))
    assert row.tolerance == pytest.approx(0.75) and row.verdict == "agree"


def test_a_calibration_too_vague_to_tell_is_named_as_the_cause() -> None:
    row = makespan(took(10.0), predicted(10.0, sensitivity=(9.4, 10.6)))
    assert row.verdict == "unknown" and "the calibration's uncertainty" in row.why


def test_a_time_made_of_overheads_is_unknown_and_says_so() -> None:
    row = makespan(took(0.01), predicted(0.01, overheads=Overheads()))
    assert row.tolerance == pytest.approx(0.027)
    assert row.verdict == "unknown" and "the overheads of a task" in row.why


def test_a_count_that_celery_fixes_must_be_equal() -> None:
    for count, expected in ((1.0, "agree"), (0.0, "differ"), (2.0, "differ")):
        prediction = replace(predicted(10.0), paired=metrics(done=count))
        assert compare(took(10.0), prediction, rows=["done"]).verdict == expected


def test_a_count_that_timing_decides_may_differ_by_two_or_15_percent() -> None:
    for count, expected in ((3.0, "agree"), (4.0, "differ")):
        prediction = replace(predicted(10.0), paired=metrics(max_queue=count))
        row = compare(took(10.0), prediction, rows=["max_queue"])["max_queue"]
        assert (row.measured, row.tolerance, row.verdict) == (1.0, 2.0, expected)


def test_a_metric_that_neither_side_defines_is_left_out() -> None:
    assert compare(took(10.0), predicted(10.0), rows=["child_recovery_s"]).rows == ()


def test_a_metric_that_one_side_defines_differs() -> None:
    only_predicted = replace(predicted(10.0), paired=metrics(child_recovery_s=1.0))
    row = compare(took(10.0), only_predicted, rows=["child_recovery_s"]).rows[0]
    assert row.verdict == "differ" and row.why == "defined in the prediction only"
    only_measured = replace(predicted(10.0), paired=metrics())
    row = makespan(took(10.0), only_measured)
    assert row.verdict == "differ" and row.why == "defined in the measured run only"


# --- the interval's judge ---------------------------------------------------------------------


@pytest.mark.parametrize(("measured", "expected"), [(10.45, "agree"), (10.9, "differ")])
def test_with_other_draws_the_interval_decides(measured: float, expected: str) -> None:
    row = makespan(took(measured), predicted(None, NARROW))
    assert verdicts(row) == ("unknown", expected, expected)
    assert math.isnan(row.paired)


def test_an_interval_wider_than_15_percent_is_unknown() -> None:
    row = makespan(took(10.0), predicted(None, WIDE))
    assert verdicts(row) == ("unknown", "unknown", "unknown")
    assert "more than 15% of the mean" in row.why


def test_replications_without_spread_leave_the_tolerance_as_the_interval() -> None:
    row = makespan(took(10.4), predicted(None, (10.0,) * 5))
    assert (row.low, row.high) == (pytest.approx(9.5), pytest.approx(10.5))
    assert row.verdict == "agree"


def test_the_calibrations_uncertainty_widens_the_interval_as_a_root_of_squares() -> None:
    surely, unsure = predicted(10.0, NARROW), predicted(10.0, NARROW, sensitivity=(9.9, 10.3))
    draws = surely.half_width("makespan_s")
    assert unsure.half_width("makespan_s") == pytest.approx(math.hypot(draws, 0.3))
    assert surely.half_width("makespan_s") == pytest.approx(prediction_half_width(NARROW))


def test_a_joint_interval_asks_more_of_the_calibration_too() -> None:
    unsure = predicted(10.0, (10.0,) * 5, sensitivity=(9.9, 10.3))
    for rows, quantile in ((1, 1.960), (5, 2.576)):
        expected = 0.3 * quantile / 1.960
        assert unsure.half_width("makespan_s", rows=rows) == pytest.approx(expected, rel=1e-3)


def test_a_metric_that_some_replications_do_not_define_either_is_unknown() -> None:
    prediction = replace(
        predicted(None), replications=(metrics(child_recovery_s=1.0), metrics(), metrics())
    )
    row = compare(took(10.0), prediction, rows=["child_recovery_s"]).rows[0]
    assert row.verdict == "unknown" and "2 of 3 replications" in row.why


def test_a_metric_that_every_replication_defines_and_the_run_does_not_differs() -> None:
    prediction = replace(predicted(None), replications=(metrics(child_recovery_s=1.0),) * 3)
    assert compare(took(10.0), prediction, rows=["child_recovery_s"]).verdict == "differ"


# --- both -------------------------------------------------------------------------------------


def test_the_sharp_paired_judge_decides_where_the_interval_is_too_wide() -> None:
    assert verdicts(makespan(took(10.2), predicted(10.0, WIDE))) == ("agree", "unknown", "agree")


def test_the_interval_decides_where_the_paired_judge_is_too_blunt() -> None:
    row = makespan(took(10.2), predicted(10.0, NARROW), tolerances={"makespan_s": 0.2})
    assert row.paired_verdict == "unknown"
    # Nobody is held to less than the tolerance, so a tolerance too wide blunts both.
    assert row.interval_verdict == row.verdict == "unknown"
    blunt = predicted(1.0, (10.0, 10.1, 10.2), wrong={"slow": 1.04})
    assert verdicts(makespan(took(10.1), blunt)) == ("unknown", "agree", "agree")


def test_agreement_outside_the_interval_that_holds_the_paired_prediction_differs() -> None:
    row = makespan(took(10.8), predicted(10.45, NARROW))
    assert verdicts(row) == ("agree", "differ", "differ")
    assert "outside the interval that contains that one" in row.why


def test_agreement_far_from_the_mean_with_the_paired_prediction_means_unusual_draws() -> None:
    row = makespan(took(11.1), predicted(11.0, NARROW))
    assert verdicts(row) == ("agree", "differ", "agree")
    assert "unusual draws" in row.why


def test_a_difference_on_the_same_draws_is_one_although_inside_the_interval() -> None:
    row = makespan(took(9.6), predicted(10.3, NARROW))
    assert verdicts(row) == ("differ", "agree", "differ")
    assert "although inside the interval" in row.why


# --- wrong models -----------------------------------------------------------------------------


def test_a_row_that_a_wrong_model_would_pass_too_is_unknown() -> None:
    found = compare(took(10.0), predicted(10.0, wrong={"halved": 10.3}), rows=["makespan_s"])
    assert found["makespan_s"].verdict == found.verdict == "unknown"
    assert "'halved' predicts 10.3" in found["makespan_s"].why
    assert found.not_rejected == ("halved",)


def test_an_interval_that_contains_a_wrong_model_is_unknown() -> None:
    row = makespan(took(10.0), predicted(None, NARROW, wrong={"halved": 10.4}))
    assert row.verdict == "unknown" and "inside the interval" in row.why


def test_a_wrong_model_far_away_is_rejected() -> None:
    found = compare(took(10.0), predicted(10.0, wrong={"halved": 20.0}), rows=["makespan_s"])
    assert (found.verdict, found.rejected, found.not_rejected) == ("agree", ("halved",), ())


def test_a_measurement_between_the_model_and_a_wrong_one_does_not_reject_it() -> None:
    found = compare(took(10.45), predicted(10.0, wrong={"slow": 10.8}), rows=["makespan_s"])
    assert (found["makespan_s"].verdict, found.verdict) == ("agree", "unknown")


def test_a_wrong_model_that_no_compared_row_is_named_for_leaves_the_whole_unknown() -> None:
    prediction = replace(
        predicted(10.0, wrong={"halved": 20.0}),
        rejects={"halved": ("mean_wait_s",)},
    )
    found = compare(took(10.0), prediction, rows=["makespan_s"])
    assert (found["makespan_s"].verdict, found.verdict) == ("agree", "unknown")


def test_a_wrong_model_that_names_no_row_may_be_rejected_by_any() -> None:
    prediction = replace(predicted(10.0, wrong={"halved": 20.0}), rejects={})
    assert compare(took(10.0), prediction, rows=["makespan_s"]).verdict == "agree"


def farm(seed: int, slots: int, n: int = 3000, slower: float = 1.0) -> Run:
    """Return a first-come first-served run of ``n`` tasks on ``slots`` processes."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1.0, n)).tolist()
    service = (slower * rng.exponential(1.2, n)).tolist()
    free, events = [0.0] * slots, []
    for i, (at, work) in enumerate(zip(arrivals, service, strict=True)):
        slot = min(range(slots), key=free.__getitem__)
        begin = max(at, free[slot])
        free[slot] = begin + work
        place: dict[str, Any] = {"worker": "worker1", "slot": slot, "tag": str(i), "retry": 0}
        events += [
            Event(at, "sent", f"hi/{i}", queue="celery"),
            Event(begin, "delivered", f"hi/{i}", worker="worker1", tag=str(i)),
            Event(begin, "started", f"hi/{i}", **place),
            Event(free[slot], "succeeded", f"hi/{i}", **place),
            Event(free[slot], "acked", f"hi/{i}", worker="worker1", tag=str(i)),
        ]
    pool = SCENARIO.workers[0].but(concurrency=slots)
    # A stable sort by time alone: what happens at one moment keeps its order.
    ordered = sorted(events, key=lambda event: event.t_s)
    return Run(SCENARIO.but(workers=(pool,)), tuple(ordered))


ROWS = ["published", "done", "lost", "throughput_per_s", "utilisation", "mean_latency_s"]


def test_a_model_with_the_concurrency_halved_is_rejected() -> None:
    """On real queues: the measured run is 1 % slower than the model, and agrees with it only."""
    right, halved = measure(farm(7, slots=4)), measure(farm(7, slots=2))
    assert halved.value("mean_latency_s") > 1.5 * right.value("mean_latency_s")
    others = tuple(measure(farm(seed, slots=4)) for seed in range(10, 20))
    model = Prediction(
        SCENARIO, NO_COST, right, others, {"halved": halved}, {"halved": ("mean_latency_s",)}
    )
    measured = farm(7, slots=4, slower=1.01)
    assert compare(measured, model, rows=ROWS).verdict == "agree"
    swapped = replace(model, paired=halved, wrong={}, rejects={}, replications=())
    assert compare(measured, swapped, rows=ROWS)["mean_latency_s"].verdict == "differ"


# --- the whole --------------------------------------------------------------------------------


def row_of(verdict: Any) -> Row:
    return Row("done", "tasks", 1.0, 1.0, 0.0, 1.0, 1.0, verdict, "unknown", verdict, "why")


@pytest.mark.parametrize(
    ("rows", "whole"),
    [
        (("agree", "agree"), "agree"),
        (("agree", "unknown"), "unknown"),
        (("unknown", "differ"), "differ"),
        ((), "unknown"),
    ],
)
def test_the_whole_is_as_good_as_its_worst_row(rows: tuple[str, ...], whole: str) -> None:
    found = Comparison("farm", tuple(row_of(verdict) for verdict in rows))
    assert found.verdict == whole
    if rows:
        assert found.unknown_share == rows.count("unknown") / 2


def test_a_wrong_model_that_is_not_rejected_outweighs_agreement_but_not_a_difference() -> None:
    assert Comparison("farm", (row_of("agree"),), ("halved",)).verdict == "unknown"
    assert Comparison("farm", (row_of("differ"),), ("halved",)).verdict == "differ"


def test_the_summary_fits_100_columns_with_the_longest_names_and_numbers() -> None:
    rows = tuple(
        replace(row_of("unknown"), name=name, unit=METRICS[name].unit, why="because " * 40)
        for name in METRICS
    )
    big = 1.2345e20
    rows += tuple(
        replace(r, measured=big, paired=big, tolerance=big, low=big, high=big) for r in rows
    )
    text = Comparison("farm", rows, ("halved",)).summary()
    assert max(map(len, text.splitlines())) <= 100


def test_the_summary_is_aligned_and_gives_a_reason_for_what_does_not_agree() -> None:
    found = compare(
        took(10.8), predicted(10.45, NARROW, wrong={"halved": 20.0}), rows=["makespan_s"]
    )
    assert str(found).splitlines() == [
        "farm: differ",
        "metric      unit  measured  predicted       ±  one further run  verdict",
        "makespan_s  s         10.8      10.45  0.5225       9.5 … 10.5  differ",
        "  makespan_s: differ: 0.35 from the prediction on the same draws, but outside the interval that",
        "      contains that one",
        "  wrong model 'halved': rejected",
    ]


def test_the_comparison_as_json_and_as_a_frame() -> None:
    found = compare(took(10.0), predicted(None, NARROW), rows=["makespan_s"])
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["verdict"] == "agree" and data["rows"][0]["paired"] is None
    assert found.to_frame().loc["makespan_s", "verdict"] == "agree"
    with pytest.raises(KeyError):
        found["done"]


def test_what_cannot_be_compared_is_refused_in_one_sentence() -> None:
    other = replace(took(1.0), scenario=SCENARIO.but(seed=8))
    with pytest.raises(ValueError, match="the run has seed 8 but the paired prediction 7"):
        compare(other, predicted(1.0))
    assert compare(other, predicted(None, NARROW), rows=["done"]).rows
    with pytest.raises(ValueError, match="the prediction of 'farm'"):
        compare(replace(other, scenario=SCENARIO.but(name="shop")), predicted(None))
    with pytest.raises(ValueError, match="did you mean 'makespan_s'"):
        compare(took(1.0), predicted(1.0), rows=["makespan"])
    with pytest.raises(ValueError, match="did you mean 'done'"):
        compare(took(1.0), predicted(1.0), tolerances={"dne": 0.1})


# --- the prediction interval ------------------------------------------------------------------


def test_the_interval_covers_one_further_normal_run_95_times_in_100() -> None:
    """Not so the interval of the mean, which would cover about half."""
    rng = np.random.default_rng(0)
    samples = rng.normal(10.0, 1.0, (2000, 11)).tolist()
    covered = sum(
        abs(last - sum(first) / 10) <= prediction_half_width(first) for *first, last in samples
    )
    assert 0.93 <= covered / 2000 <= 0.97


def test_the_joint_interval_covers_all_of_five_rows_95_times_in_100() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(10.0, 1.0, (2000, 5, 11)).tolist()
    covered = sum(
        all(abs(x[-1] - sum(x[:-1]) / 10) <= prediction_half_width(x[:-1], 0.99) for x in rows)
        for rows in samples
    )
    assert 0.93 <= covered / 2000 <= 0.97


def test_a_joint_interval_is_bonferronis() -> None:
    prediction = predicted(None, NARROW)
    expected = prediction_half_width(NARROW, 0.99)
    assert prediction.half_width("makespan_s", rows=5) == pytest.approx(expected)


def counted(n: int, tasks: float, **counts: tuple[float, ...]) -> Prediction:
    runs = tuple(
        metrics(
            published=tasks, **{name: values[i % len(values)] for name, values in counts.items()}
        )
        for i in range(n)
    )
    return Prediction(SCENARIO, NO_COST, None, runs)


def test_the_interval_of_zero_counts_is_clopper_pearsons() -> None:
    """0 lost of 20 x 100 tasks: at most 1 - 0.05^(1/2000) of the next 100, so none."""
    low, high = counted(20, 100.0, lost=(0.0,)).interval("lost")
    assert low == 0.0 and high == pytest.approx(100 * (1 - 0.05 ** (1 / 2000)))
    assert pytest.approx(1 - (1 - zero_bound(2000)) ** 2000) == 0.95


def test_the_interval_of_all_counts_mirrors_that_of_zero() -> None:
    prediction = counted(20, 100.0, done=(100.0,), lost=(0.0,))
    assert prediction.half_width("done") == prediction.half_width("lost")


def test_few_replications_without_a_loss_do_not_show_that_none_is_lost() -> None:
    run = took(10.0)
    assert compare(run, counted(20, 1.0, lost=(0.0,)), rows=["lost"]).verdict == "agree"
    assert compare(run, counted(2, 1.0, lost=(0.0,)), rows=["lost"]).verdict == "agree"
    few = compare(run, counted(2, 100.0, lost=(0.0,)), rows=["lost"])
    assert few.verdict == "unknown"


def test_a_count_has_at_least_the_spread_of_its_law() -> None:
    binomial = counted(20, 100.0, failed=(50.0,)).half_width("failed")
    assert binomial == pytest.approx(2.093 * 5.0 * math.sqrt(1 + 1 / 20), rel=1e-3)
    poisson = counted(20, 100.0, executions=(400.0,)).half_width("executions")
    assert poisson == pytest.approx(2.093 * 20.0 * math.sqrt(1 + 1 / 20), rel=1e-3)


def test_a_count_has_at_least_the_spread_of_the_replications() -> None:
    values = (20.0, 80.0)
    spread = prediction_half_width([*values] * 10)
    assert counted(20, 100.0, failed=values).half_width("failed") == pytest.approx(spread)


def test_the_number_of_published_tasks_has_no_law_but_its_sample() -> None:
    assert counted(20, 100.0).half_width("published") == 0.0


def test_fewer_than_two_replications_give_no_interval() -> None:
    assert math.isnan(predicted(None, (1.0,)).half_width("makespan_s"))
    assert math.isnan(predicted(None).mean("makespan_s"))


def test_a_prediction_frame_is_joint_over_its_rows() -> None:
    prediction = replace(
        predicted(None), replications=tuple(metrics(makespan_s=t, done=1.0) for t in NARROW)
    )
    frame = prediction.to_frame()
    assert list(frame.index) == ["done", "makespan_s"]
    half = prediction.half_width("makespan_s", rows=2)
    assert frame.loc["makespan_s", "half_width_relative"] == pytest.approx(half / 10.0)
    assert frame.loc["makespan_s", "n"] == 5 and frame.loc["makespan_s", "unit"] == "s"


def test_rejects_must_name_wrong_models_and_metrics() -> None:
    with pytest.raises(ValueError, match="rejects has 'halved'"):
        Prediction(SCENARIO, NO_COST, None, rejects={"halved": ("done",)})
    with pytest.raises(ValueError, match="did you mean 'done'"):
        Prediction(SCENARIO, NO_COST, None, (), {"halved": metrics()}, {"halved": ("dne",)})


# --- claims -----------------------------------------------------------------------------------

CLAIM = Claim(
    "10 tasks a second",
    "a blog",
    lambda throughput_per_s: throughput_per_s > 10,
    metric="throughput_per_s",
)


@pytest.mark.parametrize(
    ("measured", "model", "answer"),
    [
        (12.0, (11.0, 13.0), "right"),
        (4.0, (5.0,), "wrong"),
        (4.0, (12.0,), "depends"),
        (math.nan, (12.0,), "right"),
        (math.nan, (), "not testable here"),
    ],
)
def test_a_claim_is_judged_on_all_runs_that_can_tell(
    measured: float, model: tuple[float, ...], answer: str
) -> None:
    found = judge_claim(
        CLAIM,
        metrics(throughput_per_s=measured),
        [metrics(throughput_per_s=value) for value in model],
    )
    assert found.verdict == answer
    assert found.measured == pytest.approx(measured, nan_ok=True)


def test_both_engines_can_agree_that_a_claim_is_wrong() -> None:
    found = judge_claim(CLAIM, metrics(throughput_per_s=4.0), [metrics(throughput_per_s=5.0)])
    assert str(found) == ("'10 tasks a second' [a blog]: wrong (predicted 5, measured 4 tasks/s)")


@pytest.mark.parametrize("name", ["prediction", "compare", "comparison", "claims"])
def test_the_examples_in_the_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"sandbox.{name}")).failed == 0


def test_the_widest_allowance_by_default_is_not_too_wide() -> None:
    assert max(definition.tolerance for definition in METRICS.values()) <= WIDEST


def test_what_a_race_decides_is_never_judged_on_equal_draws() -> None:
    """Equal draws do not fix a race: however near or far the two numbers, pairing says nothing."""
    for name, definition in METRICS.items():
        assert (definition.race is not None) == (name == "child_recovery_s")
