"""Conformance: a fault that strikes by chance strikes alike in the model and on real workers."""

from __future__ import annotations

from typing import Any

import pytest

import sandbox
from sandbox.errors import ScenarioError
from sandbox.faults import commands_of
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario
from tests.conftest import Begin
from tests.test_conformance import ACK_MODES, burst, finish, on_start, scenario, task, verdicts

RATES = ("100/s", "200/s", "300/s")
EVEN = [
    {
        "kind": "maybe",
        "probability": 0.5,
        "fault": {"kind": "rate_limit", "task": "job", "rate": rate, "when": on_start(1, 0.0)},
    }
    for rate in RATES
]
STRIKES = {1: ["100/s", "200/s"], 4: ["100/s"]}


def chancy(seed: int) -> Scenario:
    return scenario(
        tasks=[task(service_s=0.2)],
        workers=[{"concurrency": 2, "prefetch_multiplier": 1}],
        loads=[burst(3)],
        faults=EVEN,
        seed=seed,
    )


def struck(described: Scenario) -> list[int]:
    return [i for i, fault in enumerate(described.faults) if fault.strikes(described.seed, i)]


@pytest.mark.parametrize("seed", STRIKES)
def test_a_chance_strikes_as_the_seed_says(begin: Begin, seed: int) -> None:
    """The same ones of three, whoever runs it: the twin of a run agrees with it."""
    described = chancy(seed)
    run = finish(begin, described)
    rates = [(event.detail or {})["rate"] for event in run.of_kind("control")]
    assert rates == [RATES[place] for place in struck(described)] == STRIKES[seed]
    assert verdicts(run) == {"done once": 3}


def test_another_seed_is_another_chance() -> None:
    """Over many seeds it strikes as often as it should, and each fault by itself."""
    strikes = [tuple(struck(chancy(seed))) for seed in range(400)]
    for place in range(3):
        assert 160 <= sum(place in found for found in strikes) <= 240
    assert len(set(strikes)) == 8


@pytest.mark.parametrize(("probability", "n"), [(0.0, 0), (1.0, 1)])
def test_a_chance_of_0_never_strikes_and_one_of_1_always(probability: float, n: int) -> None:
    """The wrapper itself changes nothing."""
    fault = {"kind": "flush", "when": {"on": "time", "at_s": 0.5}}
    maybe = {"kind": "maybe", "probability": probability, "fault": fault}
    for seed in range(50):
        described = scenario(faults=[maybe], seed=seed)
        assert len(commands_of(described.faults, seed)) == n


def test_a_prediction_carries_the_chance() -> None:
    """Its replications have other seeds, so the mean lies between both cases."""
    described = scenario(
        tasks=[task(**ACK_MODES["early"])],
        workers=[{"concurrency": 1}],
        faults=[
            {
                "kind": "maybe",
                "probability": 0.5,
                "fault": {"kind": "flush", "when": {"on": "time", "at_s": 0.1}},
            }
        ],
    )
    found = sandbox.predict(described, budget_s=0.3, overheads=Overheads())
    lost = [metrics.value("lost") for metrics in found.replications]
    assert {0.0} < set(lost)
    assert 0 < sum(lost) / len(lost) < max(lost)


FLUSH = {"kind": "flush", "when": {"on": "time", "at_s": 0.5}}
KILL = {"kind": "kill_worker", "when": on_start(1), "worker": "worker9"}
MAYBE = {"kind": "maybe", "probability": 0.5, "fault": FLUSH}


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (MAYBE | {"fault": MAYBE}, r"^faults\[0\]\.fault\.kind is 'maybe'; allowed: one of 'ban"),
        (MAYBE | {"when": FLUSH["when"]}, r"^faults\[0\]\.when is not a field of Maybe"),
        (MAYBE | {"probability": 1.5}, r"^faults\[0\]\.probability is 1.5"),
        (MAYBE | {"fault": KILL}, r"^faults\[0\]\.fault\.worker is 'worker9'; allowed: one of"),
        (
            MAYBE | {"fault": {"kind": "poison", "task": "job", "when": on_start(1)}},
            r"^faults\[0\]\.fault: task 'job' has crash = None; poison needs 'child'$",
        ),
    ],
)
def test_a_wrong_chance_is_refused_by_the_place_of_the_mistake(
    fault: dict[str, Any], says: str
) -> None:
    """Before anything runs, in one sentence."""
    with pytest.raises(ScenarioError, match=says):
        scenario(faults=[fault])


def test_what_the_model_cannot_show_it_refuses_under_a_chance_too() -> None:
    """Whether it strikes or not: the answer must not depend on the seed."""
    narrow = {"kind": "bandwidth", "bytes_per_s": 100.0, "when": on_start(1)}
    described = scenario(faults=[MAYBE | {"fault": narrow, "probability": 0.0}])
    with pytest.raises(ScenarioError, match=r"^faults\[0\]\.fault\.kind is 'bandwidth', but"):
        sandbox.run(described, engine="model")
