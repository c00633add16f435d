"""The dashboard's operations: what its document tells an operator to type, and what is so.

From its sections on running, monitoring, routing, troubleshooting and next steps.
"""

from __future__ import annotations

import time
from typing import Any

from sandbox.service.ops import Here, Op

_LISTEN_S = 1.5


def _celery(arguments: str) -> Any:
    return lambda here: here.celery(arguments)


def _redis(command: str) -> Any:
    return lambda here: here.redis_cli(command)


def _keys_in_words(here: Here) -> str:
    """Return what ``keys *`` lists, sorted into queues and the rest."""
    found = sorted(str(key) for key in here.redis.keys("*"))
    return "\n".join(f'{i}) "{key}"' for i, key in enumerate(found[:20], 1)) or "(empty array)"


def _worker_memory(here: Here) -> str:
    """Return the lines of ``inspect stats`` on memory."""
    lines = here.celery("inspect stats --json").replace(",", "\n").splitlines()
    return "\n".join(line.strip() for line in lines if "maxrss" in line) or "no answer"


def _takes(command: str) -> Any:
    """Return what a worker that is started with a command would be, asked of Celery's parsers."""

    def ask(_: Here) -> str:
        from sandbox.scenario import Scenario
        from sandbox.systems.dashboard.app import celery_app

        pool = Scenario.from_celery(celery_app, [command]).workers[0]
        more = pool.max_tasks_per_child
        replaced = f", each replaced after {more} tasks" if more else ""
        return f"{pool.concurrency} processes on {', '.join(pool.queues)}{replaced}"

    return ask


def _events(here: Here) -> str:
    """Return the events that come in a moment, as ``celery events`` would show them."""
    from celery import Celery

    seen: list[str] = []
    with (
        Celery("looker", broker=here.url, set_as_current=False) as app,
        app.connection_for_read() as connection,
    ):
        receiver = app.events.Receiver(connection, {"*": lambda e: seen.append(e["type"])})
        end = time.monotonic() + _LISTEN_S
        while (left := end - time.monotonic()) > 0:
            _receive(receiver, left)
    return f"{sum(kind.startswith('task-') for kind in seen)} task events in {_LISTEN_S} s"


def _receive(receiver: Any, seconds: float) -> None:
    try:
        receiver.capture(limit=1, timeout=seconds, wakeup=False)
    except TimeoutError:
        return


def _backlog(here: Here) -> str:
    return here.backlog()


def _workers(here: Here) -> str:
    return here.workers()


def _queues_of_workers(here: Here) -> str:
    pools = here.session.scenario.workers
    return "; ".join(f"{pool.name} takes {', '.join(pool.queues)}" for pool in pools)


def _processes(here: Here) -> str:
    pools = here.session.scenario.workers
    n = sum(pool.n_workers * (1 + pool.concurrency) for pool in pools)
    return f"{n} processes, main and children, each with memory of its own"


def _tasks(here: Here) -> str:
    names = here.session.scenario.task_names
    return f"{len(names)} task types: {', '.join(names)}"


def _under_way(here: Here) -> str:
    events = here.session.events_since(0)
    ended = {"succeeded", "failed", "retried"}
    running = {event.task for event in events if event.kind == "started"} - {
        event.task for event in events if event.kind in ended
    }
    return f"{len(running)} tasks run; {here.backlog()}"


_MEMORY = "Troubleshooting, Memory Issues"
_NOT_ONE = "Each name of a queue is one key, a list, and its tasks are inside; others are results."
_NO_QUEUE = (
    "Without -Q a worker listens to 'celery' alone; as many processes, and nobody takes the "
    "document's three queues."
)

OPS: tuple[Op, ...] = (
    Op(
        "Running the System, Start Celery Worker(s)",
        "celery -A app.tasks worker -l info -c 4 -Q default,emails",
        _takes("celery -A app.tasks worker -l info -c 4 -Q default,emails"),
        _queues_of_workers,
        "The worker that runs here; without -n a second one on this machine has the same name.",
    ),
    Op(
        "Running the System, Start Celery Worker(s)",
        "celery -A app.tasks worker -l info -c 2 -Q batch_processing",
        _takes("celery -A app.tasks worker -l info -c 2 -Q batch_processing"),
        _queues_of_workers,
        "Its processes are its own, so that aggregations do not hold up events.",
    ),
    Op(
        "Monitoring, Check Task Queue Status",
        "celery -A app.tasks flower",
        lambda here: (
            "Flower is not in the default environment; what it would read: "
            + here.celery("inspect active_queues --timeout 2").splitlines()[0]
        ),
        _backlog,
        "Flower asks the workers by broadcasts; its queue lengths are an LLEN of the names that "
        "it knows.",
    ),
    Op(
        "Monitoring, Monitor Redis",
        "redis-cli info stats  # Queue statistics",
        _redis("info stats"),
        _backlog,
        "It counts commands and connections of the server; it knows of no queue.",
    ),
    Op(
        "Monitoring, Monitor Redis",
        "redis-cli keys *  # List all queued tasks",
        _keys_in_words,
        _backlog,
        _NOT_ONE,
    ),
    Op(
        "Monitoring, Monitor Redis",
        "redis-cli flushdb  # Clear queue (dangerous!)",
        _redis("flushdb"),
        _backlog,
        "All that waited is gone without a trace, and results with it; `celery purge -Q` would "
        "leave those.",
        ends=True,
    ),
    Op(
        "Monitoring, Check Worker Status",
        "celery -A app.tasks inspect active",
        _celery("inspect active --timeout 2"),
        _under_way,
        "What executes, at most one task a process; what waits is not in it.",
    ),
    Op(
        "Monitoring, Check Worker Status",
        "celery -A app.tasks inspect registered",
        _celery("inspect registered --timeout 2"),
        _tasks,
        "Each worker names all tasks of the app, whichever queues it takes.",
    ),
    Op(
        "Monitoring, Check Worker Status",
        "celery -A app.tasks events  # Monitor in real time",
        _events,
        _under_way,
        "Without -E the workers send no task events, so there is nothing to monitor.",
    ),
    Op(
        "Configuration, Task Routing",
        "celery -A app.tasks worker -l info -c 8 -Q default",
        _takes("celery -A app.tasks worker -l info -c 8 -Q default"),
        _queues_of_workers,
        "Runs here as the variant 'specialised'.",
    ),
    Op(
        "Configuration, Task Routing",
        "celery -A app.tasks worker -l info -c 2 -Q emails",
        _takes("celery -A app.tasks worker -l info -c 2 -Q emails"),
        _queues_of_workers,
        "Runs here as the variant 'specialised'.",
    ),
    Op(
        "Configuration, Task Routing",
        "celery -A app.tasks worker -l info -c 1 -Q batch_processing",
        _takes("celery -A app.tasks worker -l info -c 1 -Q batch_processing"),
        _queues_of_workers,
        "Runs here as the variant 'specialised'; a queue of its own is no low priority.",
    ),
    Op(
        "Troubleshooting, Queue Backing Up",
        "redis-cli llen celery",
        _redis("llen celery"),
        _backlog,
        "No task of this system is routed to 'celery': it is empty while the others overflow.",
    ),
    Op(
        "Troubleshooting, Tasks Not Processing",
        "redis-cli ping",
        _redis("ping"),
        _backlog,
        "It answers; whether it takes writes, or anybody takes tasks, is another question.",
    ),
    Op(
        "Troubleshooting, Tasks Not Processing",
        "celery -A app.tasks inspect active  # Check if worker is running",
        _celery("inspect active --timeout 2"),
        _workers,
        "Whoever answers runs; whoever does not may be dead, or busy, or have another's name.",
    ),
    Op(
        "Troubleshooting, Tasks Not Processing",
        "celery -A app.tasks worker -l debug",
        _takes("celery -A app.tasks worker -l debug"),
        _queues_of_workers,
        _NO_QUEUE,
    ),
    Op(
        _MEMORY,
        "celery -A app.tasks inspect stats",
        _worker_memory,
        _processes,
        "maxrss is the main process's alone; the children, where tasks run and leak, have none.",
    ),
    Op(
        _MEMORY,
        "celery -A app.tasks worker -c 2  # From 4 to 2",
        _takes("celery -A app.tasks worker -c 2"),
        _queues_of_workers,
        _NO_QUEUE,
    ),
    Op(
        _MEMORY,
        "celery -A app.tasks worker --max-tasks-per-child=500",
        _takes("celery -A app.tasks worker --max-tasks-per-child=500"),
        _queues_of_workers,
        _NO_QUEUE,
    ),
    Op(
        "Next Steps, Load Testing",
        "python test_load.py",
        lambda here: f"runs here as: sandbox load {here.session.scenario.name.partition('-')[0]}",
        _backlog,
        "It drives the synchronous and the asynchronous front door with the same visitors.",
    ),
)
