"""What if: the laws of its runs, its intervals and its search."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import cache
from itertools import product
from typing import Any

import pytest

from sandbox.capacity import WhatIf, what_if
from sandbox.capacity.goal import Goal, Verdict, search
from sandbox.capacity.processes import Job
from sandbox.capacity.result import COLUMNS
from sandbox.errors import EngineError, ScenarioError
from sandbox.loads import Burst
from sandbox.metrics import METRICS
from tests.test_capacity_offered import FREE, queue

CONCURRENCY = "workers.w.concurrency"
SMALL: dict[str, Any] = {"overheads": FREE, "n_processes": 1}


@cache
def servers() -> WhatIf:
    """Return M/M/c at ρ = 1.6 … 0.53, twenty runs of each."""
    steady = queue(3.2, warmup_s=20.0, horizon_s=170.0)
    changes = {CONCURRENCY: [2, 3, 4, 5, 6]}
    return what_if(steady, changes, replications=20, metrics=["mean_wait_s"], **SMALL)


def waits(found: WhatIf, n: int) -> list[float]:
    prediction = found.at(n).prediction
    assert prediction is not None
    return prediction.values("mean_wait_s")


def test_one_server_more_never_lengthens_the_wait() -> None:
    """Law (M/M/c on the same draws): run by run, more servers mean shorter waits."""
    for few, many in ((4, 5), (5, 6)):
        pairs = zip(waits(servers(), few), waits(servers(), many), strict=True)
        assert all(b <= a for a, b in pairs)


def test_common_random_numbers_make_differences_sharper() -> None:
    """Law: on the same draws a difference varies less than on draws of its own."""
    a, b = waits(servers(), 4), waits(servers(), 5)
    same = statistics.variance([x - y for x, y in zip(a, b, strict=True)])
    own = statistics.variance([x - y for x, y in zip(a, b[1:] + b[:1], strict=True)])
    assert same < 0.7 * own
    assert same < 0.7 * (statistics.variance(a) + statistics.variance(b))


def test_what_is_unstable_has_no_mean() -> None:
    """Named with its growth, not run; all others are run."""
    found = servers()
    assert [point.offered.stable for point in found.points] == [False, False, True, True, True]
    assert [point.n for point in found.points] == [0, 0, 20, 20, 20]
    frame = found.to_frame()
    assert frame[~frame["stable"] & (frame["metric"] == "mean_wait_s")]["mean"].isna().all()
    assert "unstable: backlog grows by 1.2 tasks/s" in repr(found)


def test_the_closed_form_lies_in_the_interval_of_the_mean() -> None:
    """Law (Erlang C): at ρ ≤ 0.8 the model's mean wait is that of M/M/c."""
    for n in (4, 5, 6):
        point = servers().at(n)
        cell = point.cell("mean_wait_s")
        assert cell.low <= point.closed_form.exact["mean_wait_s"] <= cell.high


def test_one_further_run_spreads_more_than_the_mean() -> None:
    """Law: the interval of a run contains that of the mean, √(n + 1) times as narrow."""
    cell = servers().at(4).cell("mean_wait_s")
    assert cell.low_run < cell.low < cell.mean < cell.high < cell.high_run
    assert (cell.high_run - cell.mean) / (cell.high - cell.mean) == pytest.approx(21**0.5)


def test_an_overload_that_ends_has_figures_and_says_so() -> None:
    """A terminating scenario's horizon is its own: it is run, and the growth is named."""
    short = queue(8.0, kind="terminating", horizon_s=20.0)
    (point,) = what_if(short, {CONCURRENCY: [4]}, replications=3, **SMALL).points
    assert point.n == 3
    assert "unstable: backlog grows by 4 tasks/s" in point.note
    assert "hold for its horizon of 20 s only" in point.note


# --- processes ---------------------------------------------------------------------------


class Backwards(Executor):
    """Runs what it is given last, first."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, fn, args))
        if len(self.waiting) == 6:
            while self.waiting:
                later, function, given = self.waiting.pop()
                later.set_result(function(*given))
        return future


def numbers(**more: Any) -> Any:
    burst = queue(1.0, kind="terminating", horizon_s=30.0)
    found = what_if(burst, {CONCURRENCY: [1, 2]}, metrics=["utilisation"], overheads=FREE, **more)
    return [p.prediction.replications for p in found.points if p.prediction], found.stopped


def test_the_result_does_not_depend_on_who_runs_it() -> None:
    """Law: one process, two, threads, or the last job first: bit-identical."""
    one = numbers(replications=3, n_processes=1)
    assert numbers(replications=3, n_processes=2) == one
    assert numbers(replications=3, executor=Backwards()) == one
    with ThreadPoolExecutor(2) as threads:
        assert numbers(replications=3, executor=threads) == one
        assert threads.submit(lambda: "still works").result() == "still works"


def test_how_many_runs_follows_from_the_results_alone() -> None:
    """Law: the precision rule ends at the same runs whatever runs them; more precise, more."""
    rough = numbers(precision=0.3, budget_s=None, n_processes=1)
    with ThreadPoolExecutor(3) as threads:
        assert numbers(precision=0.3, budget_s=None, executor=threads) == rough
    fine, stopped = numbers(precision=0.04, budget_s=None, n_processes=1)
    assert stopped == "precision"
    assert all(len(a) < len(b) for a, b in zip(rough[0], fine, strict=True))
    assert all(a == b[: len(a)] for a, b in zip(rough[0], fine, strict=True))


def test_a_budget_ends_the_runs_with_three_at_least() -> None:
    runs, stopped = numbers(precision=1e-6, budget_s=1e-9, n_processes=1)
    assert [len(own) for own in runs] == [3, 3]
    assert stopped == "budget"


def test_the_precision_that_was_asked_for_is_reached() -> None:
    found = what_if(queue(2.0, horizon_s=100.0), {CONCURRENCY: [3]}, precision=0.1,
                    metrics=["mean_latency_s"], budget_s=None, **SMALL)  # fmt: skip
    cell = found.points[0].cell("mean_latency_s")
    assert (cell.high - cell.mean) / cell.mean <= 0.1


def test_progress_never_falls_and_ends_at_1() -> None:
    for more in ({"replications": 4}, {"precision": 0.2}, {"until": "mean_wait_s < 1"}):
        told: list[float] = []
        numbers(on_progress=told.append, n_processes=1, **more)
        assert told == sorted(told)
        assert 0 < told[0] <= told[-1] == 1.0


def test_a_broken_executor_is_one_sentence() -> None:
    """An executor that has been shut down cannot take jobs; nothing is left waiting."""
    with ThreadPoolExecutor(1) as gone:
        pass
    with pytest.raises(EngineError, match="the executor takes no jobs"):
        numbers(replications=2, executor=gone)


def test_an_error_in_a_run_is_the_caller_s_and_ends_the_rest() -> None:
    jobs: list[Future[Any]] = []

    class Failing(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
            jobs.append(Future())
            if len(jobs) == 2:
                jobs[1].set_exception(ZeroDivisionError("in a run"))
            return jobs[-1]

    with pytest.raises(ZeroDivisionError):
        numbers(replications=3, executor=Failing())
    assert all(job.cancelled() for job in jobs if job is not jobs[1])


def test_replication_0_is_the_scenario_s_own_run() -> None:
    """Law: its first run is the one that `run` with the model's engine makes."""
    from sandbox import measure, workbench

    burst = queue(1.0, kind="terminating", horizon_s=30.0)
    own = measure(workbench.run(burst, engine="model", overheads=FREE))
    assert Job(burst, FREE, 0, 1)() == [own]


# --- until -------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8])
def test_bisection_finds_what_a_look_at_every_value_finds(n: int) -> None:
    """Law: for any number of misses, then doubts, then hits; each value is judged once."""
    goal = Goal.read("lost < 1")
    for n_no, n_perhaps in product(range(n + 1), repeat=2):
        verdicts: list[Verdict] = [*["no"] * n_no, *["unknown"] * n_perhaps, *["yes"] * n][:n]
        asked: list[int] = []

        def judge(i: int, verdicts: Any = verdicts, asked: list[int] = asked) -> Verdict:
            asked.append(i)
            return verdicts[i]

        found = search(goal, "n", list(range(n)), judge)
        assert len(asked) == len(set(asked))
        assert found.value == next((i for i in range(n) if verdicts[i] == "yes"), None)
        assert found.perhaps == next((i for i in range(n) if verdicts[i] != "no"), None)
        none = found.perhaps is None
        assert found.verdict == (
            "no" if none else "yes" if found.value == found.perhaps else "unknown"
        )


def test_a_metric_that_gets_worse_again_is_noticed() -> None:
    answer = search(Goal.read("lost < 1"), "n", [1, 2, 3], lambda i: "yes" if i == 0 else "no")
    assert (answer.value, answer.verdict) == (1, "yes")
    assert "more is not always better" in str(answer)


SHORT = queue(3.2, warmup_s=10.0, horizon_s=50.0)
SLOTS = range(1, 11)


@cache
def brute_force() -> WhatIf:
    """Look at every number of slots."""
    return what_if(SHORT, {CONCURRENCY: SLOTS}, metrics=["mean_wait_s"], replications=10, **SMALL)


@pytest.mark.parametrize("limit", [0.01, 0.1, 0.5])
def test_until_finds_what_brute_force_finds(limit: float) -> None:
    """Law: the smallest number of slots whose mean wait's interval is below the limit."""
    goal, every = f"mean_wait_s < {limit}", brute_force()
    found = what_if(SHORT, {CONCURRENCY: SLOTS}, until=goal, replications=10, **SMALL)
    assert found.answer is not None
    assert len(found.points) < len(every.points)
    looked = [found.answer.value, found.answer.perhaps]
    cells = {point.settings[0]: point.cell("mean_wait_s") for point in every.points}
    sure = next(n for n, cell in cells.items() if cell.high < limit)
    perhaps = next(n for n, cell in cells.items() if cell.low < limit)
    assert looked == [sure, perhaps]
    assert found.answer.verdict == ("yes" if sure == perhaps else "unknown")


def test_until_says_when_no_value_does() -> None:
    steady = queue(3.2, horizon_s=100.0)
    found = what_if(steady, {CONCURRENCY: [1, 2, 3]}, until="mean_wait_s < 1", **SMALL)
    assert found.answer is not None
    assert found.answer.verdict == "no"
    assert str(found.answer).startswith(f"no value of {CONCURRENCY} gives mean_wait_s < 1")


@pytest.mark.parametrize(
    ("changes", "more", "words"),
    [
        ({CONCURRENCY: [1, 2]}, {"until": "quick"}, "such as 'p95_latency_s < 30'"),
        ({CONCURRENCY: [1, 2]}, {"until": "p95_latency < 3"}, "'p95_latency_s'"),
        ({CONCURRENCY: [1, 2]}, {"metrics": ["mean_wait"]}, "'mean_wait_s'"),
        ({CONCURRENCY: [1, 2], "seed": [1, 2]}, {"until": "lost < 1"}, "searches one path"),
        ({"tasks.t.acks_late": [False, True]}, {"until": "lost < 1"}, "is no number"),
        ({CONCURRENCY: [1]}, {"replications": 1}, "replications is 1"),
        ({CONCURRENCY: [1]}, {"precision": 0.0}, "precision is 0.0"),
        ({CONCURRENCY: [1]}, {"budget_s": 0.0}, "budget_s is 0.0"),
        ({CONCURRENCY: [1]}, {"n_processes": 0}, "n_processes is 0"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    changes: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError) as told:
        what_if(queue(1.0), changes, **more)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


# --- the table ---------------------------------------------------------------------------


def test_the_table_is_tidy_and_has_units() -> None:
    """A row for each point and metric, and one for each pool's load."""
    frame = servers().to_frame()
    assert list(frame.columns) == [CONCURRENCY, *COLUMNS]
    assert len(frame) == 5 * 2
    units = frame.set_index("metric")["unit"]
    assert set(units["mean_wait_s"]) == {METRICS["mean_wait_s"].unit}
    loads = frame[frame["metric"] == "load of w"]["mean"]
    assert list(loads) == pytest.approx([3.2 / n for n in (2, 3, 4, 5, 6)], abs=1e-6)


def test_a_count_that_never_varied_has_a_bound() -> None:
    """Nothing lost in three runs does not mean that nothing is ever lost."""
    burst = queue(1.0, kind="terminating", loads=[Burst(task="t", n=10)])
    found = what_if(burst, {CONCURRENCY: [2]}, replications=3, metrics=["lost"], **SMALL)
    cell = found.points[0].cell("lost")
    assert cell.mean == cell.low == 0 < cell.high == cell.high_run


def test_a_point_is_found_by_its_values() -> None:
    with pytest.raises(ScenarioError, match=r"no point has workers\.w\.concurrency = 7"):
        servers().at(7)


# --- the picture -------------------------------------------------------------------------


def test_the_picture_says_what_its_table_says() -> None:
    pytest.importorskip("matplotlib")
    from sandbox.pictures.whatif import what_if_picture, what_if_table

    table = what_if_table(servers(), "mean_wait_s")
    picture = what_if_picture(servers(), "mean_wait_s")
    assert list(table.index) == [2, 3, 4, 5, 6]
    told = dict(part.split(" gives ") for part in picture.alt.split(": ")[1].split("; "))
    for n, mean in table["mean"].dropna().items():
        assert float(told[str(n)]) == pytest.approx(mean, rel=0.01)
    assert told["2"] == told["3"] == "unstable"
    texts = {text.get_text() for text in picture.legends[0].get_texts()}
    assert {"mean", "theory", "unstable"} <= texts
    with pytest.raises(ScenarioError, match="allowed: 'mean_wait_s'"):
        what_if_picture(servers(), "lost")


def test_a_second_path_is_a_line_each_and_words_stand_side_by_side() -> None:
    pytest.importorskip("matplotlib")
    from sandbox.pictures.whatif import what_if_picture

    burst = queue(1.0, kind="terminating", loads=[Burst(task="t", n=10)])
    changes = {"tasks.t.acks_late": [False, True], CONCURRENCY: [1, 2]}
    found = what_if(burst, changes, replications=2, metrics=["makespan_s"], **SMALL)
    picture = what_if_picture(found, "makespan_s")
    texts = {text.get_text() for text in picture.legends[0].get_texts()}
    assert {"concurrency = 1", "concurrency = 2"} <= texts
    assert [tick.get_text() for tick in picture.axes[0].get_xticklabels()] == ["False", "True"]
