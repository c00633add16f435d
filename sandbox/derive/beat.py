"""Beat: the periodic tasks of an app. Source: celery/beat.py, celery/schedules.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from sandbox.derive.names import is_named_after, plain
from sandbox.loads import BeatEntry, Load
from sandbox.notes import Notes
from sandbox.parts import LEAST, MOST
from sandbox.scenario import TaskType

_FIELDS = {"countdown": "countdown_s", "expires": "expires_s", "priority": "priority"}
_LEAST = {"countdown": 0.0, "expires": LEAST, "priority": 0}
_MOST = {"countdown_s": MOST, "expires_s": MOST, "priority": 255}
_MIXED = "entries of this task that differ"
_MINUTE_S, _WEEK_MINUTES = 60.0, 7 * 24 * 60


def beat_entries(
    app: Any, kinds: Mapping[str, TaskType], n_beats: int, notes: Notes
) -> list[BeatEntry]:
    """Return what ``n_beats`` running beats publish; what a scenario cannot hold is noted."""
    schedule = dict(app.conf.beat_schedule or {})
    if schedule and not n_beats:
        what = "no command starts a beat"
        notes.add("beat", what, f"nothing publishes {', '.join(map(str, schedule))}")
    if n_beats > 1 and schedule:
        what = f"{n_beats} commands start a beat, so each entry is published {n_beats} times"
        notes.add("beat", what, "all beats at the same moments")
    found: list[BeatEntry] = []
    for key, entry in schedule.items() if n_beats else ():
        every_s = _every_s(str(key), entry, kinds, notes)
        for _ in range(n_beats if every_s else 0):
            name = plain(str(key), [one.name for one in found], kind="beat", notes=notes)
            kind = kinds[_field(entry, "task")]
            found.append(BeatEntry(name=name, task=kind.name, every_s=every_s or 1.0))
    return found


def with_options(
    app: Any,
    kinds: Mapping[str, TaskType],
    beat: Iterable[BeatEntry],
    loads: Iterable[Load],
    notes: Notes,
) -> dict[str, TaskType]:
    """Return the tasks with the options that beat publishes them with.

    A scenario has them by type, so only where nothing else publishes the type, and all its
    entries alike; else they are noted.
    """
    published = {entry.task for entry in beat}
    others = {name for load in loads for name in (load.task, getattr(load, "body", None))}
    found, seen = dict(kinds), dict[str, dict[str, Any]]()
    schedule = dict(app.conf.beat_schedule or {})
    for entry in schedule.values():
        options = dict(_field(entry, "options") or {})
        alike = seen.setdefault(str(_field(entry, "task")), options) == options
        if not alike:
            seen[str(_field(entry, "task"))] = {_MIXED: True}
    for key, entry in schedule.items():
        task = _field(entry, "task")
        options = dict(_field(entry, "options") or {})
        if not options or task not in kinds or kinds[task].name not in published:
            continue
        own = kinds[task].name in others or _MIXED in seen[task]
        fields = {} if own else _fields(options)
        found[task] = found[task].but(**fields)
        left = {name: value for name, value in options.items() if _FIELDS.get(name) not in fields}
        if left:
            told = ", ".join(f"{name}={value!r}" for name, value in sorted(left.items()))
            notes.add(f"beat.{key}", f"it publishes with {told}", "as any call of its task")
    return found


def _fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a task type that options of a publish are."""
    fields: dict[str, Any] = {}
    for name, field in _FIELDS.items():
        value = options.get(name)
        if isinstance(value, timedelta):
            value = value.total_seconds()
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= _LEAST[name]:
            fields[field] = int(value) if field == "priority" else float(value)
    return {field: value for field, value in fields.items() if value <= _MOST[field]}


def _field(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, Mapping) else getattr(entry, name, None)


def _every_s(key: str, entry: Any, kinds: Mapping[str, TaskType], notes: Notes) -> float | None:
    """Return an entry's period (s), or None, noted, when it has none or publishes nothing known."""
    where, task = f"beat.{key}", _field(entry, "task")
    if task not in kinds:
        notes.add(where, f"its task {task!r} is not one of the app's", "it is left out")
        return None
    schedule = _field(entry, "schedule")
    if _field(entry, "relative") or getattr(schedule, "relative", False):
        notes.add(where, "relative=True rounds its times to the clock", "first after one period")
    return _period_s(where, schedule, notes)


def _period_s(where: str, schedule: Any, notes: Notes) -> float | None:
    every = getattr(schedule, "run_every", schedule)
    seconds = every.total_seconds() if isinstance(every, timedelta) else every
    # A crontab's run_every is None: it has no period but its times of the day.
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        if seconds > 0:
            return float(seconds)
        notes.add(where, f"its period is {seconds} s", "it is left out")
        return None
    if not all(hasattr(schedule, part) for part in ("minute", "hour", "day_of_week")):
        notes.add(where, f"its schedule is {schedule!r}", "it is left out")
        return None
    period_s = _even_s(schedule)
    if period_s is None:
        notes.add(where, f"{schedule!r} has times that are not evenly spaced", "it is left out")
        return None
    notes.add(where, f"{schedule!r} depends on the time of day", f"every {period_s:g} s from t = 0")
    return period_s


def _even_s(crontab: Any) -> float | None:
    """Return the gap between a crontab's times when all gaps of a week are equal (s)."""
    if set(crontab.day_of_month) != set(range(1, 32)) or len(set(crontab.month_of_year)) != 12:
        return None
    times = list(_minutes(crontab))
    if not times:
        return None
    ends = [*times[1:], times[0] + _WEEK_MINUTES]
    gaps = {end - begin for begin, end in zip(times, ends, strict=True)}
    return gaps.pop() * _MINUTE_S if len(gaps) == 1 else None


def _minutes(crontab: Any) -> Iterator[int]:
    """Yield the minutes of a week at which it is due."""
    for day in sorted(crontab.day_of_week):
        for hour in sorted(crontab.hour):
            for minute in sorted(crontab.minute):
                yield (day * 24 + hour) * 60 + minute


def entry_of(app: Any, entry: BeatEntry) -> dict[str, Any]:
    """Return what the app's own beat_schedule says of a scenario's entry; nothing if it has none.

    >>> from types import SimpleNamespace
    >>> own = {"task": "ping", "schedule": 4.0, "options": {"expires": 2}}
    >>> app = SimpleNamespace(conf=SimpleNamespace(beat_schedule={"each 4 s": own}))
    >>> entry_of(app, BeatEntry(name="each_4_s", task="ping", every_s=4.0))["options"]
    {'expires': 2}
    """
    found: dict[str, Any] = {}
    for key, own in dict(app.conf.beat_schedule or {}).items():
        name = plain(str(key), kind="beat", notes=Notes())
        if _field(own, "task") == entry.task and is_named_after(name, entry.name):
            found = {part: _field(own, part) for part in ("args", "kwargs", "options")}
            if entry.name == name:
                break
    return found
