"""Wrong models of what faults do, each rejected by a cell of the table of faults."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.engines.model import broker, outage, worker
from tests.mutants.registry import Mutant, Patch, before

DAMAGE_MUTANTS: dict[str, Mutant] = {}


def damage(wrong: str, cell: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Register a patch as a wrong model that a cell, named as ``title / ack mode``, rejects."""

    def register(apply: Callable[[Patch], None]) -> Callable[[Patch], None]:
        assert wrong not in DAMAGE_MUTANTS
        DAMAGE_MUTANTS[wrong] = Mutant(wrong, cell, apply)
        return apply

    return register


@damage(
    "every worker survives a stop of the broker",
    "stop_broker: a worker that waits for more and only runs a task / late",
)
def _(patch: Patch) -> None:
    def come_back(self: worker.Worker) -> None:
        self.pause = outage.Offline(self)

    patch.setattr(worker.Worker, "_give_up", come_back)


@damage("a dying worker gives its messages back", "kill_worker: back, then an hour / late")
def _(patch: Patch) -> None:
    def give_back(self: worker.Worker) -> None:
        for message in list(self.delivered):
            self.broker.restore(message, self.name)

    before(patch, worker.Worker, "kill", give_back)


@damage("a cold shutdown is a warm one", "quit_worker: cold / early")
def _(patch: Patch) -> None:
    patch.setattr(worker.Worker, "quit", worker.Worker.terminate)


@damage("a flush spares what was delivered", "flush: then a child is killed / reject")
def _(patch: Patch) -> None:
    def flush(self: broker.Broker) -> None:
        kept = dict(self.unacked)
        self._empty()
        self.unacked.update(kept)
        self.record.note("broker_flushed")

    patch.setattr(broker.Broker, "flush", flush)
