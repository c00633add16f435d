"""Board: a still of where every message stands at one moment, and the table beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox.pictures.cards import INDENT, Box, Cards, Mark
from sandbox.pictures.standing import Post, Standing, standing
from sandbox.run import Run
from sandbox.schedule import BY_HAND
from sandbox.tasks import SUBTASKS

if TYPE_CHECKING:
    import pandas as pd

    from sandbox.pictures.figure import Picture

_WIDTH = 105.0  # tenths of an inch
_QUEUES, _WORKERS, _OUTCOMES = (2.0, 32.0), (38.0, 45.0), (87.0, 16.0)
_MOST = 12
_MOST_SLOTS = 16
_NAMED = 4
_QUEUE, _SLOT = 8.4, 3.6
_TITLES, _GAP = 8.5, 1.2


def board_table(run: Run, *, at_s: float) -> pd.DataFrame:
    """Return how many messages are in each place at ``at_s`` (s), and the first few of them.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> board_table(Run(one, ()), at_s=0.5)["n"].tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    """
    import pandas as pd

    found = standing(run, at_s)
    rows: list[tuple[str, int, str]] = [
        (f"queued in {name}", len(tasks), _listed(tasks)) for name, tasks in found.queues.items()
    ]
    for post in found.workers:
        told = "" if post.state == "up" else f" ({post.state})"
        rows += [(f"{what} {post.name}{told}", len(tasks), _listed(tasks))
                 for what, tasks in _of(post).items()]  # fmt: skip
    waits = [f"{_short(one.task)} due in {_clock(one.due_s)}" for one in found.orphans]
    rows.append(("unacked, no owner", len(waits), _few(waits)))
    rows += [(name, len(tasks), _listed(tasks)) for name, tasks in found.outcomes.items()]
    return pd.DataFrame(rows, columns=["place", "n", "which"]).set_index("place")


def board_picture(run: Run, *, at_s: float) -> Picture:
    """Draw queues, workers, the unacked limbo and outcomes as they are at ``at_s`` (s).

    What has no room is counted. ScenarioError when ``at_s`` is no number.
    """
    from sandbox.pictures import figure

    found = standing(run, at_s)
    left, right = _queue_heights(found), _worker_heights(found)
    below = _TITLES + max(left, right, 5 * (7.0 + _GAP))
    high = below + 10.0 + 4.0
    picture = figure.Picture(_alt(run, found), _WIDTH / 10, high / 10)
    cards = Cards(picture, _WIDTH, high)
    cards.text((2, 2.6), run.scenario.name, 12, "bold")
    cards.text((103, 2.6), f"at {at_s:g} s", 12, "bold", "right")
    for (x, _), words in ((_QUEUES, "Queues"), (_WORKERS, "Workers"), (_OUTCOMES, "Outcomes")):
        cards.text((x, 6.2), words, 10, "bold")
    _draw_queues(cards, found)
    _draw_workers(cards, found)
    _draw_limbo(cards, found, below)
    _draw_outcomes(cards, found)
    cards.key(2, high - 2.0)
    return picture


# --- in words ----------------------------------------------------------------------------


def _of(post: Post) -> dict[str, Sequence[str]]:
    return {
        "prefetched by": post.prefetched,
        "held by": post.held,
        "running on": [task for task in post.slots if task is not None],
    }


def _alt(run: Run, found: Standing) -> str:
    down = [f"{post.name} {post.state}" for post in found.workers if post.state != "up"]
    told = [
        f"{sum(map(len, found.queues.values()))} queued",
        f"{sum(task is not None for post in found.workers for task in post.slots)} running",
        f"{len(found.orphans)} unacked without an owner",
        f"{len(found.outcomes['done'])} done", *down,
    ]  # fmt: skip
    return f"board of {run.scenario.name} at {found.at_s:g} s: {', '.join(told)}"


def _listed(tasks: Sequence[str]) -> str:
    return _few([_short(task) for task in tasks])


def _few(words: Sequence[str]) -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return ", ".join(words[:_NAMED]) + more


def _number(task: str) -> str:
    number = task.rpartition("/")[2]
    n = int(number) if number.isdigit() else 0
    if n >= SUBTASKS:
        return f"s{n - SUBTASKS}"
    return f"h{n - BY_HAND}" if n >= BY_HAND else number


def _short(task: str) -> str:
    return f"{_kind(task)}/{_number(task)}"


def _kind(task: str) -> str:
    return task.rpartition("/")[0].rpartition(".")[2]


def _clock(seconds: float) -> str:
    if seconds <= 0:
        return "the next sweep"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


# --- drawn -------------------------------------------------------------------------------


def _queue_heights(found: Standing) -> float:
    return min(len(found.queues), _MOST) * (_QUEUE + _GAP) + 3.0 * (len(found.queues) > _MOST)


def _slot_rows(post: Post) -> int:
    return -(-min(len(post.slots), _MOST_SLOTS) // _columns(post))


def _columns(post: Post) -> int:
    return 2 if len(post.slots) <= 4 else 3


def _worker_height(post: Post) -> float:
    return 4.4 + max(8.4, _slot_rows(post) * (_SLOT + 0.5) + 0.6)


def _worker_heights(found: Standing) -> float:
    shown = found.workers[:_MOST]
    return sum(_worker_height(post) + _GAP for post in shown) + 3.0 * (len(found.workers) > _MOST)


def _marks(found: Standing, tasks: Sequence[str], look: str) -> list[Mark]:
    return [Mark(look, _number(task), again=found.again.get(task, 1)) for task in tasks]


def _headed(cards: Cards, box: Box, name: str, n: int) -> None:
    """Write the head of a card: its name and its number."""
    y = box.y + 2.2
    cards.text((box.x + INDENT, y), name, 9, "bold")
    cards.text((box.x + box.width - INDENT, y), str(n), 11, "bold", "right")


def _draw_queues(cards: Cards, found: Standing) -> None:
    x, width = _QUEUES
    y = _TITLES
    for name, tasks in list(found.queues.items())[:_MOST]:
        box = Box(x, y, width, _QUEUE)
        cards.card(box)
        _headed(cards, box, name, len(tasks))
        inside = Box(x + INDENT, y + 3.4, width - 2 * INDENT, 4.8)
        cards.seat(_marks(found, tasks, "queued"), inside)
        y += _QUEUE + _GAP
    if len(found.queues) > _MOST:
        rest = list(found.queues.values())[_MOST:]
        more = f"and {len(rest)} more queues with {sum(map(len, rest))} messages"
        cards.text((x, y + 1.4), more, 9)


def _draw_workers(cards: Cards, found: Standing) -> None:
    y = _TITLES
    for post in found.workers[:_MOST]:
        _draw_worker(cards, found, post, y)
        y += _worker_height(post) + _GAP
    if len(found.workers) > _MOST:
        rest = found.workers[_MOST:]
        busy = sum(task is not None for post in rest for task in post.slots)
        more = f"and {len(rest)} more workers with {busy} running"
        cards.text((_WORKERS[0], y + 1.4), more, 9)


def _draw_worker(cards: Cards, found: Standing, post: Post, y: float) -> None:
    x, width = _WORKERS
    is_down = post.state != "up"
    cards.card(Box(x, y, width, _worker_height(post)), "harmed" if is_down else "card")
    told = {"up": "▲ up", "killed": "✖ killed", "down": "▼ down"}[post.state]
    cards.text((x + INDENT, y + 2.2), post.name, 9, "bold")
    cards.text((x + 12, y + 2.2), told, 9, "harm" if is_down else "plain")
    for i, (look, tasks) in enumerate((("prefetched", post.prefetched), ("held", post.held))):
        top = y + 4.2 + 4.2 * i
        cards.text((x + INDENT, top + 0.8), f"{look} {len(tasks)}", 8)
        cards.seat(_marks(found, tasks, look), Box(x + INDENT, top + 1.6, 12.5, 2.6))
    columns = _columns(post)
    wide = (width - 16.5) / columns
    for i, task in enumerate(post.slots[:_MOST_SLOTS]):
        left, top = x + 15.5 + wide * (i % columns), y + 4.4 + (_SLOT + 0.5) * (i // columns)
        _draw_slot(
            cards, found, task, Box(left, top, wide - 0.6, _SLOT), "–" if is_down else "idle"
        )
    if len(post.slots) > _MOST_SLOTS:
        more = f"{len(post.slots) - _MOST_SLOTS} more processes"
        cards.text((x + width - INDENT, y + 2.2), more, 8, "plain", "right")


def _draw_slot(cards: Cards, found: Standing, task: str | None, box: Box, empty: str) -> None:
    x, y, width, _ = box
    cards.card(box, "inset")
    if task is None:
        cards.text((x + width / 2, y + _SLOT / 2), empty, 8, "plain", "center")
        return
    cards.seat(_marks(found, [task], "running"), Box(x + 0.5, y + 0.5, 6.0, 2.6))
    left = 4.9 if found.again.get(task) or len(_number(task)) > 2 else 4.0
    room = int((width - left - 0.4) / 0.7)
    kind = _kind(task)
    short = kind if len(kind) <= room else kind[: room - 1] + "…"
    cards.text((x + left, y + _SLOT / 2), short, 8)


def _draw_limbo(cards: Cards, found: Standing, y: float) -> None:
    box = Box(_QUEUES[0], y, _WORKERS[0] + _WORKERS[1] - _QUEUES[0], 8.6)
    cards.card(box, "limbo" if found.orphans else "card")
    _headed(cards, box, "Unacked, no owner", len(found.orphans))
    why = "back in its queue by the first sweep after the visibility timeout"
    cards.text((box.x + 17, y + 2.2), why, 8)
    marks = [Mark("limbo", _number(one.task), found.again.get(one.task, 1),
                  note=f"due in {_clock(one.due_s)}") for one in found.orphans]  # fmt: skip
    cards.seat(marks, Box(box.x + INDENT, y + 3.8, box.width - 2 * INDENT, 4.4))


def _draw_outcomes(cards: Cards, found: Standing) -> None:
    x, width = _OUTCOMES
    y = _TITLES
    for name, tasks in found.outcomes.items():
        is_harm = bool(tasks) and name in ("ran twice", "failed", "lost")
        cards.card(Box(x, y, width, 7.0), "harmed" if is_harm else "card")
        cards.text((x + INDENT, y + 3.5), name, 9, "bold")
        cards.text((x + width - INDENT, y + 3.5), str(len(tasks)), 12, "bold", "right")
        y += 7.0 + _GAP
