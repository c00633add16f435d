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
from celery import Celery, Signature, chord, group
from kombu.exceptions import KombuError

from sandbox.engines.live import app as apps
from sandbox.engines.live import beats
from sandbox.engines.live.publish import publishing
from sandbox.engines.live.recorder import record_publishing
from sandbox.engines.live.writer import Writer
from sandbox.scenario import Scenario
from sandbox.schedule import (
    Canvas,
    ClosedTurns,
    Publication,
    canvases,
    closed_turns,
    schedule,
    without_beat,
)

_STDIN = 0
_RESULT_KEY = "celery-task-meta-"
_AGAIN_S = 0.2
_FINAL = {"SUCCESS", "FAILURE", "REVOKED"}

# The last one: kombu 5.7 takes a channel whose connection was dropped meanwhile from its pool and
# asks the connection that it no longer has (kombu/transport/redis.py, _connparams).
_UNSENT = (KombuError, redis.RedisError, OSError, AttributeError)
"""What a publish raises when it is not known whether the broker has the message."""


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


def planned(scenario: Scenario) -> list[Publication]:
    """Return what the client publishes by itself: beat's too, but where a real beat runs."""
    return without_beat(scenario) if beats.is_real(scenario) else schedule(scenario)


class Client:
    """Publishes each task at its time; one process, so one publish after the other."""

    def __init__(self, scenario: Scenario, app: Celery, link: apps.Link, writer: Writer) -> None:
        self.scenario, self.app, self.writer = scenario, app, writer
        # The middle number keeps what is due at the same time in the order of the schedule.
        self.due: list[tuple[float, int, str, int]] = [
            (p.at_s, i, p.type, p.n) for i, p in enumerate(planned(scenario))
        ]
        self._turn = itertools.count(len(self.due))
        self.turns: dict[str, tuple[ClosedTurns, int, int]] = {}
        self.t0 = self._again_at = 0.0
        self.canvases = {canvas.keys[0]: canvas for canvas in canvases(scenario)}
        self.members = {key for canvas in self.canvases.values() for key in canvas.keys}
        closed = closed_turns(scenario)
        self.link, self.has_turns = link, bool(closed)
        self.results = self._subscribe() if closed else None
        for turns in closed:
            for client in range(turns.load.n_clients):
                self._think(turns, client, turn=0, now_s=0.0)
        heapq.heapify(self.due)

    # --- closed loads: think, publish, wait for the result, think again --------------

    def _subscribe(self) -> redis.client.PubSub:
        """Listen for results: Celery announces each one on a channel of its key's name."""
        # Kept: a client that is collected takes its subscription's connection along.
        # No retries of its own: what is announced while it reconnects would be missed.
        self._redis = redis.Redis.from_url(self.link.url, retry=None)
        pubsub: redis.client.PubSub = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # redis-py has no types for it
        pubsub.psubscribe(f"{self.link.prefix}{_RESULT_KEY}*")
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
            try:
                message = self.results.get_message()
            except (redis.RedisError, OSError):
                self._lose_results()
                return
            if message is None:
                return
            self._take_result(message["channel"].decode(), message["data"])

    def _take_result(self, channel: str, data: str | bytes) -> None:
        key = channel.partition(_RESULT_KEY)[2]
        if key in self.turns and json.loads(data).get("status") in _FINAL:
            turns, client, turn = self.turns.pop(key)
            self._think(turns, client, turn + 1, self._now())

    def _lose_results(self) -> None:
        self.results, self._again_at = None, time.monotonic() + _AGAIN_S

    def _listen_again(self) -> None:
        """Subscribe anew after a lost connection, and fetch what has been announced meanwhile."""
        if not self.has_turns or self.results is not None or time.monotonic() < self._again_at:
            return
        try:
            self.results = self._subscribe()
            for key in list(self.turns):
                channel = f"{self.link.prefix}{_RESULT_KEY}{key}"
                data = self._redis.get(channel)
                if data is not None:
                    self._take_result(channel, data)
        except (redis.RedisError, OSError):
            self._lose_results()

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
        while True:
            sockets = [] if self.results is None else [_socket(self.results)]
            idle = self.due[0][0] - self._now() if self.due and started else 60.0
            if self.has_turns and self.results is None:
                idle = min(idle, _AGAIN_S)
            for order in orders.read(idle, *sockets):
                if "go" in order:
                    self.t0, started = order["go"], True
                for key in order.get("submit", ()):
                    self.publish(*_split(key))
            self._listen_again()
            self._take_results()
            while started and self.due and self.due[0][0] <= self._now():
                _, _, kind, n = heapq.heappop(self.due)
                self._publish_due(kind, n)
            if started and not told and not self.due and not self.turns:
                self.writer.write("_client_done")
                told = True

    def publish(self, kind_name: str, n: int) -> None:
        """Publish one task; a broker that does not answer leaves its fate unknown."""
        key = f"{kind_name}/{n}"
        try:
            self.app.tasks[kind_name].apply_async(
                task_id=key, **publishing(self.scenario.task(kind_name))
            )
        except _UNSENT as exc:
            self.writer.write("publish_unknown", task=key, detail={"error": str(exc)[:200]})
            if key in self.turns:
                turns, client, turn = self.turns.pop(key)
                self._think(turns, client, turn + 1, self._now())

    # --- groups and chords -----------------------------------------------------------

    def _publish_due(self, kind_name: str, n: int) -> None:
        """Publish a task, or with the first of a group or a chord all that belong to it."""
        key = f"{kind_name}/{n}"
        if key not in self.members:
            self.publish(kind_name, n)
        elif key in self.canvases:
            self._publish_canvas(self.canvases[key])

    def _publish_canvas(self, canvas: Canvas) -> None:
        whole = group([self._signature(canvas.type, key) for key in canvas.keys], app=self.app)
        if canvas.body is not None:
            name, n = canvas.body
            whole = chord(whole, self._signature(name, f"{name}/{n}"), app=self.app)
        try:
            whole.apply_async()
        except _UNSENT as exc:
            for key in canvas.keys:
                self.writer.write("publish_unknown", task=key, detail={"error": str(exc)[:200]})

    def _signature(self, kind_name: str, key: str) -> Signature:
        options = publishing(self.scenario.task(kind_name))
        return self.app.tasks[kind_name].s().set(task_id=key, **options)


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
