"""The watch of the soak: memory and descriptors of every process of a session, from /proc."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

import psutil

from sandbox.engines.live.engine import LiveSession
from sandbox.errors import EngineError

EVERY_S = 2.0
SINGLES = ("parent", "zygote", "supervisor", "broker", "proxy", "client", "operator", "downstream")
"""The roles of which there is one process each, all through the session."""
WORKERS = "workers"


@dataclass(frozen=True)
class Sample:
    """One look: by role, the memory (MB, see ``pss_mb``) and the descriptors.

    ``whole``: every process was there, so that its memory can be compared with another's.
    """

    at_s: float
    memory: dict[str, float]
    descriptors: dict[str, int]
    whole: bool = True


@dataclass
class Minutes:
    """Samples, each minute's put together by their medians as soon as it is over.

    ``most``: the most descriptors that each role had up to ``settled_s``, all links in use.
    """

    settled_s: float = 60.0
    minutes: list[Sample] = field(default_factory=list)
    most: dict[str, int] = field(default_factory=dict)
    _current: list[Sample] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        """Take one more sample."""
        if self._current and sample.at_s // 60 > self._current[0].at_s // 60:
            self.close()
        self._current.append(sample)
        if sample.at_s <= self.settled_s:
            for role, n in sample.descriptors.items():
                self.most[role] = max(n, self.most.get(role, 0))

    def close(self) -> None:
        """Put together what has come since the last whole minute."""
        if self._current:
            self.minutes.append(put_together(self._current))
            self._current = []


def put_together(samples: list[Sample]) -> Sample:
    """Return the medians of some samples, role by role; of whole ones, if there are any."""
    memory, descriptors = defaultdict(list), defaultdict(list)
    for sample in [one for one in samples if one.whole] or samples:
        for role, value in sample.memory.items():
            memory[role].append(value)
        for role, n in sample.descriptors.items():
            descriptors[role].append(n)
    return Sample(
        samples[0].at_s,
        {role: median(values) for role, values in memory.items()},
        {role: round(median(values)) for role, values in descriptors.items()},
        any(one.whole for one in samples),
    )


class Watch:
    """Looks every two seconds, in a thread of its own, until it is left."""

    def __init__(self, session: LiveSession) -> None:
        self._session, self._over = session, threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-watch", daemon=True)
        # The first quarter is for caches and pools of connections to fill.
        self.found = Minutes(max(60.0, session.scenario.horizon_s / 4))
        self._n_whole = sum(p.n_workers * (1 + p.concurrency) for p in session.scenario.workers)
        self.pids: dict[int, float] = {}
        self.n_failed = 0
        self.busy_s: dict[int, float] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self.found.close()

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                self.found.add(self.look())
            except (OSError, psutil.Error, EngineError):  # it ended between two lines
                self.n_failed += 1

    def look(self) -> Sample:
        """Look once."""
        memory: dict[str, float] = defaultdict(float)
        descriptors: dict[str, int] = {}
        processes = self._processes()
        for role, pid in processes:
            with contextlib.suppress(OSError, psutil.Error):
                one = psutil.Process(pid)
                self.pids[pid] = one.create_time()
                times = one.cpu_times()
                self.busy_s[pid] = times.user + times.system
                memory[role] += pss_mb(pid)
                if role in SINGLES:
                    descriptors[role] = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names only
        n_workers = sum(role == WORKERS for role, _ in processes)
        whole = n_workers == self._n_whole and "broker" in memory
        return Sample(self._session.now_s, dict(memory), descriptors, whole)

    def _processes(self) -> list[tuple[str, int]]:
        named: dict[str, int] = self._session._processes.order("pids")  # noqa: SLF001 - the same project
        supervisor = self._session._processes.pid  # noqa: SLF001
        found = [("parent", os.getpid()), ("supervisor", supervisor)]
        found.append(("zygote", psutil.Process(supervisor).ppid()))
        for name, pid in named.items():
            if name in SINGLES:
                found.append((name, pid))
            else:
                found.append((WORKERS, pid))
                with contextlib.suppress(psutil.Error):
                    below = psutil.Process(pid).children(recursive=True)
                    found += [(WORKERS, one.pid) for one in below]
        return found

    def left(self, grace_s: float = 5.0) -> list[int]:
        """Return the processes seen that are still there, but for this one and its zygote."""
        mine = {os.getpid(), *(one.pid for one in psutil.Process().children())}
        deadline = time.monotonic() + grace_s
        while True:
            found = [pid for pid, born in self.pids.items() if pid not in mine and _is(pid, born)]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)


def _is(pid: int, born: float) -> bool:
    try:
        one = psutil.Process(pid)
        return one.create_time() == born and one.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def pss_mb(pid: int) -> float:
    """Return what a process has written (MB): of what n processes share, the nth part.

    Without the pages of programs and libraries: they cannot leak, and how many share them depends
    on what else runs on the machine.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    kb = dict(line.split()[:2] for line in lines[1:])
    return (int(kb["Pss_Anon:"]) + int(kb["Pss_Shmem:"])) / 1024
