"""Numbers that Celery's own configuration and code give: what a setting amounts to."""

from __future__ import annotations

import base64
import inspect
import zlib
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sandbox.systems.leadlawk.app import ResilientTask, written
from sandbox.systems.leadlawk.small import BROWSER, HEALTH


def dead_letter_settings() -> float:
    """Return how many of the two dead-letter settings Celery knows."""
    from celery.app.defaults import NAMESPACES, flatten

    known = set(dict(flatten(NAMESPACES)))
    return float(sum(name in known for name in written.conf.changes if "dead_letter" in name))


def unrouted_to_default() -> float:
    """Return whether a task without a route goes to the queue 'default' that the document draws."""
    return float(written.amqp.router.route({}, HEALTH)["queue"].name == "default")


def longest_backoff_s() -> float:
    """Return the longest delay that five retries with this base class can have (s)."""
    from celery.utils.time import get_exponential_backoff_interval

    last = ResilientTask.retry_kwargs["max_retries"] - 1
    return float(
        get_exponential_backoff_interval(
            factor=int(ResilientTask.retry_backoff),
            retries=last,
            maximum=ResilientTask.retry_backoff_max,
        )
    )


def memory_threshold() -> float:
    """Return how many kB a process may have before it is replaced; 0: any number."""
    return float(written.conf.worker_max_memory_per_child or 0)


def result_expires_s() -> float:
    """Return how long a result is kept (s)."""
    kept = written.conf.result_expires
    return kept.total_seconds() if isinstance(kept, timedelta) else float(kept or 0)


def survivors_of_json() -> float:
    """Return the share of complex results that come back from JSON as they went in."""
    from kombu.utils.json import dumps, loads

    results: list[Any] = [
        {"leads": [1, 2]}, Decimal("1.10"), (1, 2), {1: "one"}, {"a", "b"}, b"\xff\x00"
    ]  # fmt: skip
    return sum(_survives(one, dumps, loads) for one in results) / len(results)


def _survives(value: Any, dumps: Any, loads: Any) -> bool:
    try:
        found = loads(dumps(value))
    except (TypeError, ValueError):
        return False
    return bool(found == value and type(found) is type(value))


def progress_reports() -> float:
    """Return whether the document's task, as its listing has it, reports how far it is."""
    source = inspect.getsource(inspect.unwrap(written.tasks[BROWSER]._orig_run))  # noqa: SLF001
    return float("update_state" in source)


def signed_messages() -> float:
    """Return whether a message of the document's app is signed, and another refused."""
    conf = written.conf
    accepts = conf.task_serializer == "auth" and list(conf.accept_content) == ["auth"]
    return float(bool(accepts and conf.security_key and conf.security_certificate))


def compressed_share() -> float:
    """Return the length of a large payload in Redis, packed by gzip, as a share of it plain."""
    text = " ".join(f"<div class='lead' id='{i}'>Law firm {i * 7919}</div>" for i in range(400))
    plain = base64.b64encode(text.encode())
    return len(base64.b64encode(zlib.compress(text.encode()))) / len(plain)


def compression_set() -> float:
    """Return whether any message of the document's app is compressed."""
    return float(
        bool(written.conf.task_compression or getattr(written.tasks[BROWSER], "compression", None))
    )


def cluster_transports() -> float:
    """Return how many of kombu's transports speak to a Redis cluster."""
    from kombu.transport import TRANSPORT_ALIASES

    return float(sum("cluster" in name for name in TRANSPORT_ALIASES))


def subcommands_with_broker() -> float:
    """Return how many of Celery's sub-commands take the option --broker after their name."""
    from celery.bin.celery import celery as command

    return float(
        sum("--broker" in option.opts for one in command.commands.values() for option in one.params)
    )
