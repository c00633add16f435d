"""The what-if sliders in a real JupyterLab: each control, the newest value, pin, a busy cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import Opened
from tests.browser.lab_harness import LabPage
from tests.browser.notebooks import written
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

_SLIDERS = (
    "from sandbox import lab\nsliders = lab.sliders(lab.system('leadlawk').scenario)\nsliders"
)
_BUSY = "import time\nuntil = time.monotonic() + 4\nwhile time.monotonic() < until:\n    pass"
_BY_HAND = "sliders.move({'concurrency:worker': 5})"


@pytest.fixture
def lab_page(opened: Opened, tmp_path: Path) -> LabPage:
    """Return a notebook whose first cell shows LeadLawk's sliders."""
    lab = opened(written(tmp_path / "sliders.ipynb", _SLIDERS, _BUSY, _BY_HAND))
    lab.run_cell(0)
    assert lab.errors() == []
    refined(lab)
    return lab


def told(lab: LabPage) -> str:
    """Return what the figures say of themselves."""
    label = lab.page.locator(".sb-wi-label").last
    return str(label.inner_text()) if label.count() else ""


def refined(lab: LabPage, number: int = 0) -> None:
    """Wait until the newest wish is answered with all runs."""
    box = lab.page.locator(".sb-whatif").last
    until(
        "it is refined",
        lambda: (
            told(lab).startswith("refined, 40 runs")
            and int(box.get_attribute("data-number") or -1) >= number
        ),
        60,
    )


def value(lab: LabPage, metric: str, column: int) -> float:
    """Return a figure of the table."""
    cells = lab.page.locator(f'.sb-whatif tr[data-metric="{metric}"] td[data-value]')
    return float(cells.nth(column).get_attribute("data-value") or "nan")


def test_each_slider_changes_the_figures(lab_page: LabPage) -> None:
    """Every control, moved by the keyboard, changes what is shown; Reset puts all back."""
    lab, page = lab_page, lab_page.page
    before = value(lab, "mean_wait_s", 0)
    lab.shot("sliders")
    page.get_by_label("Workers", exact=True).press("ArrowRight")
    refined(lab, 1)
    assert value(lab, "mean_wait_s", 0) < before
    sliders = {"Arrival rate": -1, "Rate limit": -1, "Concurrency": 1, "Prefetch": 1}
    for number, (name, by) in enumerate(sliders.items(), start=2):
        page.get_by_label(name, exact=True).press("ArrowRight" if by > 0 else "ArrowLeft")
        refined(lab, number)
    for number, (name, place) in enumerate((("Ack mode", 0), ("Retry policy", 2)), start=6):
        page.get_by_label(name, exact=True).select_option(index=place)
        refined(lab, number)
    assert page.locator('.sb-whatif output[data-moved="true"]').count() == 7
    lab.press("Reset")
    refined(lab, 8)
    assert value(lab, "mean_wait_s", 0) == before
    assert page.locator('.sb-whatif output[data-moved="true"]').count() == 0
    lab.assert_clean()


def test_pinned_beside_now_on_the_same_draws(lab_page: LabPage) -> None:
    """A pinned configuration stays, with the difference; a refused value is a sentence."""
    lab, page = lab_page, lab_page.page
    before = value(lab, "utilisation", 0)
    lab.press("Pin")
    page.get_by_label("Workers", exact=True).press("End")
    refined(lab, 2)
    assert value(lab, "utilisation", 0) == before
    assert value(lab, "utilisation", 1) < before
    gap = page.locator('.sb-whatif tr[data-metric="utilisation"] td[data-gap]')
    assert float(gap.get_attribute("data-gap") or "nan") < 0
    lab.shot("sliders-pinned")
    page.get_by_label("Workers", exact=True).press("Home")
    until("a sentence", lambda: "worker2" in told(lab))
    lab.press("Unpin")
    page.get_by_label("Workers", exact=True).press("ArrowRight")
    refined(lab, 5)
    assert page.locator(".sb-whatif td[data-gap]").count() == 0
    lab.assert_clean()


def test_the_time_to_the_pixel_is_told(lab_page: LabPage) -> None:
    """A slider that is dragged is measured in the page; the newest of its values is shown last."""
    lab, page = lab_page, lab_page.page
    slider = page.get_by_label("Concurrency", exact=True)
    for _ in range(8):
        slider.press("ArrowRight")
    refined(lab, 8)
    speed = page.locator('.sb-whatif [data-id="speed"]')
    until("it is measured", lambda: int(speed.get_attribute("data-n") or 0) >= 1)
    assert "Slider to pixel" in speed.inner_text()
    lab.theme("Dark")
    lab.shot("sliders-dark")
    lab.theme("Light")
    page.set_viewport_size({"width": 620, "height": 1000})
    lab.shot("sliders-narrow")
    lab.assert_clean()


def test_a_busy_cell_and_a_call(lab_page: LabPage) -> None:
    """What is moved during a busy cell is answered after it; a call moves the page's slider."""
    lab, page = lab_page, lab_page.page
    lab.begin_cell(1)
    until("the cell runs", lab.is_busy)
    page.get_by_label("Workers", exact=True).press("ArrowRight")
    lab.wait_kernel()
    refined(lab, 1)
    lab.run_cell(2)
    refined(lab, 2)
    assert page.get_by_label("Concurrency", exact=True).input_value() == "5"
    lab.assert_clean()
