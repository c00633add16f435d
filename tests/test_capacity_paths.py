"""Paths of a what-if: every field can be reached, and a wrong one names the near ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sandbox.capacity.paths import MOST_POINTS, grid
from sandbox.draws import Deterministic, Exponential
from sandbox.errors import ScenarioError
from sandbox.scenario import AutoRetry, Scenario, TaskType, WorkerPool

SHOP = Scenario(
    name="shop",
    queues=("celery", "slow"),
    tasks=(
        TaskType(name="shop.mail", service=Exponential(mean_s=0.2)),
        TaskType(name="shop.mail.bulk", queue="slow", service=Exponential(mean_s=1.0),
                 retries=(AutoRetry(max_retries=2),)),
    ),
    workers=(WorkerPool(name="default"), WorkerPool(name="slow", queues=("slow",))),
    loads=({"kind": "poisson", "task": "shop.mail", "rate_per_s": 2.0},),
    horizon_s=10.0,
)  # fmt: skip


def only(path: str, value: Any) -> Scenario:
    (point,) = grid(SHOP, {path: [value]})
    return point.scenario


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("workers.slow.concurrency", 8, lambda s: s.workers[1].concurrency),
        ("workers.1.concurrency", 8, lambda s: s.workers[1].concurrency),
        ("loads.0.rate_per_s", 3.5, lambda s: s.loads[0].rate_per_s),
        ("broker.visibility_timeout_s", 60.0, lambda s: s.broker.visibility_timeout_s),
        ("broker.priority_steps", (0, 5), lambda s: s.broker.priority_steps),
        ("hosts.localhost.cores", 2, lambda s: s.hosts[0].cores),
        ("tasks.shop.mail.service.mean_s", 0.4, lambda s: s.tasks[0].service.mean_s),
        ("tasks.shop.mail.bulk.service.mean_s", 0.4, lambda s: s.tasks[1].service.mean_s),
        ("tasks.shop.mail.service", Deterministic(value_s=1.0), lambda s: s.tasks[0].service),
        ("tasks.shop.mail.bulk.retries.0.jitter", False, lambda s: s.tasks[1].retries[0].jitter),
        ("horizon_s", 20.0, lambda s: s.horizon_s),
    ],
)
def test_a_path_sets_its_field_and_no_other(path: str, value: Any, read: Any) -> None:
    """Law: setting a field to its old value again gives the old scenario back."""
    changed = only(path, value)
    assert read(changed) == value
    (back,) = grid(changed, {path: [read(SHOP)]})
    assert back.scenario == SHOP


def test_a_star_means_every_part() -> None:
    assert [t.acks_late for t in only("tasks.*.acks_late", True).tasks] == [True, True]


def test_several_paths_make_the_full_grid_in_order() -> None:
    points = grid(SHOP, {"workers.*.concurrency": [1, 2], "horizon_s": [10.0, 20.0, 30.0]})
    assert [p.settings for p in points] == [(c, h) for c in (1, 2) for h in (10.0, 20.0, 30.0)]
    assert all(p.scenario.workers[1].concurrency == p.settings[0] for p in points)


def test_what_only_fits_together_is_checked_together() -> None:
    """Values are set at once: no order of the paths makes an impossible step between."""
    (point,) = grid(SHOP, {"deadline_s": [300.0], "horizon_s": [200.0]})
    assert (point.scenario.deadline_s, point.scenario.horizon_s) == (300.0, 200.0)


def test_numpy_s_numbers_are_numbers() -> None:
    points = grid(SHOP, {"workers.default.concurrency": np.arange(1, 3)})
    assert [p.scenario.workers[0].concurrency for p in points] == [1, 2]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("workers.default.concurency", ("workers.default has no 'concurency'", "'concurrency'?")),
        ("workers.defalt.concurrency", ("workers has no 'defalt'", "'default'?")),
        ("workers.2.concurrency", ("workers has no '2'", "a position up to 1")),
        ("worker.default", ("a scenario has no 'worker'", "'workers'?")),
        ("tasks.shop.mal.acks_late", ("tasks has no", "'shop.mail'")),
        ("tasks.*.service.value_s", ("tasks.*.service has no 'value_s'", "'mean_s'")),
        ("horizon_s.x", ("horizon_s", "has no parts")),
        ("horizon_s.", ("ends with a dot",)),
        ("beat.*.every_s", ("beat has no '*'", "nothing: none is declared")),
        ("", ("a scenario has no ''",)),
    ],
)
def test_a_wrong_path_is_one_sentence_with_the_near_ones(path: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ScenarioError) as told:
        grid(SHOP, {path: [1]})
    assert "\n" not in str(told.value)
    for word in words:
        assert word in str(told.value)


def test_a_value_that_the_scenario_refuses_is_its_own_sentence_with_the_point() -> None:
    changes = {"horizon_s": [10.0], "workers.default.concurrency": [1, 0]}
    with pytest.raises(ScenarioError) as told:
        grid(SHOP, changes)
    assert str(told.value).startswith("at horizon_s = 10.0, workers.default.concurrency = 0: ")
    with pytest.raises(ScenarioError) as own:
        Scenario(**(SHOP.model_dump() | {"workers": [{"name": "default", "concurrency": 0}]}))
    assert str(told.value).endswith(str(own.value))


@pytest.mark.parametrize(
    "changes",
    [{}, {"horizon_s": []}, {"horizon_s": 10.0}, {"seed": range(MOST_POINTS + 1)}, {"name": "ab"}],
)
def test_a_grid_is_something_and_not_too_much(changes: Any) -> None:
    with pytest.raises(ScenarioError):
        grid(SHOP, changes)
