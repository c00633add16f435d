"""Wrong models of loads, draws and pools."""

from __future__ import annotations

from typing import Any

from sandbox.draws import uniform
from sandbox.engines.model import broker, host, pool, worker
from sandbox.loads import BeatEntry
from tests.mutants.registry import WORLDS, Patch, after, mutant, remember_workers


@mutant("beat is a period late", "a periodic task")
def _(patch: Patch) -> None:
    _beat(patch, 1)


@mutant("beat begins at once", "two periodic tasks")
def _(patch: Patch) -> None:
    _beat(patch, -1)


def _beat(patch: Patch, periods: int) -> None:
    original = BeatEntry.arrivals_s

    def moved(self: BeatEntry, horizon_s: float, **stream: Any) -> list[float]:
        times = original(self, horizon_s, **stream)
        return [at for t in times if (at := t + periods * self.every_s) < horizon_s]

    patch.setattr(BeatEntry, "arrivals_s", moved)


@mutant("a closed client does not wait for its result", "one client that waits")
def _(patch: Patch) -> None:
    def go_on(self: broker.Broker, message: broker.Message) -> None:
        WORLDS[id(self)].finished(message.key)

    after(patch, broker.Broker, "publish", go_on)
    remember_workers(patch)


@mutant("a redelivered task draws another time", "a redelivered task takes its own time again")
def _(patch: Patch) -> None:
    runs: dict[str, int] = {}
    original = pool.Pool._begin

    def begin(self: pool.Pool, slot: Any, message: broker.Message) -> None:
        n = runs[message.key] = runs.get(message.key, -1) + 1
        if n:
            quantile = message.kind.task.service.quantile
            draw = quantile(uniform(1234, "again", message.n))
            patch.setattr(message.kind, "service_s", lambda *_: draw)
        original(self, slot, message)

    patch.setattr(pool.Pool, "_begin", begin)


@mutant("all tasks of a type take the same time", "each task takes its own time")
def _(patch: Patch) -> None:
    after(patch, broker.Kind, "__init__", _constant)


def _constant(self: broker.Kind, task: Any, *_: Any, **__: Any) -> None:
    self.service_s = lambda *_: task.service.mean_s


@mutant("a host has cores for all", "one core for three processes")
def _(patch: Patch) -> None:
    after(patch, host.Host, "__init__", lambda self, *_: setattr(self, "n_cores", 99))


@mutant("each worker has a host of its own", "one core for three workers")
def _(patch: Patch) -> None:
    def own(self: worker.Worker, *_: Any) -> None:
        self.host = host.Host(self.env, self.host.n_cores)

    after(patch, worker.Worker, "__init__", own)


@mutant("threads compute side by side", "threads compute one at a time")
def _(patch: Patch) -> None:
    def apart(self: host.Job, *_: Any) -> None:
        self.process = self

    after(patch, host.Job, "__init__", apart)


@mutant("a solo worker takes messages while it runs", "solo, late ack")
def _(patch: Patch) -> None:
    patch.setattr(pool.Pool, "blocks_main", property(lambda self: False))
