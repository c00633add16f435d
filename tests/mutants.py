"""Wrong models, each a small patch of the model engine, and a row of the grid that rejects it.

A proof that nothing could fail would prove nothing: every one of these is a mistake that a
model of Celery could plausibly make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.draws import uniform
from sandbox.engines.model import broker, chance, holds, limits, pool, worker, world
from sandbox.loads import BeatEntry

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Mutant:
    """What is wrong, in a few words; the row that must reject it; the patch that makes it."""

    wrong: str
    row: str
    apply: Callable[[Patch], None]


MUTANTS: dict[str, Mutant] = {}


def mutant(wrong: str, row: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Register a patch as a wrong model."""

    def register(apply: Callable[[Patch], None]) -> Callable[[Patch], None]:
        assert wrong not in MUTANTS
        MUTANTS[wrong] = Mutant(wrong, row, apply)
        return apply

    return register


def before(patch: Patch, owner: Any, name: str, first: Callable[..., None]) -> None:
    """Have ``first`` called, with the same arguments, before a method."""
    original = getattr(owner, name)

    def both(*arguments: Any, **named: Any) -> Any:
        first(*arguments, **named)
        return original(*arguments, **named)

    patch.setattr(owner, name, both)


def after(patch: Patch, owner: Any, name: str, then: Callable[..., None]) -> None:
    """Have ``then`` called, with the same arguments, after a method."""
    original = getattr(owner, name)

    def both(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        then(*arguments, **named)
        return result

    patch.setattr(owner, name, both)


# --- queues --------------------------------------------------------------------------------


@mutant("a restored message goes to the back", "a worker killed, late ack, then an hour")
def _(patch: Patch) -> None:
    def restore(self: broker.Broker, message: broker.Message, by: str | None) -> None:
        if self.unacked.pop(message, None) is not None:
            self.record.message("restored", message, by)
            self.publish(message)

    patch.setattr(broker.Broker, "restore", restore)


@mutant("a rejected message goes to the front", "a child killed, rejected to the back")
def _(patch: Patch) -> None:
    def requeue(self: broker.Broker, message: broker.Message, by: str) -> None:
        if self.unacked.pop(message, None) is not None:
            self.record.message("requeued", message, by)
            message.kind.ready.appendleft(message)

    patch.setattr(broker.Broker, "requeue", requeue)


@mutant("the last published is the first delivered", "early ack, prefetch 4")
def _(patch: Patch) -> None:
    def publish(self: broker.Broker, message: broker.Message) -> None:
        if not self.blocked or not self._hand_over(message):
            message.kind.ready.appendleft(message)

    patch.setattr(broker.Broker, "publish", publish)


@mutant("a retry goes to the front", "a retry without a countdown")
def _(patch: Patch) -> None:
    def published(self: pool.Pool, retry: broker.Message) -> None:
        self.record.published(retry, self.name)
        retry.kind.ready.appendleft(retry)

    patch.setattr(pool.Pool, "published", published)


@mutant("the largest priority number goes first", "four priority steps")
def _(patch: Patch) -> None:
    original = worker.Worker._brpop_keys
    patch.setattr(
        worker.Worker, "_brpop_keys", lambda self, cycle: list(reversed(original(self, cycle)))
    )


@mutant("each priority has a list of its own", "four priority steps")
def _(patch: Patch) -> None:
    def ten_steps(self: broker.Broker, *_: Any) -> None:
        self.settings = self.settings.but(priority_steps=tuple(range(10)))

    after(patch, broker.Broker, "__init__", ten_steps)


@mutant("a queue's turn goes before a priority step", "a step goes before a turn")
def _(patch: Patch) -> None:
    def keys(self: worker.Worker, cycle: tuple[str, ...]) -> list[Any]:
        lists, steps = self.broker.lists, self.broker.settings.priority_steps
        return [lists[s, q] for q in cycle for s in steps if (s, q) in lists]

    patch.setattr(worker.Worker, "_brpop_keys", keys)


@mutant("round robin does not rotate", "queues take turns")
def _(patch: Patch) -> None:
    after(patch, worker.Worker, "__init__", lambda self, *_: setattr(self, "_rotates", False))


# --- credit --------------------------------------------------------------------------------


@mutant("one credit too many", "late ack, prefetch 1")
def _(patch: Patch) -> None:
    _add_credit(patch, 1)


@mutant("one credit too few", "early ack, prefetch 4")
def _(patch: Patch) -> None:
    _add_credit(patch, -1)


def _add_credit(patch: Patch, by: int) -> None:
    def can_consume(self: worker.Worker) -> bool:
        return len(self.delivered) < self.prefetch_count + by

    patch.setattr(worker.Worker, "can_consume", can_consume)


@mutant("an unlimited prefetch is one of none", "prefetch without a limit")
def _(patch: Patch) -> None:
    def finite(self: worker.Worker, *_: Any) -> None:
        self.prefetch_count = min(self.prefetch_count, self.settings.concurrency)

    after(patch, worker.Worker, "__init__", finite)


@mutant("an early ack gives its credit back at the end", "early ack, prefetch 1")
def _(patch: Patch) -> None:
    _late_kinds(patch)
    # At the start the message leaves `unacked`, while its credit stays with it until the end.
    before(
        patch, pool.Pool, "_run",
        lambda self, _, message: self.world.broker.unacked.pop(message, None),
    )  # fmt: skip


def _late_kinds(patch: Patch, *, late: bool = True) -> None:
    after(patch, broker.Kind, "__init__", lambda self, *_, **_named: setattr(self, "late", late))


@mutant("an early ack comes at the end", "a worker killed, early ack, then an hour")
def _(patch: Patch) -> None:
    _late_kinds(patch)


@mutant("a late ack comes at the start", "a worker killed, late ack, then an hour")
def _(patch: Patch) -> None:
    _late_kinds(patch, late=False)


@mutant("a countdown lends no credit", "a countdown lends credit")
def _(patch: Patch) -> None:
    def take_back(self: holds.Holds, *_: Any) -> None:
        self.worker.prefetch_count -= 1

    def give_back(self: holds.Holds, *_: Any) -> None:
        self.worker.prefetch_count += 1

    after(patch, holds.Holds, "_hold_for_eta", take_back)
    original = holds.Holds._call_after

    def call_after(self: holds.Holds, delay_s: float, then: Callable[[], None]) -> None:
        def due() -> None:
            give_back(self)
            then()

        original(self, delay_s, due if "_hold_for_eta" in then.__qualname__ else then)

    patch.setattr(holds.Holds, "_call_after", call_after)


@mutant("what waits for a token gives its credit back", "a late ack waits for a token too")
def _(patch: Patch) -> None:
    before(
        patch, holds.Holds, "_limit",
        lambda self, message, _: self.worker.delivered.pop(message, None),
    )  # fmt: skip


# --- the visibility timeout ----------------------------------------------------------------


@mutant("an old owner's ack is ignored", "an old owner's ack takes the new owner's entry")
def _(patch: Patch) -> None:
    owners: dict[Any, worker.Worker] = {}
    before(patch, worker.Worker, "_deliver", lambda self, m: owners.__setitem__(m, self))
    original = worker.Worker.ack

    def ack(self: worker.Worker, message: broker.Message) -> None:
        if owners.get(message) is self:
            original(self, message)

    patch.setattr(worker.Worker, "ack", ack)


@mutant("the sweep does not wait for its interval", "a sweep each 3 s")
def _(patch: Patch) -> None:
    def at_the_timeout(self: worker.Worker, message: broker.Message) -> None:
        timeout_s = self.broker.settings.visibility_timeout_s
        self.world.call_in(timeout_s + 1e-6, self.broker.sweep, None)

    after(patch, worker.Worker, "_deliver", at_the_timeout)


@mutant("the sweep comes once only", "the timeout of a dead worker's message")
def _(patch: Patch) -> None:
    def never(self: worker.Worker) -> Any:
        self.broker.sweep(self.name)
        yield

    patch.setattr(worker.Worker, "sweeper", never)


@mutant("the timeout counts from the publishing", "the timeout counts from the delivery")
def _(patch: Patch) -> None:
    sent: dict[Any, float] = {}
    before(patch, broker.Broker, "publish", lambda self, m: sent.setdefault(m, self.env.now))

    def back_to_sent(self: worker.Worker, message: broker.Message) -> None:
        self.broker.unacked[message] = sent[message]

    after(patch, worker.Worker, "_deliver", back_to_sent)


@mutant("a dead worker's messages come back at once", "without the hour")
def _(patch: Patch) -> None:
    def restore_all(self: worker.Worker) -> None:
        for message in list(self.delivered):
            self.broker.restore(message, self.name)

    after(patch, worker.Worker, "kill", restore_all)


@mutant("a worker's start restores everything", "without the hour")
def _(patch: Patch) -> None:
    before(patch, worker.Worker, "sweeper", lambda self: self.broker.age(3601.0))


@mutant("what is running is not redelivered", "an hour passes while late tasks run")
def _(patch: Patch) -> None:
    original = broker.Broker.restore

    def restore(self: broker.Broker, message: broker.Message, by: str | None) -> None:
        slots = [slot for w in _workers(self) if w.is_alive for slot in w.pool.slots]
        if not any(slot.message is message for slot in slots):
            original(self, message, by)

    patch.setattr(broker.Broker, "restore", restore)
    _remember_workers(patch)


_WORLDS: dict[int, world.World] = {}


def _remember_workers(patch: Patch) -> None:
    after(patch, world.World, "__init__", lambda self, *_: _WORLDS.update({id(self.broker): self}))


def _workers(of: broker.Broker) -> list[worker.Worker]:
    return list(_WORLDS[id(of)].workers.values())


# --- the end of workers and children -------------------------------------------------------


@mutant("a warm shutdown loses what is prefetched", "a warm shutdown, early ack")
def _(patch: Patch) -> None:
    def forget(self: worker.Worker) -> None:
        for message in list(self.delivered):
            self.broker.unacked.pop(message, None)
            del self.delivered[message]

    before(patch, worker.Worker, "_exit", forget)


@mutant("a warm shutdown does not wait for what runs", "a warm shutdown, late ack")
def _(patch: Patch) -> None:
    original = worker.Worker.terminate

    def terminate(self: worker.Worker) -> None:
        self.pool.kill_all()
        for slot in self.pool.slots:
            slot.message = slot.started_s = None
        original(self)

    patch.setattr(worker.Worker, "terminate", terminate)


@mutant("reject_on_worker_lost is ignored", "a child killed behind what is prefetched")
def _(patch: Patch) -> None:
    def lose(self: pool.Pool, message: broker.Message) -> None:
        self.record.message("child_lost", message, self.name)
        self.record.message("failed", message, self.name, {"error": "WorkerLostError"})
        self.worker.ack(message)

    patch.setattr(pool.Pool, "_lose", lose)


@mutant("acks_late alone requeues what a child ran", "a child killed, late ack")
def _(patch: Patch) -> None:
    def lose(self: pool.Pool, message: broker.Message) -> None:
        self.record.message("child_lost", message, self.name)
        self.worker.reject(message)

    patch.setattr(pool.Pool, "_lose", lose)


@mutant("a dead child is always noticed at once", "six children killed")
def _(patch: Patch) -> None:
    patch.setattr(worker.Worker, "notice_s", lambda self: self.world.overheads.detection_s)


@mutant("a child lives for one task more", "a new child after two tasks")
def _(patch: Patch) -> None:
    def one_more(self: pool.Pool, *_: Any) -> None:
        self.max_tasks = self.max_tasks and self.max_tasks + 1

    after(patch, pool.Pool, "__init__", one_more)


# --- retries, expiry, limits ---------------------------------------------------------------


@mutant("one retry too many", "self.retry with a factor")
def _(patch: Patch) -> None:
    _retries_off_by(patch, -1)


@mutant("one retry too few", "backoff doubles")
def _(patch: Patch) -> None:
    _retries_off_by(patch, 1)


def _retries_off_by(patch: Patch, by: int) -> None:
    def countdown_s(self: chance.Chance, key: str, retry: int) -> float | None:
        for policy in self.task.retries:
            if policy.max_retries > retry + by:
                return self._countdown_s(policy, key, retry)
        return None

    patch.setattr(chance.Chance, "countdown_s", countdown_s)


@mutant("only the first retry policy is used", "self.retry inside autoretry")
def _(patch: Patch) -> None:
    def countdown_s(self: chance.Chance, key: str, retry: int) -> float | None:
        policy = self.task.retries[0]
        return self._countdown_s(policy, key, retry) if policy.max_retries > retry else None

    patch.setattr(chance.Chance, "countdown_s", countdown_s)


@mutant("the jitter is a second longer", "jitter, seed 4")
def _(patch: Patch) -> None:
    original = chance.full_jitter
    patch.setattr(chance, "full_jitter", lambda *arguments: original(*arguments) + 1)


@mutant("the backoff does not double", "backoff doubles")
def _(patch: Patch) -> None:
    original = chance.Chance._countdown_s
    patch.setattr(
        chance.Chance, "_countdown_s", lambda self, policy, key, _: original(self, policy, key, 0)
    )


@mutant("the backoff has no maximum", "backoff has a maximum")
def _(patch: Patch) -> None:
    original = chance.Chance._countdown_s

    def endless(self: chance.Chance, policy: Any, key: str, retry: int) -> float:
        return original(self, policy.but(backoff_max_s=600), key, retry)

    patch.setattr(chance.Chance, "_countdown_s", endless)


@mutant("a countdown is not waited for", "self.retry late")
def _(patch: Patch) -> None:
    before(patch, worker.Worker, "_receive", lambda self, message: setattr(message, "eta_s", None))


@mutant("a message never expires", "expired on receipt")
def _(patch: Patch) -> None:
    before(
        patch, worker.Worker, "_receive", lambda self, message: setattr(message, "expires_s", None)
    )


@mutant("expiry is looked at on receipt only", "expired before a process is free")
def _(patch: Patch) -> None:
    patch.setattr(pool.Pool, "_has_expired", lambda self, expires_s: False)


@mutant("threads look at expiry again", "threads do not look again")
def _(patch: Patch) -> None:
    patch.setattr(pool.Pool, "_has_expired", lambda self, expires_s: self.env.now > expires_s)


@mutant("a soft limit kills like a hard one", "a soft limit is retried")
def _(patch: Patch) -> None:
    patch.setattr(limits, "SOFT", limits.HARD)


@mutant("a hard limit is retried like a failure", "a hard limit is not retried")
def _(patch: Patch) -> None:
    original = pool.Pool._fail
    patch.setattr(pool.Pool, "_fail", lambda self, slot, _: original(self, slot, "WorkFailed"))


@mutant("threads obey limits", "threads ignore limits")
def _(patch: Patch) -> None:
    def as_prefork(self: pool.Pool, *_: Any) -> None:
        self.is_prefork = True

    after(patch, pool.Pool, "__init__", as_prefork)


@mutant("workers share one bucket", "a bucket for each worker")
def _(patch: Patch) -> None:
    shared: dict[str, holds.Bucket] = {}

    def new_buckets(self: holds.Holds) -> dict[str, holds.Bucket]:
        limits = {name: rate for name, rate in self._limits.items() if rate}
        return {
            n: _SharedBucket(rate, self.env.now, shared.setdefault(n, holds.Bucket(rate, 0.0)))
            for n, rate in limits.items()
        }

    patch.setattr(holds.Holds, "_new_buckets", new_buckets)


class _SharedBucket(holds.Bucket):
    """A bucket whose tokens come from another one."""

    def __init__(self, rate: str, now_s: float, source: holds.Bucket) -> None:
        self.source = source
        super().__init__(rate, now_s)

    @property
    def next_s(self) -> float:  # type: ignore[override]
        return self.source.next_s

    @next_s.setter
    def next_s(self, at_s: float) -> None:
        self.source.next_s = at_s


@mutant("types share one bucket", "a bucket for each type")
def _(patch: Patch) -> None:
    original = holds.Holds._new_buckets

    def one(self: holds.Holds) -> dict[str, holds.Bucket]:
        buckets = original(self)
        return dict.fromkeys(buckets, next(iter(buckets.values()), None))

    patch.setattr(holds.Holds, "_new_buckets", one)


@mutant("a bucket saves up tokens", "one token at a time")
def _(patch: Patch) -> None:
    def earlier(self: holds.Bucket, rate: str, now_s: float) -> None:
        self.next_s = now_s - 2 * self.gap_s

    after(patch, holds.Bucket, "__init__", earlier)

    def drain(self: holds.Holds, bucket: holds.Bucket) -> None:
        while bucket.contents and bucket.next_s <= self.env.now:
            bucket.next_s += bucket.gap_s
            message = bucket.contents.popleft()
            self.record.message("rate_released", message, self.worker.name)
            self.worker.pool.apply(message)
        if bucket.contents and not bucket.is_armed:
            bucket.is_armed = True
            self._call_after(bucket.next_s - self.env.now, lambda: self._refill(bucket))

    patch.setattr(holds.Holds, "_drain", drain)


@mutant("a new limit lets go what the old one holds", "a limit lifted while it runs")
def _(patch: Patch) -> None:
    def let_go(self: holds.Holds, *_: Any) -> None:
        for bucket in self.buckets.values():
            bucket.gap_s = bucket.next_s = 0.0
            self._drain(bucket)

    before(patch, holds.Holds, "limit_rate", let_go)


# --- loads and draws -----------------------------------------------------------------------


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
        _WORLDS[id(self)].finished(message.key)

    after(patch, broker.Broker, "publish", go_on)
    _remember_workers(patch)


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


def _constant(self: broker.Kind, task: Any, *_: Any, **_named: Any) -> None:
    self.service_s = lambda *_: task.service.mean_s


@mutant("a solo worker takes messages while it runs", "solo, late ack")
def _(patch: Patch) -> None:
    patch.setattr(pool.Pool, "blocks_main", property(lambda self: False))
