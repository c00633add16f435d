"""A real ``celery beat``: Celery's own process, with a scheduler that numbers what it publishes.

Compare engines/model/client.py, which publishes beat's entries at planned times. This one keeps
Celery's: each period is counted from the last publish, so it drifts by what a publish takes, and
while the broker does not answer it waits and makes up for nothing afterwards.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from celery import Celery
from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from celery.schedules import schedstate
from celery.schedules import schedule as interval

from sandbox.derive.beat import entry_of
from sandbox.engines.commands import second_numbers
from sandbox.engines.live import app as apps
from sandbox.engines.live.client import Orders
from sandbox.engines.live.publish import publishing
from sandbox.engines.live.recorder import record_publishing
from sandbox.engines.live.writer import Writer
from sandbox.loads import BeatEntry
from sandbox.scenario import Scenario
from sandbox.schedule import beat_numbers

_ASK_S = 60.0


class Plan:
    """Which entries a beat has, from when on, and the number of each task that it will publish."""

    def __init__(
        self, scenario: Scenario, began: datetime, numbers: Sequence[Sequence[int]], left_s: float
    ) -> None:
        self.scenario, self.began, self.left_s = scenario, began, left_s
        self._numbers = {
            entry.name: mine for entry, mine in zip(scenario.beat, numbers, strict=True)
        }
        self._every_s = {entry.name: entry.every_s for entry in scenario.beat}

    def key(self, entry: ScheduleEntry) -> str:
        """Return the key of the task that an entry publishes next."""
        return f"{entry.task}/{self._numbers[entry.name][entry.total_run_count]}"

    def is_over(self, entry: ScheduleEntry) -> bool:
        """Whether an entry publishes nothing more before the horizon.

        What was due before it is published, though beat's drift may bring it a little behind.
        """
        every_s = self._every_s[entry.name]
        due_s = (entry.last_run_at - self.began).total_seconds() + every_s
        is_late = due_s >= self.left_s + every_s / 2
        return is_late or bool(entry.total_run_count >= len(self._numbers[entry.name]))


class NumberedScheduler(Scheduler):  # type: ignore[misc] # Celery has no types for it
    """Celery's scheduler, with a task id ``type/number``; it keeps no file.

    The entries are the scenario's, with the arguments and options of the app's own: an option
    that it states wins over the task type's.
    """

    def __init__(self, *args: Any, plan: Plan, writer: Writer, name: str, **options: Any) -> None:
        self._plan, self._writer, self._name = plan, writer, name
        self._told = False
        super().__init__(*args, **options)

    def setup_schedule(self) -> None:
        """Take the scenario's entries; each is due for the first time after one period."""
        for entry in self._plan.scenario.beat:
            self.add(**self._fields(entry), last_run_at=self._plan.began)

    def _fields(self, entry: BeatEntry) -> dict[str, Any]:
        own = entry_of(self.app, entry)
        options = publishing(self._plan.scenario.task(entry.task)) | (own.get("options") or {})
        every = interval(timedelta(seconds=entry.every_s), app=self.app)
        return {
            "name": entry.name,
            "task": entry.task,
            "schedule": every,
            "args": own.get("args") or (),
            "kwargs": own.get("kwargs") or {},
            "options": options,
        }

    def is_due(self, entry: ScheduleEntry) -> schedstate:
        """Let nothing be due after the horizon."""
        if self._plan.is_over(entry):
            return schedstate(False, self.max_interval)
        return super().is_due(entry)

    def tick(self, *args: Any, **options: Any) -> float:
        """Do one step; say once when there will be nothing more."""
        pause_s: float = super().tick(*args, **options)
        if not self._told and all(map(self._plan.is_over, self.schedule.values())):
            self._told = True
            self._writer.write(f"_{self._name}_done")
        return pause_s

    def apply_async(self, entry: ScheduleEntry, *args: Any, **options: Any) -> Any:
        """Publish under the next number; a broker that does not answer leaves its fate unknown."""
        key, numbered = self._plan.key(entry), copy.copy(entry)
        numbered.options = entry.options | {"task_id": key}
        try:
            return super().apply_async(numbered, *args, **options)
        except SchedulingError as exc:
            self._writer.write("publish_unknown", task=key, detail={"error": str(exc)[:200]})
            raise


def _go(app: Celery, scenario: Scenario) -> Plan:
    """Wait for the start and return the plan that begins with it."""
    order = next(_orders())
    ago = timedelta(seconds=time.monotonic() - order["go"])
    now_s: float = order.get("now_s", 0.0)
    first: Mapping[str, int] | None = order.get("first")
    numbers = beat_numbers(scenario)
    if first is not None:
        numbers = second_numbers(scenario, now_s, first)
    return Plan(scenario, app.now() - ago, numbers, scenario.horizon_s - now_s)


def _orders() -> Iterator[dict[str, Any]]:
    orders = Orders()
    while True:
        yield from orders.read(_ASK_S)


def main(folder: Path, link: apps.Link, name: str) -> None:
    """Be the beat ``name`` of the scenario in ``folder``; ends with its supervisor."""
    scenario = apps.scenario_of(folder)
    app = apps.build(scenario, link)
    writer = Writer(folder / "raw" / f"{name}.jsonl")
    record_publishing(writer)
    app.loader.init_worker()
    app.finalize()
    # What the first publish would pay for once: the subscription to results.
    app.backend.result_consumer.consume_from("warm-up")
    writer.write(f"_{name}_ready")
    plan = _go(app, scenario)
    app.Beat(
        scheduler=partial(NumberedScheduler, plan=plan, writer=writer, name=name),
        schedule=str(folder / f"{name}-schedule"),
        loglevel="INFO",
        quiet=True,
        redirect_stdouts=False,
        remote_control=False,
    ).run()
