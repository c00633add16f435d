"""The pool: a worker's child processes (or threads) and the tasks it has reserved for them.

Compare celery/worker/request.py (``on_accepted``, ``on_success``, ``on_failure``,
``on_timeout``) and celery/app/trace.py, app/task.py ``retry``, app/autoretry.py.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

import simpy
from simpy import Timeout

from sandbox.engines.model import request, trips
from sandbox.engines.model.alarm import Alarm, Steps
from sandbox.engines.model.broker import Message
from sandbox.engines.model.crash import KILLED, OUT_OF_MEMORY, break_down, die, keep
from sandbox.engines.model.downstream import Caller
from sandbox.engines.model.failures import BEYOND_RETRY, ERRORS, FAILS, report
from sandbox.engines.model.host import Job
from sandbox.engines.model.limits import HARD, first_limit, limit_job
from sandbox.engines.model.request import Settle
from sandbox.engines.model.slot import Slot
from sandbox.engines.model.subtask import Waiter

if TYPE_CHECKING:
    from sandbox.engines.model.worker import Worker

_PART = "part"  # done, and perhaps the last of its chord's header
_DONE = "done"


class Pool:
    """The children of one worker and the first-in-first-out backlog they take tasks from."""

    def __init__(self, worker: Worker, concurrency: int, kind: str) -> None:
        self.name = worker.name
        self.worker, self.world, self.env = worker, worker.world, worker.world.env
        self.record, self.overheads = self.world.record, self.world.overheads
        self.ack_s = self.overheads.ack_s
        self.is_prefork, self.is_solo = kind == "prefork", kind == "solo"
        costs = self.overheads
        self.dispatch_s = costs.dispatch_threads_s if kind == "threads" else costs.dispatch_s
        self.backlog: deque[Message] = deque()
        self.idle: deque[Slot] = deque()
        self.slots = [Slot(number, Alarm(self.env)) for number in range(concurrency)]
        self.max_tasks = worker.settings.max_tasks_per_child if self.is_prefork else None
        for slot in self.slots:
            self._fork(slot)

    def _fork(self, slot: Slot) -> None:
        slot.is_up, slot.n_done = True, 0
        slot.alarm = Alarm(self.env)
        slot.alarm.begin(self.child(slot))

    # --- what the main process does --------------------------------------------------

    def apply(self, message: Message) -> None:
        """Give a task to an idle child, or keep it until one is free."""
        if not self.idle:
            self.backlog.append(message)
            return
        slot = self.idle.popleft()
        slot.message = message
        if self.dispatch_s:
            arrives = Timeout(self.env, self.dispatch_s, (slot, message))
            arrives.callbacks.append(self._arrive)
        else:
            self._begin(slot, message)

    def _arrive(self, event: simpy.Event) -> None:
        slot, message = cast("tuple[Slot, Message]", event.value)
        if self.worker.pause is not None:
            self.worker.pause.later(self._arrive, event)
        elif slot.is_up and slot.message is message:
            self._begin(slot, message)

    @property
    def blocks_main(self) -> bool:
        """Whether a body runs in the main process itself, as a solo worker's does."""
        return self.is_solo and not self.idle

    @property
    def runs(self) -> bool:
        """Whether a body is under way, or the end of one has not been noticed."""
        return any(slot.started_s is not None for slot in self.slots)

    @property
    def busy(self) -> bool:
        """Whether a child has a task, or is still reporting one."""
        return any(slot.message is not None for slot in self.slots)

    # --- what a child does -----------------------------------------------------------

    def child(self, slot: Slot) -> Steps:
        """Take a task, run its body, report how it ended; again."""
        worker, record, overheads = self.worker, self.record, self.overheads
        alarm, backlog, is_solo, max_tasks = slot.alarm, self.backlog, self.is_solo, self.max_tasks
        # A solo worker's loop acknowledges before it does anything else.
        pause_s = max(overheads.finish_s, overheads.ack_s) if is_solo else overheads.finish_s
        while not worker.closing:
            if backlog:
                self._begin(slot, backlog.popleft())
            else:
                self._rest(slot)
            yield
            outcome, is_slow = alarm.value, worker.is_slow
            if is_slow and outcome not in {HARD, KILLED}:
                outcome = yield from trips.store(worker, slot, outcome)
            if outcome == _DONE:
                message = slot.message
                assert message is not None
                record.succeeded(message, self.name, slot.number)
                self._end(slot, message)
            elif outcome == _PART:
                yield from self._succeed_watched(slot)
            else:
                yield from self._fail(slot, outcome)
            if is_slow:
                yield from trips.until_main_is_free(worker, alarm)
            elif pause_s:
                alarm.ring(pause_s)
                yield
            if outcome == HARD or slot.n_done == max_tasks:
                # billiard/pool.py maintain_pool replaces a child that has ended when main notices.
                notice_s = worker.notice_s() if slot.n_done == max_tasks else 0.0
                slot.n_done = 0
                alarm.ring(notice_s + overheads.child_start_s)
                yield
            elif is_solo:
                worker.holds.loop_again()
        worker.leave()

    def _rest(self, slot: Slot) -> None:
        """Wait for `apply` to begin a task in this child."""
        slot.message = None
        self.idle.append(slot)
        if self.is_solo:
            self.worker.credit()

    def _begin(self, slot: Slot, message: Message) -> None:
        """Start a body; a task that has expired meanwhile is dropped, and the next one begun."""
        while message.expires_s is not None and self._has_expired(message.expires_s):
            self._revoke(message)
            if not self.backlog:
                self._rest(slot)
                return
            message = self.backlog.popleft()
        slot.message, slot.started_s, kind = message, self.env.now, message.kind
        self.record.started(message, self.name, slot.number)
        # A solo worker's acknowledgement waits for its event loop, which the body blocks.
        if not (kind.late or self.is_solo):
            self.worker.ack(message)
        if kind.is_plain:
            slot.alarm.ring(kind.service_s(message.n, message.retry) + kind.body_s, _DONE)
        else:
            self._run(slot, message)

    def _revoke(self, message: Message) -> None:
        self.worker.revoke(message)

    def _has_expired(self, expires_s: float) -> bool:
        # Only prefork has Celery look again when a process is free for the task.
        return self.is_prefork and self.env.now > expires_s

    def _run(self, slot: Slot, message: Message) -> None:
        """Draw how the body ends and when, and set the alarm for it."""
        kind, end = message.kind, slot.alarm
        service_s = kind.service_s(message.n, message.retry)
        killed_s = (
            None
            if kind.leak is None
            else kind.leak.kills_after_s(service_s, self.name, slot.number)
        )
        if killed_s is not None:
            service_s = killed_s
        work_s = service_s + kind.body_s
        outcome = kind.task.crash or (_PART if kind.is_watched else _DONE)
        if killed_s is not None:
            outcome = KILLED
        if outcome in {_PART, _DONE} and kind.chance.fails(message.n, message.retry):
            outcome = FAILS
        limit_s, error = None, _DONE
        if kind.is_limited and self.is_prefork:
            limit_s, error = first_limit(kind.task)
        if kind.blocks and killed_s is None:
            attempt = Waiter if kind.task.waits_for is not None else Caller
            slot.attempt = attempt(self, slot, message, outcome)
            slot.attempt.begin(work_s, limit_s, error)
        elif kind.is_cpu:
            process = slot if self.is_prefork else self.worker
            slot.job = Job(end, work_s, outcome, process)
            self.worker.host.run(slot.job)
            if limit_s is not None:
                limit_job(self.worker, slot.job, limit_s, error)
        elif limit_s is not None and limit_s < service_s:
            end.ring(limit_s if error == HARD else limit_s + kind.body_s, error)
        else:
            end.ring(work_s, outcome)

    def _succeed_watched(self, slot: Slot) -> Steps:
        """Store the result; with the last of a chord's header, publish the body before all else."""
        message = slot.message
        assert message is not None
        body = self.world.chords.part(message, self.name, succeeded=True)
        if body is not None:
            yield from self._publish(slot.alarm, body)
        self.record.succeeded(message, self.name, slot.number)
        self.world.subtasks.ended(message, succeeded=True)
        self._end(slot, message)

    def _fail(self, slot: Slot, error: str) -> Steps:
        """Publish a retry if a policy has one left; else the task has failed for good."""
        if error == KILLED:
            yield from die(self.worker, slot)
        message = slot.message
        assert message is not None
        countdown_s = None
        if error not in BEYOND_RETRY:
            countdown_s = message.kind.chance.countdown_s(message.key, message.retry)
        settle: Settle | None = None
        if countdown_s is None:
            settle = report(self.worker, slot, message, error)
        else:
            yield from self._retry(slot.alarm, message, countdown_s)
            self.record.execution("retried", message, self.name, slot.number, ERRORS[error])
        if error == OUT_OF_MEMORY:
            settle = keep
        self._end(slot, message, is_final=countdown_s is None, settle=settle)
        if error == OUT_OF_MEMORY:
            break_down(self.worker)

    def _retry(self, alarm: Alarm, message: Message, countdown_s: float) -> Steps:
        """Publish the next retry as a message of its own; a countdown of 0 is none at all."""
        eta_s = self.env.now + countdown_s if countdown_s else None
        yield from self._publish(alarm, message.next_retry(self.world.broker.new_tag(), eta_s))

    def _publish(self, alarm: Alarm, message: Message) -> Steps:
        self.record.sent(message, self.name)
        if self.overheads.publish_s:
            # What has been sent arrives, even if its sender dies meanwhile.
            self.world.await_in(self.overheads.publish_s, self.published, message)
            alarm.ring(self.overheads.publish_s + self.worker.trip_s)
            yield
        else:
            self.published(message)

    def published(self, message: Message) -> None:
        """Have the broker take a message that has been on its way; unless it is down."""
        standstill = self.world.broker.standstill
        if standstill is not None:
            standstill.later(self.published, message)
            return
        if self.worker.is_offline:
            self.record.note("publish_unknown", task=message.key, worker=self.name)
            return
        self.record.published(message, self.name)
        self.world.broker.publish(message)

    def _end(
        self, slot: Slot, message: Message, *, is_final: bool = True, settle: Settle | None = None
    ) -> None:
        """Acknowledge late, or ``settle`` otherwise; tell who waits for the result, be free."""
        slot.message = slot.started_s = slot.job = None
        slot.n_done += 1
        world = self.world
        if message.kind.late or self.is_solo:
            if settle is not None:
                world.call_in(self.ack_s, self.worker.settle, settle, message)
            # Main may be asleep in a soft shutdown, or without a broker: then it is for later.
            elif self.ack_s or self.worker.closing or self.worker.pause is not None:
                due = Timeout(self.env, self.ack_s, message)
                due.callbacks.append(self.worker.ack_due)
            else:
                self.worker.ack(message)
        if world.results and is_final:
            world.finished(message.key)
        if not world.n_sources:
            world.look()

    # --- how a child dies ------------------------------------------------------------

    def kill_all(self) -> None:
        """End every child at once, with whatever it runs."""
        for slot in self.slots:
            self._kill(slot)

    def forget(self) -> None:
        """Drop what no child has begun; a pool of threads cannot, and runs it all the same."""
        if self.is_prefork:
            self.backlog.clear()

    def cancel(self) -> list[Message]:
        """End every child; return what the tasks were that main still takes for running."""
        running = [slot.message for slot in self.slots if slot.started_s is not None]
        self.kill_all()
        for slot in self.slots:
            slot.message = slot.started_s = slot.job = None
        self.backlog.clear()
        return [message for message in running if message is not None]

    def _kill(self, slot: Slot) -> None:
        slot.is_up = False
        if slot in self.idle:
            self.idle.remove(slot)
        slot.alarm.silence()
        if slot.attempt is not None:
            slot.attempt.abandon()
        if slot.job is not None:
            self.worker.host.stop(slot.job)

    def kill_child(self, slot: Slot, notice_s: float) -> None:
        """Kill a child; the main process notices after ``notice_s`` seconds."""
        self._kill(slot)
        self.world.call_in(notice_s, self._notice, slot)

    def _notice(self, slot: Slot) -> None:
        """Settle what the dead child ran, and start its replacement."""
        if not self.worker.is_alive:
            return
        if self.worker.pause is not None:
            self.worker.pause.later(self._notice, slot)
            return
        message, was_running = slot.message, slot.started_s is not None
        slot.message = slot.started_s = slot.job = None
        if message is not None and was_running:
            self._lose(message)
        elif message is not None:  # It was on its way to the child, which never began it.
            self.backlog.appendleft(message)
        if self.worker.closing:
            self.worker.leave()
        else:
            self.world.call_in(self.overheads.child_start_s, self._refork, slot)
        self.world.look()

    def _lose(self, message: Message) -> None:
        request.lose(self.worker, message)

    def _refork(self, slot: Slot) -> None:
        if self.worker.pause is not None:
            self.worker.pause.later(self._refork, slot)
        elif self.worker.is_alive and not self.worker.closing:
            self._fork(slot)
