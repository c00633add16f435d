"""What a worker's main process holds in memory: tasks that are early, tasks over a rate limit.

Compare celery/worker/strategy.py, celery/worker/consumer/consumer.py (``apply_eta_task``,
``_limit_task``, ``_limit_post_eta``, ``_schedule_bucket_request``, ``reset_rate_limits``)
and kombu/utils/limits.py.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import simpy
from simpy import Timeout

from sandbox.engines.model.broker import Message
from sandbox.rates import parse_rate

if TYPE_CHECKING:
    from sandbox.engines.model.worker import Worker

_TINY_S = 1e-9


class Bucket:
    """A token bucket of capacity 1, and the tasks that wait for its tokens.

    With capacity 1 its level says no more than the time of the next token, ``next_s``.
    """

    __slots__ = ("contents", "gap_s", "is_armed", "next_s")

    def __init__(self, rate: str, now_s: float) -> None:
        self.gap_s, self.next_s = 1 / parse_rate(rate), now_s
        self.contents: deque[Message] = deque()
        self.is_armed = False


class Holds:
    """The tasks one worker holds; each keeps its prefetch credit, in `unacked`."""

    def __init__(self, worker: Worker) -> None:
        self.worker, self.env, self.record = worker, worker.env, worker.record
        self._due: deque[Callable[[], None]] = deque()
        self._limits = {task.name: task.rate_limit for task in worker.world.scenario.tasks}
        self.buckets = self._new_buckets()
        self.n_held = 0

    def admit(self, message: Message) -> None:
        """Hold what is early or limited; give the rest to the pool."""
        bucket = self.buckets.get(message.kind.name) if self.buckets else None
        if message.eta_s is not None:
            self._hold_for_eta(message, message.eta_s, bucket)
        elif bucket is not None:
            self._limit(message, bucket)
        else:
            self.worker.apply(message)

    def _apply(self, message: Message) -> None:
        """Give the pool what has been held; where every task has a process, it may be late.

        Without a child of its own a task's expiry is looked at when the pool gets it.
        """
        pool = self.worker.pool
        expires_s = None if pool.is_prefork else message.expires_s
        if expires_s is not None and self.env.now > expires_s:
            self.worker.revoke(message)
        else:
            pool.apply(message)

    # --- the worker's timer ----------------------------------------------------------

    def _call_after(self, delay_s: float, then: Callable[[], None]) -> None:
        """Call from the worker's timer, which a solo worker's running task blocks."""

        def ring(_: simpy.Event) -> None:
            if self.worker.closing:
                return
            if self.worker.pool.blocks_main:
                self.call_when_free(then)
            else:
                then()

        Timeout(self.env, max(0.0, delay_s)).callbacks.append(ring)

    def call_when_free(self, then: Callable[[], None]) -> None:
        """Call when a solo worker's running task has ended."""
        self._due.append(then)

    def loop_again(self) -> None:
        """Go back to the event loop of a solo worker: its timers come before messages."""
        while self._due and not self.worker.pool.backlog:
            self._due.popleft()()

    # --- countdowns ------------------------------------------------------------------

    def _hold_for_eta(self, message: Message, eta_s: float, bucket: Bucket | None) -> None:
        """Keep a message until its time; then its rate limit, if any, has its turn."""
        self.record.message("eta_held", message, self.worker.name)
        self._take_one_more()
        self.n_held += 1

        def due() -> None:
            self.record.message("eta_released", message, self.worker.name)
            self.n_held -= 1
            self.worker.prefetch_count = max(1, self.worker.prefetch_count - 1)
            if bucket is None:
                self._apply(message)
            else:
                self._limit(message, bucket)

        self._call_after(eta_s - self.env.now, due)

    def _take_one_more(self) -> None:
        """`QoS.increment_eventually`, up to ``eta_task_limit`` even where it is lower.

        What the limit has refused is taken off all the same when the time comes, so that a
        worker at its limit ends with less credit than it began with (kombu/common.py).
        """
        worker, limit = self.worker, self.worker.settings.eta_task_limit
        if worker.prefetch_count < math.inf:
            more = worker.prefetch_count + 1
            worker.prefetch_count = more if limit is None else min(more, limit)

    # --- rate limits -----------------------------------------------------------------

    def _limit(self, message: Message, bucket: Bucket) -> None:
        # Recorded even when a token is there, as the live recorder does.
        self.record.message("rate_held", message, self.worker.name)
        bucket.contents.append(message)
        self.n_held += 1
        self._drain(bucket)

    def _drain(self, bucket: Bucket) -> None:
        """Let through what has a token; come back when there is the next one."""
        while bucket.contents:
            wait_s = bucket.next_s - self.env.now
            if wait_s > _TINY_S:
                if not bucket.is_armed:
                    bucket.is_armed = True
                    self._call_after(wait_s, lambda: self._refill(bucket))
                return
            bucket.next_s = self.env.now + bucket.gap_s
            message = bucket.contents.popleft()
            self.n_held -= 1
            self.record.message("rate_released", message, self.worker.name)
            self._apply(message)

    def _refill(self, bucket: Bucket) -> None:
        bucket.is_armed = False
        self._drain(bucket)

    def limit_rate(self, task: str, rate: str | None) -> None:
        """Change one limit, which gives *every* limited type a new, full bucket.

        What an old bucket holds stays in it, and passes at the old rate.
        """
        self._limits[task] = rate
        self.buckets = self._new_buckets()

    def _new_buckets(self) -> dict[str, Bucket]:
        now_s = self.env.now
        return {name: Bucket(rate, now_s) for name, rate in self._limits.items() if rate}
