"""Malformed scenarios: refused in one sentence, or run on the model to their end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import systems, workbench
from sandbox.audit import audit
from sandbox.engines.model import clock
from sandbox.errors import EngineError, ScenarioError
from sandbox.metrics import measure
from sandbox.overheads import Overheads
from sandbox.run import broken_laws
from sandbox.scenario import Scenario
from tests.malformed import from_schema
from tests.malformed.mutations import dumped, mutated, retyped, tuned
from tests.malformed.watch import STEPS, clear, ends, examples, nothing_left, untimed
from tests.test_scenario import scenarios

_SEEDS = [json.loads(system.scenario.to_json()) for system in systems.all_systems().values()]
_OVERHEADS = [Overheads(), Overheads().scaled(0.0)]


def texts() -> st.SearchStrategy[str]:
    """Return scenarios as JSON: built-in ones, drawn ones and ones from the schema, changed."""
    whole = st.sampled_from(_SEEDS) | scenarios().map(lambda s: json.loads(s.to_json()))
    changed, dials = whole.flatmap(mutated), whole.flatmap(tuned)
    drawn = st.one_of(changed, dials, dials, from_schema.trees()).map(dumped)
    return st.one_of(drawn, drawn, drawn, drawn.flatmap(retyped))


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clock, "MOST_STEPS", STEPS)
    with nothing_left(tmp_path, monkeypatch):
        yield


def run_to_the_end(scenario: Scenario, overheads: Overheads) -> None:
    """Run a valid scenario on the model; what comes out obeys every law of a run."""
    try:
        run = workbench.run(scenario, engine="model", overheads=overheads)
    except EngineError as exc:
        assert f"{STEPS:,} steps" in clear(str(exc))
        return
    except ScenarioError as exc:  # what only real workers can show is refused by its name
        assert "'bandwidth'" in clear(str(exc))
        return
    assert run.ended in {"drained", "deadline"}
    assert broken_laws(run) == []
    metrics = measure(run)
    assert metrics.value("published") >= 0
    assert sum(audit(run).counts().values()) == len(run.fold.journeys)


@untimed
@examples
@given(texts(), st.sampled_from(_OVERHEADS))
def test_a_scenario_is_refused_in_a_sentence_or_runs_to_its_end(
    text: str, overheads: Overheads
) -> None:
    """Whatever the text: ScenarioError says what is wrong, or the model ends with a sound run."""
    with ends(text):
        try:
            scenario = Scenario.from_json(text)
        except ScenarioError as exc:
            clear(str(exc))
            return
        assert Scenario.from_json(scenario.to_json()) == scenario
        run_to_the_end(scenario, overheads)


_FOREVER: list[dict[str, Any]] = [
    {"loads": [{"kind": "poisson", "task": "t", "rate_per_s": 1e300}]},
    {"loads": [{"kind": "burst", "task": "t", "n": 10**18}]},
    {"loads": [{"kind": "closed", "task": "t", "n_clients": 10**9}]},
    {"loads": [{"kind": "burst", "task": "t", "n": 900_000}] * 2},
    {"beat": [{"name": "b", "task": "t", "every_s": 1e-300}]},
    {"horizon_s": 1e300},
    {"workers": [{"n_workers": 1000, "concurrency": 256}]},
    {"broker": {"unacked_restore_interval_s": 1e-300}},
    {"tasks": [{"name": "t", "retries": [{"kind": "self", "max_retries": 10**9}]}]},
    {"tasks": [{"name": "t", "retries": [{"kind": "self", "max_retries": 99, "factor": 9.0}]}]},
    {"tasks": [{"name": "t", "service": {"kind": "lognormal", "mean_s": 1.0, "cv": 1e300}}]},
    {"tasks": [{"name": "t", "rate_limit": "0." + "0" * 300 + "1/h"}]},
]


@pytest.mark.parametrize("change", _FOREVER, ids=lambda change: json.dumps(change)[:60])
def test_what_would_take_for_ever_is_refused(change: dict[str, Any]) -> None:
    """Counts and times have caps, and the sentence names the cap."""
    small: dict[str, Any] = {
        "name": "s", "tasks": [{"name": "t"}], "workers": [{}], "horizon_s": 5.0,
    }  # fmt: skip
    with pytest.raises(ScenarioError) as caught:
        Scenario(**(small | change))
    assert any(
        said in clear(str(caught.value)) for said in ("allowed", "less than", "from", "such as")
    )


def test_a_loop_without_time_ends_in_a_sentence() -> None:
    """Clients that never think, tasks that take no time: time stands still, steps do not."""
    scenario = Scenario(
        name="s",
        tasks=[{"name": "t"}],
        workers=[{}],
        loads=[{"kind": "closed", "task": "t", "n_clients": 2}],
        horizon_s=5.0,
    )
    with pytest.raises(EngineError, match="steps by t = 0 s"):
        workbench.run(scenario, engine="model", overheads=Overheads().scaled(0.0))
