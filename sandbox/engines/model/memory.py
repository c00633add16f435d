"""The verbs about what the broker holds in its memory: deleted, or full."""

from __future__ import annotations

from sandbox.engines.model.network import NetworkControls
from sandbox.faults import At, OnEvent


class MemoryControls(NetworkControls):
    """Controls of the model whose broker can lose what it holds."""

    def flush(self, *, when: At | OnEvent | None = None) -> None:
        """FLUSHDB: every message is gone."""
        self._order("flush", when)

    # --- what they do ----------------------------------------------------------------

    def _do_flush(self) -> None:
        self._reachable("flush")
        self._note("flush")
        self._world.broker.flush()
