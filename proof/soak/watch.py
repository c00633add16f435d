"""The watch of the soak: memory and descriptors of every process of a session, from /proc."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from bisect import bisect
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
AGES_S = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
"""Between which ages (s) processes count as equally old."""
_LOOKS = 5


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
class Lives:
    """The memory of each worker's process by its age: a point for each ``AGES_S`` that it reached.

    Workers are killed all the time and grow while they warm up, so that their sum goes up and down
    with their age: only processes of one age can be compared.
    """

    points: dict[tuple[int, int], list[tuple[float, float]]] = field(default_factory=dict)
    is_main: dict[int, bool] = field(default_factory=dict)

    def add(self, pid: int, *, is_main: bool, at_s: float, age_s: float, mb: float) -> None:
        """Take one more look at a process."""
        self.is_main[pid] = is_main
        points = self.points.setdefault((pid, bisect(AGES_S, age_s)), [])
        if len(points) < _LOOKS:  # enough for a median, and little in the parent's own memory
            points.append((at_s, mb))

    def by_age(self, *, is_main: bool) -> dict[int, list[tuple[float, float]]]:
        """Return, for each age, the median time (s) and memory (MB) of each process of that age."""
        found = defaultdict(list)
        for (pid, age), points in self.points.items():
            if self.is_main[pid] is is_main:
                times, sizes = zip(*points, strict=True)
                found[age].append((median(times), median(sizes)))
        return dict(found)


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
        # The first half is for pools of connections to fill: they grow with the first bad moment.
        self.found, self.lives = Minutes(session.scenario.horizon_s / 2), Lives()
        self.n_mains = sum(pool.n_workers for pool in session.scenario.workers)
        self.n_children = sum(p.n_workers * p.concurrency for p in session.scenario.workers)
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
                mb = pss_mb(pid)
                memory[role] += mb
                if role == WORKERS:
                    self._note_life(one, mb)
                if role in SINGLES:
                    descriptors[role] = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names only
        n_workers = sum(role == WORKERS for role, _ in processes)
        whole = n_workers == self.n_mains + self.n_children and "broker" in memory
        return Sample(self._session.now_s, dict(memory), descriptors, whole)

    def _note_life(self, one: psutil.Process, mb: float) -> None:
        """Note the memory of a worker's process; the supervisor is a main process's parent."""
        is_main = one.ppid() == self._session._processes.pid  # noqa: SLF001
        age_s = time.time() - one.create_time()
        self.lives.add(one.pid, is_main=is_main, at_s=self._session.now_s, age_s=age_s, mb=mb)

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
