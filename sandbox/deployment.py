"""What runs where: hosts with cores, pools of workers, the broker between them."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sandbox.errors import ScenarioError, shown
from sandbox.parts import Count, CountOrZero, Name, NonNegative, Part, Positive
from sandbox.slots import MOST_SLOTS
from sandbox.tasks import Priority

_MOST_PARTS = 1000


class Host(Part):
    """A machine with a number of cores; None means as many as the machine this runs on."""

    name: Name = "localhost"
    cores: Annotated[int, Field(ge=1, le=4096, strict=True)] | None = None

    @property
    def n_cores(self) -> int:
        """The number of cores that its processes share."""
        return self.cores or os.cpu_count() or 1


_Slots = Annotated[int, Field(ge=1, le=MOST_SLOTS, strict=True)]


class WorkerPool(Part):
    """``n_workers`` equal workers, named ``<name>1`` …, each with ``concurrency`` slots.

    ``soft_shutdown_timeout_s`` is Celery's ``worker_soft_shutdown_timeout``: how long a worker
    that gets SIGQUIT lets its tasks run before it cancels them, and, with
    ``soft_shutdown_on_idle`` (``worker_enable_soft_shutdown_on_idle``), even if none runs.

    >>> WorkerPool(name="worker", n_workers=2, concurrency=4).worker_names
    ('worker1', 'worker2')

    ``prefetch_multiplier`` × ``concurrency`` messages are taken ahead, without limit when it is
    0. ``disable_prefetch`` (worker_disable_prefetch) takes one only while fewer tasks are
    reserved than there are slots. ``eta_task_limit`` (worker_eta_task_limit) is the most that
    held tasks raise that number to. ``autoscale`` is (most, fewest) processes: it starts with
    the fewest, adds one for each reserved task it has none for, and takes them away once
    nothing has come for ``autoscale_keepalive_s`` (the variable AUTOSCALE_KEEPALIVE). Then
    ``concurrency`` is the most, and may be left out.
    """

    name: Name = "worker"
    n_workers: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    concurrency: _Slots = 1
    queues: Annotated[tuple[Name, ...], Field(min_length=1, max_length=_MOST_PARTS)] = ("celery",)
    pool: Literal["prefork", "threads", "solo"] = "prefork"
    prefetch_multiplier: CountOrZero = 4
    disable_prefetch: bool = False
    eta_task_limit: Count | None = None
    autoscale: tuple[_Slots, _Slots] | None = None
    autoscale_keepalive_s: Positive = 30.0
    max_tasks_per_child: Count | None = None
    soft_shutdown_timeout_s: NonNegative = 0.0
    soft_shutdown_on_idle: bool = False
    host: Name = "localhost"

    @model_validator(mode="before")
    @classmethod
    def _concurrency_is_the_most(cls, data: Any) -> Any:
        found = data.get("autoscale") if isinstance(data, dict) else None
        if isinstance(found, list | tuple) and found:
            return {"concurrency": found[0]} | data
        return data

    @model_validator(mode="after")
    def _autoscales(self) -> WorkerPool:
        if self.autoscale is None:
            return self
        most, fewest = self.autoscale
        if self.pool != "prefork":
            raise ScenarioError(
                f"autoscale is set, but a {self.pool} pool cannot grow; allowed: None"
            )
        if fewest > most:
            raise ScenarioError(f"autoscale is {self.autoscale}; allowed: (most, fewest)")
        if self.concurrency != most:
            raise ScenarioError(
                f"concurrency is {self.concurrency}; with autoscale = {self.autoscale} it is "
                f"{most}, or left out"
            )
        return self

    @model_validator(mode="after")
    def _solo_is_one(self) -> WorkerPool:
        if self.pool == "solo" and self.concurrency != 1:
            raise ScenarioError(f"concurrency is {self.concurrency}; a solo pool allows only 1")
        return self

    @property
    def n_first(self) -> int:
        """The number of slots that each worker starts with."""
        return self.concurrency if self.autoscale is None else self.autoscale[1]

    @property
    def worker_names(self) -> tuple[str, ...]:
        """The names of its workers, in order."""
        return tuple(f"{self.name}{i + 1}" for i in range(self.n_workers))


class Broker(Part):
    """Redis as Celery's broker; the settings are ``broker_transport_options`` of every client.

    ``persistence`` is the server's own: ``aof`` (appendonly) keeps the messages when the broker
    is stopped, ``none`` loses them all. ``health_check_interval_s`` is how often a worker looks
    whether its BRPOP is still answered (kombu's ``health_check_interval``).

    >>> Broker().visibility_timeout_s
    3600.0
    """

    visibility_timeout_s: Positive = 3600.0
    unacked_restore_interval_s: Positive = 10.0
    unacked_restore_throttle: Count = 10
    priority_steps: Annotated[tuple[Priority, ...], Field(min_length=1)] = (0, 3, 6, 9)
    queue_order_strategy: Literal["round_robin", "priority", "sorted"] = "round_robin"
    health_check_interval_s: Positive = 25.0
    persistence: Literal["none", "aof"] = "none"

    @model_validator(mode="after")
    def _ascending(self) -> Broker:
        if list(self.priority_steps) != sorted(set(self.priority_steps)):
            raise ScenarioError(f"priority_steps is {shown(self.priority_steps)} but must ascend")
        return self

    @property
    def transport_options(self) -> dict[str, Any]:
        """The settings under the names that kombu has for them.

        >>> Broker(priority_steps=(0, 5)).transport_options["priority_steps"]
        [0, 5]
        """
        return {
            "visibility_timeout": self.visibility_timeout_s,
            "unacked_restore_interval": self.unacked_restore_interval_s,
            "unacked_restore_throttle": self.unacked_restore_throttle,
            "health_check_interval": self.health_check_interval_s,
            "priority_steps": list(self.priority_steps),
            "queue_order_strategy": self.queue_order_strategy,
        }
