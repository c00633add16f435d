"""The moving pictures in headless Chromium: frames, script time, seeking, opening, bytes."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from playwright.sync_api import Browser, Page

from benchmarks import browser as chrome
from benchmarks.table import Row
from sandbox import workbench
from sandbox.export import to_html
from sandbox.run import Event, Run
from sandbox.scenario import Scenario
from sandbox.systems import get
from sandbox.widgets.board import Board
from sandbox.widgets.feed import BATCH_S, SILENT, Encoder, text_of
from sandbox.widgets.page import standalone
from sandbox.widgets.series import LINES, bin_s_of, end_of, series
from sandbox.widgets.topology import topology

_ROUNDS = 5
_SECONDS = 1.0
_UPDATES_PER_S = 20.0
_WATCHED_S = 3.0
_SCRIPT_MS = 6.0
_OPEN_S = 3.0
_SEEK_MS = 100.0
_BYTES = 150.0
_SEEK = """() => {
    const slider = document.querySelector("#board .sb-range");
    const spent = []; let x = 7;
    for (let i = 0; i < 60; i += 1) {
        x = (x * 1103515245 + 12345) % 2147483648;
        slider.value = x / 2147483648 * Number(slider.max);
        const begun = performance.now();
        slider.dispatchEvent(new Event("input"));
        spent.push(performance.now() - begun);
    }
    return spent;
}"""
_PLACES = "sandboxView.dots.all.map(dot => [dot.tx, dot.ty])"
_PLAYS = """() => {
    const play = document.querySelector('[aria-label="Play"]');
    if (play) play.click();
}"""
_ONLY = """name => { for (const node of document.querySelectorAll("main > section")) {
    if (node.id !== name && node.id !== "board") node.remove();
    else if (node.id !== name) node.querySelector(".sb-stage").style.display = "none";
} }"""


class Shown(NamedTuple):
    """A picture that plays, and the round-by-round numbers of it."""

    what: str
    page: Page
    fps: list[float]
    script: list[float]


def crowded(*, n_queues: int = 24, each: int = 115, mean_s: float = 2.0) -> Run:
    """Return a run of the model with 2,760 messages, more than 2,000 of them seen for 20 s."""
    names = [f"queue{i}" for i in range(n_queues)]
    work: dict[str, Any] = {"kind": "exponential", "mean_s": mean_s}
    described = Scenario(
        name="crowded",
        tasks=[{"name": f"task{i}", "queue": q, "service": work} for i, q in enumerate(names)],
        queues=names,
        workers=[{"n_workers": 6, "concurrency": 8, "queues": names}],
        loads=[{"kind": "burst", "task": f"task{i}", "n": each} for i in range(n_queues)],
        horizon_s=1.0,
        deadline_s=200.0,
    )
    return workbench.run(described, engine="model")


def large() -> Run:
    """Return a run of the model with more than 100,000 events that pictures show."""
    described = Scenario(
        name="large",
        tasks=[{"name": "app.resize", "service": {"kind": "exponential", "mean_s": 0.5}}],
        workers=[{"n_workers": 6, "concurrency": 8}],
        loads=[
            {"kind": "poisson", "task": "app.resize", "rate_per_s": 90.0},
            {"kind": "burst", "task": "app.resize", "n": 3000, "at_s": 30.0},
        ],
        horizon_s=170.0,
        deadline_s=600.0,
    )
    return workbench.run(described, engine="model")


def measure() -> list[Row]:
    """Return the rows of frames, of a large run's page, and of what is sent."""
    if not chrome.CHROMIUM.exists():
        raise SystemExit(f"no {chrome.CHROMIUM} on this machine (Debian: apt install chromium)")
    with tempfile.TemporaryDirectory() as folder, chrome.chromium() as browser:
        of_pages = [*_frames(browser, Path(folder)), *_large(browser, Path(folder))]
    return [*of_pages, *_bytes(), _updates()]


# --- frames ------------------------------------------------------------------------------


def _frames(browser: Browser, folder: Path) -> list[Row]:
    """Measure an empty page, each picture and the naive twin in turns."""
    empty = chrome.opened(browser, "<!doctype html><title>empty</title>", folder)
    board = _board(browser, folder)
    dots = board.evaluate(_PLACES)
    twin = chrome.naive(browser, dots, folder)
    run = crowded(mean_s=0.2)
    pages = {
        f"Board, {len(dots):,} messages in view": board,
        "Timeline, 2,760 attempts": _part(browser, run, "timeline", folder),
        "Curves, over 10,000 points": _part(browser, run, "curves", folder),
    }
    shown = [Shown(what, page, [], []) for what, page in pages.items()]
    idle, naive = [], []
    for _ in range(_ROUNDS):
        idle.append(_in_turn(empty))
        naive.append(_in_turn(twin))
        for one in shown:
            one.page.evaluate(_PLAYS)
            one.fps.append(_in_turn(one.page))
            one.script.append(_script_p95(browser, one.page))
            one.page.evaluate("document.querySelector('[aria-label=\"Pause\"]')?.click()")
    for page in (empty, twin, *pages.values()):
        page.close()
    allowed = [_SCRIPT_MS] * _ROUNDS
    rows = [Row(f"{one.what}: frames/s / an empty page's", one.fps, idle, "frames/s", "≥ 0.95")
            for one in shown]  # fmt: skip
    rows += [Row(f"{one.what}: script's processor time a frame, p95 / allowed", one.script,
                 allowed, "ms", "≤ 1") for one in shown]  # fmt: skip
    beside = f"Board, {len(dots):,} messages: frames/s / the same as SVG circles"
    return [*rows, Row(beside, shown[0].fps, naive, "frames/s", "≥ 1")]


def _in_turn(page: Page) -> float:
    """Return a page's frames a second while it is the one that is seen."""
    page.bring_to_front()
    return chrome.frames_per_s(page, _SECONDS)


def _script_p95(browser: Browser, page: Page) -> float:
    return chrome.percentiles(chrome.script_ms(browser, page, _SECONDS))[1]


def _board(browser: Browser, folder: Path) -> Page:
    text = standalone(Board(crowded(), at_s=7.0))
    return chrome.opened(browser, text, folder, "window.sandboxView?.areas.size > 0")


def _part(browser: Browser, run: Run, name: str, folder: Path) -> Page:
    """Open an exported page with one picture beside the board's controls."""
    page = chrome.opened(browser, to_html(run), folder, "document.body.dataset.state === 'ready'")
    page.evaluate(_ONLY, name)
    return page


# --- a large run -------------------------------------------------------------------------


def _large(browser: Browser, folder: Path) -> list[Row]:
    """Open a page of 100,000 events and seek in it."""
    run, opens, seeks = large(), [], []
    text = to_html(run)
    n = sum(event.kind not in SILENT for event in run.events)
    for _ in range(_ROUNDS):
        begun = time.monotonic()
        page = chrome.opened(browser, text, folder, "document.body.dataset.state === 'ready'")
        opens.append(time.monotonic() - begun)
        seeks.append(chrome.percentiles(page.evaluate(_SEEK))[1])
        page.close()
    said = f"Exported page, {n:,} events"
    return [
        Row(f"{said}: opened / the time allowed", opens, [_OPEN_S] * _ROUNDS, "s", "≤ 1"),
        Row(f"{said}: seek, p95 / the time allowed", seeks, [_SEEK_MS] * _ROUNDS, "ms", "≤ 1"),
        Row(f"{said}: its file / the stored run's", [len(text) / n], [_stored(run, folder) / n],
            "bytes an event", "≤ 1"),
    ]  # fmt: skip


def _stored(run: Run, folder: Path) -> int:
    return (run.save(folder / "run") / "events.jsonl").stat().st_size


# --- what is sent ------------------------------------------------------------------------


def _bytes() -> list[Row]:
    """Compare what is sent with 150 bytes an event, and with the state sent as arrays."""
    run = workbench.run(get("leadlawk").scenario, engine="model")
    encoder = Encoder(topology(run.scenario))
    sizes = [float(len(text_of([row]))) for row in encoder.rows(run.events)]
    mean = statistics.mean(sizes)
    states = {"Board": _places, "Timeline": _bars, "Curves": _lines}
    rows = [Row("LeadLawk's night: the longest event / allowed", [max(sizes)], [_BYTES], "bytes",
                "≤ 1")]  # fmt: skip
    for name, state in states.items():
        sent = _sent_as_arrays(run, state) / len(sizes)
        said = f"{name}: events / its state as arrays, 20 times a second"
        rows.append(Row(said, [mean], [sent], "bytes an event", "< 1"))
    return rows


class _Busy:
    """A session in which a task is sent every 5 ms."""

    def __init__(self) -> None:
        self.scenario = get("leadlawk").scenario
        self.info, self._begun = {"engine": "live"}, time.monotonic()
        self._task = self.scenario.tasks[0]

    @property
    def now_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    def events_since(self, n: int) -> list[Event]:
        """Return the events after the first ``n``."""
        names = (f"{self._task.name}/{i}" for i in range(n, int(self.now_s * 200)))
        return [Event(self.now_s, "sent", name, queue=self._task.queue) for name in names]


def _updates() -> Row:
    """Count the messages that a live board sends while something happens all the time."""
    board = Board(cast("Any", _Busy()))
    sent: list[Any] = []
    board.send = sent.append
    time.sleep(_WATCHED_S)
    board.close()
    said = "Board of a session with 200 events/s: updates / allowed"
    return Row(said, [len(sent) / _WATCHED_S], [_UPDATES_PER_S], "a second", "≤ 1")


def _sent_as_arrays(run: Run, state: Any) -> int:
    """Return the bytes of a state sent after each batch in which something has happened."""
    n_bytes, until = 0, 0.0
    for i, event in enumerate(run.events):
        if event.t_s >= until:
            until = event.t_s + BATCH_S
            n_bytes += len(json.dumps(state(run, run.events[:i]), separators=(",", ":")))
    return n_bytes


def _places(run: Run, events: Sequence[Event]) -> list[list[Any]]:
    """Return where each message is: its number and its place."""
    fold = Run(run.scenario, tuple(events)).fold
    return [
        [j.task.rpartition("/")[2], j.n_queued, len(j.unacked), len(j.running), j.n_succeeded]
        for j in fold.journeys.values()
    ]


def _bars(run: Run, events: Sequence[Event]) -> list[list[Any]]:
    """Return each attempt's row, begin, end and outcome."""
    fold = Run(run.scenario, tuple(events)).fold
    return [[a.worker, a.slot, a.started_s, a.ended_s, a.outcome] for a in fold.attempts]


def _lines(run: Run, events: Sequence[Event]) -> list[list[float | None]]:
    """Return the numbers of each curve up to now."""
    so_far = Run(run.scenario, tuple(events))
    found = series(so_far, bin_s_of(end_of(run)))
    return [[x if x is None else round(x, 3) for x in found[name]] for name in LINES]
