"""Trips: what waits for an answer of a broker that is far away, stands still or is full.

Read in the source, and counted on real workers behind the proxy with a latency of 0.2 s: a
publish waits for one answer; a message for one on its way to the worker and for one while it is
noted in `unacked` (kombu/transport/redis.py ``_brpop_read``, ``QoS.append``); an acknowledgement
for one (``QoS.ack``), and main does nothing else meanwhile; a result for two, GET and MULTI
(celery/backends/redis.py ``_set``).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from simpy import Timeout

from sandbox.engines.model.alarm import Alarm, Steps
from sandbox.engines.model.standstill import Waiting, answered
from sandbox.ledger import Effect

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message
    from sandbox.engines.model.consumer import Consumer
    from sandbox.engines.model.slot import Slot
    from sandbox.engines.model.worker import Worker

APPLIED = {"done", "part"}
"""The outcomes of bodies that came to their end without an error."""
NO_ROOM = "OutOfMemoryError"
"""The outcome of a body whose result a full broker refuses."""
_STORE = 2
FIRST_PUBLISH = 6
"""Answers that a client waits for before its first publish: to connect, and to find the queue."""


def store(worker: Worker, slot: Slot, outcome: str) -> Generator[None, None, str]:
    """Wait until a child has stored its task's result, if it has one; return what came of it."""
    if slot.message is not None and not slot.message.kind.task.ignore_result:
        if worker.broker.standstill is not None:
            worker.broker.standstill.later(slot.alarm.ring)
            yield
        if worker.half_open is not None and slot.alarm in worker.half_open.silenced:
            _note_effect(worker, slot, outcome)
            yield  # for two minutes: celery's redis_socket_timeout
        slot.alarm.ring(_STORE * worker.trip_s)
        yield
        if worker.broker.is_full:
            _note_effect(worker, slot, outcome)
            return NO_ROOM
    return outcome


def _note_effect(worker: Worker, slot: Slot, outcome: str) -> None:
    """Note what a body has done that counts as failed, or as nothing: it is done all the same."""
    message = slot.message
    if message is not None and outcome in APPLIED:
        effect = Effect(
            message.key, worker.env.now, worker.name, slot.number, message.tag, message.retry
        )
        worker.world.cut_off.append(effect)


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


# --- main ----------------------------------------------------------------------------------------


def fetch(consumer: Consumer, message: Message) -> Generator[None, None, bool]:
    """Wait for the answer that brings a message, note it in `unacked`, wait for that one.

    Main does other things before the first of them, and nothing else before the second. Return
    whether it has the message: one that cannot be noted is gone.
    """
    world, env, alarm = consumer.world, consumer.env, consumer.main_alarm
    consumer.popped = message
    world.n_pending += 1
    alarm.ring(consumer.trip_s)
    yield
    can_note = not consumer.broker.is_full and consumer.half_open is None
    while can_note and consumer.free_s > env.now:
        alarm.ring(consumer.free_s - env.now)
        yield
    consumer.popped = None
    world.n_pending -= 1
    if not can_note:
        if not consumer.refused():
            answered(consumer)
        yield
        return False
    consumer.deliver(message)
    consumer.broker.unacked[message] += consumer.skew_s
    _wait_for_answer(consumer)
    alarm.ring(consumer.trip_s + world.overheads.deliver_s)
    yield
    return True


def _wait_for_answer(consumer: Consumer) -> None:
    """Have main wait for the answer of a command; it does nothing else before."""
    consumer.free_s = max(consumer.free_s, consumer.env.now) + consumer.trip_s


def may_ack(consumer: Consumer, message: Message) -> bool:
    """Whether the broker takes an acknowledgement now; else it comes later, or never."""
    if not may_reject(consumer, consumer.ack, message):
        return False
    wait_s = consumer.free_s - consumer.env.now
    if wait_s > 0:
        Timeout(consumer.env, wait_s, message).callbacks.append(consumer.ack_due)
        return False
    if consumer.trip_s:
        _wait_for_answer(consumer)
        consumer.world.call_in(consumer.trip_s, consumer.credit)
    return True


def may_reject(consumer: Consumer, then: Callable[[Message], None], message: Message) -> bool:
    """Whether the broker answers a reject now; else it is done later, or never."""
    return not consumer.refused() and answered(consumer, then, message)
