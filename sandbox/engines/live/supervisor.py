"""The supervisor of a session: it starts every other process, and takes them along when it goes.

It leads a process group of its own and reads orders from a socket whose other end the
notebook holds. When that closes, or the zygote that has forked it dies, it kills them and
removes what the session has left outside its record. On Linux each of them also asks the
kernel to be killed with the process that forked it. So any one of notebook, zygote and
supervisor that survives the other two clears up, and when none does, the kernel ends the rest.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.engines.live import leftovers
from sandbox.engines.live.hooks import missing_hooks
from sandbox.engines.live.writer import Writer

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
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())

    def serve(self) -> None:
        """Carry out orders until the socket closes or the zygote is gone."""
        buffer = b""
        self.answer({"pid": os.getpid()})
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
            if name in self.inputs:
                os.close(self.inputs.pop(name))
            code = os.waitstatus_to_exitcode(status)
            how = {"signal": -code} if code < 0 else {"exit": code}
            # The children of a worker's main process are gone with it, or are sent after it.
            if name != "broker":
                self.writer.write("worker_exited", worker=name, detail=how)
            self.answer({"exited": name, **how})

    # --- orders ----------------------------------------------------------------------

    def do_worker(self, name: str, url: str, prefix: str, ledger: str = "") -> int:
        """Fork a Celery worker."""
        from sandbox.engines.live import app, worker

        link = app.Link(url, prefix, ledger)
        return self._fork(name, lambda: worker.main(self.folder, name, link))

    def do_client(self, name: str, role: str, **link: str) -> int:
        """Fork a client process: one that publishes, operates, plays the web, or is a beat."""
        from sandbox.engines.live import app, beat, client, front, operator, visitors

        mains: dict[str, Callable[..., None]] = {
            "client": client.main, "operator": operator.main,
            "front": front.main, "visitors": visitors.main, "beat": partial(beat.main, name=name),
        }  # fmt: skip
        return self._fork(name, lambda: mains[role](self.folder, app.Link(**link)))

    def do_downstream(self, name: str) -> int:
        """Fork the server that plays the scenario's dependencies."""
        from sandbox.engines.live import downstream

        return self._fork(name, lambda: downstream.main(self.folder))

    def do_proxy(self, name: str, host: str, port: int, links: list[str]) -> int:
        """Fork the proxy that all reach the broker through."""
        from sandbox.engines.live import proxy

        return self._fork(name, lambda: proxy.main(self.folder, host, port, links))

    def do_fake(self, name: str, port: int, password: str) -> int:
        """Fork the fake Redis server."""
        from sandbox.engines.live import fake

        return self._fork(name, lambda: fake.serve(port, password))

    def do_reach(self, url: str) -> dict[str, str]:
        """Ask a broker for its ``version``; else say that it ``refused``, or the ``error``."""
        import redis

        # Asked again and again from outside: no retries of its own, which would wait in between.
        client = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=None)
        try:
            return {"version": str(client.info("server").get("redis_version", ""))}
        except redis.exceptions.AuthenticationError:
            return {"refused": "the password"}
        except (redis.RedisError, OSError) as exc:
            return {"error": str(exc)}
        finally:
            client.close()

    def do_missing_hooks(self) -> dict[str, tuple[str, ...]]:
        """Return what the recorder cannot hook in this Celery, and which kinds that costs."""
        return missing_hooks()

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
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signum)

    def do_pids(self) -> dict[str, int]:
        """Return the process id of each child by its name."""
        return {name: pid for pid, name in self.names.items()}

    def do_children(self, name: str) -> list[int]:
        """Return the process ids of a worker's children that live."""
        pid = next((pid for pid, known in self.names.items() if known == name), None)
        return [] if pid is None else [child for child in _children(pid) if _lives(child)]

    # --- processes -------------------------------------------------------------------

    def _fork(self, name: str, run: Callable[[], None]) -> int:
        reader, writer = os.pipe()
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            _child(run, reader, self.folder / "logs" / f"{name}.log", me)
        os.close(reader)
        self.names[pid], self.inputs[name] = name, writer
        leftovers.note_process(self.temp, pid)
        return pid

    def end(self) -> None:
        """Kill everything that was started, clear up, and kill the group, this process included."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for pid in list(self.names):
            for one in (pid, *_children(pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while self.names:
                self.names.pop(os.waitpid(-1, 0)[0], None)
        leftovers.clear(self.temp)
        leftovers.sweep(self.temp.parent, reach=False)
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _child(run: Callable[[], None], stdin: int, log: Path, parent: int) -> None:
    """Become a child: own output, default signals, bound to the supervisor's life."""
    code = 1
    try:
        die_with_parent(parent, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGALRM, signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
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


def die_with_parent(parent: int, signum: int) -> None:
    """Have the kernel send a signal to this process when its parent dies (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:
            os._exit(1)


def _lives(pid: int) -> bool:
    """Return whether a process is more than what its parent has yet to collect."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _children(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def main(link: int, order: dict[str, Any], zygote: int) -> None:
    """Be the supervisor of one session; at the end kill the group, this process included."""
    os.setsid()
    # What it and its children write is nobody else's to read: a scenario, a broker's messages.
    os.umask(0o077)
    # A signal that it can act on: it clears up before it dies too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    die_with_parent(zygote, signal.SIGTERM)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    folder, temp = Path(order["folder"]), Path(order["temp"])
    log = os.open(folder / "logs" / "supervisor.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for target in (1, 2):
        os.dup2(log, target)
    # The scenario's app is looked for where the notebook would find it.
    sys.path[:] = order["path"]
    os.chdir(order["cwd"])
    # What a killed worker had no time to remove goes with the session: billiard's folders too.
    os.environ["TMPDIR"] = tempfile.tempdir = str(temp)
    supervisor = Supervisor(link, folder, temp)
    try:
        supervisor.serve()
    except Exception:  # noqa: BLE001 - the log has it; the group must end all the same
        traceback.print_exc()
    finally:
        supervisor.end()
