"""The operator: the process that looks at the broker and does what a person would by hand.

Apart from the client, so that an inspection that takes a second delays no publishing.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import redis

from sandbox.engines.live import app as apps
from sandbox.engines.live.client import Orders
from sandbox.engines.live.recorder import record_sweeps
from sandbox.engines.live.writer import Writer
from sandbox.scenario import Scenario

_SAMPLE_EVERY_S = 0.2
_SAY_AGAIN_S = 1.0
"""How long a sample that says the same as the last one is left out of the record."""
_SEPARATOR = "\x06\x16"
_SWEEP_TRIES = 10
_SWEEP_S = 0.2

_AGE = """
for _, tag in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  redis.call('ZINCRBY', KEYS[1], -ARGV[1], tag)
end
return redis.call('ZCARD', KEYS[1])
"""


class Operator:
    """Samples, dumps, ages `unacked`, broadcasts; each order is answered in its file."""

    def __init__(self, scenario: Scenario, link: apps.Link, writer: Writer) -> None:
        self.scenario, self.link, self.writer = scenario, link, writer
        self.app = apps.build(scenario, link)
        self.redis = redis.Redis.from_url(link.straight, socket_timeout=5, retry=None)
        self._last: dict[str, Any] = {}
        self._said_at = 0.0

    def run(self) -> None:
        """Serve orders until the supervisor is gone, and sample in between."""
        orders = Orders()
        self.writer.write("_operator_ready")
        sample_at = time.monotonic()
        while True:
            for order in orders.read(sample_at - time.monotonic()):
                self.obey(order)
            if time.monotonic() >= sample_at:
                self.sample()
                sample_at = time.monotonic() + _SAMPLE_EVERY_S

    def obey(self, order: dict[str, Any]) -> None:
        """Carry out one order and answer it under its number."""
        number, verb = order.pop("number"), order.pop("verb")
        try:
            result = getattr(self, f"do_{verb}")(**order)
        except (redis.RedisError, OSError) as exc:
            self.writer.write("_answer", detail={"number": number, "error": str(exc)[:300]})
        else:
            self.writer.write("_answer", detail={"number": number, "result": result})

    # --- orders ----------------------------------------------------------------------

    def do_skip(self, seconds: float) -> int:
        """Age `unacked`, then sweep until nothing is left that is older than the timeout.

        The sweep is a client's own: the first one of a new connection is immediate. Returns
        how many messages were aged.
        """
        at = time.monotonic()
        aged = int(self.redis.eval(_AGE, 1, self._key("unacked_index"), str(seconds)))
        self.writer.write("skipped", at=at, detail={"seconds": seconds})
        for _ in range(_SWEEP_TRIES):
            if not self._overdue():
                break
            with self.app.connection_for_write() as connection:
                # No limit: kombu sweeps while it waits in vain, not when a reply is there.
                self.app.control.inspect(connection=connection, timeout=_SWEEP_S).ping()
        return aged

    def _overdue(self) -> int:
        oldest = time.time() - self.scenario.broker.visibility_timeout_s
        return int(self.redis.zcount(self._key("unacked_index"), "-inf", oldest))

    def do_drop_connections(self) -> int:
        """Cut every connection but the one that says so; return how many they were."""
        mine = self.redis.client_id()
        others = [x["id"] for x in self.redis.client_list() if int(x["id"]) != mine]
        pipe = self.redis.pipeline(transaction=False)
        for number in others:
            pipe.client_kill_filter(_id=number, skipme=True)
        return sum(pipe.execute(raise_on_error=False))

    def do_flush(self) -> None:
        """Delete everything; what is sent just before may yet arrive after it."""
        self.redis.flushdb()
        self.writer.write("broker_flushed")

    def do_evict(self) -> None:
        """Have Redis evict every key; nobody else is served in between."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.config_set("maxmemory-policy", "allkeys-lru")
        pipe.config_set("maxmemory", 1)
        pipe.dbsize()
        pipe.config_set("maxmemory", 0)
        pipe.config_set("maxmemory-policy", "noeviction")
        pipe.execute()
        # Redis takes little time at a time for it; what is left was not evicted, but is gone, too.
        self.do_flush()

    def do_fill_memory(self) -> None:
        """Leave Redis no memory, and nothing that it may evict."""
        self.redis.config_set("maxmemory-policy", "noeviction")
        self.redis.config_set("maxmemory", 1)

    def do_free_memory(self) -> None:
        """Lift the limit."""
        self.redis.config_set("maxmemory", 0)

    def do_sweep(self, visibility_timeout_s: float) -> None:
        """Sweep once as a client with a timeout of its own does: at its first inspection."""
        options = {"visibility_timeout": visibility_timeout_s}
        with self.app.connection_for_write(transport_options=options) as connection:
            self.app.control.inspect(connection=connection, timeout=_SWEEP_S).ping()

    def do_plant_mutex(self, expires_s: float) -> None:
        """Take the mutex of kombu's sweeps, as one that died would have left it."""
        self.redis.set(self._key("unacked_mutex"), "planted", px=max(1, round(expires_s * 1000)))

    def do_rate_limit(self, task: str, rate: str | None, workers: int) -> int:
        """Broadcast a rate limit; return how many workers have confirmed it."""
        replies = self.app.control.broadcast(
            "rate_limit",
            arguments={"task_name": task, "rate_limit": rate},
            reply=workers > 0,  # none that could answer: nobody waits
            timeout=3.0,
            limit=workers,
        )
        return sum("ok" in answer for reply in replies or [] for answer in reply.values())

    def do_dump(self) -> None:
        """Record which tasks the broker holds, list by list, and since when `unacked` has them."""
        queues: dict[str, list[str]] = {queue: [] for queue in self.scenario.queues}
        steps: dict[str, list[int]] = {queue: [] for queue in self.scenario.queues}
        for queue in self.scenario.queues:
            keys = zip(self.scenario.broker.priority_steps, self._lists(queue), strict=True)
            for step, key in keys:
                found = [_task_id(raw) for raw in self._range(key)]
                queues[queue] += found
                steps[queue] += [step] * len(found)
        held: dict[Any, Any] = self.redis.hgetall(self._key("unacked"))
        scores: Any = self.redis.zrange(self._key("unacked_index"), 0, -1, withscores=True)
        index = dict(scores)
        # The scores are times of the workers' clocks; events have the one that all share.
        ahead_s = time.time() - time.monotonic()
        self.writer.write(
            "dump",
            detail={
                "queues": queues,
                "steps": steps,
                "unacked": [_task_id(json.loads(raw)[0]) for raw in held.values()],
                "tags": [tag.decode() for tag in held],
                "since": [index[tag] - ahead_s if tag in index else None for tag in held],
            },
        )

    def sample(self) -> None:
        """Record the lengths of the broker's lists; a broker that is down gives no sample."""
        pipe = self.redis.pipeline(transaction=False)
        keys = {queue: self._lists(queue) for queue in self.scenario.queues}
        for lists in keys.values():
            for key in lists:
                pipe.llen(key)
        pipe.hlen(self._key("unacked"))
        at = time.monotonic()
        try:
            lengths = iter(pipe.execute())
        except (redis.RedisError, OSError):
            return
        queues = {queue: sum(next(lengths) for _ in lists) for queue, lists in keys.items()}
        found = {"queues": queues, "unacked": next(lengths)}
        if found != self._last or at >= self._said_at + _SAY_AGAIN_S:
            self._last, self._said_at = found, at
            self.writer.write("sample", at=at, detail=found)

    # --- keys ------------------------------------------------------------------------

    def _key(self, name: str) -> str:
        return self.link.prefix + name

    def _lists(self, queue: str) -> list[str]:
        steps = self.scenario.broker.priority_steps
        names = [f"{queue}{_SEPARATOR}{step}" if step else queue for step in steps]
        return [self._key(name) for name in names]

    def _range(self, key: str) -> list[Any]:
        return [json.loads(raw) for raw in self.redis.lrange(key, 0, -1)]


def _task_id(message: dict[str, Any]) -> str:
    return str(message.get("headers", {}).get("id"))


def main(folder: Path, link: apps.Link) -> None:
    """Operate the broker of the run in ``folder``; ends with its supervisor."""
    writer = Writer(folder / "raw" / "operator.jsonl")
    record_sweeps(writer)
    Operator(apps.scenario_of(folder), link, writer).run()
