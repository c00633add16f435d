"""The client: the process that publishes a scenario's loads, and what is submitted by hand."""

from __future__ import annotations

import heapq
import itertools
import json
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import KombuError

from sandbox.engines.live import app as apps
from sandbox.engines.live.recorder import Writer, record_publishing
from sandbox.scenario import Scenario
from sandbox.schedule import ClosedTurns, closed_turns, schedule

_STDIN = 0
_RESULT_KEY = "celery-task-meta-"
_FINAL = {"SUCCESS", "FAILURE", "REVOKED"}


class Orders:
    """Lines of JSON from the supervisor, read without blocking longer than asked."""

    def __init__(self) -> None:
        self._buffer = b""

    def read(self, timeout_s: float, *sockets: Any) -> Iterator[dict[str, Any]]:
        """Yield the orders that have come within ``timeout_s``; a socket's data ends the wait."""
        readable, _, _ = select.select([_STDIN, *sockets], [], [], max(0.0, timeout_s))
        if _STDIN not in readable:
            return
        chunk = os.read(_STDIN, 65536)
        if not chunk:
            raise SystemExit(0)
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)


class Client:
    """Publishes each task at its time; one process, so one publish after the other."""

    def __init__(self, scenario: Scenario, app: Celery, link: apps.Link, writer: Writer) -> None:
        self.scenario, self.app, self.writer = scenario, app, writer
        # The middle number keeps what is due at the same time in the order of the schedule.
        self.due: list[tuple[float, int, str, int]] = [
            (p.at_s, i, p.type, p.n) for i, p in enumerate(schedule(scenario))
        ]
        self._turn = itertools.count(len(self.due))
        self.turns: dict[str, tuple[ClosedTurns, int, int]] = {}
        self.t0 = 0.0
        closed = closed_turns(scenario)
        self.results = self._subscribe(link) if closed else None
        for turns in closed:
            for client in range(turns.load.n_clients):
                self._think(turns, client, turn=0, now_s=0.0)
        heapq.heapify(self.due)

    # --- closed loads: think, publish, wait for the result, think again --------------

    def _subscribe(self, link: apps.Link) -> redis.client.PubSub:
        """Listen for results: Celery announces each one on a channel of its key's name."""
        # Kept: a client that is collected takes its subscription's connection along.
        self._redis = redis.Redis.from_url(link.url)
        pubsub: redis.client.PubSub = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # redis-py has no types for it
        pubsub.psubscribe(f"{link.prefix}{_RESULT_KEY}*")
        pubsub.get_message(timeout=5)
        return pubsub

    def _think(self, turns: ClosedTurns, client: int, turn: int, now_s: float) -> None:
        at, n = now_s + turns.think_s(client, turn), turns.number(client, turn)
        if at < self.scenario.horizon_s:
            heapq.heappush(self.due, (at, next(self._turn), turns.load.task, n))
            self.turns[f"{turns.load.task}/{n}"] = (turns, client, turn)

    def _take_results(self) -> None:
        """Let each client whose result has come think before its next task."""
        while self.results is not None:
            message = self.results.get_message()
            if message is None:
                return
            key = message["channel"].decode().partition(_RESULT_KEY)[2]
            state = json.loads(message["data"]).get("status")
            if key in self.turns and state in _FINAL:
                turns, client, turn = self.turns.pop(key)
                self._think(turns, client, turn + 1, self._now())

    # --- the loop --------------------------------------------------------------------

    def _now(self) -> float:
        return time.monotonic() - self.t0

    def run(self) -> None:
        """Connect, wait for the start, publish; then stay for what is submitted by hand."""
        with self.app.producer_pool.acquire(block=True) as producer:
            producer.connection.ensure_connection(max_retries=3)
        # What a client's first publish would pay for once: the subscription to results.
        self.app.backend.result_consumer.consume_from("warm-up")
        self.writer.write("_client_ready")
        orders, told, started = Orders(), False, False
        sockets = [] if self.results is None else [_socket(self.results)]
        while True:
            idle = self.due[0][0] - self._now() if self.due and started else 60.0
            for order in orders.read(idle, *sockets):
                if "go" in order:
                    self.t0, started = order["go"], True
                for key in order.get("submit", ()):
                    self.publish(*_split(key))
            self._take_results()
            while started and self.due and self.due[0][0] <= self._now():
                _, _, kind, n = heapq.heappop(self.due)
                self.publish(kind, n)
            if started and not told and not self.due and not self.turns:
                self.writer.write("_client_done")
                told = True

    def publish(self, kind_name: str, n: int) -> None:
        """Publish one task; a broker that does not answer leaves its fate unknown."""
        kind = self.scenario.task(kind_name)
        key = f"{kind_name}/{n}"
        options: dict[str, Any] = {"priority": kind.priority} if kind.priority else {}
        if kind.expires_s is not None:
            options["expires"] = kind.expires_s
        if kind.countdown_s:
            options["countdown"] = kind.countdown_s
        try:
            self.app.tasks[kind_name].apply_async(task_id=key, **options)
        except (KombuError, redis.RedisError, OSError) as exc:
            self.writer.write("publish_unknown", task=key, detail={"error": str(exc)[:200]})


def _socket(pubsub: redis.client.PubSub) -> Any:
    """Return a subscription's socket; redis-py has no public way to wait on it and on stdin."""
    return pubsub.connection._sock  # type: ignore[attr-defined] # noqa: SLF001 - connected above


def _split(key: str) -> tuple[str, int]:
    kind, _, number = key.rpartition("/")
    return kind, int(number)


def main(folder: Path, link: apps.Link) -> None:
    """Publish the scenario in ``folder``; ends with its supervisor."""
    scenario = apps.scenario_of(folder)
    writer = Writer(folder / "raw" / "client.jsonl")
    app = apps.build(scenario, link)
    record_publishing(writer)
    Client(scenario, app, link, writer).run()
