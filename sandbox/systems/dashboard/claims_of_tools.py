"""Claims on commands: what the document's tools show of a living system, against the truth."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox.claims import Claim
from sandbox.draws import Deterministic
from sandbox.loads import Burst
from sandbox.run import Event
from sandbox.scenario import Scenario
from sandbox.systems.dashboard.scenarios import ONE, PROCESS, TWO, small

if TYPE_CHECKING:
    from celery import Celery
    from redis import Redis

    from sandbox.engines.live.stage import Stage

_QUEUES = ("default", "emails", "batch_processing")
_N = 30
_TRIES = 200


def _backlog() -> Scenario:
    """Return 4 processes that are busy for seconds, and a queue behind them."""
    long = {PROCESS: {"service": Deterministic(value_s=3.0)}}
    return small("backlog", Burst(task=PROCESS, n=_N), commands=ONE, tasks=long, deadline_s=30.0)


@dataclass(frozen=True)
class Scene:
    """A living dashboard with a backlog: its broker, its app as a client has it, its keys."""

    redis: Redis
    app: Celery
    prefix: str
    wait: Callable[[Callable[[Sequence[Event]], bool]], None]

    def waiting(self) -> int:
        """Return how many messages wait in all lists of all queues."""
        from sandbox.patterns import lists

        return lists.read(self.redis, _QUEUES, lists.Keys.of(self.app)).waiting

    def inspect(self) -> Any:
        """Return Celery's inspection of the workers."""
        return self.app.control.inspect(timeout=2.0)


@contextmanager
def _scene(stage: Stage, scenario: Scenario, started: int, published: int) -> Iterator[Scene]:
    """Start a scenario and wait until so many tasks have begun and so many are published."""
    from sandbox.systems.dashboard.app import CORRECTED, build

    def is_set(events: Sequence[Event]) -> bool:
        kinds = [event.kind for event in events]
        return kinds.count("started") >= started and kinds.count("published") >= published

    with stage.start(scenario) as session:
        stage.wait(session, is_set)
        client, prefix = stage.redis(session), session.broker.prefix
        app = build(CORRECTED)
        app.conf.broker_transport_options = {"global_keyprefix": prefix}
        app.conf.broker_url = app.conf.result_backend = session.broker.url
        try:
            yield Scene(client, app, prefix, partial(stage.wait, session))
        finally:
            app.close()
            client.close()


def _seen(look: Callable[[Scene], float], stage: Stage) -> float:
    """Return what a look at a system with a backlog finds."""
    with _scene(stage, _backlog(), started=4, published=_N) as scene:
        return look(scene)


def _llen_celery(scene: Scene) -> float:
    return _share(scene.redis.llen(f"{scene.prefix}celery"), scene.waiting())


def _keys(scene: Scene) -> float:
    """Return the share of the waiting tasks whose ids are among the keys."""
    found: Any = scene.redis.keys("*")
    waiting: Any = scene.redis.lrange(f"{scene.prefix}default", 0, -1)
    ids = [json.loads(one)["headers"]["id"] for one in waiting]
    names = "\n".join(key.decode() for key in found)
    return _share(sum(f"{one}\n" in f"{names}\n" for one in ids), len(ids))


def _info_stats(scene: Scene) -> float:
    """Return how many of the queues ``INFO stats`` says anything of."""
    told = " ".join(scene.redis.info("stats"))
    return float(sum(queue in told for queue in _QUEUES))


def _ping(scene: Scene) -> float:
    return float(bool(scene.redis.ping()))


def _active(scene: Scene) -> float:
    """Return how many workers ``inspect active`` names."""
    return float(len(scene.inspect().active() or {}))


def _active_of_all(scene: Scene) -> float:
    """Return the share of all that is not done that ``inspect active`` shows."""
    active = sum(map(len, (scene.inspect().active() or {}).values()))
    return _share(active, _N)


def _registered(scene: Scene) -> float:
    """Return how many of the document's tasks ``inspect registered`` lists."""
    found: Mapping[str, list[str]] = scene.inspect().registered() or {}
    return float(len({name for names in found.values() for name in names if "app.tasks" in name}))


def _memory(scene: Scene) -> float:
    """Return the share of a worker's processes whose memory ``inspect stats`` tells."""
    stats = next(iter((scene.inspect().stats() or {}).values()))
    return _share("rusage" in stats, 1 + len(stats["pool"]["processes"]))


def _round_trip_us(scene: Scene) -> float:
    return 1e6 * min(_timed(scene.redis.ping) for _ in range(_TRIES))


def _lpush_ms(scene: Scene) -> float:
    key = f"{scene.prefix}probe"
    return 1e3 * min(_timed(partial(scene.redis.lpush, key, "x" * 1000)) for _ in range(_TRIES))


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _replaced(stage: Stage) -> float:
    """Return how many of two processes are others after each has done its number of tasks."""
    commands = (f"{TWO[0].partition(' -c ')[0]} -c 2 -Q default --max-tasks-per-child=3",)
    loads = (Burst(task=PROCESS, n=2), Burst(task=PROCESS, n=12, at_s=2.5))
    scenario = small("children", *loads, commands=commands)
    with _scene(stage, scenario, started=1, published=2) as scene:
        first = _children(scene)
        scene.wait(lambda events: sum(event.kind == "succeeded" for event in events) == 14)
        later = _children(scene)
    return float(len(first - later))


def _children(scene: Scene) -> set[int]:
    stats = scene.inspect().stats() or {}
    return {child for one in stats.values() for child in one["pool"]["processes"]}


def _stored_once(stage: Stage) -> float:
    """Return the share of events that are stored with the hash of their payload, each once."""
    from sandbox.engines.live.data import FILE
    from sandbox.systems.dashboard.store import payload_hash, stored_hashes

    n = 20
    scenario = small("stored", Burst(task=PROCESS, n=n), commands=ONE)
    with stage.start(scenario) as session:
        session.wait()
        stored = stored_hashes(f"sqlite:///{session.folder.resolve() / FILE}")
    return sum(stored[payload_hash({"user_id": i})] == 1 for i in range(n)) / n


TOOLS = (
    Claim(
        text="stores the event with payload hash",
        source="Async Tasks Implemented, 1. process_event_async",
        probe=_stored_once,
        unit="of the events stored once",
        holds=lambda share: share == 1,
        name="payload-hash",
        verdict="right",
        why="Without a crash each event has one row with the SHA-256 of its payload; a message "
        "that is delivered again would have two.",
    ),
    Claim(
        text="Redis: fast in-memory storage (~1 µs access)",
        source="Components, 2. Redis",
        probe=partial(_seen, _round_trip_us),
        unit="µs a round trip",
        holds=lambda us: us < 10,
        name="one-microsecond",
        verdict="wrong",
        why="The command takes Redis about that; whoever asks waits for a round trip, and even on "
        "loopback the quickest of them takes many times as long.",
    ),
    Claim(
        text="queue to Redis: an LPUSH alone takes < 1 ms",
        source="Architecture Flow, After",
        probe=partial(_seen, _lpush_ms),
        unit="ms",
        holds=lambda ms: ms < 1,
        name="lpush",
        verdict="right",
        why="On one machine the quickest LPUSH is well under it; Celery's publish is more than "
        "that one command.",
        rows=("1.3 S1-3",),
    ),
    Claim(
        text="redis-cli info stats: queue statistics",
        source="Monitoring, Monitor Redis",
        probe=partial(_seen, _info_stats),
        unit="queues told of",
        holds=lambda queues: queues == len(_QUEUES),
        name="info-stats",
        verdict="wrong",
        why="It counts the server's commands and connections, and knows of no queue.",
        rows=("1.2 #22",),
    ),
    Claim(
        text="redis-cli keys *: list all queued tasks",
        source="Monitoring, Monitor Redis",
        probe=partial(_seen, _keys),
        unit="of the queued tasks listed",
        holds=lambda share: share == 1,
        name="keys",
        verdict="wrong",
        why="A queue is one key, a list; its tasks are inside it. What has a key of its own is a "
        "result.",
        rows=("1.2 #22",),
    ),
    Claim(
        text="check queue size: redis-cli llen celery",
        source="Troubleshooting, Queue Backing Up",
        probe=partial(_seen, _llen_celery),
        unit="of the waiting tasks counted",
        holds=lambda share: share == 1,
        name="llen-celery",
        verdict="wrong",
        why="Their queues are default, emails and batch_processing: 'celery' is empty while they "
        "overflow.",
        rows=("1.2 #22",),
    ),
    Claim(
        text="celery inspect active: list active workers, see whether one is running",
        source="Monitoring; Troubleshooting, Tasks Not Processing",
        probe=partial(_seen, _active),
        unit="of 1 worker named",
        holds=lambda workers: workers == 1,
        name="inspect-active",
        verdict="right",
        why="Each worker that answers in time is named; one that is silent may be dead or busy, "
        "and two of one name are seen as one.",
    ),
    Claim(
        text="celery inspect active shows what is queued",
        source="Monitoring, Check Task Queue Status",
        probe=partial(_seen, _active_of_all),
        unit="of all tasks not done",
        holds=lambda share: share == 1,
        name="inspect-backlog",
        verdict="wrong",
        why="It shows what executes, at most one task a process, and nothing of what waits.",
    ),
    Claim(
        text="celery inspect registered: view registered tasks",
        source="Monitoring, Check Worker Status",
        probe=partial(_seen, _registered),
        unit="of 3 tasks",
        holds=lambda tasks: tasks == 3,
        name="inspect-registered",
        verdict="right",
        why="Workers name the tasks that they know.",
    ),
    Claim(
        text="redis-cli ping returns PONG if Redis is running",
        source="Troubleshooting, Tasks Not Processing",
        probe=partial(_seen, _ping),
        holds=lambda answers: answers == 1,
        name="ping",
        verdict="right",
        why="It answers; whether it takes writes, or anybody takes tasks from it, PONG does not "
        "say.",
    ),
    Claim(
        text="celery inspect stats: monitor worker memory",
        source="Troubleshooting, Memory Issues",
        probe=partial(_seen, _memory),
        unit="of a worker's processes",
        holds=lambda share: share == 1,
        name="inspect-stats",
        verdict="wrong",
        why="Its rusage is the main process's alone; the children, where tasks run and leak, are "
        "not in it.",
    ),
    Claim(
        text="set max tasks per child: --max-tasks-per-child=500 (3 here)",
        source="Troubleshooting, Memory Issues",
        probe=_replaced,
        unit="of 2 processes replaced",
        holds=lambda replaced: replaced > 0,
        name="max-tasks",
        verdict="right",
        why="A process that has done its number is replaced and its memory given back, with a "
        "pool of processes.",
        rows=("1.3 S1-8",),
    ),
)
