"""An open lab: what a notebook's cells say to it, and what it answers. It never raises for a stub.

One kernel has one open lab. What runs in its cells is the workbench, told of values that nobody
has filled in yet: they give a sentence, not a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sandbox.audit import audit
from sandbox.engines.live.allowed import check_faults
from sandbox.engines.live.broker import choose
from sandbox.errors import LabError, SandboxError, ScenarioError, one_line, one_of
from sandbox.labs import lesson as lessons
from sandbox.labs.checks import Answer, NotYet, answer, is_open
from sandbox.labs.guesses import Guess, guessed
from sandbox.labs.lesson import N_HINTS, Lesson
from sandbox.labs.progress import Progress
from sandbox.labs.room import noted
from sandbox.metrics import measure
from sandbox.run import Run
from sandbox.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd


class Open:
    """A lab in this kernel, with the learner's folder."""

    def __init__(self, lesson: Lesson, folder: Path) -> None:
        self.lesson, self.progress = lesson, Progress(folder)

    def __repr__(self) -> str:
        lab = self.lesson.lab
        return f"Lab {self.lesson.number}: {lab.title} ({lab.minutes} minutes)"

    def check(self, name: str, *given: Any) -> Answer:
        """Hold what was made against a check of this lab, and note the answer."""
        one = self.lesson.checks.get(name)
        if one is None:
            raise LabError(
                f"lab {self.lesson.number} has no check {name!r}; "
                f"allowed: {one_of(name, list(self.lesson.checks))}"
            )
        found = answer(one, given, self._next_hint)
        self.progress.note(self.lesson.number, "checks", name, found.status)
        noted(self.lesson.number, _n_right(self._done), len(self.lesson.checks))
        for tell in listeners:
            tell(found)
        return found

    def hint(self, n: int) -> str:
        """Return the nth of three hints, of rising help."""
        if n not in range(1, N_HINTS + 1):
            raise LabError(f"there is no hint {n!r}; allowed: 1 to {N_HINTS}")
        self.progress.note(self.lesson.number, "hints", str(n), True)
        return self.lesson.lab.hints[n - 1]

    def guess(self, question: str, number: object) -> Guess:
        """Keep a number that was written down before anything ran."""
        found = guessed(question, number)
        if found.number is not None:
            self.progress.note(self.lesson.number, "guesses", question, found.number)
        return found

    def done(self) -> pd.DataFrame:
        """Return what is right in this folder, a row each lab that was begun."""
        import pandas as pd

        kept = self.progress.read()
        rows = [
            [
                one.lab.title,
                _n_right(kept[number]),
                len(one.checks),
                len(_of(kept, number, "hints")),
            ]
            for number, one in lessons.all_lessons().items()
            if number in kept
        ]
        columns = ["title", "checks right", "of", "hints seen"]
        index = [number for number in lessons.all_lessons() if number in kept]
        return pd.DataFrame(rows, columns=columns, index=pd.Index(index, name="lab"))

    def reset(self) -> str:
        """Forget what was done of this lab in this folder."""
        self.progress.forget(self.lesson.number)
        return f"lab {self.lesson.number} is as new: run its cells from the first one"

    @property
    def _done(self) -> dict[str, Any]:
        return self.progress.of(self.lesson.number)

    def _next_hint(self) -> str:
        seen = self._done.get("hints", {})
        n = next((i for i in range(1, N_HINTS + 1) if str(i) not in seen), N_HINTS)
        return f"lab.hint({n})"


def _of(kept: dict[str, Any], number: str, section: str) -> dict[str, Any]:
    found: dict[str, Any] = kept[number].get(section, {})
    return found


def _n_right(of_lab: dict[str, Any]) -> int:
    return sum(status == "right" for status in of_lab.get("checks", {}).values())


_open: list[Open] = []
listeners: list[Callable[[Answer], None]] = []
"""Who is told each answer besides the learner: who grades."""


def lesson(number: str) -> Open:
    """Open a lab in this kernel; what is done is kept in the working folder.

    From then on an error is a sentence below its cell, not a traceback.
    """
    tell_in_sentences()
    _open[:] = [Open(lessons.get(number), Path())]
    return _open[0]


def tell_in_sentences() -> None:
    """Have this kernel, if it is one, tell errors in a sentence; ``startup`` does it earlier."""
    shell = _shell()
    if shell is not None:
        shell.set_custom_exc((Exception, KeyboardInterrupt), _told)


def _shell() -> Any:
    """Return the IPython that runs this, if there is one."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _told(*given: Any, **_: Any) -> None:
    """Tell an error in IPython's stead, which gives itself, the error's type, the error, its trace.

    A name that is not set is mostly one that a cell further up should have set, and failed.
    """
    found, trace = given[2], given[3]
    if isinstance(found, NameError):
        told = f"{found}: {_where_set(found)}"
    elif isinstance(found, KeyboardInterrupt):
        told = "interrupted: what ran in this cell is ended; run it again, or lab.reset()"
    elif isinstance(found, SandboxError):
        told = str(found)
    else:
        told = one_line(f"{type(found).__name__}: {found}{_line_of(trace)}")
    sys.stderr.write(f"{told}\n")


def _where_set(found: NameError) -> str:
    if found.name == "lab":
        return "run the notebook's first cells, from the top; lab.lesson(…) is one of them"
    return "see the cell above that sets it"


def _line_of(trace: TracebackType | None) -> str:
    """Return which line of the cell an error is from, as the end of a sentence."""
    lines = [n for frame, n in walk_tb(trace) if "ipykernel" in frame.f_code.co_filename]
    return f" (line {lines[0]} of this cell)" if lines else ""


def current() -> Open:
    """Return the open lab; LabError when there is none."""
    if not _open:
        raise LabError("no lab is open: run the notebook's first cell, lab.lesson(…)")
    return _open[0]


def check(name: str, *given: Any) -> Answer:
    """Hold what was made against a check of the open lab."""
    return current().check(name, *given)


def hint(n: int) -> Text:
    """Show the nth of the open lab's three hints, of rising help."""
    return Text(current().hint(n))


class Text(str):
    """A text that a cell shows as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def unless_open(make: Callable[..., Any], *given: Any) -> Any:
    """Return ``make(*given)``, or ``NotYet`` while one of them is a stub's."""
    return NotYet() if any(is_open(value) for value in given) else make(*given)


def scenario_of(value: object) -> Scenario:
    """Return a scenario as it is; LabError for what is none, and so cannot be run."""
    if not isinstance(value, Scenario):
        raise LabError(f"what is to be run is a {type(value).__name__}; allowed: a Scenario")
    return value


def broker_for(scenario: Scenario, broker: str) -> str:
    """Return the broker to run a scenario on: the one asked for, if it is fit for it.

    What would stop, empty or fill a workshop's shared Redis, or needs its files, runs on one of
    the learner's own instead.

    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> broker_for(one, "redis://host:6379/0")
    'redis://host:6379/0'
    >>> flush = {"kind": "flush", "when": {"on": "time", "at_s": 0.5}}
    >>> broker_for(one.but(faults=[flush]), "redis://host:6379/0")
    'auto'
    """
    if "://" not in broker:
        return broker
    try:
        check_faults(scenario, choose(broker))
    except ScenarioError:
        return "auto"
    return broker if scenario.broker.persistence == "none" else "auto"


def number(metric: str, run: Run) -> Any:
    """Return one metric of a run."""
    return unless_open(lambda one: measure(one).value(metric), run)


def counts(run: Run) -> Any:
    """Return how many tasks have which verdict in a run, as a table."""
    return unless_open(_counts, run)


def _counts(run: Run) -> pd.DataFrame:
    import pandas as pd

    found = {name: n for name, n in audit(run).counts().items() if n}
    return pd.DataFrame({"tasks": found.values()}, index=pd.Index(found, name="verdict"))
