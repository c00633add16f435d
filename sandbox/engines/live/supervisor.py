"""The supervisor: the process that starts every other one, and takes them along when it goes.

It leads a process group of its own and reads orders from its parent's pipe. When that pipe
closes, for whatever reason, it kills the group: no process outlives a killed notebook. It has
imported Celery before it forks, so a worker is ready in a fraction of Celery's start-up time.
On Linux its children also ask the kernel to be killed with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.engines.live.recorder import Writer

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.5
_ORDERS_FD, _ANSWERS_FD = 0, 1


class Supervisor:
    """Reads orders (JSON lines), forks, signals, reaps; one thread, so that forking is safe."""

    def __init__(self, folder: Path, temp: Path) -> None:
        self.folder, self.temp = folder, temp
        self.parent = os.getppid()
        self.names: dict[int, str] = {}
        self.inputs: dict[str, int] = {}
        self.writer = Writer(folder / "raw" / "supervisor.jsonl")
        self.wake, wake_in = os.pipe()
        os.set_blocking(wake_in, False)
        signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def serve(self) -> None:
        """Carry out orders until the parent's pipe closes or the parent is gone."""
        buffer = b""
        self.answer({"ready": True, "pid": os.getpid()})
        while os.getppid() == self.parent:
            readable, _, _ = select.select([_ORDERS_FD, self.wake], [], [], _POLL_S)
            if self.wake in readable:
                os.read(self.wake, 4096)
            self.reap()
            if _ORDERS_FD not in readable:
                continue
            chunk = os.read(_ORDERS_FD, 65536)
            if not chunk:
                return
            *lines, buffer = (buffer + chunk).split(b"\n")
            for line in lines:
                self.obey(json.loads(line))

    def answer(self, message: dict[str, Any]) -> None:
        """Write one line to the parent; a parent that is gone is noticed by ``serve``."""
        try:
            os.write(_ANSWERS_FD, (json.dumps(message) + "\n").encode())
        except BrokenPipeError:
            pass

    def obey(self, order: dict[str, Any]) -> None:
        """Carry out one order and answer it under its number."""
        number, verb = order.pop("number"), order.pop("verb")
        try:
            result = getattr(self, f"do_{verb}")(**order)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the parent is told
            self.answer({"number": number, "error": f"{type(exc).__name__}: {exc}"})
        else:
            self.answer({"number": number, "result": result})

    def reap(self) -> None:
        """Record each child that has ended, with how it ended."""
        while self.names:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            name = self.names.pop(pid, "?")
            self.inputs.pop(name, None)
            code = os.waitstatus_to_exitcode(status)
            how = {"signal": -code} if code < 0 else {"exit": code}
            # The children of a worker's main process are gone with it, or are sent after it.
            self.writer.write("worker_exited", worker=name, detail=how)
            self.answer({"exited": name, **how})

    # --- orders ----------------------------------------------------------------------

    def do_worker(self, name: str, url: str, prefix: str) -> int:
        """Fork a Celery worker."""
        from sandbox.engines.live import app, worker  # noqa: PLC0415

        return self._fork(name, lambda: worker.main(self.folder, name, app.Link(url, prefix)))

    def do_client(self, name: str, role: str, url: str, prefix: str) -> int:
        """Fork a client process: the one that publishes, or the one that operates."""
        from sandbox.engines.live import app, client, operator  # noqa: PLC0415

        mains: dict[str, Callable[..., None]] = {"client": client.main, "operator": operator.main}
        link = app.Link(url, prefix)
        return self._fork(name, lambda: mains[role](self.folder, link))

    def do_fake(self, name: str, port: int, password: str) -> int:
        """Fork the fake Redis server."""
        from sandbox.engines.live import fake  # noqa: PLC0415

        return self._fork(name, lambda: fake.serve(port, password))

    def do_exec(self, name: str, argv: list[str], text: str) -> int:
        """Run a program with ``text`` on its standard input (a secret stays out of argv)."""

        def run() -> None:
            os.chdir(self.temp)
            os.execvp(argv[0], argv)  # noqa: S606 - no shell on purpose

        pid = self._fork(name, run)
        os.write(self.inputs[name], text.encode())
        os.close(self.inputs.pop(name))
        return pid

    def do_tell(self, name: str, message: dict[str, Any]) -> None:
        """Write one line to a child's standard input."""
        os.write(self.inputs[name], (json.dumps(message) + "\n").encode())

    def do_signal(self, name: str, signum: int, tree: bool = False) -> None:
        """Send a signal to a child, and with ``tree`` to its own children after it."""
        pid = next((pid for pid, known in self.names.items() if known == name), None)
        if pid is None:
            raise LookupError(f"{name} is not running")
        below = _children(pid) if tree else []
        os.kill(pid, signum)
        for child in below:
            try:
                os.kill(child, signum)
            except ProcessLookupError:
                pass

    def do_children(self, name: str) -> list[int]:
        """Return the process ids of a worker's children."""
        pid = next((pid for pid, known in self.names.items() if known == name), None)
        return [] if pid is None else _children(pid)

    # --- processes -------------------------------------------------------------------

    def _fork(self, name: str, run: Callable[[], None]) -> int:
        reader, writer = os.pipe()
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            _child(name, run, reader, self.folder / "logs" / f"{name}.log", me)
        os.close(reader)
        self.names[pid], self.inputs[name] = name, writer
        return pid


def _child(name: str, run: Callable[[], None], stdin: int, log: Path, parent: int) -> None:
    """Become the child ``name``: own output, default signals, bound to the supervisor's life."""
    code = 1
    try:
        _die_with_parent(parent)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for source, target in ((stdin, 0), (out, 1), (out, 2)):
            os.dup2(source, target)
        os.closerange(3, 64)
        run()
        code = 0
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it was, the log has it and the child ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (Linux; elsewhere the group is)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _children(pid: int) -> list[int]:
    import psutil  # noqa: PLC0415

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def main() -> None:
    """Serve until the parent is gone, then remove the temporary folder and kill the group."""
    folder, temp = Path(sys.argv[1]), Path(sys.argv[2])
    # Imported before the first fork: this is what makes a worker's start quick.
    import celery.apps.worker  # noqa: F401, PLC0415
    import celery.concurrency.prefork  # noqa: F401, PLC0415
    import celery.worker.consumer  # noqa: F401, PLC0415
    import kombu.transport.redis  # noqa: F401, PLC0415
    import psutil  # noqa: F401, PLC0415

    import sandbox.engines.live.app  # noqa: F401, PLC0415

    supervisor = Supervisor(folder, temp)
    try:
        supervisor.serve()
    finally:
        shutil.rmtree(temp, ignore_errors=True)
        supervisor.writer.write("_supervisor_ends", at=time.monotonic())
        os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
