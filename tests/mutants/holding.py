"""Wrong models of countdowns, of a worker without prefetch, of the autoscaler."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.engines.model import broker, holds, reserved, worker, world
from sandbox.scenario import WorkerPool
from tests.mutants.registry import Patch, after, mutant


@mutant("a published countdown is not waited for", "six countdowns on one credit")
def _(patch: Patch) -> None:
    original = world.World.first_message

    def at_once(self: world.World, kind: broker.Kind, n: int) -> broker.Message:
        message = original(self, kind, n)
        message.eta_s = None
        return message

    patch.setattr(world.World, "first_message", at_once)


@mutant("an expired countdown is dropped on receipt", "expired before its countdown")
def _(patch: Patch) -> None:
    original = worker.Worker._receive

    def look_ahead(self: worker.Worker, message: broker.Message) -> None:
        eta_s, expires_s = message.eta_s, message.expires_s
        if eta_s is not None and expires_s is not None and eta_s > expires_s:
            self.revoke(message)
        else:
            original(self, message)

    patch.setattr(worker.Worker, "_receive", look_ahead)


@mutant("a countdown is over before its token is asked for", "a countdown, then a token")
def _(patch: Patch) -> None:
    patch.setattr(holds.Holds, "_limit", lambda self, message, _: self._apply(message))


@mutant("disable_prefetch is ignored", "no prefetch, early ack")
def _(patch: Patch) -> None:
    patch.setattr(worker.Worker, "_is_full", lambda self: self.pool.blocks_main)


@mutant("what waits for a token is reserved", "no prefetch, but what waits for a token")
def _(patch: Patch) -> None:
    original = worker.Worker._is_full

    def is_full(self: worker.Worker) -> bool:
        return original(self) or self.holds.n_held >= self.settings.concurrency

    patch.setattr(worker.Worker, "_is_full", is_full)


@mutant("an ETA limit is ignored", "an ETA limit leaves the rest")
def _(patch: Patch) -> None:
    def one_more(self: holds.Holds) -> None:
        self.worker.prefetch_count += 1

    patch.setattr(holds.Holds, "_take_one_more", one_more)


@mutant("an ETA limit takes back only what it has lent", "an ETA limit costs credit for good")
def _(patch: Patch) -> None:
    original, call_after = holds.Holds._take_one_more, holds.Holds._call_after
    refused = [0]

    def take(self: holds.Holds) -> None:
        before = self.worker.prefetch_count
        original(self)
        refused[0] += self.worker.prefetch_count == before

    def after_all(self: holds.Holds, delay_s: float, then: Callable[[], None]) -> None:
        def due() -> None:
            if refused[0]:
                refused[0] -= 1
                self.worker.prefetch_count += 1
            then()

        call_after(self, delay_s, due)

    patch.setattr(holds.Holds, "_take_one_more", take)
    patch.setattr(holds.Holds, "_call_after", after_all)


@mutant("autoscale begins with the most", "a process for each reserved task")
def _(patch: Patch) -> None:
    patch.setattr(WorkerPool, "n_first", property(lambda self: self.concurrency))


@mutant("autoscale waits for its tick to grow", "a process for each reserved task, late ack")
def _(patch: Patch) -> None:
    patch.setattr("sandbox.engines.model.autoscale.Autoscaler.received", lambda self: None)


@mutant("the credit is that of the fewest processes", "the credit of the most processes")
def _(patch: Patch) -> None:
    def fewer(self: worker.Worker, *_: object) -> None:
        self.prefetch_count = self.settings.n_first * self.settings.prefetch_multiplier

    after(patch, worker.Worker, "__init__", fewer)


@mutant("idle processes stay", "processes go when nothing comes")
def _(patch: Patch) -> None:
    patch.setattr(reserved.CountingPool, "shrink", lambda self, n: None)


@mutant("a countdown that is over is reserved", "a countdown that is over brings no process")
def _(patch: Patch) -> None:
    patch.setattr(holds.Holds, "_apply", lambda self, message: self.worker.apply(message))
