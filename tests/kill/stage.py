"""The stage of one round: it adopts every orphan, so nothing that was started can hide.

A round has a process of its own, the subreaper of all it starts, and a private folder for
temporary files: what is left is then the round's, whatever else runs on the machine.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
ZYGOTE = "sandbox.engines.live.zygote"


class Stage:
    """The processes below this one, and a folder of which ``temp`` and ``runs`` are parts."""

    def __init__(self, folder: Path) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.folder, self.temp = folder, folder / "temp"
        self.temp.mkdir(parents=True)
        self.env = os.environ | {"TMPDIR": str(self.temp), "PYTHONPATH": str(Path.cwd())}
        self.ports: set[int] = set()

    def play(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Python program in the round's folder, in a group of its own."""
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def living(self) -> list[psutil.Process]:
        """Return every process below this one that is no zombie."""
        found = []
        for process in psutil.Process().children(recursive=True):
            try:
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def cast(self, victim: int) -> dict[str, int]:
        """Return who plays which part now: kernel, zygote, supervisor, broker."""
        parts = {"kernel": victim}
        by_pid = {process.pid: process for process in self.living()}
        for process in by_pid.values():
            try:
                parent = process.ppid()
                if parent == victim and ZYGOTE in process.cmdline():
                    parts["zygote"] = process.pid
                elif parent == parts.get("zygote"):
                    parts["supervisor"] = process.pid
                elif parent == parts.get("supervisor") and (ports := list(listening(process))):
                    # The proxy listens, too; it is started after the broker.
                    parts["broker"] = min(process.pid, parts.get("broker", process.pid))
                    self.ports.update(ports)
            except psutil.Error:
                continue
        return parts

    def kill(self, pids: Iterable[int]) -> None:
        """SIGKILL several at one moment: stopped first, none can act on another's death."""
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue

    def left(self, spared: int = 0) -> list[str]:
        """Say what of the round is still there, apart from a process and what is below it.

        Orphans are below nobody but the stage. A temporary folder is due to a living session.
        """
        below = {spared} | {p.pid for p in self.living() if spared in map(_pid, p.parents())}
        found = [f"process {p.pid} {p.name()}" for p in self.living() if p.pid not in below]
        if "supervisor" not in self.cast(spared):
            found += [f"folder {path.name}" for path in self.temp.iterdir()]
            found += [f"port {port}" for port in sorted(self.ports) if is_open(port)]
        return found

    def clear(self) -> None:
        """End what a failed round has left; a test of leftovers must leave none itself."""
        for process in self.living():
            process.kill()


def _pid(process: psutil.Process) -> int:
    return process.pid


def listening(process: psutil.Process) -> Iterable[int]:
    """Yield the ports that a process listens at."""
    for connection in process.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN:
            yield connection.laddr.port


def is_open(port: int) -> bool:
    """Say whether somebody listens at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
