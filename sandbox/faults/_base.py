"""What a fault is: settings that compile to commands, each a verb of an engine's Controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from sandbox.parts import Count, Name, NonNegative, Part
from sandbox.tasks import waiting

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


class At(Part):
    """When: at a time, in seconds after all workers are ready.

    >>> At(at_s=2.5).at_s
    2.5
    """

    on: Literal["time"] = "time"
    at_s: NonNegative


class OnEvent(Part):
    """When: ``after_s`` seconds after an event has been seen for the ``nth`` time.

    Repeatable on real workers, as a time is not. ``worker`` and ``task`` (a type) narrow
    which events count. ``worker_ready`` counts workers that come back: not those of the start.

    >>> OnEvent(event="started", nth=17, after_s=0.3).nth
    17
    """

    on: Literal["event"] = "event"
    event: Literal[
        "published", "received", "started", "succeeded", "failed", "scaled", "worker_exited",
        "worker_ready",
    ]  # fmt: skip
    nth: Count = 1
    after_s: NonNegative = 0.0
    worker: Name | None = None
    task: Name | None = None


When = Annotated[At | OnEvent, Field(discriminator="on")]


def later(when: At | OnEvent, seconds: float) -> At | OnEvent:
    """Return the moment ``seconds`` after another one.

    >>> later(At(at_s=2.0), 0.5).at_s
    2.5
    """
    if isinstance(when, At):
        return when.but(at_s=when.at_s + seconds)
    return when.but(after_s=when.after_s + seconds)


def only_plain(verb: str, scenario: Scenario) -> str | None:
    """Return why a verb that takes the broker away has no meaning yet: one sentence, or None.

    What a front door answers, how far a group or a chord has come, and what becomes of a task
    that waits for another, without a broker, is not in the model.
    """
    if scenario.front_door is not None and scenario.front_door.requests is not None:
        return f"{verb} has no meaning yet with a front_door; allowed: one of the two"
    for i, load in enumerate(scenario.loads):
        if load.kind in {"group", "chord"}:
            return f"{verb} has no meaning yet with loads[{i}], a {load.kind}"
    problem = waiting(scenario.tasks)
    return None if problem is None else f"{verb} {problem}"


def only_prefork(verb: str, scenario: Scenario) -> str | None:
    """Return why a verb that holds up acknowledgements has no meaning yet: one sentence, or None.

    A thread acknowledges for itself, and a solo worker before its task begins.
    """
    for pool in scenario.workers:
        if pool.pool != "prefork":
            return (
                f"{verb} has no meaning yet with worker pool {pool.name!r}, whose pool is "
                f"{pool.pool!r}; allowed: 'prefork'"
            )
    return only_plain(verb, scenario)


def only_crashing(fault: Fault, task: str, crash: str, scenario: Scenario) -> str | None:
    """Return why a fault that publishes what crashes has no such task: one sentence, or None."""
    unknown = scenario.unknown_task(task)
    if unknown is not None:
        return unknown
    found = scenario.task(task).crash
    if found == crash:
        return None
    return f"task {task!r} has crash = {found!r}; {fault.kind} needs {crash!r}"


class Command(NamedTuple):
    """One call of a verb: ``controls.<verb>(**arguments)``, when ``when`` has come."""

    when: At | OnEvent
    verb: str
    arguments: dict[str, Any]


class Fault(Part):
    """Base of every fault; a file of this folder defines exactly one."""

    platforms: ClassVar[str] = "Linux and macOS"
    """Where real workers show it, and what differs there."""
    kind: str
    when: When

    @property
    def inner(self) -> Fault:
        """The fault that names workers and task types: itself, or what it wraps."""
        return self

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return None

    def where(self, place: int) -> str:
        """Return where in a scenario the fault is that names workers and task types.

        >>> Fault(kind="any", when=At(at_s=1.0)).where(2)
        'faults[2]'
        """
        return f"faults[{place}]"

    def strikes(self, seed: int, place: int) -> bool:
        """Return whether it happens in a run with ``seed`` as the scenario's fault ``place``."""
        return True

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        raise TypeError(f"{type(self).__name__} compiles to no command")
