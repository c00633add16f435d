"""Claims on the broker: what Redis does for Celery, what it keeps, and who may write to it."""

from __future__ import annotations

from typing import Any

from sandbox.claims import Claim
from sandbox.faults import OnEvent
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.maxmemory import MaxMemory
from sandbox.faults.start_worker import StartWorker
from sandbox.faults.stop_broker import StopBroker
from sandbox.loads import Burst
from sandbox.scenario import Broker, Scenario
from sandbox.systems.leadlawk import numbers, probes, reads
from sandbox.systems.leadlawk.small import DATABASE, PAGESPEED, burst, generated, lasts, small

_REDIS = "1. Redis Configuration"
_FASTER = "10. Performance Optimizations"
_SAFE = "11. Security Considerations"


def claims() -> tuple[Claim, ...]:
    """Return them in the document's order."""
    return (*_features(), *_memory(), *_faster(), *_safe())


def _features() -> tuple[Claim, ...]:
    return (
        Claim(
            text="lists for queues, pub/sub for events, atomic task acknowledgment",
            source=f"{_REDIS}, Redis as Message Broker",
            probe=probes.features,
            holds=lambda share: share == 1,
            unit="of the three",
            name="redis-features",
            verdict="right",
            why="An acknowledgement is one MULTI; but BRPOP and the note in unacked are two "
            "steps, and a worker that dies between them loses the message.",
            rows=("1.3 S3-9",),
        ),
        Claim(
            text="TTL for message expiration; expires=3600",
            source=f"{_REDIS}, Redis as Message Broker; 9. Data Flow, Example Flow",
            number=numbers.stayed_expired_s,
            holds=lambda kept_s: kept_s < 0.1,
            shown_by={"expires after 0.3 s": _expired()},
            unit="s in Redis after expiry",
            name="message-ttl",
            verdict="wrong",
            why="No message has a TTL: an expired one stays until a worker takes it and says "
            "REVOKED.",
            rows=("1.2 #35", "1.3 S3-7"),
        ),
        Claim(
            text="expires=3600 and re-queuing on worker crash: no job is lost",
            source="9. Data Flow, Example Flow; 8. Failure Handling, Recovery Mechanisms",
            metric="revoked",
            holds=lambda revoked: revoked == 0,
            shown_by={"both times ÷ 3600": _expired_meanwhile()},
            name="expires-and-recovery",
            verdict="wrong",
            why="What comes back after the visibility timeout of an hour has expired by then.",
        ),
        Claim(
            text="results: automatic expiration (24 hours default)",
            source=f"{_REDIS}, Redis as Result Backend; {_FASTER}, Celery",
            reads=reads.result_expires_s,
            holds=lambda kept_s: kept_s == 86_400,
            unit="s",
            name="result-expires",
            verdict="right",
            why="Celery's default; after it, a finished job is PENDING to whoever asks.",
        ),
        Claim(
            text="JSON serialization for complex results",
            source=f"{_REDIS}, Redis as Result Backend",
            reads=reads.survivors_of_json,
            holds=lambda share: share == 1,
            unit="of six kinds of results come back as they were",
            name="json-results",
            verdict="wrong",
            why="A tuple comes back as a list, the key 1 as '1'; a set or an own class is refused.",
        ),
    )


def _expired() -> Scenario:
    tasks = {DATABASE: lasts(1.5), PAGESPEED: lasts(0.1, expires_s=0.3)}
    return small(
        "expired", tasks, [Burst(task=DATABASE, n=1), Burst(task=PAGESPEED, n=2, at_s=0.1)]
    )


def _expired_meanwhile() -> Scenario:
    lost = OnEvent(event="started", after_s=0.2)
    quick = Broker(
        visibility_timeout_s=1.0, unacked_restore_interval_s=0.2, unacked_restore_throttle=1
    )
    scenario = small(
        "expired-meanwhile", {DATABASE: lasts(0.6, expires_s=1.0)}, [Burst(task=DATABASE, n=1)],
        faults=(
            KillWorker(worker="worker1", when=lost),
            StartWorker(worker="worker1", when=OnEvent(event="worker_exited", after_s=0.1)),
        ),
        deadline_s=15.0,
    )  # fmt: skip
    return scenario.but(broker=quick)


def _memory() -> tuple[Claim, ...]:
    full = generated(_six("evicted"), retries=()).but(
        faults=(MaxMemory(policy="allkeys-lru", when=_BEGUN),)
    )
    stopped = (StopBroker(down_s=0.5, when=_BEGUN),)
    kept = _six("kept", faults=stopped, broker={"persistence": "aof"}, deadline_s=20.0)
    return (
        Claim(
            text="maxmemory-policy allkeys-lru prevents running out of memory (and loses nothing)",
            source=f"{_REDIS}, Redis Performance Tuning; {_FASTER}, Redis: Memory limits",
            metric="lost",
            holds=lambda lost: lost == 0,
            shown_by={"": full},
            name="lru",
            verdict="wrong",
            why="A queue is one key: Redis drops it whole, with every task in it, and says "
            "nothing; Celery's own page recommends it too.",
            rows=("1.2 #10", "1.3 S3-7"),
            needs="maxmemory",
        ),
        Claim(
            text="appendonly yes: persistence via AOF",
            source=f"{_REDIS}, Redis Performance Tuning",
            metric="lost",
            holds=lambda lost: lost == 0,
            shown_by={"": kept},
            name="aof",
            verdict="right",
            why="What waits survives a killed Redis; up to a second of publishes may not.",
            needs="appendonly",
        ),
        Claim(
            text="memory usage: 256 MB, Redis with 10K tasks",
            source="Performance Benchmarks, Memory usage",
            probe=probes.size_of_10k,
            holds=lambda size_mb: 200 <= size_mb <= 300,
            unit="MB",
            name="memory",
            verdict="wrong",
            why="A message is about 1 KB, so 10K are 10 MB; 256 MB is the limit that was set, "
            "reached at 26 KB a task.",
            rows=("1.3 S3-3",),
        ),
        Claim(
            text="use Redis cluster for high volume",
            source="12. Scaling Strategy, Vertical Scaling",
            reads=reads.cluster_transports,
            holds=lambda n: n >= 1,
            unit="transports of kombu for a cluster",
            name="cluster",
            verdict="wrong",
            why="kombu has none: its BRPOP waits for many keys, which a cluster keeps apart.",
            rows=("1.2 #28",),
        ),
    )


_BEGUN = OnEvent(event="started", nth=2, after_s=0.1)


def _six(name: str, **more: Any) -> Scenario:
    """Return six tasks on two processes: four wait when the first two have begun."""
    return burst(name, 0.6, 6, concurrency=2, **more)


def _faster() -> tuple[Claim, ...]:
    return (
        Claim(
            text="connection pooling: reuse connections",
            source=f"{_FASTER}, Redis",
            probe=probes.connections_for_publishes,
            holds=lambda n: n == 0,
            unit="connections for 50 more publishes",
            name="pooling",
            verdict="right",
            why="A publisher takes a connection from Celery's pool and gives it back.",
        ),
        Claim(
            text="pipelining: batch Redis operations",
            source=f"{_FASTER}, Redis",
            probe=probes.writes_a_publish,
            holds=lambda writes: writes < 1,
            unit="writes to Redis a publish",
            name="pipelining",
            verdict="wrong",
            why="Celery has no setting for it: delay() is a trip of its own each time; only what "
            "one acknowledgement consists of is sent together.",
            rows=("1.5-8 pipelining",),
        ),
        Claim(
            text="pipelining, with kombu's producer.batch(), which the document does not use",
            source=f"{_FASTER}, Redis",
            probe=probes.writes_a_batched_publish,
            holds=lambda writes: writes < 1,
            unit="writes to Redis a publish",
            name="pipelining-batch",
            verdict="right",
            why="kombu 5.7 sends up to 1000 publishes together; if the broker goes away then, "
            "nobody knows which of them it has.",
            rows=("1.5-8 pipelining",),
        ),
        Claim(
            text="compression: for large task payloads",
            source=f"{_FASTER}, Celery",
            reads=reads.compressed_share,
            holds=lambda share: share < 0.5,
            unit="of the length",
            name="compression",
            verdict="right",
            why="Scraped HTML packs well; an id to look it up by is shorter still.",
            rows=("1.5-6 compression",),
        ),
        Claim(
            text="compression is one of this system's optimizations",
            source=f"{_FASTER}, Celery",
            reads=reads.compression_set,
            holds=lambda on: on == 1,
            name="compression-set",
            verdict="wrong",
            why="task_compression is not set, neither for all nor for one task.",
            rows=("1.5-6 compression",),
        ),
        Claim(
            text="use task IDs for deduplication",
            source="Best Practices, 1. Task Design",
            probe=probes.run_with_one_id,
            holds=lambda executions: executions <= 1,
            unit="executions of two publishes under one id",
            name="deduplication",
            verdict="wrong",
            why="Celery does not look at ids: a unique key where the effect is stored does it.",
            rows=("1.5-5 S3 deduplication",),
        ),
    )


def _safe() -> tuple[Claim, ...]:
    return (
        Claim(
            text="Redis: no password (internal network only)",
            source=f"{_SAFE}, Authentication",
            probe=probes.forged_tasks_run,
            holds=lambda forged: forged == 0,
            unit="forged tasks that run",
            name="no-password",
            verdict="wrong",
            why="Who can write to Redis can have any task run with any arguments: one LPUSH, no "
            "Celery.",
            rows=("1.5-10 no Redis password",),
        ),
        Claim(
            text="task signing: optional message signing",
            source=f"{_SAFE}, Authentication",
            reads=reads.signed_messages,
            holds=lambda signed: signed == 1,
            name="signing",
            verdict="wrong",
            why="It needs the serializer 'auth', keys and setup_security(); with plain JSON "
            "accepted, anything is.",
            rows=("1.5-9 signing",),
        ),
        Claim(
            text="Flower behind authentication: admin:leadloq123",
            source=f"{_SAFE}, Authentication; 7. Monitoring & Observability",
            name="flower-password",
            verdict="not testable here",
            why="Flower is no part of this environment; a password that stands in a document and "
            "a compose file is known to all who read them.",
            rows=("1.5-11 Flower's password",),
        ),
        Claim(
            text="network isolation: leadloq-network, no external Redis exposure",
            source=f"{_SAFE}, Network Isolation",
            name="network",
            verdict="not testable here",
            why="It is a property of a Docker network; here Redis listens on loopback.",
        ),
    )
