"""The zygote: a process that has imported Celery once and forks a supervisor for each session.

A worker is then ready in a fraction of Celery's start-up time. It is also a second guard: it
outlives its supervisors and ends with the notebook, and clears away what either leaves.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from types import FrameType

from sandbox.engines.live import leftovers

_LOOK_S = 0.1
_AGAIN_S = 1.0
_EXIT_S = 5.0


def load() -> None:
    """Import what workers need, those modules too that Celery imports at a worker's start."""
    import encodings.idna  # noqa: F401

    import billiard.heap
    import billiard.popen_fork
    import billiard.sharedctypes
    import billiard.synchronize  # noqa: F401
    import celery.app.control
    import celery.app.events
    import celery.app.log
    import celery.apps.beat
    import celery.apps.worker
    import celery.backends.redis
    import celery.concurrency.prefork
    import celery.events.receiver
    import celery.fixups.django
    import celery.worker.autoscale
    import celery.worker.components
    import celery.worker.consumer
    import celery.worker.consumer.delayed_delivery
    import celery.worker.strategy  # noqa: F401
    import kombu.mixins
    import kombu.pidbox
    import kombu.transport.redis  # noqa: F401
    import psutil  # noqa: F401

    import sandbox.engines.live.beat
    import sandbox.engines.live.client
    import sandbox.engines.live.operator
    import sandbox.engines.live.proxy
    import sandbox.engines.live.supervisor
    import sandbox.engines.live.worker  # noqa: F401
    from sandbox.draws import uniform

    # The first draw loads numpy's generators; better once here than in every child.
    uniform(0, "warm-up", 0)


class Zygote:
    """Forks a supervisor for each order that comes over ``link``, until the notebook is gone."""

    def __init__(self, link: socket.socket, parent: int) -> None:
        self.link, self.parent = link, parent
        self.temps: dict[int, Path] = {}
        self.wake, wake_in = os.pipe()
        os.set_blocking(wake_in, False)
        signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Fork and clear until the notebook closes its end of the link."""
        while True:
            readable, _, _ = select.select([self.link.fileno(), self.wake], [], [])
            if self.wake in readable:
                os.read(self.wake, 4096)
                self.reap()
            if self.link.fileno() in readable:
                data, fds, _, _ = socket.recv_fds(self.link, 1 << 16, 1)
                if not data:
                    return
                self.fork(data, fds)

    def fork(self, data: bytes, fds: list[int]) -> None:
        """Fork the supervisor of a session, whose end of the link came along."""
        from sandbox.engines.live import supervisor

        order, me = json.loads(data), os.getpid()
        for module in order["modules"]:
            import_module(module)
        pid = os.fork()
        if pid == 0:
            try:
                self.link.close()
                supervisor.main(fds[0], order, me)
            finally:
                # Whatever happens there, this copy of the zygote must not go on as one.
                os._exit(1)
        self.temps[pid] = Path(order["temp"])
        for fd in fds:
            os.close(fd)

    def reap(self) -> None:
        """Clear up after each supervisor that has ended, by whatever cause."""
        import psutil

        for pid in list(self.temps):
            # macOS has no os.waitid before Python 3.13 to look without reaping.
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                self.clear(pid)
                os.waitpid(pid, 0)

    def clear(self, pid: int) -> None:
        """Kill a session's group and remove its temporary folder."""
        # The supervisor first: it may not lead a group yet. Not yet reaped, its id is its own.
        for kill in (os.kill, os.killpg):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)
        leftovers.clear(self.temps.pop(pid))

    def end(self) -> None:
        """Clear up after all sessions, and after what else a dead notebook has left."""
        for pid in list(self.temps):
            self.clear(pid)
        # A process that exits closes its files one by one: its locks may go after its link.
        deadline = time.monotonic() + _EXIT_S
        while os.getppid() == self.parent and time.monotonic() < deadline:
            time.sleep(0.01)
        leftovers.sweep(Path(tempfile.gettempdir()), reach=False)


def _watch(parent: int) -> None:
    """End this process when its parent dies: it may be importing, or a fork may keep the link."""

    def look(_number: int, _frame: FrameType | None) -> None:
        # Again and again, as a module being imported may swallow an exit; but not before the
        # way out of the imports is done, or a second exit would cut what clears up.
        if os.getppid() != parent:
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S, _AGAIN_S)
            sys.exit()

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_S, _LOOK_S)


def main(link: socket.socket, parent: int) -> None:
    """Be the zygote of the process ``parent`` at the other end of ``link``."""
    zygote = Zygote(link, parent)
    _watch(parent)
    try:
        # Neither while importing, where nothing is garbage, nor later over what was imported:
        # Celery collects before each fork of a child, which would take 80 ms of each.
        gc.disable()
        load()
        gc.freeze()
        gc.enable()
        zygote.serve()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        zygote.end()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
