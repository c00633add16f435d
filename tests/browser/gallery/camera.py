"""Camera: shows a scene in a real JupyterLab and takes its picture, small enough to keep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from PIL import Image
from playwright.sync_api import CDPSession, Locator

from tests.browser.gallery.scenes import Look, Scene
from tests.browser.lab_harness import LabPage, LabServer, chromium
from tests.waiting import until

_HEIGHT = 1000
_COLOURS = 128
_FIRST = """
from sandbox import lab
from sandbox.run import Run
{names} = (Run.load(folder) for folder in {folders!r})
"""
_THEME = "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})"
_CLEAR = "notebook:clear-all-cell-outputs"


class Camera:
    """A notebook that shows one scene at a time; the runs are read from their folders."""

    def __init__(self, lab: LabPage, scenes: tuple[Scene, ...], folder: Path) -> None:
        self._lab, self._scenes, self._folder = lab, scenes, folder
        self._screen: CDPSession = lab.page.context.new_cdp_session(lab.page)
        self._dark: bool | None = None
        lab.run_cell(0)
        assert lab.errors() == []

    def take(self, scene: Scene) -> list[Path]:
        """Show a scene and take its pictures, one a look."""
        page = self._lab.page
        self._see(scene.looks[0])
        self._lab.command(_CLEAR)
        self._lab.run_cell(1 + self._scenes.index(scene))
        page.locator(scene.ready).first.wait_for(state="attached")
        if scene.act is not None:
            scene.act(page)
        taken = [self._taken(scene, look) for look in scene.looks]
        assert self._lab.errors() == []
        return taken

    def _taken(self, scene: Scene, look: Look) -> Path:
        self._see(look)
        what = self._lab.page.locator(scene.what).first
        what.scroll_into_view_if_needed()
        path = self._folder / f"{scene.name}-{look.name}.png"
        self._still(what).screenshot(path=path, animations="disabled")
        shrink(path)
        return path

    def _still(self, what: Locator) -> Locator:
        """Wait until it has the same size in two looks: a new width is laid out a frame later."""
        sizes = [what.bounding_box()]

        def same() -> bool:
            self._lab.page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
            sizes.append(what.bounding_box())
            return sizes[-1] == sizes[-2]

        until("it stands still", same)
        return what

    def _see(self, look: Look) -> None:
        page = self._lab.page
        page.mouse.move(1, 1)
        page.set_viewport_size({"width": look.width, "height": _HEIGHT})
        self._screen.send("Emulation.setDeviceMetricsOverride", {
            "width": look.width, "height": _HEIGHT, "deviceScaleFactor": look.scale, "mobile": False,
        })  # fmt: skip
        if look.dark is self._dark:
            return
        page.evaluate(_THEME, "JupyterLab Dark" if look.dark else "JupyterLab Light")
        wanted = f'[data-jp-theme-light="{"false" if look.dark else "true"}"]'
        until("the theme is there", lambda: page.locator(wanted).count())
        until("the splash is over", lambda: not page.locator("#jupyterlab-splash").count())
        self._dark = look.dark


def shrink(path: Path) -> None:
    """Keep as many colours as a chart has."""
    with Image.open(path) as taken:
        taken.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


@contextmanager
def camera(
    home: Path, scenes: tuple[Scene, ...], runs: dict[str, Path], folder: Path
) -> Iterator[Camera]:
    """Start JupyterLab and Chromium below ``home`` and open the notebook of the scenes."""
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    first = _FIRST.format(names=", ".join(runs), folders=[str(path) for path in runs.values()])
    sources = [first.strip(), *(scene.cell for scene in scenes)]
    book.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    folder.mkdir(parents=True, exist_ok=True)
    server = LabServer(home / "lab")
    try:
        nbformat.write(book, home / "gallery.ipynb")
        with chromium(home / "chromium") as context:
            name = server.add(home / "gallery.ipynb")
            lab = LabPage(context.new_page(), server, name, folder)
            yield Camera(lab, scenes, folder)
            lab.assert_clean()
    finally:
        server.close()
