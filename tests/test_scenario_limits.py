"""What a scenario says of autoscale and max_retries: refused in one sentence, or read back equal."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.engines.live.worker import command
from sandbox.errors import ScenarioError
from sandbox.scenario import Scenario, SelfRetry, TaskType, WorkerPool


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"autoscale": (3, 1), "pool": "threads"}, "a threads pool cannot grow; allowed: None"),
        ({"autoscale": (1, 3)}, "autoscale is (1, 3); allowed: (most, fewest)"),
        (
            {"autoscale": (3, 1), "concurrency": 2},
            "concurrency is 2; with autoscale = (3, 1) it is 3, or left out",
        ),
        ({"autoscale": (3, 0)}, "autoscale[1] is 0"),
    ],
)
def test_autoscale_that_cannot_be_is_refused(fields: dict[str, Any], sentence: str) -> None:
    """A pool that cannot grow, bounds the wrong way round, another concurrency than the most."""
    with pytest.raises(ScenarioError) as error:
        WorkerPool(**fields)
    assert sentence in str(error.value)


def test_a_task_has_one_max_retries() -> None:
    """self.retry and retry_on_worker_lost ask the same attribute of Celery's task."""
    policy = SelfRetry(max_retries=5)
    assert TaskType(name="t", retries=[policy]).lost_max_retries == 5
    assert TaskType(name="t", retries=[policy], max_retries=5).lost_max_retries == 5
    assert TaskType(name="t").lost_max_retries == 3
    with pytest.raises(ScenarioError, match="max_retries is 4, but retries state 5"):
        TaskType(name="t", retries=[policy], max_retries=4)


def test_new_fields_are_read_back_equal() -> None:
    """JSON holds the concurrency that autoscale implies, and reads it back."""
    workers = [WorkerPool(autoscale=(8, 2), disable_prefetch=True, eta_task_limit=9)]
    tasks = [TaskType(name="t", countdown_s=2.0, retries=[SelfRetry(max_retries=5)])]
    described = Scenario(name="s", tasks=tasks, workers=workers, horizon_s=1.0)
    assert described.workers[0].concurrency == 8
    assert described.workers[0].n_first == 2
    assert Scenario.from_json(described.to_json()) == described


def test_the_command_of_a_worker_states_its_pool() -> None:
    """What can be an option of celery worker, or a variable of its process, is in the command."""
    pool = WorkerPool(autoscale=(8, 2), disable_prefetch=True, autoscale_keepalive_s=5.0)
    told = command(pool, "worker1")
    assert told.startswith("AUTOSCALE_KEEPALIVE=5 celery -A proj worker")
    assert "--autoscale=8,2" in told
    assert "--disable-prefetch" in told
    assert " -c " not in told
