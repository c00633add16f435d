"""Wrong models of expiry, time limits, rate limits."""

from __future__ import annotations

from typing import Any

from sandbox.engines.model import holds, limits, pool, worker
from tests.mutants.registry import Patch, after, before, mutant


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
