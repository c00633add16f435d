"""The supervisor of a session: it starts every other process, and takes them along when it goes.

It leads a process group of its own and reads orders from a socket whose other end the
notebook holds. When that closes, for whatever reason, it kills the group: no process
outlives a killed notebook. It is forked by the zygote, a process that has imported Celery
once and waits: a worker is then ready in a fraction of Celery's start-up time. On Linux each
of them also asks the kernel to be killed with the process that forked it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.engines.live.recorder import Writer

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.5
_OWN_FDS = 3  # what comes after stdin, stdout and stderr belongs to the parent
_MOST_FDS = 256


class Supervisor:
    """Reads orders (JSON lines), forks, signals, reaps; one thread, so that forking is safe."""

    def __init__(self, link: int, folder: Path, temp: Path) -> None:
        self.link, self.folder, self.temp = link, folder, temp
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
        """Carry out orders until the socket closes or the zygote is gone."""
        buffer = b""
        self.answer({"ready": True, "pid": os.getpid()})
        while os.getppid() == self.parent:
            readable, _, _ = select.select([self.link, self.wake], [], [], _POLL_S)
            if self.wake in readable:
                os.read(self.wake, 4096)
            self.reap()
            if self.link not in readable:
                continue
            chunk = os.read(self.link, 65536)
            if not chunk:
                return
            *lines, buffer = (buffer + chunk).split(b"\n")
            for line in lines:
                self.obey(json.loads(line))

    def answer(self, message: dict[str, Any]) -> None:
        """Write one line to the parent; a parent that is gone is noticed by ``serve``."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            os.write(self.link, (json.dumps(message) + "\n").encode())

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
        from sandbox.engines.live import app, worker

        return self._fork(name, lambda: worker.main(self.folder, name, app.Link(url, prefix)))

    def do_client(self, name: str, role: str, url: str, prefix: str) -> int:
        """Fork a client process: the one that publishes, or the one that operates."""
        from sandbox.engines.live import app, client, operator

        mains: dict[str, Callable[..., None]] = {"client": client.main, "operator": operator.main}
        link = app.Link(url, prefix)
        return self._fork(name, lambda: mains[role](self.folder, link))

    def do_fake(self, name: str, port: int, password: str) -> int:
        """Fork the fake Redis server."""
        from sandbox.engines.live import fake

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
        os.closerange(_OWN_FDS, _MOST_FDS)
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
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _session(link: int, order: dict[str, Any], zygote: int) -> None:
    """Be the supervisor of one session; at the end kill the group, this process included."""
    os.setsid()
    _die_with_parent(zygote)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    folder, temp = Path(order["folder"]), Path(order["temp"])
    log = os.open(folder / "logs" / "supervisor.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for target in (1, 2):
        os.dup2(log, target)
    # The scenario's app is looked for where the notebook would find it.
    sys.path[:] = order["path"]
    os.chdir(order["cwd"])
    try:
        Supervisor(link, folder, temp).serve()
    except BaseException:  # noqa: BLE001 - the log has it; the group must end all the same
        traceback.print_exc()
    finally:
        shutil.rmtree(temp, ignore_errors=True)
        os.killpg(os.getpgrp(), signal.SIGKILL)


def zygote(link: socket.socket) -> None:
    """Import what workers need, then fork a supervisor for each session that is asked for.

    Ends when the notebook's end of ``link`` is closed.
    """
    import encodings.idna  # noqa: F401

    import celery.apps.worker
    import celery.backends.redis
    import celery.concurrency.prefork
    import celery.worker.consumer  # noqa: F401
    import kombu.transport.redis  # noqa: F401
    import psutil  # noqa: F401

    import sandbox.engines.live.client
    import sandbox.engines.live.operator  # noqa: F401
    from sandbox.draws import uniform

    # The first draw loads numpy's generators; better once here than in every child.
    uniform(0, "warm-up", 0)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the supervisors
    me = os.getpid()
    link.sendall(b"ready\n")
    while True:
        data, fds, _, _ = socket.recv_fds(link, 1 << 16, 1)
        if not data:
            return
        pid = os.fork()
        if pid == 0:
            link.close()
            _session(fds[0], json.loads(data), me)
        for fd in fds:
            os.close(fd)
        link.sendall(f"{pid}\n".encode())


if __name__ == "__main__":
    zygote(socket.socket(fileno=int(sys.argv[1])))
