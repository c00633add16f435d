"""A task that kills its worker is tried a few times, not for ever.

``acks_late`` with ``reject_on_worker_lost`` gives the message of a lost process back, and nothing
counts how often: a task that always runs out of memory goes round without end. Here each start is
counted in Redis before the body begins, so that the count survives SIGKILL.

Celery 5.7's ``task_retry_on_worker_lost`` also bounds this, by ``max_retries``, which it shares
with ordinary retries, and after ``default_retry_delay`` (180 s). It sees only a lost child: when
the whole worker dies, its messages come back by the visibility timeout, uncounted. This counter
sees both. It also counts a start that such a timeout made beside a first one that still works, so
the timeout must be longer than the task.
"""

from __future__ import annotations

from typing import Any

from celery import Task

from sandbox.patterns import lists
from sandbox.patterns.errors import Permanent

_KEPT_S = 7 * 24 * 3600


class LostTooOften(Permanent):
    """A message whose every start ended with the loss of its worker."""


class BoundedStarts(Task):
    """A task whose message is started at most ``max_starts`` times, then fails for good.

    Its failure is acknowledged and signalled as any other, so dead letters keep it. Each attempt
    has its own count: an ordinary retry starts at 0. A start that ended, well or not, is no
    longer counted.

    >>> BoundedStarts.max_starts, BoundedStarts.acks_late, BoundedStarts.reject_on_worker_lost
    (3, True, True)
    """

    abstract = True
    acks_late = True
    reject_on_worker_lost = True
    max_starts = 3

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Count this start; LostTooOften when there have been enough."""
        super().before_start(task_id, args, kwargs)
        client, key = lists.shared_client(self.app), self._key(task_id)
        with client.pipeline(transaction=True) as pipe:
            pipe.incr(key)
            pipe.expire(key, _KEPT_S)
            n, _ = pipe.execute()
        if n > self.max_starts:
            raise LostTooOften(
                f"{task_id} was started {self.max_starts} times and its worker was lost each time"
            )

    def after_return(  # noqa: PLR0913, PLR0917 - Celery's own signature
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        """Forget the starts of a message that has been dealt with."""
        lists.shared_client(self.app).delete(self._key(task_id))
        super().after_return(status, retval, task_id, args, kwargs, einfo)

    def on_retry(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Forget them as well when it is published again: one put off keeps its retry number.

        Celery does not call ``after_return`` then (celery/app/trace.py, IGNORE_STATES).
        """
        lists.shared_client(self.app).delete(self._key(task_id))
        super().on_retry(exc, task_id, args, kwargs, einfo)

    def _key(self, task_id: str) -> str:
        prefix = lists.Keys.of(self.app).prefix
        return f"{prefix}starts:{task_id}:{self.request.retries}"
