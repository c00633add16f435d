"""The record of a live session as it grows: lines of many files made into ordered events."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from sys import intern
from typing import Any

from sandbox.engines.live.nowhere import Nowhere
from sandbox.fold import Fold
from sandbox.run import Event

_SETTLE_S = 0.06
"""How long an event waits for an earlier one of another process before it is taken as ordered."""

_IDLE = {"sample", "sweep"}
"""Events that go on for ever, also when nothing is left to do."""

_REPORT_S = 0.5
"""How long a worker may take to tell the end of a task whose child is gone."""


class Tail:
    """Reads what has been appended to the files of a folder since the last look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._at: dict[str, int] = {}

    def read(self) -> list[dict[str, Any]]:
        """Return the complete new lines of all files, as they were written."""
        lines: list[dict[str, Any]] = []
        with os.scandir(self._folder) as entries:
            grown = [x.path for x in entries if x.stat().st_size > self._at.get(x.path, 0)]
        for path in grown:
            at = self._at.get(path, 0)
            with Path(path).open("rb") as file:
                file.seek(at)
                data = file.read()
            end = data.rfind(b"\n") + 1
            self._at[path] = at + end
            whole = data[:end].splitlines()
            lines += [json.loads(line, object_pairs_hook=_known) for line in whole]
        return lines


def _known(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Keep each word once: all lines say the same ones, and a session keeps all that they say."""
    return {intern(key): intern(x) if type(x) is str else x for key, x in pairs}


class Record:
    """Thread-safe: the pump writes, everybody else reads and waits."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._tail = folder.parent, Tail(folder)
        self._pending: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self.events: list[Event] = []
        self.fold = Fold()
        self.nowhere = Nowhere()
        self.t0: float | None = None
        self.notes: list[dict[str, Any]] = []
        self.ready: list[dict[str, Any]] = []
        self.running: dict[tuple[str, int], tuple[float, str, int]] = {}
        self.children: dict[tuple[str, int], int] = {}
        """The process id of the newest child of each worker's slot."""
        self._unreported: dict[str, float] = {}
        self.listeners: list[Callable[[Event], None]] = []
        self._samples: dict[str, dict[str, Any]] = {}

    def now(self) -> float:
        """Return the run's time (s); 0.0 before the start."""
        return 0.0 if self.t0 is None else time.monotonic() - self.t0

    def pump(self, *, settle_s: float = _SETTLE_S) -> None:
        """Take what is new; publish what is old enough to be in order."""
        with self.changed:
            for line in sorted(self._tail.read(), key=lambda line: line["t"]):
                self._take(line)
            if self.t0 is None:
                self.changed.notify_all()
                return
            self._pending.sort(key=lambda line: line["t"])
            ready = [x for x in self._pending if x["t"] <= time.monotonic() - settle_s]
            del self._pending[: len(ready)]
            fresh = [self._event(line) for line in ready]
            self.events += fresh
            self.fold.feed(fresh)
            self.nowhere.feed(fresh)
            self.changed.notify_all()

    def _take(self, line: dict[str, Any]) -> None:
        if line["kind"] == "_child_up" and "slot" in line:
            self.children[line["worker"], line["slot"]] = line["detail"]["pid"]
        if line["kind"].startswith("_"):
            self.notes.append(line)
            return
        if line["kind"] == "worker_ready":
            self.ready.append(line)
        self._pending.append(line)
        self._watch_slots(line)
        for listener in self.listeners:
            listener(self._event(line))

    def _watch_slots(self, line: dict[str, Any]) -> None:
        """Know at once which process runs what: the kill of a child needs its pid."""
        slot = (line.get("worker", ""), line.get("slot", -1))
        if line["kind"] == "started":
            pid = (line.get("detail") or {}).get("pid", 0)
            self.running[slot] = (line["t"], line["task"], pid)
        elif line["kind"] in {"succeeded", "failed", "retried"}:
            self.running.pop(slot, None)
            self._unreported.pop(line["task"], None)
        elif line["kind"] == "requeued":
            self._unreported.pop(line["task"], None)
        elif line["kind"] == "child_lost":
            self._unreported[line["task"]] = line["t"]
            for key, (_, task, _pid) in list(self.running.items()):
                if key[0] == line["worker"] and task == line["task"]:
                    del self.running[key]
        elif line["kind"] == "worker_exited":
            for key in [key for key in self.running if key[0] == line["worker"]]:
                del self.running[key]

    def _event(self, line: dict[str, Any]) -> Event:
        fields = {key: value for key, value in line.items() if key != "t"}
        detail, t0 = line.get("detail") or {}, self.t0 or 0.0
        if "eta" in detail:
            fields["detail"] = {"eta_s": round(detail["eta"] - t0, 6)}
        if line["kind"] == "sample":
            # Up to five a second, of few different ones: what is equal is kept once.
            fields["detail"] = self._samples.setdefault(str(detail), detail)
        if "since" in detail:
            since = [None if at is None else round(at - t0, 6) for at in detail["since"]]
            rest = {name: value for name, value in detail.items() if name != "since"}
            fields["detail"] = rest | {"since_s": since}
        return Event(t_s=round(line["t"] - (self.t0 or 0.0), 6), **fields)

    def wait_until(self, condition: Callable[[], Any], timeout_s: float) -> Any:
        """Wait until ``condition()`` is true and return its value; None after ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        with self.changed:
            while True:
                value = condition()
                if value:
                    return value
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self.changed.wait(min(left, 0.2))

    def note(self, kind: str) -> dict[str, Any] | None:
        """Return the first internal line of a kind, such as ``_client_done``."""
        return next((line for line in self.notes if line["kind"] == kind), None)

    @property
    def settled(self) -> bool:
        """Whether each line read so far that matters is an event, and each lost child's task told.

        Several workers that sweep often always have a sweep under way: it is not waited for.
        Main first notes that a child is gone and then, some milliseconds later, how its task
        ends; it may have said so before.
        """
        since = time.monotonic() - _REPORT_S
        is_idle = all(line["kind"] in _IDLE for line in self._pending)
        return is_idle and all(t < since for t in self._unreported.values())

    def until_end(self) -> tuple[Event, ...]:
        """Return the events in the order of their times, up to ``ended``.

        What follows it is the take-down of the session, not the system's behaviour.
        """
        events = sorted(self.events, key=lambda event: event.t_s)
        last = next((i for i, e in enumerate(events) if e.kind == "ended"), len(events) - 1)
        return tuple(events[: last + 1])
