"""Routes: to which queue a task's message goes, asked of the app's own router.

Source: celery/app/routes.py (``Router.route``) and celery/app/amqp.py
(``_create_task_sender``: a queue with a direct exchange is addressed by its own name).
"""

from __future__ import annotations

from typing import Any

from sandbox.errors import shown
from sandbox.notes import Notes

Options = dict[str, Any]


def sent_with(app: Any, task: Any, notes: Notes) -> Options:
    """Return the options that ``task.delay()`` would send with, and the name of its queue.

    ``queue`` is the queue's name; the rest is what the task's class and its route say.
    """
    # celery/app/task.py, `_get_exec_options`, without what is not set.
    own = {
        name: value
        for name in ("queue", "routing_key", "exchange", "priority", "expires")
        if (value := getattr(task, name, None)) is not None
    }
    routes = getattr(app.conf, "task_routes", None)
    if _asks_a_function(routes):
        notes.add(
            f"tasks.{task.name}.queue",
            "task_routes has a function, which may look at a call's arguments",
            "where it sends a call without arguments",
        )
    try:
        options: Options = dict(app.amqp.router.route(dict(own), task.name, (), {}, task))
    except Exception as exc:  # noqa: BLE001 - a user's router may raise anything
        default = str(app.conf.task_default_queue)
        what = f"the router raised {type(exc).__name__}: {shown(str(exc))}"
        notes.add(f"tasks.{task.name}.queue", what, f"the default queue {default!r}")
        return {**own, "queue": default}
    return {**options, "queue": _queue(app, task, options, notes)}


def _asks_a_function(routes: Any) -> bool:
    found = routes if isinstance(routes, list | tuple) else [routes]
    # A route is a mapping, a list of pairs, the name of a router, or a router.
    return any(isinstance(one, str) or callable(one) for one in found if one is not None)


def _queue(app: Any, task: Any, options: Options, notes: Notes) -> str:
    queue, exchange, key = (options.get(name) for name in ("queue", "exchange", "routing_key"))
    name = str(getattr(queue, "name", queue) or app.conf.task_default_queue)
    kind = getattr(getattr(queue, "exchange", None), "type", "direct") or "direct"
    if kind != "direct":
        what = f"queue {name!r} has a {kind} exchange, which may copy a message to more queues"
        notes.add(f"tasks.{task.name}.queue", what, f"only {name!r} gets it")
    elif exchange and key:
        bound = _bound(app, exchange, key)
        if len(bound) == 1:
            return bound[0]
        what = (
            f"exchange {shown(exchange)} with routing key {shown(key)} leads to {len(bound)} queues"
        )
        name = bound[0] if bound else name
        notes.add(f"tasks.{task.name}.queue", what, f"the queue {name!r}")
    elif key and not queue:
        what = f"routing key {shown(key)} without an exchange or a queue has no effect in Celery"
        notes.add(f"tasks.{task.name}.queue", what, f"the default queue {name!r}")
    return name


def _bound(app: Any, exchange: Any, key: Any) -> list[str]:
    """Return the queues that a direct exchange hands a routing key's messages to."""
    wanted = str(getattr(exchange, "name", exchange))
    queues = dict(app.amqp.queues).values()
    return [
        str(queue.name)
        for queue in queues
        if queue.exchange is not None and queue.exchange.name == wanted and queue.routing_key == key
    ]
