"""What the proxy costs: round trips and no-op tasks through it and without it, in turns."""

from __future__ import annotations

import tempfile
from unittest.mock import patch

import redis

from benchmarks.fake_redis import _median_us, _scenario, _trips
from benchmarks.table import Row
from sandbox.engines.live import links, start

_ROUNDS = 9
_COMMANDS = ("GET", "LPUSH", "MULTI ZADD HSET EXEC")


def _round_trips() -> dict[str, list[list[float]]]:
    """Return the round trips in µs by command, through a link and straight, in turns."""
    with (
        tempfile.TemporaryDirectory() as runs,
        start(_scenario(), runs=runs) as session,
        redis.Redis.from_url(session.links.url("client")) as linked,
        redis.Redis.from_url(session.broker.url) as straight,
    ):
        session.wait()
        both = _trips(linked), _trips(straight)
        return {
            name: [
                list(pair)
                for pair in zip(
                    *([_median_us(trips[name]) for trips in both] for _ in range(_ROUNDS)),
                    strict=True,
                )
            ]
            for name in _COMMANDS
        }


def _tasks_per_s(*, proxied: bool) -> float:
    way = links.behind if proxied else lambda _broker: None
    with (
        tempfile.TemporaryDirectory() as runs,
        patch.object(links, "behind", way),
        start(_scenario(), runs=runs) as session,
    ):
        session.wait()
        run = session.close()
    ends = [event.t_s for event in run.of_kind("succeeded")]
    return len(ends) / (max(ends) - min(ends))


def measure() -> list[Row]:
    """Return the proxy against none, one after the other in each round."""
    pairs = [(_tasks_per_s(proxied=True), _tasks_per_s(proxied=False)) for _ in range(_ROUNDS)]
    through, straight = zip(*pairs, strict=True)
    return [
        *(
            Row(f"round trip ({name}): through the proxy / straight", *both, "µs")
            for name, both in _round_trips().items()
        ),
        Row("no-op tasks: through the proxy / straight", through, straight, "tasks/s", "≥ 0.85"),
    ]
