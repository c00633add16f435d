"""Paths: any field of a scenario by its place, such as ``workers.worker.concurrency``.

A step names a field; inside a list it is the name of a part, its position from 0, or ``*`` for
all of them. Names may hold dots themselves: the longest name that fits is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from sandbox.errors import ScenarioError, one_of, shown
from sandbox.scenario import Scenario

MOST_POINTS = 10_000
_EVERY = "*"


@dataclass(frozen=True)
class Point:
    """One place of the grid: the value of each path there, and the scenario it makes."""

    settings: tuple[Any, ...]
    scenario: Scenario


def grid(scenario: Scenario, changes: Mapping[str, Sequence[Any]]) -> list[Point]:
    """Return every combination of the values, the first path varying slowest.

    ScenarioError names a wrong path and the near ones, or the point that the scenario refuses.

    >>> from sandbox import systems
    >>> points = grid(systems.load("leadlawk"), {"workers.worker.concurrency": [1, 2]})
    >>> [point.scenario.workers[0].concurrency for point in points]
    [1, 2]
    """
    axes = {path: _values(path, found) for path, found in changes.items()}
    if not axes:
        raise ScenarioError("nothing is varied; allowed: a path and its values, or more of them")
    n = 1
    for values in axes.values():
        n *= len(values)
    if n > MOST_POINTS:
        raise ScenarioError(f"the grid has {n:,} points; allowed: up to {MOST_POINTS:,}")
    data = scenario.model_dump()
    for path in axes:
        places(data, path)
    return [Point(values, _at(scenario, tuple(axes), values)) for values in product(*axes.values())]


def _values(path: str, found: Sequence[Any]) -> list[Any]:
    """Return the values of a path as plain Python: numpy's numbers are no field's type."""
    if isinstance(found, str | bytes) or not hasattr(found, "__iter__"):
        raise ScenarioError(f"{path} has the values {shown(found)}; allowed: a list of values")
    values = [value.item() if hasattr(value, "item") else value for value in found]
    if not values:
        raise ScenarioError(f"{path} has no values; at least one is needed")
    return values


def _at(scenario: Scenario, paths: tuple[str, ...], values: tuple[Any, ...]) -> Scenario:
    data = scenario.model_dump()
    for path, value in zip(paths, values, strict=True):
        for place, key in places(data, path):
            place[key] = value
    try:
        return Scenario(**data)
    except ScenarioError as exc:
        raise ScenarioError(f"at {told(paths, values)}: {exc}") from None


def told(paths: Sequence[str], values: Sequence[Any]) -> str:
    """Name a point as a reader would.

    >>> told(["workers.w.concurrency", "seed"], [4, 1])
    'workers.w.concurrency = 4, seed = 1'
    """
    return ", ".join(f"{path} = {shown(v)}" for path, v in zip(paths, values, strict=True))


def places(data: dict[str, Any], path: str) -> list[tuple[Any, Any]]:
    """Return the (container, key) pairs that a path means; lists on its way become mutable.

    >>> data = {"tasks": ({"name": "a.b", "x": 1}, {"name": "c", "x": 2})}
    >>> [place[key] for place, key in places(data, "tasks.*.x")]
    [1, 2]
    """
    if path.endswith("."):
        raise ScenarioError(f"the path {path!r} ends with a dot; allowed: a field at its end")
    return list(_places(data, path, path))


def _places(node: Any, rest: str, path: str) -> Iterator[tuple[Any, Any]]:
    for key, tail in _steps(node, rest, path):
        if not tail:
            yield node, key
            continue
        if isinstance(node[key], tuple):
            node[key] = list(node[key])
        yield from _places(node[key], tail, path)


def _steps(node: Any, rest: str, path: str) -> list[tuple[Any, str]]:
    """Return the keys that the next step means here, and what is left of the path after it."""
    keys = _keys(node)
    step, _, tail = rest.partition(".")
    if step == _EVERY and isinstance(node, list) and node:
        return [(i, tail) for i in range(len(node))]
    fits = [name for name in keys if rest == name or rest.startswith(f"{name}.")]
    if fits:
        name = max(fits, key=len)
        return [(keys[name], rest[len(name) + 1 :])]
    if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
        return [(int(step), tail)]
    raise ScenarioError(_complaint(node, keys, rest, path))


def _keys(node: Any) -> dict[str, Any]:
    """Return what a step may say here, and the key that it stands for."""
    if isinstance(node, dict):
        return {name: name for name in node}
    if isinstance(node, list):
        named = {p["name"]: i for i, p in enumerate(node) if isinstance(p, dict) and "name" in p}
        return named or {str(i): i for i in range(len(node))}
    return {}


def _complaint(node: Any, keys: Mapping[str, Any], rest: str, path: str) -> str:
    before = path[: len(path) - len(rest)].rstrip(".") or "a scenario"
    if not isinstance(node, dict | list):
        return f"the path {path!r} goes on after {before}, which is {shown(node)} and has no parts"
    more = f", a position up to {len(node) - 1}, or '*'" if isinstance(node, list) and node else ""
    # Part of a name with dots is still near to it.
    near = rest if any(name.count(".") for name in keys) else rest.partition(".")[0]
    return f"{before} has no {near!r} (path {path!r}); allowed: {one_of(near, keys)}{more}"
