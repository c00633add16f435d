"""Scenes: which pictures there are, what each says, and the table beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sandbox
from sandbox.pictures import curves_table, timeline_table
from sandbox.pictures.board import board_table
from sandbox.run import Run

if TYPE_CHECKING:
    from playwright.sync_api import Page

BEFORE_S, AFTER_S, BACK_S = 0.11, 0.9, 28.6
"""Just before the kill, 0.8 s after it, and when what it left has come back (s)."""
KILLED = "celery_app.browser_automation_task/1"
"""A task that worker 2 was at when it died."""

Table = Callable[[Mapping[str, Run]], Any]
Act = Callable[["Page"], None]


@dataclass(frozen=True)
class Look:
    """How a scene is seen: its theme, the window's width (px) and how many pixels one has."""

    name: str
    dark: bool
    width: int = 1180
    scale: float = 1.0


LIGHT, DARK = Look("light", dark=False), Look("dark", dark=True)
NARROW = Look("narrow", dark=False, width=600)
PROJECTOR = Look("projector", dark=True, width=1280, scale=1.5)


@dataclass(frozen=True)
class Scene:
    """A picture: the cell that shows it, and ``ready``, a selector of what is drawn last.

    ``act`` does what a reader would before looking; ``table`` gives the same in numbers, from
    the runs by name, or None where the page's own words are the table.
    """

    name: str
    title: str
    caption: str
    cell: str
    what: str
    ready: str
    table: Table | None = None
    act: Act | None = None
    looks: tuple[Look, ...] = (LIGHT, DARK)


def _board(name: str, title: str, caption: str, at_s: float, *more: Look) -> Scene:
    return Scene(
        name, title, caption,
        cell=f"lab.board(night, at_s={at_s})",
        what=".sb-board", ready=".sb-links path",
        table=lambda runs: board_table(runs["night"], at_s=at_s),
        looks=(LIGHT, DARK, *more),
    )  # fmt: skip


def _choose(page: Page) -> None:
    """Choose the killed task's first bar, so that the chain of its attempts is drawn."""
    page.locator(f".sb-timeline [data-task='{KILLED}'], [data-task='{KILLED}']").first.click()
    page.locator(".sb-link").first.wait_for()


def _differences(runs: Mapping[str, Run]) -> Any:
    changed = sandbox.counterfactual(runs["calm"], runs["night"]).to_frame()
    return changed[["before", "after", "executions_before", "executions_after"]]


SCENES = (
    _board(
        "board-before", "Board, before the kill",
        "A tenth of a second into the evening: worker 2 has just taken its first four jobs, "
        "and every message has its place.",
        BEFORE_S,
    ),
    _board(
        "board-killed", "Board, after the kill",
        "Worker 2 is dead: its four jobs stand in `unacked`, each with the clock that says how "
        "long Redis keeps them from everybody else.",
        AFTER_S, NARROW, PROJECTOR,
    ),
    _board(
        "board-back", "Board, after redelivery",
        "An hour was skipped: the four jobs have come back and run a second time, each with the "
        "number of its attempt.",
        BACK_S,
    ),
    Scene(
        "timeline", "Timeline",
        "Each bar is an attempt, each row a process: the chosen job died with worker 2 and came "
        "back only after the hour.",
        cell=f"lab.timeline(night, at_s={AFTER_S}, focus={KILLED!r})",
        what=".sb-plot", ready=".sb-link",
        table=lambda runs: timeline_table(runs["night"]),
        looks=(LIGHT, DARK, NARROW, PROJECTOR),
    ),
    Scene(
        "curves", "Curves, measured and predicted",
        "Real workers on a real broker: depth, throughput, latency and utilisation lie in the "
        "band that the model's runs had made beforehand.",
        cell="lab.curves(measured, [lab.model(night.scenario.but(seed=n)) for n in range(7, 15)])",
        what=".sb-plot", ready=".sb-band",
        table=lambda runs: curves_table(runs["measured"], runs["night"]),
        looks=(LIGHT, DARK, NARROW),
    ),
    Scene(
        "counterfactual", "Counterfactual",
        "The same evening, the same draws, without and with the kills: the jobs that fare "
        "otherwise are lit.",
        cell=f"lab.timeline(calm, night, names=('without the kills', 'with them'), "
             f"at_s={AFTER_S}, focus={KILLED!r})",
        what=".sb-plot", ready=".sb-link",
        table=_differences,
        looks=(LIGHT, DARK, NARROW),
    ),
)  # fmt: skip
