"""Wrong models of a worker that is paused or told to quit."""

from __future__ import annotations

from sandbox.engines.model import pause, worker
from sandbox.scenario import WorkerPool
from tests.mutants.registry import Patch, after, before, mutant


@mutant("children go on in a pause", "nothing goes on in a pause")
def _(patch: Patch) -> None:
    def main_only(self: worker.Worker) -> None:
        self.pause = pause.Pause(self, self._timers, [])

    patch.setattr(worker.Worker, "stop", main_only)


@mutant("a computation ends in a pause", "a sleep ends in a pause, a computation does not")
def _(patch: Patch) -> None:
    def sleeps_only(self: worker.Worker) -> None:
        alarms = [*self._timers, *(slot.alarm for slot in self.pool.slots)]
        self.pause = pause.Pause(self, alarms, [])

    patch.setattr(worker.Worker, "stop", sleeps_only)


@mutant("a paused worker takes messages", "resumed by a fault of its own")
def _(patch: Patch) -> None:
    patch.setattr(worker.Worker, "stop", worker.Worker.kill)


@mutant("a pause gives everything back", "a short pause only delays")
def _(patch: Patch) -> None:
    def give_back(self: worker.Worker) -> None:
        for message in list(self.delivered):
            self.broker.hand_back(message, self.name)

    before(patch, worker.Worker, "stop", give_back)


@mutant("SIGQUIT lets what runs end", "a cold shutdown, early ack")
def _(patch: Patch) -> None:
    patch.setattr(worker.Worker, "quit", worker.Worker.terminate)


@mutant("a cold shutdown acknowledges what it cancels", "a cold shutdown, late ack")
def _(patch: Patch) -> None:
    def acknowledge(self: worker.Worker) -> None:
        for slot in self.pool.slots:
            if slot.message is not None and slot.started_s is not None:
                self.ack(slot.message)

    before(patch, worker.Worker, "_cancel", acknowledge)


@mutant("a cold shutdown rejects what it cancels", "a cold shutdown, reject on worker lost")
def _(patch: Patch) -> None:
    def reject(self: worker.Worker) -> None:
        for slot in self.pool.slots:
            if slot.message is not None and slot.started_s is not None:
                self.reject(slot.message)

    before(patch, worker.Worker, "_cancel", reject)


@mutant("a soft shutdown begins what waits", "a soft shutdown lets short tasks end, early ack")
def _(patch: Patch) -> None:
    def quit_later(self: worker.Worker) -> None:
        self.world.n_pending += 1
        self.world.call_in(self.settings.soft_shutdown_timeout_s, self._cancel)

    patch.setattr(worker.Worker, "quit", quit_later)


@mutant("there is no soft shutdown", "a soft shutdown lets short tasks end, late ack")
def _(patch: Patch) -> None:
    def cold(self: worker.Worker, *_: object) -> None:
        self.settings = self.settings.but(soft_shutdown_timeout_s=0.0)

    after(patch, worker.Worker, "__init__", cold)


@mutant("an idle worker waits, too", "an idle worker quits at once")
def _(patch: Patch) -> None:
    _on_idle(patch, waits=True)


@mutant("an idle worker never waits", "an idle worker waits if told to")
def _(patch: Patch) -> None:
    _on_idle(patch, waits=False)


def _on_idle(patch: Patch, *, waits: bool) -> None:
    def told(self: worker.Worker, *_: object) -> None:
        settings: WorkerPool = self.settings.but(soft_shutdown_on_idle=waits)
        self.settings = settings

    after(patch, worker.Worker, "__init__", told)
