"""A real JupyterLab on 127.0.0.1, driven by a real Chromium; everything in a temporary folder."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import psutil
from playwright.sync_api import (
    BrowserContext,
    Error,
    Locator,
    Page,
    sync_playwright,
)

from sandbox.engines.live.supervisor import die_with_parent
from tests.browser import guard
from tests.browser.guard import Watch
from tests.waiting import until

Theme = Literal["Dark", "Light"]
THEMES: tuple[Theme, ...] = get_args(Theme)
CHROMIUM = Path(
    os.environ.get("SANDBOX_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_QUIET = '{"fetchNews": "false", "checkForUpdates": false, "doNotDisturbMode": true}'
_KERNEL_ANSWERS = """async () => {
    const context = window.jupyterapp?.shell.currentWidget?.context?.sessionContext;
    if (!context) return false;
    if (!context.isReady) return false;
    const kernel = context.session?.kernel;
    if (!kernel || kernel.connectionStatus !== 'connected') return false;
    await kernel.info;
    return kernel.status === 'idle';
}"""


class LabServer:
    """JupyterLab with its configuration, runtime files, settings and workspaces under ``home``.

    ``more``: further environment variables, which its kernels get, too.
    """

    def __init__(self, home: Path, **more: str) -> None:
        self._more = more
        self.home, self.root, self.token = home, home / "root", secrets.token_hex(16)
        self.root.mkdir(parents=True)
        settings = home / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text(_QUIET)
        self._log = (home / "lab.log").open("w")
        self.process = subprocess.Popen(
            self._command(), cwd=self.root, env=self._environment(), stdout=self._log,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),
        )  # fmt: skip
        self.url = until("JupyterLab is up", self._found, 60)

    def _command(self) -> list[str]:
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": "0",
            "ServerApp.root_dir": str(self.root),
            "ServerApp.open_browser": "False",
            "IdentityProvider.token": self.token,
            "LabApp.expose_app_in_browser": "True",
            "LabApp.user_settings_dir": str(self.home / "settings"),
            "LabApp.workspaces_dir": str(self.home / "workspaces"),
        }
        root = ["--allow-root"] if os.getuid() == 0 else []
        return [
            sys.executable,
            "-m",
            "jupyterlab",
            *root,
            *(f"--{k}={v}" for k, v in options.items()),
        ]

    def _environment(self) -> dict[str, str]:
        own = {name: str(self.home / name) for name in ("config", "data", "runtime", "ipython")}
        return os.environ | {
            "JUPYTER_CONFIG_DIR": own["config"],
            "JUPYTER_DATA_DIR": own["data"],
            "JUPYTER_RUNTIME_DIR": own["runtime"],
            "IPYTHONDIR": own["ipython"],
            **self._more,
        }

    def _found(self) -> str | None:
        assert self.process.poll() is None, (self.home / "lab.log").read_text()[-2000:]
        for path in (self.home / "runtime").glob("jpserver-*.json"):
            text = path.read_text()
            if text.strip():
                return str(json.loads(text)["url"])
        return None

    def add(self, notebook: Path) -> str:
        """Copy a notebook into the server's folder; return its name there."""
        shutil.copy(notebook, self.root / notebook.name)
        return notebook.name

    def processes(self) -> list[psutil.Process]:
        """Return every process below the server: kernels, and what kernels have started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def kernel(self) -> psutil.Process:
        """Return the process of the only kernel."""
        kernels = [p for p in self.processes() if "ipykernel_launcher" in " ".join(p.cmdline())]
        return kernels[0]

    def close(self) -> None:
        """End the server and what it started."""
        below = self.processes() if self.process.poll() is None else []
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        _, alive = psutil.wait_procs(below, timeout=10)
        for process in alive:
            process.kill()
        self._log.close()


@contextmanager
def chromium(home: Path, scale: float = 1.0) -> Iterator[BrowserContext]:
    """Start a headless Chromium with a profile of its own; ``scale`` is a screen's pixels a CSS px."""
    with sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            str(home), executable_path=str(CHROMIUM), headless=True, args=FLAGS,
            viewport={"width": 1280, "height": 1000}, device_scale_factor=scale,
        )  # fmt: skip
        Watch(context)
        try:
            yield context
        finally:
            context.close()


class LabPage:
    """A notebook open in JupyterLab."""

    def __init__(self, page: Page, server: LabServer, name: str, shots: Path) -> None:
        self.page, self.server, self._shots = page, server, shots
        page.goto(f"{server.url}doc/tree/{name}?token={server.token}")
        self.wait_kernel()

    # --- the notebook ----------------------------------------------------------------

    def wait_kernel(self) -> None:
        """Wait until the kernel really answers; the idle indicator says so too early."""
        until("the kernel answers", self._kernel_answers, 90)

    def _kernel_answers(self) -> bool:
        try:
            return bool(self.page.evaluate(_KERNEL_ANSWERS))
        except Error as exc:
            # JupyterLab goes on to a workspace of its own when another page has the first one.
            if "navigation" not in str(exc):
                raise
            return False

    def command(self, name: str) -> None:
        """Carry out one of JupyterLab's commands and wait for it."""
        self.page.evaluate("name => jupyterapp.commands.execute(name)", name)

    def run_all(self, timeout_s: float = 240.0) -> None:
        """Run all cells and wait for the last one."""
        self.page.evaluate("() => { window.ran = null; jupyterapp.commands.execute("
                           "'notebook:run-all-cells').then(() => { window.ran = true; }); }")  # fmt: skip
        self.page.wait_for_function("() => window.ran === true", timeout=timeout_s * 1000)

    def run_cell(self, index: int) -> None:
        """Run one cell by its position and wait for it."""
        self.page.evaluate(
            """async index => {
                const notebook = jupyterapp.shell.currentWidget.content;
                notebook.activeCellIndex = index;
                notebook.deselectAll();
                await jupyterapp.commands.execute('notebook:run-cell');
            }""",
            index,
        )

    def begin_cell(self, index: int) -> None:
        """Begin to run one cell and do not wait for it."""
        self.page.evaluate(
            """index => {
                jupyterapp.shell.currentWidget.content.activeCellIndex = index;
                jupyterapp.commands.execute('notebook:run-cell');
            }""",
            index,
        )

    def is_busy(self) -> bool:
        """Tell whether the kernel is running a cell."""
        context = "jupyterapp.shell.currentWidget.context.sessionContext"
        return bool(self.page.evaluate(f"{context}.session.kernel.status === 'busy'"))

    def restart_kernel(self) -> None:
        """Restart the kernel without asking and wait until the new one answers."""
        context = "jupyterapp.shell.currentWidget.context.sessionContext"
        self.page.evaluate(f"{context}.session.kernel.restart()")
        self.wait_kernel()

    def cells(self) -> list[dict[str, Any]]:
        """Return the cells from the notebook's model; the page may not have drawn them all."""
        model = "jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON()"
        return list(self.page.evaluate(model)["cells"])

    def errors(self) -> list[str]:
        """Return the errors that cells have put out."""
        return [
            f"{output['ename']}: {output['evalue']}"
            for cell in self.cells()
            for output in cell.get("outputs", ())
            if output["output_type"] == "error"
        ]

    def printed(self, index: int) -> str:
        """Return what a cell has printed."""
        outputs = self.cells()[index]["outputs"]
        return "".join("".join(o["text"]) for o in outputs if "text" in o).strip()

    def pictures(self) -> list[Locator]:
        """Return the pictures among the outputs."""
        return self.page.locator(".jp-RenderedImage img").all()

    def assert_clean(self) -> None:
        """Assert that no cell failed, nothing left the machine and the console has no error."""
        assert self.errors() == []
        assert guard.told() == []

    # --- the panel -------------------------------------------------------------------

    def press(self, name: str) -> None:
        """Press a button of the newest panel, found as a screen reader finds it."""
        self.page.get_by_role("button", name=name, exact=True).last.click()

    def state(self, name: str) -> Locator:
        """Return a node of the newest board by its ``data-id``."""
        return self.page.locator(f'.sb-board [data-id="{name}"]').last

    def number(self, name: str) -> int:
        """Return a counter of the board."""
        return int(self.state(name).get_attribute("data-n") or -1)

    def worker(self, name: str) -> tuple[str, int]:
        """Return the state of a worker on the board and how many of its processes are busy."""
        node = self.state(f"worker:{name}")
        state, busy = node.get_attribute("data-state"), node.get_attribute("data-busy")
        return str(state), int(busy or -1)

    def told(self) -> str:
        """Return the sentences on the newest panel."""
        return self.page.locator(".sb-log").last.inner_text()

    def choose(self, label: str, value: str) -> None:
        """Choose from one of the newest panel's lists."""
        self.page.get_by_label(label, exact=True).last.select_option(value)

    def fill(self, label: str, value: str) -> None:
        """Fill in one of the newest panel's fields."""
        field = self.page.get_by_label(label, exact=True).last
        field.fill(value)
        field.press("Tab")

    def theme(self, name: Theme) -> None:
        """Change JupyterLab's theme, which all notebooks have, and wait until it is there."""
        self.page.evaluate(
            "t => jupyterapp.commands.execute('apputils:change-theme', {theme: t})",
            f"JupyterLab {name}",
        )
        there = f'[data-jp-theme-light="{str(name == "Light").lower()}"]'
        until("its theme", lambda: self.page.locator(there).count())
        until("the splash is over", lambda: not self.page.locator("#jupyterlab-splash").count())

    def settle(self) -> None:
        """Wait until the page has drawn what it was told, twice over."""
        frames = (
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        self.page.evaluate(frames)

    def shot(self, name: str, what: Locator | None = None) -> None:
        """Save a picture of the page, or of one node."""
        self._shots.mkdir(parents=True, exist_ok=True)
        (what or self.page).screenshot(path=self._shots / f"{name}.png")
