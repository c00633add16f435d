"""The what-if sliders in the kernel: knobs, the first estimate, refinement, the newest wish."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sandbox import systems
from sandbox.errors import ScenarioError
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario

pytest.importorskip("anywidget")

from sandbox.widgets.estimates import METRICS, STAGES, Study, differences
from sandbox.widgets.knobs import changed, knobs
from sandbox.widgets.whatif import Mind, Sliders, Wish

FREE = Overheads().scaled(0.0)


def queue(**changes: Any) -> Scenario:
    """Return M/M/8 at utilisation 0.9, whose waits are known exactly."""
    settings: dict[str, Any] = {
        "name": "mm8", "kind": "steady", "horizon_s": 60.0, "warmup_s": 5.0,
        "tasks": [{"name": "t", "acks_late": True,
                   "service": {"kind": "exponential", "mean_s": 1.0}}],
        "workers": [{"concurrency": 8, "prefetch_multiplier": 1}],
        "loads": [{"kind": "poisson", "task": "t", "rate_per_s": 7.2}],
    }  # fmt: skip
    return Scenario(**(settings | changes))


@pytest.mark.parametrize("name", sorted(systems.all_systems()))
def test_every_knob_changes_its_scenario_only(name: str) -> None:
    """Law: each position of each knob makes another scenario, or is refused in a sentence."""
    scenario = systems.load(name)
    every = [knob for found in knobs(scenario).values() for knob in found]
    assert changed(scenario, every, {}) is scenario
    assert changed(scenario, every, {knob.id: knob.start for knob in every}) is scenario
    for knob in every:
        for place in {0, len(knob.values) - 1} - {knob.start}:
            try:
                other = changed(scenario, every, {knob.id: place})
            except ScenarioError:
                continue
            # A tenth of one task is one task.
            assert other != scenario or (knob.what, place) == ("rate", 0), knob.id
            assert changed(other, every, {}) is other


def test_theory_where_its_conditions_hold() -> None:
    """Law: the first figure of a plain queue is its closed form; of any other, a run of the model."""
    first = Study(queue(), FREE).first()
    assert first["label"] == "first estimate, theory: M/M/8"
    assert first["values"]["mean_wait_s"] == pytest.approx(0.8769, abs=1e-3)
    early = queue(tasks=[{"name": "t", "service": {"kind": "exponential", "mean_s": 1.0}}])
    assert Study(early, FREE).first()["label"].startswith("first estimate, ")
    assert "theory" not in Study(early, FREE).first()["label"]


def test_too_many_tasks_for_a_run_at_once() -> None:
    """A large scenario's first figure is the fluid view, which runs nothing."""
    burst = [{"kind": "burst", "task": "t", "n": 200_000}]
    study = Study(queue(kind="terminating", warmup_s=0.0, loads=burst), FREE)
    assert "fluid" in study.first()["label"]
    assert study.runs == []


def test_the_same_draws_on_both_sides() -> None:
    """Law: a configuration against itself differs by exactly nothing, run for run."""
    one, other = Study(queue(), FREE), Study(queue(), FREE)
    for _ in range(3):
        assert one.more(lambda: False)
        assert other.more(lambda: False)
    assert all(gap == [0.0, 0.0, 0.0] for gap in differences(one, other).values())


def test_a_run_that_is_stopped_does_not_count() -> None:
    """Law: what was begun for an older wish leaves nothing behind."""
    study = Study(queue(), FREE)
    assert not study.more(lambda: True)
    assert study.runs == []


def test_refined_after_more_runs() -> None:
    """Law: what is shown last is the mean of all runs, with an interval, under its number."""
    sliders = Sliders(systems.load("leadlawk"), overheads=FREE)
    shown = sliders.wait()
    assert shown["now"]["label"] == f"refined, {STAGES[-1]} runs"
    low, high = shown["now"]["bands"]["mean_wait_s"]
    assert low < shown["now"]["values"]["mean_wait_s"] < high
    assert set(shown["now"]["values"]) == set(METRICS)
    sliders.pin()
    sliders.move({"concurrency:worker": 7})
    shown = sliders.wait()
    assert shown["pinned"]["values"]["mean_wait_s"] > shown["now"]["values"]["mean_wait_s"]
    assert shown["difference"]["mean_wait_s"][2] < 0
    assert sliders.scenario.workers[0].concurrency == 8
    sliders.move({"workers:worker": 0})
    assert "worker2" in sliders.wait()["error"]


def test_the_newest_wish_wins() -> None:
    """Law: of wishes that come together only the last is answered; older ones are dropped."""
    told: list[dict[str, Any]] = []
    mind = Mind(queue(), FREE, told.append)
    mind.ask(Wish(0, {}, None, time.perf_counter()))
    for number in range(1, 12):
        mind.ask(Wish(number, {"workers:worker": number}, None, time.perf_counter()))
    assert mind.idle.wait(60)
    numbers = [answer["number"] for answer in told]
    assert numbers[-1] == 11
    assert numbers == sorted(numbers)
    assert numbers.count(11) == len(STAGES) + 1
    assert all(numbers.count(n) <= 2 for n in range(11))
    mind.stop()


def test_words_that_do_not_change() -> None:
    """Law: repr and the static table are the same in every kernel."""
    one, other = (Sliders(systems.load("leadlawk"), overheads=FREE) for _ in range(2))
    assert repr(one) == "<Sliders of 'leadlawk'>"
    first, second = one._repr_mimebundle_(), other._repr_mimebundle_()
    assert first is not None
    assert second is not None
    assert first[0]["text/html"] == second[0]["text/html"]
    for sliders in (one, other):
        sliders.close()
