"""Dependencies in virtual time, and the attempts of the tasks that call them.

Compare engines/live/downstream.py and ``work`` in engines/live/app.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simpy import Event, Timeout

from sandbox.dependencies import Dependency
from sandbox.engines.downstream import SERVED, Line
from sandbox.engines.model.alarm import Alarm
from sandbox.engines.model.host import Job

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message
    from sandbox.engines.model.pool import Pool
    from sandbox.engines.model.slot import Slot
    from sandbox.engines.model.world import World

FAILED, TIMED_OUT = "CallFailed", "CallTimedOut"


class Service(Line["Attempt"]):
    """One dependency; its outages are planned when it is made."""

    def __init__(self, world: World, settings: Dependency) -> None:
        super().__init__(settings)
        self.env, self.record = world.env, world.record
        for outage in settings.outages:
            world.call_in(outage.from_s, self.go_down, outage.how)
            world.call_in(outage.to_s, self.come_up, outage.how)

    def begin(self, call: Attempt) -> None:
        """Serve a call for the time it has drawn."""
        self._note("call_started", call)
        end = Timeout(self.env, call.call_s * self.factor)
        end.callbacks.append(lambda _: self.serve_out(call))

    def ended(self, call: Attempt, outcome: str) -> None:
        """Record how a call ended, and let the attempt go on."""
        self._note("call_ended", call, outcome=outcome)
        call.answered(outcome)

    def changed(self, kind: str, how: str) -> None:
        """Record an outage's begin or end."""
        self.record.note(kind, detail={"dependency": self.name, "how": how})

    def call(self, call: Attempt) -> None:
        """Take a call."""
        self._note("called", call)
        self.arrive(call)

    def _note(self, kind: str, call: Attempt, **detail: str) -> None:
        told = {"dependency": self.name} | detail
        self.record.note(kind, task=call.message.key, retry=call.message.retry, detail=told)


class Attempt:
    """The body of a task that calls a dependency: its own work, the call, then perhaps a failure.

    Whatever comes first ends it: the body, a time limit, the call's timeout, the process's death.
    """

    def __init__(self, pool: Pool, slot: Slot, message: Message, outcome: str) -> None:
        call, chance = message.kind.task.calls, message.kind.chance
        assert call is not None
        self.pool, self.slot, self.message, self.outcome = pool, slot, message, outcome
        self.env, self.alarm, self._timeout_s = pool.env, slot.alarm, call.timeout_s
        self.service = pool.world.services[call.dependency]
        self.call_s = chance.call_s(message.n, message.retry)
        self._is_over = False

    def begin(self, work_s: float, limit_s: float | None, error: str) -> None:
        """Begin the attempt's own work; ``limit_s`` from now, ``error`` ends it all."""
        if limit_s is not None:
            self._end_in(limit_s, error)
        if self.message.kind.is_cpu:
            done = Alarm(self.env)
            done.callbacks = [self._call]
            process = self.slot if self.pool.is_prefork else self.pool.worker
            self.slot.job = Job(done, work_s, None, process)
            self.pool.worker.host.run(self.slot.job)
        else:
            Timeout(self.env, work_s).callbacks.append(self._call)

    def _call(self, _: Event) -> None:
        if self._is_over:
            return
        if self._timeout_s is not None:
            self._end_in(self._timeout_s, TIMED_OUT)
        self.service.call(self)

    def _end_in(self, delay_s: float, outcome: str) -> None:
        Timeout(self.env, delay_s).callbacks.append(lambda _: self._end(outcome))

    def answered(self, outcome: str) -> None:
        """Go on with the dependency's answer."""
        self._end(self.outcome if outcome == SERVED else FAILED)

    def _end(self, outcome: str) -> None:
        if not self._is_over:
            self.abandon()
            self.alarm.ring(0.0, outcome)

    def abandon(self) -> None:
        """Stop where it is and hang up; an answer that still comes is heard by nobody."""
        self._is_over = True
        self.slot.attempt = None
        if self.slot.job is not None:
            self.pool.worker.host.stop(self.slot.job)
        self.service.leave(self)
