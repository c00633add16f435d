"""The payroll's Celery app: a task that works out a bonus, and pays it into a real database."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from celery import Celery, Task

from sandbox.engines.live import data
from sandbox.engines.live.app import work
from sandbox.labs.payroll import Books, in_folder


def build(*, acks_late: bool = True, deduplicate: bool = False) -> Celery:
    """Return the app; ``deduplicate`` is worker_deduplicate_successful_tasks."""
    app = Celery("payroll", set_as_current=False)
    app.conf.worker_deduplicate_successful_tasks = deduplicate

    def pay(self: Task) -> dict[str, Any]:
        """Pay an employee the bonus, unless a look says that it was paid."""
        books, path = _books()
        with closing(books.opened(path)) as base:
            if books.is_paid(base, self.request.id):
                return {"paid": False}
        return work(self, lambda _: _pay(self.request.id))

    # Not shared: else each app of this process would have the tasks of all.
    app.task(pay, bind=True, name="pay", acks_late=acks_late, shared=False)
    return app


def _pay(task: str) -> None:
    books, path = _books()
    with closing(books.opened(path)) as base:
        books.pay(base, task)


@cache
def _books() -> tuple[Books, Path]:
    """Return the statements of this run and its database, in the run's own folder."""
    return in_folder(Path(data.url().removeprefix("sqlite:///")).parent)


late, early, deduplicating = build(), build(acks_late=False), build(deduplicate=True)
