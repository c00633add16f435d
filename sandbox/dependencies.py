"""Dependencies: the services downstream that tasks call, and when they are out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from sandbox.draws import Deterministic, Distribution
from sandbox.errors import ScenarioError, one_of
from sandbox.parts import Name, NonNegative, Part, Positive

if TYPE_CHECKING:
    from sandbox.tasks import TaskType


class Outage(Part):
    """From ``from_s`` until ``to_s`` a dependency serves nothing.

    ``fail``: each call fails at once, those that wait or are being served too, as when the
    process behind a port has died. ``hang``: no call is begun and none is refused, as behind a
    lock; what is being served goes on. A call then waits for the end or for its own timeout.

    >>> Outage(from_s=10.0, to_s=40.0).how
    'fail'
    """

    from_s: NonNegative
    to_s: Positive
    how: Literal["fail", "hang"] = "fail"

    @model_validator(mode="after")
    def _ordered(self) -> Outage:
        if self.to_s <= self.from_s:
            raise ScenarioError(f"to_s is {self.to_s} but must be above from_s = {self.from_s}")
        return self


class Dependency(Part):
    """A service downstream that serves up to ``capacity`` calls at once, first come, first served.

    A call that finds no free place waits in line. Who hangs up while waiting leaves the line;
    a call that is being served is served to its end even if nobody waits for the answer any
    more, as most servers do: the work of a timed-out call is wasted, not spared.

    >>> Dependency(name="db", capacity=4, outages=[{"from_s": 1.0, "to_s": 2.0}]).capacity
    4
    """

    name: Name
    capacity: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 1
    outages: Annotated[tuple[Outage, ...], Field(max_length=1000)] = ()


class Call(Part):
    """The call that an attempt makes after its own work, in which it keeps its slot.

    ``service`` is how long the dependency serves it, without the wait for a place. After
    ``timeout_s``, wait included, the caller gives up; None: it waits for ever. A refused or
    timed-out call fails the attempt (CallFailed, CallTimedOut), which is then retried like any.

    >>> Call(dependency="db", service=Deterministic(value_s=0.1), timeout_s=5.0).dependency
    'db'
    """

    dependency: Name
    service: Distribution = Deterministic(value_s=0.0)
    timeout_s: Positive | None = None


def check_calls(tasks: Iterable[TaskType], dependencies: Sequence[Dependency]) -> None:
    """Raise ScenarioError when a task calls what is not there, or two have one name."""
    names = [dependency.name for dependency in dependencies]
    for name in names:
        if names.count(name) > 1:
            raise ScenarioError(f"dependencies has the name {name!r} twice; names are unique")
    for i, task in enumerate(tasks):
        if task.calls is not None:
            problem = unknown_dependency(names, task.calls.dependency)
            if problem is not None:
                raise ScenarioError(f"tasks[{i}].calls.{problem}")


def unknown_dependency(names: Sequence[str], name: str) -> str | None:
    """Return a sentence if no dependency has this name, else None.

    >>> unknown_dependency(["db"], "dp")
    "dependency is 'dp'; allowed: 'db'"
    """
    if name in names:
        return None
    return f"dependency is {name!r}; allowed: {one_of(name, names)}"
