"""One round: start a session, strike at a moment, say what is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import KernelManager

import sandbox
from tests.kill.stage import Stage
from tests.kill.victim import RUN_S, SCENARIO
from tests.waiting import comes_true

GRACE_S = float(os.environ.get("SANDBOX_KILL_GRACE_S", "10"))
_APPEAR_S = 30.0
_END_S = 40.0

Report = dict[str, Any]


class Round:
    """A stage, a moment, and what was seen."""

    def __init__(self, moment_s: float, broker: str, folder: Path) -> None:
        self.moment_s, self.broker, self.stage = moment_s, broker, Stage(folder)
        self.report: Report = {"moment_s": round(moment_s, 3), "broker": broker}

    def victim(self, mode: str) -> subprocess.Popen[bytes]:
        """Start the program and wait for the moment, or for its end if that is earlier."""
        program = self.stage.play("-m", "tests.kill.victim", mode, self.broker)
        self._await_moment(program)
        return program

    def _await_moment(self, program: subprocess.Popen[bytes]) -> None:
        comes_true(lambda: program.poll() is not None, self.moment_s)

    def strike(self, program: subprocess.Popen[bytes], *parts: str) -> None:
        """Kill some parts as soon as all are there; nothing when the program has ended."""
        seen: dict[str, int] = {}

        def ready() -> bool:
            seen.update(self.stage.cast(program.pid))
            return program.poll() is not None or seen.keys() >= set(parts)

        comes_true(ready, _APPEAR_S)
        if program.poll() is None:
            self.stage.kill([seen[part] for part in parts if part in seen])
            self.report["hit"] = sorted(seen)

    def settle(self, spared: int = 0, *, folders: bool = True) -> None:
        """Note how long it takes until nothing is left, or what is left after the grace."""
        began, left = time.monotonic(), [""]

        def nothing() -> bool:
            try:
                left[:] = self.stage.left(spared)
            except psutil.Error:  # one of them has just ended
                return False
            return all(what.startswith("folder") and not folders for what in left)

        if comes_true(nothing, GRACE_S):
            took = time.monotonic() - began
            self.report["took_s"] = round(max(took, self.report.get("took_s", 0.0)), 3)
        else:
            self.report.setdefault("failed", []).extend(left)

    def end(self, program: subprocess.Popen[bytes]) -> None:
        """Wait until a program has ended."""
        if program.stdin is not None:
            program.stdin.close()
        program.wait(_END_S)

    # --- the ways ----------------------------------------------------------------------

    def nothing(self) -> None:
        """No strike: it ends by itself, its session closed by ``with``."""
        began = time.monotonic()
        self.moment_s = _END_S
        self.end(self.victim("with"))
        self.report["life_s"] = time.monotonic() - began
        self.settle()

    def exit(self) -> None:
        """No strike: the interpreter ends with the session still open."""
        self.moment_s = _END_S
        self.end(self.victim("plain"))
        self.settle()

    def interrupt(self) -> None:
        """Ctrl-C at a script: SIGINT to its group, as a terminal sends it."""
        program = self.victim("with")
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGINT)
        self.end(program)
        self.settle()

    def interrupt_cli(self) -> None:
        """Ctrl-C at the command."""
        (self.stage.folder / "victim.json").write_text(SCENARIO.to_json())
        words = ["run", "victim.json", "--broker", self.broker, "--budget", "0.2"]
        program = self.stage.play("-m", "sandbox", *words)
        self._await_moment(program)
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGINT)
        self.end(program)
        self.settle()

    def kernel(self, *also: str) -> None:
        """SIGKILL to the process that holds the session, and to others at the same moment."""
        program = self.victim("with")
        self.strike(program, "kernel", *also)
        self.end(program)
        guarded = len(also) == 0 or (len(also) == 1 and "supervisor" in self.report.get("hit", ()))
        self.settle(folders=guarded)
        if not guarded:
            self._next_start()

    def _next_start(self) -> None:
        """What nobody was left to clear, the next start does."""
        self.moment_s = _END_S
        self.end(self.victim("with"))
        self.settle()

    def kernel_supervisor(self) -> None:
        """Kernel and supervisor at once: the zygote clears up."""
        self.kernel("supervisor")

    def kernel_zygote(self) -> None:
        """Kernel and zygote at once: the supervisor clears up."""
        self.kernel("zygote")

    def all_three(self) -> None:
        """Nobody is left to clear up: the kernel ends the processes, the next start the rest."""
        self.kernel("supervisor", "zygote")

    def supervisor(self) -> None:
        """SIGKILL to the supervisor alone; who holds the session lives on and does nothing."""
        self._while_held("supervisor")

    def zygote(self) -> None:
        """SIGKILL to the zygote alone: its sessions end."""
        self._while_held("zygote")

    def _while_held(self, *parts: str) -> None:
        program = self.victim("hold")
        self.strike(program, *parts)
        # A start that is under way goes on with a new zygote; then that session may live.
        comes_true((self.stage.folder / "started").exists, _APPEAR_S)
        self.settle(program.pid)
        self.end(program)
        self.settle()

    def supervisor_zygote(self) -> None:
        """Supervisor and zygote at once: who holds the session clears up."""
        self._while_held("supervisor", "zygote")

    def the_broker(self) -> None:
        """SIGKILL to the broker: the session is of no use, but ends like any other."""
        program = self.victim("hold")
        self.strike(program, "broker")
        self.end(program)
        self.settle()

    # --- in a notebook -----------------------------------------------------------------

    @contextlib.contextmanager
    def _kernel(self, code: str) -> Iterator[KernelManager]:
        """Run a cell in a real kernel, hand the kernel over, and shut it down at the end."""
        os.environ |= {"JUPYTER_RUNTIME_DIR": str(self.stage.folder / "jupyter")}
        manager = KernelManager(kernel_name="python3")
        with (self.stage.folder / "output").open("ab") as output:
            manager.start_kernel(
                cwd=str(self.stage.folder), env=self.stage.env, stdout=output, stderr=output
            )
            client = manager.client()
            client.start_channels()
            client.wait_for_ready(_APPEAR_S)
            client.execute(code)
            yield manager
            client.stop_channels()
            manager.shutdown_kernel()
        self.settle()

    def _start(self) -> str:
        return (
            "import sandbox; from tests.kill.victim import SCENARIO\n"
            f"session = sandbox.start(SCENARIO, broker={self.broker!r}, runs='runs')\n"
        )

    def cell(self) -> None:
        """A cell raises with the session in a variable; then the kernel is shut down."""
        with self._kernel(f"{self._start()}session.wait({self.moment_s})\n1 / 0") as manager:
            comes_true(lambda: not manager.is_alive(), self.moment_s)

    def with_block(self) -> None:
        """A cell raises inside ``with``; the kernel lives on, the session does not."""
        raised = self.stage.folder / "raised"
        code = (
            f"{self._start()}try:\n"
            "    with session:\n"
            f"        session.wait({min(self.moment_s, RUN_S)})\n        1 / 0\n"
            f"finally:\n    open({str(raised)!r}, 'w').close()"
        )
        with self._kernel(code) as manager:
            comes_true(raised.exists, _APPEAR_S)
            self.settle(manager.provisioner.pid)
            assert manager.is_alive()

    def restart(self) -> None:
        """The kernel is restarted; the new one knows nothing of the session."""
        with self._kernel(f"{self._start()}session.wait(60)") as manager:
            comes_true(lambda: not manager.is_alive(), self.moment_s)
            manager.restart_kernel()
            self.settle(manager.provisioner.pid)

    def notebook(self) -> None:
        """SIGKILL to a real kernel."""
        with self._kernel(f"{self._start()}session.wait(60)") as manager:
            comes_true(lambda: not manager.is_alive(), self.moment_s)
            manager.signal_kernel(signal.SIGKILL)
            comes_true(lambda: not manager.is_alive(), _END_S)
            self.settle()

    def check_records(self) -> None:
        """Every run's folder is kept, and what was written of it can be read."""
        folders = list((self.stage.folder / "runs").glob("*"))
        for folder in folders:
            for path in (folder / "raw").glob("*.jsonl"):
                for line in path.read_bytes().splitlines():
                    json.loads(line)
            if (folder / "run.json").exists():
                sandbox.Run.load(folder)
        self.report["runs"] = len(folders)


WAYS: dict[str, Callable[[Round], None]] = {
    "nothing": Round.nothing,
    "exit": Round.exit,
    "interrupt": Round.interrupt,
    "interrupt the command": Round.interrupt_cli,
    "kernel": Round.kernel,
    "supervisor": Round.supervisor,
    "zygote": Round.zygote,
    "broker": Round.the_broker,
    "kernel and supervisor": Round.kernel_supervisor,
    "kernel and zygote": Round.kernel_zygote,
    "supervisor and zygote": Round.supervisor_zygote,
    "kernel, supervisor and zygote": Round.all_three,
    "an exception in a cell": Round.cell,
    "an exception in a with block": Round.with_block,
    "a restarted kernel": Round.restart,
    "a killed notebook kernel": Round.notebook,
}


def play(way: str, moment_s: float, broker: str, folder: str) -> Report:
    """Play one round in this process, which is for nothing else, and return its report."""
    played = Round(moment_s, broker, Path(folder))
    try:
        WAYS[way](played)
        played.check_records()
    finally:
        played.stage.clear()
    return {"way": way, **played.report}
