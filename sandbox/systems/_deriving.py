"""Deriving: a system's scenario is that of its app, and what its document says beside that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.derive.load import load_app
from sandbox.loads import Load
from sandbox.scenario import Scenario, TaskType

_STATED = {"tasks.service", "tasks.work", "tasks.p_failure", "hosts", "broker",
           "broker.persistence", "loads"}  # fmt: skip
"""What an app cannot say and its system does: beside the app, or among its assumptions."""


def derived(  # noqa: PLR0913 - what an app does not say
    app: str,
    name: str,
    commands: Sequence[str],
    *,
    tasks: Mapping[str, Mapping[str, Any]],
    loads: Iterable[Load] = (),
    horizon_s: float,
    **beside: Any,
) -> Scenario:
    """Return the scenario of the app ``module:attribute`` as ``commands`` start it.

    ``tasks``: by name, what the app does not say of a task type: its ``service`` at least; the
    scenario has the types in this order, and only these. ``beside``: the scenario's other fields,
    such as faults, dependencies or front_door. ``broker`` is a mapping of what the app leaves open.
    What the app says cannot drift from what is run: it is asked each time.

    >>> half = {"celery_app.database_task": {"service": {"kind": "deterministic", "value_s": 0.5}}}
    >>> found = derived(
    ...     "sandbox.systems.leadlawk.app:written", "half",
    ...     ["celery -A celery_app worker -Q database"], tasks=half, horizon_s=9.0,
    ... )
    >>> found.task("celery_app.database_task").acks_late, found.workers[0].queues
    (True, ('database',))
    """
    scenario = Scenario.from_celery(
        load_app(app), commands, name=name, loads=loads, horizon_s=horizon_s
    )
    kinds = tuple(_beside(scenario.task(kind), more) for kind, more in tasks.items())
    beat = tuple(entry for entry in scenario.beat if entry.task in tasks)
    broker = scenario.broker.but(**beside.pop("broker", {}))
    open_still = tuple(note for note in scenario.not_derived if note.where not in _STATED)
    beside = {"not_derived": open_still} | beside
    return scenario.but(app=app, tasks=kinds, beat=beat, broker=broker, **beside)


def _beside(kind: TaskType, more: Mapping[str, Any]) -> TaskType:
    """Return a type with what the document says beside the app; its results are read."""
    return kind.but(**({"ignore_result": False} | dict(more)))
