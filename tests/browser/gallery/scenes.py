"""Scenes: which pictures there are, what each says, and the table beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

from tests.waiting import until

BEFORE_S, AFTER_S, CALM_S, BACK_S = 0.11, 0.9, 12.0, 28.6
"""Just before the kill, 0.8 s after it, between the kills, and when what it left is back (s)."""
KILLED = "celery_app.browser_automation_task/1"
"""A task that worker 2 was at when it died."""

MOMENT = "MOMENT"
"""Stands in a table's expression for the moment (s) that the picture shows."""

SETUP = """
import sandbox
from sandbox import lab
from sandbox.overheads import Overheads
leadlawk = lab.system("leadlawk").scenario
night, calm = lab.model(leadlawk), lab.model(leadlawk.but(faults=()))
"""

Act = Callable[[Page], None]


@dataclass(frozen=True)
class Look:
    """How a scene is seen: its theme, and the window's width (CSS px)."""

    name: str
    dark: bool
    width: int = 1180


LIGHT, DARK = Look("light", dark=False), Look("dark", dark=True)
NARROW = Look("narrow", dark=False, width=600)
PROJECTOR = Look("projector", dark=True, width=1280)


@dataclass(frozen=True)
class Scene:
    """A picture: the cell that shows it, and ``table``, an expression for the table beside it.

    ``what`` selects the picture and ``ready`` what is drawn last; ``act`` does what a reader
    would before looking. A scene ``of_page`` is the exported page of ``night`` in a bare browser.
    """

    name: str
    title: str
    caption: str
    cell: str
    table: str
    what: str
    ready: str
    act: Act | None = None
    looks: tuple[Look, ...] = (LIGHT, DARK, NARROW)
    of_page: bool = False


def _board(name: str, title: str, caption: str, at_s: float, looks: tuple[Look, ...]) -> Scene:
    return Scene(
        name, title, caption, looks=looks, what=".sb-board", ready=".sb-links path",
        cell=f"lab.board(night, at_s={at_s})", table=f"lab.board_table(night, at_s={at_s})",
    )  # fmt: skip


def _kill(page: Page) -> None:
    """Kill worker 2 while all its processes are busy, as a reader would."""
    worker = page.locator('.sb-board [data-id="worker:worker2"]').last
    until("worker 2 is busy", lambda: worker.get_attribute("data-busy") == "4", 60)
    page.get_by_label("Worker", exact=True).last.select_option("worker2")
    page.get_by_role("button", name="Kill worker", exact=True).last.click()
    until("it is dead", lambda: worker.get_attribute("data-state") == "killed")
    until("its messages are in limbo",
          lambda: page.locator('.sb-limbo[data-n="4"]').count() == 1)  # fmt: skip
    # The session goes on: all looks are to show one moment.
    page.get_by_role("button", name="Pause", exact=True).last.click()
    until("it is listed", lambda: page.locator(".sb-diary li").count() == 1)


def _scrub(page: Page) -> None:
    """Choose the killed job and go to the moment after the kill."""
    page.locator(f"#timeline [data-task='{KILLED}'] path").last.click()
    page.get_by_label("Time", exact=True).fill(str(AFTER_S))


SCENES = (
    _board(
        "board-before", "Board, before the kill",
        "A tenth of a second into the evening: worker 2 has taken its first four jobs, and every "
        "message has its place.",
        BEFORE_S, (LIGHT, DARK),
    ),
    _board(
        "board-killed", "Board, after the kill",
        "Worker 2 is dead: its four jobs stand in `unacked`, each with the clock that says how "
        "long Redis keeps them from everybody else.",
        AFTER_S, (LIGHT, DARK, NARROW, PROJECTOR),
    ),
    _board(
        "board-back", "Board, after redelivery",
        "An hour was skipped: the four jobs are back and run a second time, each with the number "
        "of its attempt.",
        BACK_S, (LIGHT, DARK),
    ),
    Scene(
        "timeline", "Timeline",
        "Each bar is an attempt, each row a process: the chosen job died with worker 2 and came "
        "back only after the hour.",
        cell=f"lab.timeline(night, at_s={CALM_S}, focus={KILLED!r})",
        table="lab.timeline_table(night)",
        what=".sb-plot", ready=".sb-link", looks=(LIGHT, DARK, NARROW, PROJECTOR),
    ),
    Scene(
        "curves", "Curves, measured and predicted",
        "Depth, throughput, latency and utilisation on real workers, before the range that the "
        "model had predicted for them.",
        cell="measured = lab.run(leadlawk)\n"
             f"lab.curves(measured, sandbox.predict(leadlawk), at_s={CALM_S})",
        table="lab.curves_table(measured, night)",
        what=".sb-plot", ready=".sb-band",
    ),
    Scene(
        "counterfactual", "Counterfactual",
        "The same evening on the same draws, without and with the kills: the jobs that fare "
        "otherwise are lit.",
        cell="lab.timeline(calm, night, names=('without the kills', 'with the kills'), "
             f"at_s={CALM_S}, focus={KILLED!r})",
        table="lab.counterfactual_table(calm, night)",
        what=".sb-plot", ready=".sb-link",
    ),
    Scene(
        "sliders", "What-if sliders",
        "What if LeadLawk acknowledged its browser jobs early? Beside the pinned configuration, "
        "on the same draws: what the killed worker held is lost.",
        cell="sliders = lab.sliders(leadlawk, overheads=Overheads())\nsliders.pin()\n"
             "sliders.move({'ack:celery_app.browser_automation_task': 0})\n"
             "told = sliders.wait()\nsliders",
        table="sliders.to_frame().round(3)",
        what=".sb-whatif", ready=".sb-whatif td[data-gap]",
    ),
    Scene(
        "panel", "Panel",
        "Real workers under the reader's hand: worker 2 was killed a moment ago, and what was "
        "done is listed, to be copied as a scenario.",
        cell="session = lab.start(leadlawk.but(faults=()))\npanel = lab.panel(session)\npanel",
        table=f"lab.board_table(lab.so_far(session), at_s={MOMENT})",
        what=".sb-panel", ready=".sb-links path", act=_kill,
    ),
    Scene(
        "page", "Exported page",
        "`sandbox export RUN --html FILE`: board, timeline and curves with one player, in any "
        "browser, with no Python and no network.",
        cell="", table="lab.board_table(night, at_s=0.9)",
        what="main", ready=".sb-link", act=_scrub, looks=(LIGHT, DARK, NARROW), of_page=True,
    ),
)  # fmt: skip
