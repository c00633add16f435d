"""The verbs about memory: what the broker holds, deleted or full, and a child that has none."""

from __future__ import annotations

from typing import Any

from sandbox.engines.commands import chosen
from sandbox.engines.live.network import NetworkControls
from sandbox.engines.live.oom import Limit, limit
from sandbox.errors import EngineError
from sandbox.faults import At, OnEvent


class MemoryControls(NetworkControls):
    """Controls of a live session whose broker and whose children can run out of memory."""

    def child_oom(  # noqa: PLR0913 - all but two have defaults
        self,
        task: str,
        after_s: float,
        n: int | None = 1,
        worker: str | None = None,
        slot: int | None = None,
        *,
        when: At | OnEvent | None = None,
    ) -> None:
        """Have the next ``n`` executions of a type killed that work longer than ``after_s``."""
        arguments: dict[str, Any] = {"task": task, "after_s": after_s, "n": n}
        arguments |= chosen(worker=worker, slot=slot)
        if not self._postponed("child_oom", arguments, when):
            self._log("child_oom", **arguments)
            limit(self._record.folder, self.scenario, task, Limit(after_s, n, worker, slot))

    def flush(self, *, when: At | OnEvent | None = None) -> None:
        """FLUSHDB: every message is gone."""
        if not self._postponed("flush", {}, when):
            self._reachable("flush")
            self._log("flush")
            self._operate("flush")

    def evict(self, *, when: At | OnEvent | None = None) -> None:
        """Have Redis evict every key, under ``allkeys-lru``."""
        if not self._postponed("evict", {}, when):
            self._reachable("evict")
            self._log("evict")
            self._operate("evict")

    def fill_memory(self, *, when: At | OnEvent | None = None) -> None:
        """Have Redis refuse every write, under ``noeviction``."""
        if not self._postponed("fill_memory", {}, when):
            self._reachable("fill_memory")
            self._none_closing("fill_memory")
            self._log("fill_memory")
            self._operate("fill_memory")
            self.outage.is_full = True

    def free_memory(self, *, when: At | OnEvent | None = None) -> None:
        """Let Redis take writes again."""
        if self._postponed("free_memory", {}, when):
            return
        if not self.outage.is_full:
            raise EngineError("free_memory: the broker's memory is not full")
        self._log("free_memory")
        self._operate("free_memory")
        self.outage.is_full = False
