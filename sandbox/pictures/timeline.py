"""Timeline: which process ran which attempt when, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.journeys import Attempt
from sandbox.pictures.marks import absences, end_s, marks
from sandbox.pictures.trouble import drawable, trouble
from sandbox.run import Run
from sandbox.schedule import BY_HAND
from sandbox.slots import slot_name
from sandbox.tasks import SUBTASKS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from sandbox.pictures.figure import Picture


class Style(NamedTuple):
    """How an outcome is drawn: Okabe and Ito's colours, and a hatch for who sees none."""

    colour: str
    hatch: str
    alpha: float = 1.0


STYLES = {
    "succeeded": Style("#009e73", ""),
    "retried": Style("#cc79a7", "//"),
    "failed": Style("#d55e00", "xx"),
    "killed": Style("#e69f00", "\\\\"),
    "running": Style("#56b4e9", ".."),
}
_COLUMNS = ("succeeded", "retried", "failed", "killed", "revoked", "running", "not started")
_FADED = 0.2
_MOST_BARS = 1500
_MOST_ROWS = 40
_BINS = 240
_WIDTH = 10.5
_PLOT_CHARS = 150  # characters of a label's size that fit into the width of the plot


def _outcome(attempt: Attempt) -> str:
    if attempt.outcome is not None:
        return attempt.outcome
    return "not started" if attempt.started_s is None else "running"


def timeline_table(run: Run) -> pd.DataFrame:
    """Return how many attempts each worker made, by what came of them, and all of them."""
    import pandas as pd

    run = drawable(run)
    found = {name: Counter[str]() for name in _workers(run)}
    for attempt in run.fold.attempts:
        found[attempt.worker][_outcome(attempt)] += 1
    found["all"] = sum(found.values(), Counter[str]())
    rows = [[sum(n.values()), *(n[column] for column in _COLUMNS)] for n in found.values()]
    index = pd.Index(list(found), name="worker")
    return pd.DataFrame(rows, columns=["attempts", *_COLUMNS], index=index)


def _workers(run: Run) -> list[str]:
    """Return the workers of the scenario, then any other that the events name."""
    named = [*run.scenario.worker_names, *(a.worker for a in run.fold.attempts)]
    return list(dict.fromkeys(named))


def timeline(run: Run) -> Picture:
    """Draw a bar an attempt, on a row a process; a run of many attempts by share of time."""
    from sandbox.pictures import figure

    said, run = trouble(run), drawable(run)
    picture = figure.Picture(_alt(run), _WIDTH, 1.6 + 0.3 * max(2, n_rows(run)))
    title = (
        "Busy processes of each worker" if _by_share(run) else "Attempts on each worker's processes"
    )
    figure.key(picture, draw(picture.subplots(), run, title, end_s(run)))
    figure.tell(picture, said)
    return picture


def draw(
    axes: Axes, run: Run, title: str, end: float, lit: Collection[str] | None = None
) -> list[Any]:
    """Draw a run on axes that end at ``end`` (s), all but ``lit`` tasks faded; return its key."""
    from sandbox.pictures import figure

    ran, found = _ran(run), marks(run)
    if _by_share(run):
        _draw_shares(axes, run, ran)
    else:
        _draw_bars(axes, run, ran, end, lit)
    figure.plain(axes, title)
    axes.set_xlim(0, end * 1.01)
    figure.draw_marks(axes, found)
    figure.name_marks(axes, found, end)
    if not ran:
        figure.nothing(axes)
    return list(_handles(ran, down=bool(absences(run))))


def n_rows(run: Run) -> int:
    """Return how many rows a run takes: one a process, or two a worker when drawn by share."""
    return len(_workers(run)) * 2 if _by_share(run) else len(_rows(run))


def _ran(run: Run) -> list[Attempt]:
    return [attempt for attempt in run.fold.attempts if attempt.started_s is not None]


def _by_share(run: Run) -> bool:
    return len(_ran(run)) > _MOST_BARS or len(_rows(run)) > _MOST_ROWS


def _alt(run: Run) -> str:
    counts = Counter(_outcome(attempt) for attempt in run.fold.attempts)
    told = ", ".join(f"{counts[name]} {name}" for name in _COLUMNS if counts[name])
    return f"attempts of {run.scenario.name}: {told or 'none'}"


def _rows(run: Run) -> dict[tuple[str, int], int]:
    """Return the row of each process, counted from the top."""
    most = dict.fromkeys(_workers(run), 0)
    for name in run.scenario.worker_names:
        pool = run.scenario.pool_of(name)
        most[name] = pool.concurrency if pool else 0
    for attempt in run.fold.attempts:
        most[attempt.worker] = max(most[attempt.worker], (attempt.slot or 0) + 1)
    places = [(name, slot) for name, n in most.items() for slot in range(n)]
    return {place: row for row, place in enumerate(places)}


# --- a bar an attempt --------------------------------------------------------------------


def _draw_bars(
    axes: Axes, run: Run, ran: list[Attempt], end: float, lit: Collection[str] | None
) -> None:
    rows = _rows(run)
    for name, style in STYLES.items():
        for attempt in (a for a in ran if _outcome(a) == name):
            faded = lit is not None and attempt.task not in lit
            row = rows[attempt.worker, attempt.slot or 0]
            _draw_bar(axes, attempt, row, style._replace(alpha=_FADED) if faded else style, end)
    for gone in absences(run):
        of_worker = [row for (worker, _), row in rows.items() if worker == gone.worker]
        _draw_absence(axes, gone.from_s, gone.to_s, min(of_worker) - 0.5, max(of_worker) + 0.5)
    labels = [f"{worker} · {slot_name(slot)}" for worker, slot in rows]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(rows) - 0.4, -0.6)


def _draw_bar(axes: Axes, attempt: Attempt, row: int, style: Style, end: float) -> None:
    begin = attempt.started_s or 0.0
    stop = end if attempt.ended_s is None else attempt.ended_s
    again = (attempt.execution or 1) > 1
    axes.broken_barh(
        [(begin, max(stop - begin, end / 2000))], (row - 0.38, 0.76), facecolor=style.colour,
        hatch=style.hatch, edgecolor="#1a1a1a", linewidth=1.6 if again else 0.5, zorder=2,
        alpha=style.alpha,
    )  # fmt: skip
    if attempt.outcome == "killed":
        axes.plot(stop, row, marker="X", color="#1a1a1a", markersize=8, zorder=5, clip_on=False)
    label = _label(attempt)
    if style.alpha > _FADED and (stop - begin) / end * _PLOT_CHARS > len(label) + 1:
        box = {"facecolor": style.colour, "edgecolor": "none", "pad": 0.6} if style.hatch else None
        axes.text(begin + end * 0.004, row, label, va="center", fontsize=7.5, color="black",
                  zorder=3, bbox=box, clip_on=True)  # fmt: skip


def _label(attempt: Attempt) -> str:
    """Return the short name of a task, with the number of its execution when not the first.

    A subtask is that ``of`` its parent's number, whose type the picture does not tell.
    """
    kind, _, number = attempt.task.rpartition("/")
    n = int(number) if number.isdigit() else 0
    short = number
    if n >= SUBTASKS:
        short = f"of {n % SUBTASKS}"
    elif n >= BY_HAND:
        short = f"hand {n - BY_HAND}"
    many = f" ×{attempt.execution}" if (attempt.execution or 1) > 1 else ""
    return f"{kind.rpartition('.')[2][:12]} {short}{many}"


def _draw_absence(axes: Axes, begin: float, stop: float, top: float, bottom: float) -> None:
    axes.fill_between([begin, stop], top, bottom, facecolor="#f0f0f0", hatch="xx",
                      edgecolor="#c4c4c4", linewidth=0, zorder=0)  # fmt: skip
    axes.text((begin + stop) / 2, (top + bottom) / 2, "down", ha="center", va="center", fontsize=9,
              color="#1a1a1a", zorder=1, clip_on=True,
              bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0})  # fmt: skip


# --- a share of time ---------------------------------------------------------------------


def _draw_shares(axes: Axes, run: Run, ran: list[Attempt]) -> None:
    """Stack, for each worker, the share of its processes that each outcome kept busy."""
    import numpy as np

    edges = np.linspace(0.0, end_s(run), _BINS + 1)
    workers = _workers(run)
    for row, worker in enumerate(workers):
        own = [attempt for attempt in ran if attempt.worker == worker]
        pool = run.scenario.pool_of(worker)
        base = np.full(_BINS, float(row))
        for name, style in STYLES.items():
            busy = _busy(edges, [a for a in own if _outcome(a) == name])
            top = base - 0.8 * busy / (pool.concurrency if pool else 1)
            if busy.any():
                axes.fill_between(edges[:-1], base, top, step="post", facecolor=style.colour,
                                  hatch=style.hatch, edgecolor="#1a1a1a", linewidth=0)  # fmt: skip
            base = top
        for gone in absences(run):
            if gone.worker == worker:
                _draw_absence(axes, gone.from_s, gone.to_s, row - 0.8, float(row))
        axes.axhline(row, color="#1a1a1a", linewidth=0.5)
    axes.set_yticks([row - 0.4 for row in range(len(workers))], workers)
    axes.set_ylim(len(workers) - 0.9, -0.9)


def _busy(edges: Any, attempts: list[Attempt]) -> Any:
    """Return the mean number of these attempts under way in each bin."""
    import numpy as np

    begin = np.array([a.started_s for a in attempts], dtype=float)
    stop = np.array([edges[-1] if a.ended_s is None else a.ended_s for a in attempts], dtype=float)
    # The integral of "under way" up to each edge; its differences are the bins' busy seconds.
    upto = np.array([(np.minimum(stop, e) - np.minimum(begin, e)).sum() for e in edges])
    return np.diff(upto) / max(edges[1] - edges[0], 1e-9)


def _handles(ran: list[Attempt], *, down: bool) -> Iterator[Any]:
    from matplotlib.patches import Patch

    present = {_outcome(attempt) for attempt in ran}
    for name, style in STYLES.items():
        if name in present:
            yield Patch(facecolor=style.colour, hatch=style.hatch, edgecolor="#1a1a1a", label=name)
    if any((a.execution or 1) > 1 for a in ran):
        yield Patch(facecolor="white", edgecolor="#1a1a1a", linewidth=1.8, label="×2: ran again")
    if down:
        yield Patch(facecolor="#f0f0f0", hatch="xx", edgecolor="#c4c4c4", label="worker down")
