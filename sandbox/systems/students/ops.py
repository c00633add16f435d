"""The students' operations: what the document has one run when tasks wait, are late or are lost."""

from __future__ import annotations

import json
from collections import Counter

from sandbox.service.ops import Here, Op
from sandbox.systems.students.scenarios import BULK, CLEANUP

_NEXT = "Next Steps 3, Monitor task execution"
_NOT_EXECUTING = "Troubleshooting, Task Not Executing"
_LOST = "Troubleshooting, Lost Tasks"
_LAST_LINES = 3


def _ended(here: Here) -> str:
    """Return how many tasks have succeeded and failed, by the record of their processes."""
    kinds = Counter(event.kind for event in here.session.events_since(0))
    return f"succeeded {kinds['succeeded']}, failed {kinds['failed']}, retried {kinds['retried']}"


def _unconsumed(here: Here) -> str:
    """Return the queues in which messages wait and that no worker takes."""
    taken = {queue for pool in here.session.scenario.workers for queue in pool.queues}
    names = [q.name for q in here.lists().queues if q.waiting and q.name not in taken]
    return f"queues with messages that no worker consumes: {', '.join(names) or 'none'}"


def _log(here: Here) -> str:
    """Return the end of the messaging worker's log."""
    path = here.session.folder / "logs" / "worker1.log"
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "\n".join(text.strip().splitlines()[-_LAST_LINES:]) or "(empty)"


def _schedule(here: Here) -> str:
    """Return what beat would find to publish."""
    beat = here.session.scenario.beat
    return f"beat's schedule has {len(beat)} entries"


def _state(here: Here, task_id: str) -> str:
    """Return a task's state as the document's endpoint reads it: by AsyncResult."""
    from celery import Celery
    from celery.result import AsyncResult

    app = Celery("client", broker=here.url, backend=here.url, set_as_current=False)
    prefix = here.session.broker.prefix
    app.conf.result_backend_transport_options = {"global_keyprefix": prefix}
    return f"status: {AsyncResult(task_id, app=app).status}"


def _only(text: str, *words: str) -> str:
    """Return the lines that have one of the words, or all where none has."""
    lines = [line for line in text.splitlines() if any(word in line for word in words)]
    return "\n".join(lines) or text


def _totals(here: Here) -> str:
    """Return how many tasks each worker has taken, by name: what ``inspect stats`` has of them."""
    text = here.celery("inspect stats --timeout 2 --json")
    try:
        nodes = json.loads(text)
    except ValueError:
        return text
    return "\n".join(f"{node}: total {stats['total']}" for node, stats in sorted(nodes.items()))


def _newest(here: Here) -> str:
    """Return the task that was begun last."""
    started = [e.task for e in here.session.events_since(0) if e.kind == "started" and e.task]
    return started[-1] if started else f"{BULK}/0"


def _kept(here: Here) -> str:
    """Return what this run's broker keeps when it is stopped."""
    kept = here.session.scenario.broker.persistence
    return f"persistence of this broker: {kept}"


OPS: tuple[Op, ...] = (
    Op(
        f"{_NOT_EXECUTING}; Running Celery Workers; Next Steps 1",
        "celery -A config.celery_config worker --loglevel=info",
        lambda here: here.celery("inspect ping --timeout 2"),
        Here.workers,
        "To start another worker is no check: it takes tasks too. `inspect ping` asks those that "
        "run, and a busy or blocked one may not answer.",
    ),
    Op(
        "Running Celery Workers, Start Multiple Workers",
        "celery -A config.celery_config worker -Q messaging -n worker1@%h (and two more)",
        lambda here: here.celery("inspect active_queues --timeout 2"),
        _unconsumed,
        "The three take one queue each; what is routed nowhere goes to `celery`, which none takes.",
    ),
    Op(
        "Running Celery Workers, Start Periodic Task Scheduler",
        "celery -A config.celery_config beat --loglevel=info",
        _schedule,
        Here.backlog,
        "Beat starts without a schedule and says nothing of it: no cleanup is ever published.",
    ),
    Op(
        _NOT_EXECUTING,
        "redis-cli ping (should return PONG)",
        lambda here: "PONG" if here.redis.ping() else "no answer",
        _unconsumed,
        "PONG says that Redis answers, not that anybody takes what waits in it.",
    ),
    Op(
        _NOT_EXECUTING,
        "check task routing in config",
        lambda here: here.redis_cli("llen messaging"),
        Here.backlog,
        "The config shows what was meant; the lists show where the messages are. LLEN sees "
        "neither other priorities nor what workers have taken.",
    ),
    Op(
        "Usage Examples 2, Check Task Status; Best Practices 6",
        "GET /api/tasks/{id} (of a cleanup that nobody consumes)",
        lambda here: _state(here, f"{CLEANUP}/0"),
        _unconsumed,
        "PENDING is also what an id that nobody gave gets.",
    ),
    Op(
        "Monitoring Task Progress",
        "GET /api/tasks/{id}/progress (of a bulk send that runs)",
        lambda here: _state(here, _newest(here)),
        _ended,
        "A bulk send tells PROGRESS; one whose worker was killed tells its last PROGRESS for ever.",
    ),
    Op(
        f"{_NEXT}; Best Practices 6",
        "check worker logs",
        _log,
        Here.backlog,
        "A log shows what was received and ended, not what waits, and nothing of a killed worker.",
    ),
    Op(
        _NEXT,
        "track task success/failure rates",
        _totals,
        _ended,
        "`total` counts what a worker has taken since it began, by name: no failures, and nothing "
        "of a worker that was started again.",
    ),
    Op(
        f"{_NEXT}; {_LOST}",
        "monitor Redis memory usage",
        lambda here: _only(here.redis_cli("info memory"), "used_memory_human", "maxmemory_human"),
        Here.backlog,
        "Memory tells of a backlog late; the lists' lengths tell it at once.",
    ),
    Op(
        _LOST,
        "make sure Redis is persistent (RDB or AOF)",
        lambda here: here.redis_cli("config get appendonly"),
        _kept,
        "AOF loses up to a second (everysec), RDB all since its last snapshot; what workers had "
        "taken comes back after the visibility timeout only.",
    ),
)
