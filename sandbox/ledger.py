"""The ledger: what the bodies of a run's tasks have really done, whoever believes what of them.

Each execution that comes to its body's end applies one effect: a row. One row of each task is
*effective*, which a unique constraint sees to; any further one is a duplicate that the
constraint has prevented. Nothing here comes from the broker, or from Celery's own events.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.errors import RunError, shown

if TYPE_CHECKING:
    import sqlite3

FILE = "ledger.sqlite"
_LONGEST = 300
_MOST = 2**53
_TABLES = """
CREATE TABLE effects (
    number INTEGER PRIMARY KEY, task TEXT NOT NULL, t_s REAL NOT NULL, worker TEXT NOT NULL,
    pid INTEGER NOT NULL, tag TEXT NOT NULL, retry INTEGER NOT NULL, effective INTEGER NOT NULL);
CREATE UNIQUE INDEX one_effective ON effects (task) WHERE effective = 1;
CREATE TABLE kept (type TEXT PRIMARY KEY);
"""
_READ = "SELECT task, t_s, worker, pid, tag, retry, effective FROM effects ORDER BY number"


class Effect(NamedTuple):
    """One effect of one execution, applied at the end of the task's body.

    ``t_s``: seconds after all workers were ready; ``tag`` and ``retry`` are the message's;
    ``pid`` is 0 in the model. ``effective``: it is the one of its task that counts.

    >>> Effect("resize/7", 0.25, "worker1").effective
    True
    """

    task: str
    t_s: float
    worker: str
    pid: int = 0
    tag: str = ""
    retry: int = 0
    effective: bool = True


def first_effective(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """Return effects in the order of their times, of each task the first one effective.

    >>> twice = [Effect("hi/0", 2.0, "w1"), Effect("hi/0", 1.0, "w2")]
    >>> [(effect.worker, effect.effective) for effect in first_effective(twice)]
    [('w2', True), ('w1', False)]
    """
    seen: set[str] = set()
    found = []
    for effect in sorted(effects, key=lambda effect: effect.t_s):
        found.append(effect._replace(effective=effect.task not in seen))
        seen.add(effect.task)
    return tuple(found)


@dataclass(frozen=True)
class Ledger:
    """The effects of a run, in order. ``kept``: the task types whose bodies write here.

    ``kept`` None: those of all types do. Of any other type the ledger says nothing.

    >>> book = Ledger((Effect("hi/0", 0.5, "w1"),))
    >>> len(book.of("hi/0")), len(book.of("hi/1")), book.covers("hi/1")
    (1, 0, True)
    """

    effects: tuple[Effect, ...]
    kept: frozenset[str] | None = None

    @cached_property
    def _by_task(self) -> Mapping[str, tuple[Effect, ...]]:
        found: dict[str, list[Effect]] = {}
        for effect in self.effects:
            found.setdefault(effect.task, []).append(effect)
        return {task: tuple(effects) for task, effects in found.items()}

    @property
    def tasks(self) -> Iterable[str]:
        """The tasks with an effect, in the order of their first ones."""
        return self._by_task.keys()

    def of(self, task: str) -> tuple[Effect, ...]:
        """Return the effects of one task, in order."""
        return self._by_task.get(task, ())

    def covers(self, task: str) -> bool:
        """Whether an effect of this task would be in here."""
        return self.kept is None or task.rpartition("/")[0] in self.kept

    def save(self, path: str | Path) -> None:
        """Write the ledger as an SQLite file, under its name when it is whole."""
        import sqlite3

        part = Path(path).with_suffix(".part")
        part.unlink(missing_ok=True)
        with closing(sqlite3.connect(part)) as base:
            base.executescript(_TABLES)
            base.executemany(
                "INSERT INTO effects (task, t_s, worker, pid, tag, retry, effective) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                self.effects,
            )
            # `*` is no name that a task type can have: every type is kept.
            kept = ["*"] if self.kept is None else sorted(self.kept)
            base.executemany("INSERT INTO kept (type) VALUES (?)", [(name,) for name in kept])
            base.commit()
        part.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> Ledger:
        """Read what ``save`` wrote; RunError for a file that is no ledger."""
        import sqlite3

        where = f"{Path(path).absolute().as_uri()}?mode=ro"
        try:
            # Read only, and no code from the file: it may be anybody's.
            with closing(sqlite3.connect(where, uri=True)) as base:
                base.execute("PRAGMA trusted_schema = OFF")
                if not all(_is_table(base, name) for name in ("effects", "kept")):
                    raise RunError(f"{path} is not a ledger: it lacks a table of ours")
                effects = tuple(_effect(row, path) for row in base.execute(_READ))
                kept = frozenset(str(name) for (name,) in base.execute("SELECT type FROM kept"))
        except (sqlite3.Error, UnicodeError) as exc:
            raise RunError(f"{path} is not a ledger: {exc}") from None
        return cls(effects, None if "*" in kept else kept)


def _is_table(base: sqlite3.Connection, name: str) -> bool:
    """Whether there is a plain table of a name: a view could be without an end."""
    found = base.execute("SELECT sql FROM sqlite_master WHERE name = ? AND type = 'table'", (name,))
    return any(str(sql).startswith("CREATE TABLE") for (sql,) in found)


MakeLedger = Callable[[Iterable[Any]], Ledger]
"""Makes the ledger of a run out of its events: the model's, when it is first read."""


def _is_line(value: Any) -> bool:
    """Whether it is text that fits on a line; the empty text is."""
    return isinstance(value, str) and len(value) <= _LONGEST and value.isprintable()


_SHAPE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("task", lambda x: x != "" and _is_line(x), f"one line of up to {_LONGEST} characters"),
    ("t_s", lambda x: isinstance(x, int | float) and -_MOST < x < _MOST, "a time in seconds"),
    ("worker", _is_line, f"one line of up to {_LONGEST} characters"),
    ("pid", lambda x: isinstance(x, int) and 0 <= x < _MOST, "a number of a process"),
    ("tag", _is_line, f"one line of up to {_LONGEST} characters"),
    ("retry", lambda x: isinstance(x, int) and 0 <= x < _MOST, "a count"),
    ("effective", lambda x: x in (0, 1), "0 or 1"),
)


def _effect(row: tuple[Any, ...], path: str | Path) -> Effect:
    for value, (name, fits, allowed) in zip(row, _SHAPE, strict=True):
        if not fits(value) or (isinstance(value, float) and math.isnan(value)):
            raise RunError(f"{path}: {name} is {shown(value)}; allowed: {allowed}")
    task, t_s, worker, pid, tag, retry, effective = row
    return Effect(task, float(t_s), worker, pid, tag, retry, bool(effective))
