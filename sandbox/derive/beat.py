"""Beat: the periodic tasks of an app. Source: celery/beat.py, celery/schedules.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from sandbox.derive.names import plain
from sandbox.loads import BeatEntry
from sandbox.notes import Notes
from sandbox.scenario import TaskType

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


def _field(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, Mapping) else getattr(entry, name, None)


def _every_s(key: str, entry: Any, kinds: Mapping[str, TaskType], notes: Notes) -> float | None:
    """Return an entry's period (s), or None, noted, when it has none or publishes nothing known."""
    where, task = f"beat.{key}", _field(entry, "task")
    if task not in kinds:
        notes.add(where, f"its task {task!r} is not one of the app's", "it is left out")
        return None
    options = dict(_field(entry, "options") or {})
    if options:
        told = ", ".join(f"{name}={value!r}" for name, value in sorted(options.items()))
        notes.add(where, f"it publishes with {told}", "as any call of its task")
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
