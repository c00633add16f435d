"""A payroll whose tasks write into a real SQLite file: who is paid how often, by which statements.

A task works out an employee's bonus, which takes a while, and pays it: one SQL statement, of the
learner's own. Real workers execute it in the run's folder. For a run of the model the statements
are executed here, in the order in which its executions began and ended.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.draws import Deterministic
from sandbox.errors import LabError, one_of, shown
from sandbox.faults import At
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.skip import Skip
from sandbox.labs.checks import NotYet, is_open
from sandbox.labs.kernel import unless_open
from sandbox.loads import Burst
from sandbox.run import Run
from sandbox.scenario import Broker, Scenario, TaskType, WorkerPool

if TYPE_CHECKING:
    import pandas as pd

TABLE = "CREATE TABLE payments (task TEXT, employee TEXT, euros INTEGER)"
PAYS = "INSERT INTO payments VALUES (:task, :employee, :euros)"
LOOKS = "SELECT * FROM payments WHERE employee = :employee"
EMPLOYEES = ("anna", "ben", "carl")
EUROS = 100
WORK_S = 1.9
TIMEOUT_S = 1.2
_ADDS = "INSERT INTO payments (task, employee, euros) VALUES (:task, :employee, :euros)"
_FILE = "payments.sqlite"
_RUNS = Path("runs")
_STATEMENTS = ("table", "pays", "looks")
_FLAGS = ("acks_late", "deduplicate", "twice", "killed")
_APPS = {(True, False): "late", (False, False): "early", (True, True): "deduplicating"}
_SQL_ERRORS = (sqlite3.Error, sqlite3.Warning)


@dataclass(frozen=True)
class Books:
    """The statements of a payroll: its table, how it pays, and how it looks first, if it does.

    >>> books = Books(TABLE, PAYS)
    >>> with closing(books.opened(":memory:")) as base:
    ...     books.pay(base, "pay/3")
    ...     base.execute("SELECT * FROM payments").fetchall()
    [('pay/3', 'anna', 100)]
    """

    table: str
    pays: str
    looks: str | None = None

    def opened(self, path: str | Path) -> sqlite3.Connection:
        """Return a connection to the database, its table made if it is not there yet."""
        base = sqlite3.connect(path, timeout=30.0, isolation_level=None)
        base.execute("BEGIN IMMEDIATE")  # two processes may come at once
        found = base.execute("SELECT 1 FROM sqlite_master WHERE name = 'payments'").fetchone()
        if found is None:
            base.execute(self.table)
        base.execute("COMMIT")
        return base

    def is_paid(self, base: sqlite3.Connection, task: str) -> bool:
        """Look whether a task's employee has been paid; one that does not look finds nothing."""
        return (
            self.looks is not None and base.execute(self.looks, order(task)).fetchone() is not None
        )

    def pay(self, base: sqlite3.Connection, task: str) -> None:
        """Pay a task's employee."""
        base.execute(self.pays, order(task))

    def problem(self) -> str | None:
        """Return why these statements do not work: a sentence, or None."""
        for name, statement in asdict(self).items():
            if not isinstance(statement, str | None):
                return f"{name} is {shown(statement)}; allowed: a statement of SQL, in quotes"
        try:
            with closing(self.opened(":memory:")) as base:
                self.is_paid(base, "pay/0")
                self.pay(base, "pay/0")
                if base.execute("SELECT euros FROM payments").fetchall() != [(EUROS,)]:
                    return "one payment leaves no row of 100 euros in payments"
        except _SQL_ERRORS as exc:
            return f"SQLite says of these statements: {exc}"
        return None

    @property
    def is_unique(self) -> bool:
        """Whether the table itself refuses a second row that is like the first."""
        with closing(self.opened(":memory:")) as base:
            try:
                base.execute(_ADDS, order("pay/0"))
                base.execute(_ADDS, order("pay/0"))
            except _SQL_ERRORS as exc:
                return isinstance(exc, sqlite3.IntegrityError)
        return False


def order(task: str) -> dict[str, Any]:
    """Return what a statement may name of a task: its id, its employee, the euros.

    >>> order("pay/4")
    {'task': 'pay/4', 'employee': 'ben', 'euros': 100}
    """
    n = int(task.rpartition("/")[2])
    return {"task": task, "employee": EMPLOYEES[n % len(EMPLOYEES)], "euros": EUROS}


def scenario(name: str, **settings: Any) -> Any:
    """Return a payroll by its name: three employees, a task each, one healthy worker.

    Statements: ``table``, ``pays``, and ``looks``, which is executed when a task begins. Settings:
    ``acks_late`` (True), ``deduplicate`` (worker_deduplicate_successful_tasks, False), ``twice``
    (each employee is sent twice, False), ``killed`` (the worker is killed at work, False).
    """
    if any(is_open(value) and value is not None for value in settings.values()):
        return NotYet()
    for setting, value in settings.items():
        if setting not in {*_STATEMENTS, *_FLAGS}:
            allowed = one_of(setting, [*_STATEMENTS, *_FLAGS])
            raise LabError(f"{setting} is no setting of a payroll; allowed: {allowed}")
        if setting in _FLAGS and not isinstance(value, bool):
            raise LabError(f"{setting} is {shown(value)}; allowed: True or False")
    return _scenario(name, **settings)


def _scenario(  # noqa: PLR0913 - all but the name have defaults
    name: str,
    *,
    table: str = TABLE,
    pays: str = PAYS,
    looks: str | None = None,
    acks_late: bool = True,
    deduplicate: bool = False,
    twice: bool = False,
    killed: bool = False,
) -> Scenario:
    books = Books(table, pays, looks)
    problem = books.problem()
    if problem is not None:
        raise LabError(problem)
    app = _APPS.get((acks_late, deduplicate))
    if app is None:
        raise LabError("deduplicate has no meaning without acks_late; allowed: both, or neither")
    n = len(EMPLOYEES) * (2 if twice else 1)
    found = Scenario(
        name=name,
        tasks=(TaskType(name="pay", service=Deterministic(value_s=WORK_S), acks_late=acks_late),),
        workers=(WorkerPool(concurrency=6),),
        loads=(Burst(task="pay", n=n),),
        faults=_KILL if killed else (),
        broker=Broker() if killed else _IMPATIENT,
        app=f"sandbox.labs.payroll_app:{app}",
        horizon_s=6.0,
        deadline_s=12.0,
    )
    _RUNS.mkdir(exist_ok=True, mode=0o700)
    _stated(_RUNS, name).write_text(json.dumps(asdict(books)), encoding="utf-8")
    return found


_IMPATIENT = Broker(
    visibility_timeout_s=TIMEOUT_S, unacked_restore_interval_s=0.1, unacked_restore_throttle=1
)
"""Its timeout is shorter than the work: what runs is taken for lost, and comes again."""
_KILL = (
    KillWorker(worker="worker1", when=At(at_s=1.0), back_after_s=0.5),
    Skip(seconds=3600.0, when=At(at_s=4.0)),
)


def _stated(runs: Path, name: str) -> Path:
    return runs / f"payroll-{name}.json"


def books_of(runs: Path, name: str) -> Books:
    """Return the statements of the payroll that was made by this name; LabError for none."""
    try:
        return Books(**json.loads(_stated(runs, name).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise LabError(f"{name!r} is no payroll; make it with payroll.scenario(…)") from None


def books(run: Run) -> Books:
    """Return the statements of a run."""
    return books_of(_RUNS, run.scenario.name)


def in_folder(folder: Path) -> tuple[Books, Path]:
    """Return the statements and the database of the run that real workers make in ``folder``."""
    name = json.loads((folder / "scenario.json").read_text(encoding="utf-8"))["name"]
    return books_of(folder.parent, name), folder / _FILE


def two_sessions(table: str = TABLE) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Return two connections to one new, empty database, to interleave statements by hand.

    >>> a, b = two_sessions()
    >>> _ = a.execute(PAYS, order("pay/0"))
    >>> b.execute("SELECT employee FROM payments").fetchall()
    [('anna',)]
    """
    where = f"file:two-{time.monotonic_ns()}?mode=memory&cache=shared"
    a, b = (sqlite3.connect(where, uri=True, isolation_level=None) for _ in "ab")
    a.execute(table)
    return a, b


# --- what was paid -------------------------------------------------------------------------


@dataclass(frozen=True)
class Paid:
    """The rows of a payroll: task, employee, euros; and how many payments the table refused."""

    rows: tuple[tuple[str, str, int], ...]
    n_refused: int = 0


def paid(run: Run) -> Paid:
    """Return what a run has paid: of real workers from their file, of the model by doing it."""
    if run.info.get("engine") != "live":
        return _replayed(run)
    n_refused = len(run.of_kind("failed"))
    path = _folder_of(run) / _FILE
    if not path.exists():
        return Paid((), n_refused)
    with closing(sqlite3.connect(path)) as base:
        return Paid(_rows(base), n_refused)


def _replayed(run: Run) -> Paid:
    """Do on a database in memory what the bodies of a run would have done, each at its time."""
    own = books(run)
    seen: dict[tuple[str, str | None, int | None], bool] = {}
    n_refused = 0
    with closing(own.opened(":memory:")) as base:
        for event in run.of_kind("started", "succeeded"):
            task, key = event.task or "", (event.task or "", event.worker, event.slot)
            if event.kind == "started":
                seen[key] = own.is_paid(base, task)
            elif not seen[key]:
                try:
                    own.pay(base, task)
                except sqlite3.IntegrityError:
                    n_refused += 1
        return Paid(_rows(base), n_refused)


def _rows(base: sqlite3.Connection) -> tuple[tuple[str, str, int], ...]:
    found: Iterable[tuple[str, str, int]] = base.execute(
        "SELECT task, employee, euros FROM payments ORDER BY employee, task"
    )
    return tuple(found)


def _folder_of(run: Run) -> Path:
    """Return where a run of real workers is kept: the folder whose record ends as it does."""
    for folder in sorted(_RUNS.glob(f"{run.scenario.name}-*"), reverse=True):
        record = folder / "events.jsonl"
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        if lines and json.loads(lines[-1])["t_s"] == run.events[-1].t_s:
            return folder
    raise LabError(f"the folder of this run of {run.scenario.name!r} is not in {_RUNS}")


def euros(run: Run | NotYet) -> Any:
    """Return how many euros a run has paid in all."""
    return unless_open(lambda one: sum(row[2] for row in paid(one).rows), run)


def by_employee(run: Run) -> dict[str, int]:
    """Return how many euros each employee got, nothing included."""
    found = dict.fromkeys(EMPLOYEES, 0)
    for _, employee, paid_euros in paid(run).rows:
        found[employee] = found.get(employee, 0) + paid_euros
    return found


def payments(run: Run | NotYet) -> Any:
    """Return the rows of the database, as a table."""
    return unless_open(_payments, run)


def _payments(run: Run) -> pd.DataFrame:
    import pandas as pd

    rows = [(employee, task, euros) for task, employee, euros in paid(run).rows]
    return pd.DataFrame(rows, columns=["employee", "task", "euros"]).set_index("employee")
