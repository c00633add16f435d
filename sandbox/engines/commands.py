"""What both engines share about verbs: checks of their arguments, and when they fire."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from operator import itemgetter
from typing import Any, TypeGuard

from sandbox.dependencies import unknown_dependency
from sandbox.errors import ScenarioError, one_of
from sandbox.faults import At, OnEvent
from sandbox.faults._base import only_plain, only_prefork
from sandbox.faults.child_oom import no_child_to_kill
from sandbox.faults.drop_connections import cannot_drop
from sandbox.faults.kill_child import no_children
from sandbox.faults.maxmemory import cannot_fill
from sandbox.faults.pause_broker import cannot_pause
from sandbox.faults.quit_worker import cannot_quit
from sandbox.faults.stop_broker import cannot_stop
from sandbox.rates import parse_rate
from sandbox.run import Event
from sandbox.scenario import Scenario
from sandbox.slots import slot_name


def check(scenario: Scenario, verb: str, arguments: dict[str, object]) -> None:
    """Raise ScenarioError (one sentence) when an argument of a verb makes no sense."""
    worker, task = arguments.get("worker"), arguments.get("task")
    if "worker" in arguments and worker not in scenario.worker_names:
        allowed = one_of(str(worker), scenario.worker_names)
        raise ScenarioError(f"{verb}: worker is {worker!r}; allowed: {allowed}")
    if "task" in arguments and task not in scenario.task_names:
        allowed = one_of(str(task), scenario.task_names)
        raise ScenarioError(f"{verb}: task is {task!r}; allowed: {allowed}")
    why = problem(scenario, verb, arguments)
    if why is not None:
        raise ScenarioError(f"{verb}: {why}")
    _check_numbers(verb, arguments)
    if arguments.get("rate") is not None:
        try:
            parse_rate(str(arguments["rate"]))
        except ValueError as exc:
            raise ScenarioError(f"{verb}: rate is {arguments['rate']!r}: {exc}") from None


_ABOVE_0 = (
    "n", "seconds", "visibility_timeout_s", "expires_s", "for_s", "factor", "grace_s",
    "bytes_per_s", "after_s",
)  # fmt: skip
_NONE_ALLOWED = {("bandwidth", "bytes_per_s"), ("child_oom", "n")}


def _check_numbers(verb: str, arguments: dict[str, object]) -> None:
    for name, value in arguments.items():
        if value is None and (verb, name) in _NONE_ALLOWED:
            continue
        if name in _ABOVE_0:
            if not _is_number(value) or not value > 0:
                raise ScenarioError(f"{verb}: {name} is {value!r}; allowed: a number above 0")
        elif name == "delay_s" and (not _is_number(value) or not value >= 0):
            raise ScenarioError(f"{verb}: delay_s is {value!r}; allowed: a number, 0 or above")
        elif name == "offset_s" and not _is_number(value):
            raise ScenarioError(f"{verb}: offset_s is {value!r}; allowed: a number")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


_REFUSALS: dict[str, Callable[[Scenario], str | None]] = {
    "fill_memory": cannot_fill,
    "pause_broker": cannot_pause,
    "stop_broker": cannot_stop,
    "half_open": partial(only_prefork, "half_open"),
    **{verb: partial(only_plain, verb) for verb in ("cut_off", "evict", "flush", "latency")},
}
"""What a scenario has to be without for a verb."""
_Arguments = Mapping[str, Any]
_BY_ARGUMENT: dict[str, Callable[[Scenario, _Arguments], str | None]] = {
    "kill_child": lambda scenario, of: no_children(scenario, of["worker"], of.get("slot")),
    "quit_worker": lambda scenario, of: cannot_quit(scenario, of["worker"]),
    "child_oom": lambda scenario, of: no_child_to_kill(
        scenario, of["task"], of.get("worker"), of.get("slot")
    ),
}


def problem(scenario: Scenario, verb: str, arguments: _Arguments) -> str | None:
    """Return why this scenario has no such verb with these arguments: one sentence, or None."""
    if verb in _REFUSALS:
        return _REFUSALS[verb](scenario)
    if verb in _BY_ARGUMENT:
        return _BY_ARGUMENT[verb](scenario, arguments)
    if verb == "drop_connections":
        return cannot_drop(scenario)
    if "dependency" in arguments:
        names = [dependency.name for dependency in scenario.dependencies]
        return unknown_dependency(names, str(arguments["dependency"]))
    return None


def second_beat(scenario: Scenario, now_s: float) -> list[tuple[str, float]]:
    """Return (task, time in s) of all that a beat which starts now publishes by the horizon."""
    return [(scenario.beat[place].task, at_s) for place, at_s in _second(scenario, now_s)]


def second_numbers(scenario: Scenario, now_s: float, first: Mapping[str, int]) -> list[list[int]]:
    """Return for each entry the numbers of what such a beat publishes, in turn.

    ``first``: by task, the number of its first; the next follow one another.
    """
    numbers = {task: count(n) for task, n in first.items()}
    found: list[list[int]] = [[] for _ in scenario.beat]
    for place, _ in _second(scenario, now_s):
        found[place].append(next(numbers[scenario.beat[place].task]))
    return found


def _second(scenario: Scenario, now_s: float) -> list[tuple[int, float]]:
    found = []
    for place, entry in enumerate(scenario.beat):
        left_s = scenario.horizon_s - now_s
        times = entry.arrivals_s(left_s, seed=0, stream="") if left_s > 0 else []
        found += [(place, now_s + at_s) for at_s in times]
    return sorted(found, key=itemgetter(1))


def chosen(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that are given: what is None was not chosen."""
    return {name: value for name, value in arguments.items() if value is not None}


def no_child_now(worker: str, slot: int | None) -> str:
    """Return the sentence on a child that is gone and whose replacement is not there yet."""
    where = "" if slot is None else f" in {slot_name(slot)}"
    return f"kill_child: {worker} has no child process{where} at this moment"


class Trigger:
    """Tells when a command's moment has come: fed with events, asked for a time.

    >>> trigger = Trigger(OnEvent(event="started", nth=2, after_s=0.5))
    >>> for t_s in (1.0, 2.0, 3.0):
    ...     trigger.see(Event(t_s, "started", "hi/0"))
    >>> trigger.due_s
    2.5
    """

    def __init__(self, when: At | OnEvent) -> None:
        self.when = when
        self.due_s: float | None = when.at_s if isinstance(when, At) else None
        self._seen = 0

    def see(self, event: Event) -> None:
        """Count an event; the nth that matches fixes the time."""
        when = self.when
        if self.due_s is not None or isinstance(when, At) or not matches(when, event):
            return
        self._seen += 1
        if self._seen == when.nth:
            self.due_s = event.t_s + when.after_s


def matches(when: OnEvent, event: Event) -> bool:
    """Return whether an event counts for ``when``."""
    if event.kind != when.event:
        return False
    if when.worker is not None and event.worker != when.worker:
        return False
    return when.task is None or (event.task or "").rpartition("/")[0] == when.task
