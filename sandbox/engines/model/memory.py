"""The verbs about memory: what the broker holds, deleted or full, and a child that has none.

A Redis over its ``maxmemory`` refuses every command in a MULTI (server.c ``processCommand``), and
so kombu's ``QoS.append`` and ``QoS.ack``. The error is no connection error, so Celery's worker
takes it for unrecoverable (celery/worker/worker.py ``start``). A result that a child cannot store
comes back to main as an exception, whose own result main cannot store either: that it only logs
(request.py ``on_failure``; billiard/pool.py ``safe_apply_callback``). Measured on redis-server
7.0 with ``maxmemory 1``.
"""

from __future__ import annotations

from sandbox.engines.commands import chosen
from sandbox.engines.model.crash import Leak
from sandbox.engines.model.network import NetworkControls
from sandbox.errors import EngineError
from sandbox.faults import At, OnEvent


class MemoryControls(NetworkControls):
    """Controls of the model whose broker and whose children can run out of memory."""

    def child_oom(
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
        where = chosen(worker=worker, slot=slot)
        self._order("child_oom", when, task=task, after_s=after_s, n=n, **where)

    def flush(self, *, when: At | OnEvent | None = None) -> None:
        """FLUSHDB: every message is gone."""
        self._order("flush", when)

    def evict(self, *, when: At | OnEvent | None = None) -> None:
        """Have the broker evict every key, under ``allkeys-lru``."""
        self._order("evict", when)

    def fill_memory(self, *, when: At | OnEvent | None = None) -> None:
        """Have the broker refuse every write, under ``noeviction``."""
        self._order("fill_memory", when)

    def free_memory(self, *, when: At | OnEvent | None = None) -> None:
        """Let the broker take writes again."""
        self._order("free_memory", when)

    # --- what they do ----------------------------------------------------------------

    def _do_child_oom(
        self,
        task: str,
        after_s: float,
        n: int | None,
        worker: str | None = None,
        slot: int | None = None,
    ) -> None:
        where = chosen(slot=slot)
        self._note("child_oom", worker=worker, task=task, after_s=after_s, n=n, **where)
        self._world.kinds[task].leak_from(Leak(after_s, n, worker, slot))

    def _do_flush(self) -> None:
        self._reachable("flush")
        self._note("flush")
        self._world.broker.flush()

    def _do_evict(self) -> None:
        self._reachable("evict")
        self._note("evict")
        self._world.broker.flush()

    def _do_fill_memory(self) -> None:
        self._none_closing("fill_memory")
        self._note("fill_memory")
        self._world.broker.is_full = True
        self._slow_down()

    def _do_free_memory(self) -> None:
        if not self._world.broker.is_full:
            raise EngineError("free_memory: the broker's memory is not full")
        self._note("free_memory")
        self._world.broker.is_full = False
        self._slow_down()
