"""The verbs about what the broker holds in its memory: deleted, or full."""

from __future__ import annotations

from sandbox.engines.live.network import NetworkControls
from sandbox.faults import At, OnEvent


class MemoryControls(NetworkControls):
    """Controls of a live session whose broker can lose what it holds."""

    def flush(self, *, when: At | OnEvent | None = None) -> None:
        """FLUSHDB: every message is gone."""
        if not self._postponed("flush", {}, when):
            self._own("flush")
            self._reachable("flush")
            self._log("flush")
            self._operate("flush")
