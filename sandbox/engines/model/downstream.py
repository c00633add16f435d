"""Dependencies in virtual time, and the attempts of the tasks that call them.

Compare engines/live/downstream.py and engines/live/calls.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simpy import Timeout

from sandbox.dependencies import Dependency
from sandbox.engines.downstream import SERVED, Line
from sandbox.engines.model.attempt import Attempt

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message
    from sandbox.engines.model.pool import Pool
    from sandbox.engines.model.slot import Slot
    from sandbox.engines.model.world import World

FAILED, TIMED_OUT = "CallFailed", "CallTimedOut"


class Service(Line["Caller"]):
    """One dependency; its outages are planned when it is made."""

    def __init__(self, world: World, settings: Dependency) -> None:
        super().__init__(settings)
        self.env, self.record = world.env, world.record
        for outage in settings.outages:
            world.call_in(outage.from_s, self.go_down, outage.how)
            world.call_in(outage.to_s, self.come_up, outage.how)

    def begin(self, call: Caller) -> None:
        """Serve a call for the time it has drawn."""
        self._note("call_started", call)
        end = Timeout(self.env, call.call_s * self.factor)
        end.callbacks.append(lambda _: self.serve_out(call))

    def ended(self, call: Caller, outcome: str) -> None:
        """Record how a call ended, and let the attempt go on."""
        self._note("call_ended", call, outcome=outcome)
        call.answered(outcome)

    def changed(self, kind: str, how: str) -> None:
        """Record an outage's begin or end."""
        self.record.note(kind, detail={"dependency": self.name, "how": how})

    def call(self, call: Caller) -> None:
        """Take a call."""
        self._note("called", call)
        self.arrive(call)

    def _note(self, kind: str, call: Caller, **detail: str) -> None:
        told = {"dependency": self.name} | detail
        self.record.note(kind, task=call.message.key, retry=call.message.retry, detail=told)


class Caller(Attempt):
    """The body of a task that calls a dependency; the call's own timeout can end it, too."""

    def __init__(self, pool: Pool, slot: Slot, message: Message, outcome: str) -> None:
        super().__init__(pool, slot, message, outcome)
        call = message.kind.task.calls
        assert call is not None
        self._timeout_s, self.service = call.timeout_s, pool.world.services[call.dependency]
        self.call_s = message.kind.chance.call_s(message.n, message.retry)

    def block(self) -> None:
        """Call the dependency."""
        if self._timeout_s is not None:
            self.end_in(self._timeout_s, TIMED_OUT)
        self.service.call(self)

    def answered(self, outcome: str) -> None:
        """Go on with the dependency's answer."""
        self.end(self.outcome if outcome == SERVED else FAILED)

    def hang_up(self) -> None:
        """Leave the line; an answer that still comes is heard by nobody."""
        self.service.leave(self)
