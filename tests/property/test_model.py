"""Random systems under random faults, on the model: no law is broken, and what breaks one shows.

The short form of ``make property``: the same 300 systems each time.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from sandbox.audit import Audit
from sandbox.errors import ScenarioError
from sandbox.export import to_script
from sandbox.faults import FAULTS
from sandbox.run import Run
from sandbox.scenario import Scenario
from tests.property.harness import LawBrokenError, Tally, hold, quiet
from tests.property.laws import LAWS
from tests.property.paths import LOSSES, MODES, REPEATS
from tests.property.strategies import KINDS, ON_THE_MODEL, scenarios

_SEEN = Tally()


@settings(quiet, max_examples=300, derandomize=True)
@given(scenarios(kinds=ON_THE_MODEL))
def test_no_law_is_broken(drawn: Scenario) -> None:
    """Lost or run twice only by a listed path, a verdict each, totals, the same run again."""
    hold(drawn, tally=_SEEN)


@settings(quiet, max_examples=60, derandomize=True)
@given(scenarios(kinds=KINDS))
def test_what_is_drawn_is_a_scenario_as_its_json_says_it(drawn: Scenario) -> None:
    """Each drawn system is valid, within bounds, and the same when read back."""
    assert Scenario.from_json(drawn.to_json()) == drawn
    assert len(drawn.worker_names) <= 3
    assert {fault.kind for fault in drawn.faults} <= FAULTS.keys()


@settings(quiet, max_examples=100, derandomize=True)
@given(scenarios(kinds=KINDS))
def test_what_is_drawn_is_a_script_or_refused_in_a_sentence(drawn: Scenario) -> None:
    """An exported script is whole: it parses, and each verb that it orders is in it."""
    try:
        script = to_script(drawn)
    except ScenarioError as exc:
        assert "script" in str(exc)
        return
    functions = {p.name for p in ast.walk(ast.parse(script)) if isinstance(p, ast.FunctionDef)}
    verbs = {command.verb for fault in drawn.faults for command in fault.commands()}
    assert {f"do_{verb}" for verb in verbs} <= functions


def test_every_listed_path_has_a_reason_and_a_source() -> None:
    """What may happen is data: a name of its own, why, and where Celery, kombu or Redis does it."""
    paths = [*LOSSES, *REPEATS]
    assert len({path.name for path in paths}) == len(paths)
    for path in paths:
        assert path.reason and path.source and set(path.modes) <= set(MODES)
        assert path.source.startswith(("celery/", "kombu/", "Redis"))


def nothing_is_killed(run: Run, _found: Audit) -> Iterator[str]:
    """Say what is wrong on purpose: that no execution is ever killed."""
    yield from (f"{e.worker} was lost" for e in run.of_kind("worker_exited") if e.task is None)


def test_a_broken_law_is_shrunk_and_exported(tmp_path: Path) -> None:
    """A law that is wrong on purpose: the smallest scenario is there as JSON, script, notebook."""

    @settings(quiet, max_examples=100, derandomize=True)
    @given(scenarios(modes=("early",), kinds=("kill_worker", "noop")))
    def search(drawn: Scenario) -> None:
        hold(drawn, laws=(nothing_is_killed,), folder=tmp_path)

    with pytest.raises(LawBrokenError, match="worker1 was lost"):
        search()
    found = Scenario.from_file(tmp_path / "scenario.json")
    assert [fault.kind for fault in found.faults] == ["kill_worker"]
    assert len(found.worker_names) == len(found.tasks) == 1
    ast.parse((tmp_path / "script.py").read_text(encoding="utf-8"))
    assert "do_kill_worker" in (tmp_path / "script.py").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "notebook.ipynb").read_text(encoding="utf-8"))["nbformat"] == 4
    assert "worker1 was lost" in (tmp_path / "finding.txt").read_text(encoding="utf-8")


def test_a_law_without_its_list_finds_a_loss() -> None:
    """The laws can fail: with no path listed, a killed worker's early-acked task is a finding."""
    kill = {"kind": "kill_worker", "worker": "worker1", "when": {"on": "event", "event": "started"}}
    described = Scenario(
        name="killed",
        tasks=[{"name": "job", "service": {"kind": "deterministic", "value_s": 1.0}}],
        workers=[{}],
        loads=[{"kind": "burst", "task": "job", "n": 1}],
        faults=[kill | {"when": kill["when"] | {"after_s": 0.2}}],
        horizon_s=2.0,
    )
    seen = Tally()
    assert hold(described, laws=LAWS, tally=seen) is not None
    assert seen.paths == {"killed after its early acknowledgement": 1}
