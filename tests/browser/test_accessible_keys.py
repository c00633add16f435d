"""Every picture is worked by keys alone, tells a screen reader what happens, and can keep still."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Page

from tests.browser.conftest import States
from tests.browser.plain import settled, show
from tests.colours import contrast, rgba
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

# Where the focus is: its place among all controls, the line around it, and what is behind that.
_FOCUSED = """() => {
    const node = document.activeElement;
    if (!node || node === document.body) return null;
    const style = getComputedStyle(node);
    let up = node.parentElement;
    while (up && getComputedStyle(up).backgroundColor === 'rgba(0, 0, 0, 0)') up = up.parentElement;
    return { at: window.controls.indexOf(node), name: node.outerHTML.slice(0, 90),
             style: style.outlineStyle, width: parseFloat(style.outlineWidth),
             css: style.outlineColor, behind: up ? getComputedStyle(up).backgroundColor : '#ffffff' };
}"""
_CONTROLS = """() => {
    const all = 'button, select, input, textarea, summary, a[href], [tabindex]';
    window.controls = [...document.querySelectorAll(all)]
        .filter((node) => !node.disabled && node.checkVisibility());
    return window.controls.map((node) => node.tabIndex);
}"""


@pytest.mark.parametrize("host", ["reader light", "reader dark", "vscode-high-contrast"])
def test_tab_reaches_each_control_in_order_and_shows_it(
    plain_page: Page, states: States, host: str, tmp_path: Path
) -> None:
    """Law: Tab goes once through all controls, as they stand; the one in focus has a clear line."""
    page = plain_page
    show(page, states, host, tmp_path)
    order = page.evaluate(_CONTROLS)
    assert len(order) > 40
    assert set(order) == {0}, "a tabindex above 0 would jump, one below 0 is never reached"
    for n in range(len(order)):
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        assert focused is not None, f"the focus left the page after {n} controls"
        assert focused["at"] == n, focused["name"]
        assert focused["style"] != "none", focused["name"]
        assert focused["width"] >= 2, focused["name"]
        assert contrast(rgba(focused["css"])[0], rgba(focused["behind"])[0]) >= 3, focused


def test_keys_play_step_scrub_and_open_a_history(
    plain_page: Page, states: States, tmp_path: Path
) -> None:
    """Law: board, timeline and curves do by keys what they do by a pointer."""
    page = plain_page
    show(page, states, "reader light", tmp_path)
    board, stage = page.locator("#board"), page.locator(".sb-stage")
    time, play = board.locator("[data-id=time]"), board.locator("[data-id=play]")
    stage.focus()
    page.keyboard.press("Home")
    until("the beginning", lambda: time.inner_text() == "0.00 s")
    sent = board.locator(".sb-source b")
    assert sent.inner_text() == "0"
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    until("some steps", lambda: sent.inner_text() != "0")
    page.keyboard.press(" ")
    until("it plays", lambda: play.get_attribute("aria-label") == "Pause")
    page.keyboard.press(" ")
    until("it stands", lambda: play.get_attribute("aria-label") == "Play")
    board.get_by_label("Time", exact=True).focus()
    page.keyboard.press("End")
    until("scrubbed", lambda: float(time.inner_text().removesuffix(" s")) > 15)
    board.get_by_label("Speed", exact=True).focus()
    page.keyboard.press("ArrowDown")
    assert board.get_by_label("Speed", exact=True).input_value() == "2"

    stage.focus()
    page.keyboard.press("ArrowDown")
    tip, voice = board.locator(".sb-tip"), board.locator(".sb-voice[role=status]")
    first = str(tip.get_attribute("data-task"))
    page.keyboard.press("ArrowDown")
    until("another message", lambda: tip.get_attribute("data-task") != first)
    assert "prefetched by" in voice.inner_text(), "its history is told, not only shown"
    page.keyboard.press("Escape")
    until("it is left", lambda: not tip.is_visible())

    timeline = page.locator("#timeline")
    timeline.locator(".sb-attempts-of").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    until("a history", lambda: "started on" in timeline.locator(".sb-detail").inner_text())
    page.keyboard.press("Enter")
    assert page.evaluate("models.timeline.get('cursor_s')") >= 0
    before = timeline.locator(".sb-scale").first.inner_html()
    page.keyboard.press("+")
    until("closer", lambda: timeline.locator(".sb-scale").first.inner_html() != before)

    page.locator("#curves .sb-strips").focus()
    at = page.evaluate("models.curves.get('cursor_s')")
    page.keyboard.press("ArrowRight")
    until("one bin on", lambda: page.evaluate("models.curves.get('cursor_s')") > at)


def test_keys_move_each_slider_and_press_each_button(
    plain_page: Page, states: States, tmp_path: Path
) -> None:
    """Law: each slider and list of the what-if, Pin, Unpin, Reset and the diary work by keys."""
    page = plain_page
    show(page, states, "reader light", tmp_path)
    places = "JSON.stringify(models.sliders.get('wanted'))"
    fields = page.locator("#sliders .sb-wi-knob :is(input, select)")
    assert fields.count() >= 7
    for field in fields.all():
        before = page.evaluate(places)
        field.focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        until("moved", lambda before=before: page.evaluate(places) != before)  # type: ignore[misc]
    for name in ("Unpin", "Pin", "Reset"):
        before = page.evaluate(places)
        page.locator("#sliders").get_by_role("button", name=name, exact=True).focus()
        page.keyboard.press("Enter")
        assert page.evaluate(places) != before, name
    page.get_by_role("button", name="Show scenario").focus()
    page.keyboard.press(" ")
    assert page.get_by_label("The scenario, as JSON").is_visible()


# What a screen reader would read aloud, and when.
_LISTEN = """() => {
    window.heard = [];
    const live = '[role=status], [role=log], [role=alert], [aria-live=polite], output';
    for (const node of document.querySelectorAll(live)) {
        if (node.getAttribute('aria-live') === 'off') continue;
        const tell = () => window.heard.push([node.className, performance.now(), node.textContent]);
        new MutationObserver(tell).observe(node,
            { childList: true, characterData: true, subtree: true });
    }
}"""


def test_a_screen_reader_hears_a_summary_now_and_then(
    plain_page: Page, states: States, tmp_path: Path
) -> None:
    """Law: while a run plays, what is read aloud comes seconds apart, and says how things are."""
    page = plain_page
    show(page, {name: states[name] for name in ("board", "timeline", "curves")}, "lab light",
         tmp_path)  # fmt: skip
    page.evaluate("() => { for (const one of ['timeline', 'curves']) {"
                  " models.board.on('change:cursor_s', () => models[one].set('cursor_s',"
                  " models.board.get('cursor_s'))); } }")  # fmt: skip
    board = page.locator("#board")
    board.get_by_label("Speed", exact=True).select_option("4")
    board.locator(".sb-stage").press("Home")
    settled(page)
    page.evaluate(_LISTEN)
    board.locator(".sb-stage").press(" ")
    until("it plays", lambda: board.get_by_role("button", name="Pause").count() == 1)
    until("the end", lambda: board.get_by_role("button", name="Play").count() == 1, 60)
    heard = page.evaluate("window.heard")
    assert 2 <= len(heard) <= 8, [words for _, _, words in heard]
    assert {region for region, _, _ in heard} == {"sb-voice"}
    while_playing = [at for _, at, _ in heard[:-1]]
    gaps = [b - a for a, b in pairwise(while_playing)]
    assert all(gap > 1500 for gap in gaps), gaps
    assert "done" in heard[-1][2]


_FRAMES = """async () => {
    const canvas = document.querySelector('.sb-dots');
    document.querySelector('#board [data-id=step]').click();
    const seen = new Set();
    for (let i = 0; i < 8; i += 1) {
        await new Promise((done) => requestAnimationFrame(done));
        if (i > 0) seen.add(canvas.toDataURL());
    }
    return seen.size;
}"""


@pytest.mark.parametrize("calm", ["no-preference", "reduce", "vscode"])
def test_dots_jump_for_who_wants_no_motion(
    plain_page: Page, states: States, calm: str, tmp_path: Path
) -> None:
    """Law: with reduced motion a step is one picture; else the dots travel."""
    page = plain_page
    page.emulate_media(reduced_motion="reduce" if calm == "reduce" else "no-preference")
    show(page, {"board": states["board"]}, "reader light", tmp_path)
    if calm == "vscode":
        page.evaluate("document.body.classList.add('vscode-reduce-motion')")
    stage = page.locator(".sb-stage")
    stage.press("Home")
    settled(page)
    pictures = [page.evaluate(_FRAMES) for _ in range(6)]
    if calm == "no-preference":
        assert max(pictures) > 2, pictures
    else:
        assert max(pictures) == 1, pictures
