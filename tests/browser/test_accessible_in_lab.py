"""The panel in a real JupyterLab, in both of its themes: axe, contrast, every control by Tab.

Only what is inside the panel is judged: JupyterLab's own menus, toolbars and cells are not ours.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

from tests.browser import seen
from tests.browser.conftest import Opened
from tests.browser.lab_harness import THEMES, LabPage
from tests.browser.notebooks import written
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(180)]

_PANEL = """
from sandbox import lab
scenario = lab.Scenario(
    name="accessible",
    tasks=[lab.TaskType(name="slow", service=lab.Deterministic(value_s=2.5), acks_late=True)],
    workers=[lab.WorkerPool(n_workers=2, prefetch_multiplier=1)],
    dependencies=[{"name": "db"}],
    horizon_s=3600.0,
)
session = lab.start(scenario)
panel = lab.panel(session)
panel
"""
_CONTROLS = """() => {
    const all = 'button, select, input, textarea, summary, [tabindex]';
    window.controls = [...document.querySelector('.sb-panel').querySelectorAll(all)]
        .filter((node) => !node.disabled && node.tabIndex >= 0 && node.checkVisibility());
    window.controls[0].focus();
    return window.controls.length;
}"""
_FOCUSED = """() => {
    const style = getComputedStyle(document.activeElement);
    const line = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    return [window.controls.indexOf(document.activeElement), line,
            document.activeElement.outerHTML.slice(0, 120)];
}"""


@pytest.fixture
def lab_page(opened: Opened, tmp_path: Path) -> LabPage:
    """Return a notebook with the panel of two real workers, one of them killed."""
    lab = opened(written(tmp_path / "accessible.ipynb", _PANEL))
    lab.page.set_viewport_size({"width": 1280, "height": 2600})
    lab.run_cell(0)
    assert lab.errors() == []
    until("the board is drawn", lambda: lab.worker("worker2")[0] == "up")
    lab.press("Trigger 10")
    until("both are busy", lambda: lab.number("running") == 2)
    lab.press("Kill worker")
    until("worker 1 is killed", lambda: lab.worker("worker1")[0] == "killed")
    return lab


# The colour in the middle of a filled dot of the legend, which is on a canvas like the messages.
_DOT = """() => {
    const canvas = document.querySelector('.sb-legend canvas[data-look=running]');
    const [x, y] = [canvas.width / 2, canvas.height / 2];
    const drawn = [...canvas.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3);
    const css = getComputedStyle(canvas.closest('.sb-board')).getPropertyValue('--sb-orange');
    const wanted = [1, 3, 5].map((i) => parseInt(css.trim().slice(i, i + 2), 16));
    return String(drawn) === String(wanted);
}"""


def test_the_panel_is_for_everybody(lab_page: LabPage) -> None:
    """Law: in light and dark no violation, no pale or small text; Tab goes through all of it."""
    lab, page = lab_page, lab_page.page
    for name in THEMES:
        lab.theme(name)
        until("the canvas has the theme's colours", lambda: page.evaluate(_DOT))
        assert seen.violations(page, ".sb-panel") == [], name
        assert seen.pale(page, ".sb-panel") == [], name
        found = seen.texts(page, ".sb-panel")
        assert seen.small(found) == seen.overlapping(found) == seen.cut(found) == [], name
        lab.shot(f"panel-{name.lower()}-accessible")
    n_controls = page.evaluate(_CONTROLS)
    assert n_controls > 40
    for n in range(n_controls):
        at, has_line, node = page.evaluate(_FOCUSED)
        assert at == n, node
        assert has_line, f"the focus cannot be seen on {node}"
        page.keyboard.press("Tab")
    lab.assert_clean()
