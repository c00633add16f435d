"""Camera: shows a scene in a real JupyterLab and takes its picture, small enough to keep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from PIL import Image
from playwright.sync_api import Locator, Page

from sandbox import workbench
from sandbox.export import to_html
from sandbox.systems import get
from tests.browser.gallery.scenes import MOMENT, SETUP, Look, Scene
from tests.browser.lab_harness import LabPage, LabServer, chromium
from tests.waiting import until

SCALE = 1.5
"""Screen pixels a CSS px: a projector of 1920 px shows 1280 of them."""
_TALL = 3400
_COLOURS = 200
_THEME = "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})"
_WRITE = """([index, source]) => jupyterapp.shell.currentWidget.content.model
    .sharedModel.cells[index].setSource(source)"""
_CLEAR = "notebook:clear-all-cell-outputs"
_TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


class Camera:
    """A notebook that shows one scene at a time, and a bare page for what is exported."""

    def __init__(self, lab: LabPage, scenes: tuple[Scene, ...], folder: Path) -> None:
        self._lab, self._scenes, self._folder = lab, scenes, folder
        self._dark: bool | None = None
        # Dots on their way would be in no place.
        lab.page.emulate_media(reduced_motion="reduce")
        self._run(0)

    def _run(self, index: int) -> None:
        self._lab.run_cell(index)
        assert self._lab.errors() == []

    def take(self, scene: Scene) -> str:
        """Show a scene and take its pictures, one a look; return the table beside it."""
        at = 1 + 2 * self._scenes.index(scene)
        if not scene.of_page:
            self._see(self._lab.page, scene.looks[0])
            self._lab.command(_CLEAR)
            self._run(at)
            self._shoot(self._lab.page, scene)
        else:
            page = self._lab.page.context.new_page()
            page.emulate_media(reduced_motion="reduce")
            page.goto(exported(self._folder.parent / f"{scene.name}.html").as_uri())
            self._shoot(page, scene)
            page.close()
        self._tell(at + 1, scene)
        return self._lab.printed(at + 1)

    def _tell(self, index: int, scene: Scene) -> None:
        """Print the table, of the moment that the picture shows if that is not known before."""
        if MOMENT in scene.table:
            clock = self._lab.page.locator('.sb-board [data-id="time"]').last.inner_text()
            source = printing(scene.table.replace(MOMENT, clock.removesuffix(" s")))
            self._lab.page.evaluate(_WRITE, [index, source])
        self._run(index)

    def _shoot(self, page: Page, scene: Scene) -> None:
        if scene.of_page:
            self._see(page, scene.looks[0])
        page.locator(scene.what).first.wait_for(state="attached")
        if scene.act is not None:
            scene.act(page)
        page.locator(scene.ready).first.wait_for(state="attached")
        for look in scene.looks:
            self._see(page, look)
            path = self._folder / f"{scene.name}-{look.name}.png"
            still(page, page.locator(scene.what).first).screenshot(path=path, animations="disabled")
            shrink(path)

    def _see(self, page: Page, look: Look) -> None:
        page.mouse.move(1, 1)
        page.set_viewport_size({"width": look.width, "height": _TALL})
        if page is not self._lab.page:
            page.emulate_media(color_scheme="dark" if look.dark else "light")
            return
        if look.dark is self._dark:
            return
        page.evaluate(_THEME, "JupyterLab Dark" if look.dark else "JupyterLab Light")
        wanted = f'[data-jp-theme-light="{"false" if look.dark else "true"}"]'
        until("the theme is there", lambda: page.locator(wanted).count())
        until("the splash is over", lambda: not page.locator("#jupyterlab-splash").count())
        self._dark = look.dark


def still(page: Page, what: Locator) -> Locator:
    """Wait until it has the same size in two looks: a new width is laid out a frame later."""
    sizes = [what.bounding_box()]

    def same() -> bool:
        page.evaluate(_TWO_FRAMES)
        sizes.append(what.bounding_box())
        return sizes[-1] == sizes[-2]

    until("it stands still", same)
    return what


def shrink(path: Path) -> None:
    """Keep the colours that are there most, each as it is: a mean of two would be neither."""
    with Image.open(path) as taken:
        shown = taken.convert("RGB")
    found = sorted(shown.getcolors(shown.width * shown.height) or [], reverse=True)[:_COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in found for part in colour])
    shown.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


def exported(path: Path) -> Path:
    """Write the exported page of LeadLawk's evening in the model; return its path."""
    night = workbench.run(get("leadlawk").scenario, engine="model")
    path.write_text(to_html(night), encoding="utf-8")
    return path


def printing(table: str) -> str:
    """Return the cell that prints a table, its cells between tabs."""
    return f"print(({table}).reset_index().to_csv(sep='\\t', index=False))"


@contextmanager
def camera(home: Path, scenes: tuple[Scene, ...]) -> Iterator[Camera]:
    """Start JupyterLab and Chromium below ``home``; pictures go to ``home``/gallery."""
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    sources = [SETUP.strip()]
    for scene in scenes:
        sources += [scene.cell, printing(scene.table)]
    book.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    (home / "gallery").mkdir(parents=True)
    nbformat.write(book, home / "gallery.ipynb")
    server = LabServer(home / "lab")
    try:
        with chromium(home / "chromium", SCALE) as context:
            name = server.add(home / "gallery.ipynb")
            lab = LabPage(context.new_page(), server, name, home / "gallery")
            yield Camera(lab, scenes, home / "gallery")
            lab.assert_clean()
    finally:
        server.close()
