"""The front door: web workers between the visitors and the queue, or instead of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sandbox.loads import Burst, Poisson, Rates, Trace
from sandbox.parts import CountOrZero, ImportPath, NonNegative, Part, Positive

MOST_REQUESTS = 100_000
"""How many visitors a run may have: each of them is a connection of its own."""

if TYPE_CHECKING:
    from sandbox.scenario import Scenario
    from sandbox.tasks import TaskType


class FrontDoor(Part):
    """``n_web_workers`` that answer HTTP requests, each of which is one piece of a task's work.

    ``sync``: a web worker does the work itself and then answers; no Celery, no queue but the
    door's own. ``async``: it publishes the task and answers 202 at once; the visitor then asks
    for the result every ``poll_every_s``, which costs a web worker's time and a read of the
    result backend each, and sees it at the first poll after it is there.

    ``most_waiting`` requests may wait for a web worker (None: any number); one more is refused
    with 503. Visitors give up ``timeout_s`` after their request, but the door works on. The
    task type of ``requests`` has no other load, so that request n is task n of its type. Without
    ``requests`` nobody comes by itself: such a door is opened for you (``sandbox serve``).

    ``app`` names a system's own door, a ``sandbox.service.door.Door``: live runs then serve its
    endpoints, and visitors make the requests that it states. ``request_s`` is what the model has
    a web worker take for a request beside its work: ``sandbox load`` measures it. ``port`` is
    that of loopback; 0 for any free one.

    >>> FrontDoor(requests={"kind": "burst", "task": "resize", "n": 3}, mode="sync").n_web_workers
    1
    """

    requests: Annotated[Poisson | Burst | Trace | Rates, Field(discriminator="kind")] | None = None
    mode: Literal["sync", "async"] = "async"
    n_web_workers: Annotated[int, Field(ge=1, le=256, strict=True)] = 1
    poll_every_s: Positive = 1.0
    most_waiting: CountOrZero | None = None
    timeout_s: Positive | None = None
    app: ImportPath | None = None
    request_s: NonNegative = 0.0
    port: Annotated[int, Field(ge=0, le=65535, strict=True)] = 0

    @property
    def task(self) -> str | None:
        """The task type whose work a request is; None without requests."""
        return None if self.requests is None else self.requests.task

    def arrivals_s(self, scenario: Scenario) -> list[float]:
        """Return when visitors come (s), ascending."""
        if self.requests is None:
            return []
        seed, horizon_s = scenario.seed, scenario.horizon_s
        return self.requests.arrivals_s(horizon_s, seed=seed, stream="front/arrival")

    def problem(self, scenario: Scenario) -> str | None:
        """Return why it makes no sense in ``scenario``: one sentence, field first, or None."""
        if self.requests is None:
            allowed = "requests, or the app of a system's own door"
            return None if self.app is not None else f"requests is None; allowed: {allowed}"
        task = self.requests.task
        return scenario.unknown_task(task) or self._problem(task, scenario)

    def _problem(self, name: str, scenario: Scenario) -> str | None:
        assert self.requests is not None
        where = f"requests.task is {name!r}"
        n = self.requests.expected_n(scenario.horizon_s)
        if n > MOST_REQUESTS:
            return f"requests would be about {n:.3g}; allowed: up to {MOST_REQUESTS:,}"
        task, others = scenario.task(name), [*scenario.loads, *scenario.beat]
        if any(name in (load.task, getattr(load, "body", None)) for load in others):
            return f"{where}, which a load or beat publishes too; allowed: a type of its own"
        if self.mode == "async" and task.ignore_result:
            return f"{where}, whose ignore_result is True; visitors poll for results"
        odd = _odd(task) if self.mode == "sync" else None
        if odd is not None:
            return f"{where}, {odd}; a sync front door allows only waiting work of its own"
        return None


def _odd(task: TaskType) -> str | None:
    """Return what a web worker cannot do by itself of a task's work: half a sentence, or None."""
    if task.work == "cpu":
        return "whose work is cpu"
    if task.calls is not None:
        return "which calls a dependency"
    return None if task.waits_for is None else "which waits for another task"
