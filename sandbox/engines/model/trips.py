"""Trips: what waits for an answer of a broker that is far away, stands still or is full.

Read in the source, and counted on real workers behind the proxy with a latency of 0.2 s: a
publish waits for one answer; a message for one on its way to the worker and for one while it is
noted in `unacked` (kombu/transport/redis.py ``_brpop_read``, ``QoS.append``); an acknowledgement
for one (``QoS.ack``), and main does nothing else meanwhile; a result for two, GET and MULTI
(celery/backends/redis.py ``_set``), and in a new child for four more, to connect.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from sandbox.engines.model.alarm import Alarm, Steps
from sandbox.engines.model.standstill import Waiting

if TYPE_CHECKING:
    from sandbox.engines.model.slot import Slot
    from sandbox.engines.model.worker import Worker

NO_ROOM = "OutOfMemoryError"
"""The outcome of a body whose result a full broker refuses."""
_STORE, _CONNECT = 2, 4
FIRST_PUBLISH = 6
"""Answers that a client waits for before its first publish: to connect, and to find the queue."""


def store(worker: Worker, slot: Slot, outcome: str) -> Generator[None, None, str]:
    """Wait until a child has stored its task's result, if it has one; return what came of it."""
    if slot.message is not None and not slot.message.kind.task.ignore_result:
        if worker.broker.standstill is not None:
            worker.broker.standstill.later(slot.alarm.ring)
            yield
        if worker.half_open is not None and slot.number in worker.half_open.silenced:
            worker.half_open.later(slot.alarm.ring)
            yield
        n_trips = _STORE + (0 if slot.n_done else _CONNECT)
        slot.alarm.ring(n_trips * worker.trip_s)
        yield
        if worker.broker.is_full:
            return NO_ROOM
    return outcome


def until_main_is_free(worker: Worker, alarm: Alarm) -> Steps:
    """Wait until main has acknowledged what has ended, and can give a child the next task."""
    overheads = worker.world.overheads
    alarm.ring(max(overheads.finish_s, overheads.ack_s))
    yield
    while isinstance(worker.pause, Waiting):
        worker.pause.later(alarm.ring)
        yield
    while worker.free_s > worker.env.now:
        alarm.ring(worker.free_s - worker.env.now)
        yield
