"""LeadLawk's operations: every command of its document, and what is true beside its answer."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.service.ops import Here, Op
from sandbox.systems.leadlawk.small import BROWSER

_MONITORING = "Operational Procedures, Monitoring"
_TROUBLE = "Operational Procedures, Troubleshooting"
_SCALING = "12. Scaling Strategy, Horizontal Scaling"
_JOB = f"{BROWSER}/399"
"""The last of the jobs that are sent at once: it waits for long."""


def _celery(arguments: str) -> Callable[[Here], str]:
    """Return what runs a command of Celery's own as it stands."""

    def run(here: Here) -> str:
        return here.celery(arguments)

    return run


def _state(here: Here) -> str:
    """Return where the job is that was revoked: its message, and what Celery says of it."""
    prefix = here.session.broker.prefix
    stored = here.redis.get(f"{prefix}celery-task-meta-{_JOB}") or ""
    begun = sum(e.kind == "started" and e.task == _JOB for e in here.session.events_since(0))
    says = "REVOKED" if '"REVOKED"' in str(stored) else "nothing"
    return f"{_JOB}: Celery's result says {says}; begun {begun} times; {here.backlog()}"


def _restart(here: Here) -> str:
    """Restart a worker as docker-compose does: SIGTERM, and here nothing kills it after 10 s."""
    here.session.controls.terminate_worker("worker1")
    while not _exits(here) and here.session.wait(timeout_s=0.05) == "timeout":
        continue
    here.session.controls.start_worker("worker1")
    return f"worker1 exited after its running tasks, and is back: {here.workers()}"


def _more_memory(here: Here) -> str:
    """Set Redis's memory, where the Redis is the sandbox's own."""
    if not here.session.broker.owned:
        return "(refused: this Redis is not the sandbox's own)"
    return here.redis_cli("CONFIG SET maxmemory 512mb")


def _memory(here: Here) -> str:
    """Return what Redis uses, and what it does when that is too much."""
    used = here.redis_cli("CONFIG GET maxmemory-policy").replace("\n", " ")
    return f"{used}; {here.backlog()}"


OPS: tuple[Op, ...] = (
    Op(
        "Operational Procedures, Starting the System",
        "docker-compose -f docker-compose.resilient.yml up -d",
        lambda here: here.workers(),
        lambda here: f"{here.workers()}; they take {', '.join(here.queues)}",
        "Here the sandbox starts Redis and both workers. The document's compose file has no "
        "celery beat and no -Q, so that as written nothing of this would run.",
    ),
    Op(
        _MONITORING, "celery -A celery_app inspect active", _celery("inspect active"),
        lambda here: here.backlog(),
        "Under 'check queue depths': it sees what workers execute, never what waits.",
    ),
    Op(
        _MONITORING, "celery -A celery_app inspect stats", _celery("inspect stats"),
        lambda here: f"{_done(here)}; {here.workers()}",
        "'total' counts what each worker has taken since it started, what failed included.",
    ),
    Op(
        _MONITORING, "celery -A celery_app inspect ping", _celery("inspect ping"),
        lambda here: here.workers(),
        "A main process answers, whatever its queues and children do.",
    ),
    Op(
        "7. Monitoring & Observability, Celery Flower Dashboard",
        "celery flower --broker=redis://redis:6379 --port=5555",
        _celery("flower --broker=redis://redis:6379 --port=5555"),
        lambda here: here.backlog(),
        "Flower is not in this environment; it ignores --broker after its name and looks for "
        "amqp://localhost. GET /queues and /metrics of the front door tell what it would.",
    ),
    Op(
        _TROUBLE, "celery -A celery_app control revoke <task_id>",
        _celery(f"control revoke {_JOB}"), _state,
        "The workers will not begin it, as long as they live; its message is still there.",
    ),
    Op(
        _SCALING, "docker-compose scale celery-worker=5",
        lambda _: "(the variant leadlawk:x5 has five workers from the start)",
        lambda here: here.workers(),
        "Five workers help while jobs wait for sites, not while they compute.",
    ),
    Op(
        _SCALING, "redis-cli CONFIG SET maxmemory 512mb", _more_memory, _memory,
        "With allkeys-lru, as the document starts Redis, more memory only makes it later that "
        "whole queues are dropped; noeviction refuses instead.",
    ),
    Op(
        _TROUBLE, "docker-compose restart celery-worker", _restart,
        lambda here: f"{_done(here)}; {here.backlog()}",
        "SIGTERM lets what runs end, and Docker kills it after 10 s; what was revoked is "
        "forgotten.",
        ends=True,
    ),
    Op(
        _TROUBLE, "celery -A celery_app purge", _celery("purge -f"),
        lambda here: here.backlog(),
        "It empties what the app itself consumes, the default queue: -Q browser,pagespeed,"
        "database,default would empty the others, and nothing empties unacked.",
        ends=True,
    ),
)  # fmt: skip


def _exits(here: Here) -> int:
    return sum(event.kind == "worker_exited" for event in here.session.events_since(0))


def _done(here: Here) -> str:
    events = here.session.events_since(0)
    return f"{sum(event.kind == 'succeeded' for event in events)} tasks have succeeded"
