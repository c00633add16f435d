"""Verbs: all that the panel can do, group by group; the one place to touch for a new verb."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.scenario import Scenario
from sandbox.schedules import SCHEDULES

Why = Callable[[Scenario, Mapping[str, Any]], str | None]
"""Returns why a scenario has no such verb with these arguments: a sentence, or None."""


@dataclass(frozen=True)
class Verb:
    """A button: ``controls.<verb>``, and where each argument comes from.

    ``takes`` maps an argument to a field's name, or to the value itself. ``first`` is a verb
    that is done before it. ``is_now`` is for what no later moment can be ordered for.
    """

    verb: str
    label: str
    tip: str
    takes: Mapping[str, str | int] = field(default_factory=dict)
    first: str | None = None
    harms: bool = False
    is_now: bool = False
    why_not: Why = lambda _scenario, _arguments: None


@dataclass(frozen=True)
class Group:
    """Controls that belong together, in rows; a text is the name of a field."""

    title: str
    rows: tuple[tuple[str | Verb, ...], ...]


def _no_soft(scenario: Scenario, arguments: Mapping[str, Any]) -> str | None:
    if _soft_s(scenario, arguments):
        return None
    return f"{arguments['worker']} has no soft_shutdown_timeout_s; allowed: Cold stop"


def _soft_first(scenario: Scenario, arguments: Mapping[str, Any]) -> str | None:
    if not _soft_s(scenario, arguments):
        return None
    return f"{arguments['worker']} has a soft_shutdown_timeout_s; allowed: Soft stop"


def _soft_s(scenario: Scenario, arguments: Mapping[str, Any]) -> float:
    pool = scenario.pool_of(arguments["worker"])
    return 0.0 if pool is None else pool.soft_shutdown_timeout_s


def _keeps_nothing(scenario: Scenario, _arguments: Mapping[str, Any]) -> str | None:
    if scenario.broker.persistence == "aof":
        return None
    return "broker.persistence is 'none', so it would keep nothing; allowed: Pause broker"


def _no_beat(scenario: Scenario, _arguments: Mapping[str, Any]) -> str | None:
    return None if scenario.beat else "the scenario has no beat"


_MOMENT = Group("Moment", (("when", "nth", "after"),))
_WORKER = {"worker": "worker"}

_TASKS = Group("Tasks", (
    (
        "task",
        Verb("submit", "Trigger 1", "Publish one task", {"task": "task", "n": 1}),
        Verb("submit", "Trigger 10", "Publish ten tasks", {"task": "task", "n": 10}),
        "n",
        Verb("submit", "Trigger many", "Publish as many", {"task": "task", "n": "n"}),
    ),
    (
        "rate",
        Verb("rate_limit", "Set rate limit", "Limit this task type on each worker",
             {"task": "task", "rate": "rate"}),
        "work",
        Verb("child_oom", "Out of memory",
             "Have the next execution that works longer killed there: anywhere, or in the slot "
             "that is chosen below",
             {"task": "task", "after_s": "work", "n": 1, "worker": "slot_worker", "slot": "slot"},
             harms=True),
    ),
))  # fmt: skip

_WORKERS = Group("Workers", (
    (
        "worker", "slot",
        Verb("kill_child", "Kill child", "SIGKILL to the process in the slot; its main lives on",
             _WORKER | {"slot": "slot"}, harms=True),
        Verb("kill_worker", "Kill worker", "SIGKILL to the worker and its processes", _WORKER,
             harms=True),
        Verb("start_worker", "Start worker", "Start this worker if it is down", _WORKER),
    ),
    (
        Verb("terminate_worker", "Warm stop", "SIGTERM: finish what runs, then exit", _WORKER),
        Verb("quit_worker", "Cold stop", "SIGQUIT: cancel what runs, then exit", _WORKER,
             harms=True, why_not=_soft_first),
        Verb("quit_worker", "Soft stop",
             "SIGQUIT: let run for soft_shutdown_timeout_s, cancel what is left, then exit",
             _WORKER, harms=True, why_not=_no_soft),
        Verb("pause_worker", "Pause worker", "SIGSTOP to the worker and its processes", _WORKER),
        Verb("resume_worker", "Resume worker", "SIGCONT to a worker that is paused", _WORKER),
    ),
    (
        Verb("cut_off", "Cut off", "Close its connections to the broker, and refuse it new ones",
             _WORKER, harms=True),
        Verb("mend_link", "Mend link", "Let a worker that is cut off connect again", _WORKER),
        Verb("half_open", "Half open",
             "Its connections carry nothing more, and nobody closes them: only Kill worker helps",
             _WORKER, harms=True),
        "offset",
        Verb("skew", "Set clock", "Put its clock so far forward, or back; 0: right",
             _WORKER | {"offset_s": "offset"}),
    ),
))  # fmt: skip

_OFF = Verb("stop_broker", "Broker off, data lost", "SIGKILL; all that it holds is gone",
            harms=True)  # fmt: skip
_BROKER = (
    (
        Verb("stop_broker", "Broker off, data kept", "SIGKILL; its append-only file keeps all",
             harms=True, why_not=_keeps_nothing),
        _OFF,
        Verb("start_broker", "Broker on", "Start the broker again, with what it has kept"),
        Verb("pause_broker", "Pause broker", "SIGSTOP: it answers nothing, and nobody notices"),
        Verb("resume_broker", "Resume broker", "SIGCONT to the broker"),
        Verb("drop_connections", "Drop connections",
             "Cut every connection to the broker at once; all come back", harms=True),
    ),
    (
        "link", "delay",
        Verb("latency", "Set latency", "Have each answer come so much later; 0: none",
             {"delay_s": "delay", "worker": "link"}),
        "bytes",
        Verb("bandwidth", "Set bandwidth", "Let so many bytes a second through; 0: all",
             {"bytes_per_s": "bytes", "worker": "link"}),
    ),
    (
        Verb("flush", "Flush", "FLUSHDB: every message is gone, and nobody notices", harms=True),
        Verb("evict", "Evict", "Memory full under allkeys-lru: every key is evicted", harms=True),
        Verb("fill_memory", "Fill memory", "Memory full under noeviction: every write is refused",
             harms=True),
        Verb("free_memory", "Free memory", "Let the broker take writes again"),
    ),
    (
        "seconds",
        Verb("skip", "Skip", "Age the messages in unacked by these seconds, then sweep",
             {"seconds": "seconds"}),
        Verb("sweep", "Sweep", "Have a client sweep once whose visibility timeout is this",
             {"visibility_timeout_s": "seconds"}),
        Verb("plant_mutex", "Plant mutex",
             "Leave unacked_mutex behind so long: nobody sweeps meanwhile",
             {"expires_s": "seconds"}),
    ),
)  # fmt: skip


def _broker(scenario: Scenario) -> Group:
    """Return the broker's controls; one that keeps a file is emptied before it is killed."""
    first: tuple[str | Verb, ...]
    first, *others = _BROKER
    if scenario.broker.persistence == "aof":
        emptied = replace(_OFF, first="flush")
        first = tuple(emptied if item == _OFF else item for item in first)
    return Group("Broker and links", (first, *others))


_DEPENDENCIES = Group("Dependencies", (
    (
        "dependency", "outage",
        Verb("fail_dependency", "Fail dependency", "Have each call fail at once, so long",
             {"dependency": "dependency", "for_s": "outage"}, harms=True),
        "factor",
        Verb("slow_dependency", "Slow dependency",
             "Calls take so many times as long; 1: as they did",
             {"dependency": "dependency", "factor": "factor"}),
    ),
))  # fmt: skip


def _schedules() -> tuple[Verb, ...]:
    return tuple(
        Verb("schedule", name.replace("-", " ").capitalize(),
             str(make.__doc__).partition("\n")[0], {"name": f"={name}"}, is_now=True)
        for name, make in SCHEDULES.items()
    )  # fmt: skip


def _run() -> Group:
    deploy = Verb("deploy", "Deploy", "SIGTERM each worker in turn, SIGKILL after the grace, a "
                  "new one", {"grace_s": "grace"}, harms=True)  # fmt: skip
    beat = Verb("start_beat", "Second beat", "Start a second beat: every entry is there twice",
                why_not=_no_beat)  # fmt: skip
    save = Verb("save_run", "Save run", "Write the run so far into the folder",
                {"folder": "folder"}, is_now=True)  # fmt: skip
    replay = Verb("replay", "Replay", "Show the folder's run below, to play and scrub",
                  {"folder": "folder"}, is_now=True)  # fmt: skip
    page = Verb("export_page", "Export page", "Write the run so far as one HTML file, the folder's "
                "name, that plays anywhere", {"folder": "folder"}, is_now=True)  # fmt: skip
    return Group("Run", (("grace", deploy, beat, *_schedules()), ("folder", save, replay, page)))


def groups(scenario: Scenario) -> tuple[Group, ...]:
    """Return the panel's controls for a scenario.

    >>> idle = Scenario(name="idle", tasks=[{"name": "hi"}], workers=[{}], horizon_s=9.0)
    >>> [group.title for group in groups(idle)]
    ['Moment', 'Tasks', 'Workers', 'Broker and links', 'Run']
    """
    some = (_DEPENDENCIES,) if scenario.dependencies else ()
    return (_MOMENT, _TASKS, _WORKERS, _broker(scenario), *some, _run())
