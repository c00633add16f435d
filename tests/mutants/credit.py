"""Wrong models of credit and acknowledgements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.engines.model import broker, holds, pool, worker
from tests.mutants.registry import Patch, after, before, mutant


@mutant("one credit too many", "late ack, prefetch 1")
def _(patch: Patch) -> None:
    _add_credit(patch, 1)


@mutant("one credit too few", "early ack, prefetch 4")
def _(patch: Patch) -> None:
    _add_credit(patch, -1)


def _add_credit(patch: Patch, by: int) -> None:
    def can_consume(self: worker.Worker) -> bool:
        return len(self.delivered) < self.prefetch_count + by

    patch.setattr(worker.Worker, "can_consume", can_consume)


@mutant("an unlimited prefetch is one of none", "prefetch without a limit")
def _(patch: Patch) -> None:
    def finite(self: worker.Worker, *_: Any) -> None:
        self.prefetch_count = min(self.prefetch_count, self.settings.concurrency)

    after(patch, worker.Worker, "__init__", finite)


@mutant("an early ack gives its credit back at the end", "early ack, prefetch 1")
def _(patch: Patch) -> None:
    _late_kinds(patch)
    # At the start the message leaves `unacked`, while its credit stays with it until the end.
    before(
        patch, pool.Pool, "_run",
        lambda self, _, message: self.world.broker.unacked.pop(message, None),
    )  # fmt: skip


def _late_kinds(patch: Patch, *, late: bool = True) -> None:
    after(patch, broker.Kind, "__init__", lambda self, *_, **__: setattr(self, "late", late))


@mutant("an early ack comes at the end", "a worker killed, early ack, then an hour")
def _(patch: Patch) -> None:
    _late_kinds(patch)


@mutant("a late ack comes at the start", "a worker killed, late ack, then an hour")
def _(patch: Patch) -> None:
    _late_kinds(patch, late=False)


@mutant("a countdown lends no credit", "a countdown lends credit")
def _(patch: Patch) -> None:
    def take_back(self: holds.Holds, *_: Any) -> None:
        self.worker.prefetch_count -= 1

    def give_back(self: holds.Holds, *_: Any) -> None:
        self.worker.prefetch_count += 1

    after(patch, holds.Holds, "_hold_for_eta", take_back)
    original = holds.Holds._call_after

    def call_after(self: holds.Holds, delay_s: float, then: Callable[[], None]) -> None:
        def due() -> None:
            give_back(self)
            then()

        original(self, delay_s, due if "_hold_for_eta" in then.__qualname__ else then)

    patch.setattr(holds.Holds, "_call_after", call_after)


@mutant("what waits for a token gives its credit back", "a late ack waits for a token too")
def _(patch: Patch) -> None:
    before(
        patch, holds.Holds, "_limit",
        lambda self, message, _: self.worker.delivered.pop(message, None),
    )  # fmt: skip
