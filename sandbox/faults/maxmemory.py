"""A broker whose memory is full, and what its ``maxmemory-policy`` does then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from sandbox.errors import ScenarioError
from sandbox.faults._base import Command, Fault, later, only_prefork
from sandbox.parts import Positive

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


def cannot_fill(scenario: Scenario) -> str | None:
    """Return why the broker's memory cannot be filled: one sentence, or None."""
    for i, task in enumerate(scenario.tasks):
        if task.retries or task.retry_on_worker_lost:
            return (
                f"fill_memory has no meaning yet with the retries of tasks[{i}], {task.name!r}; "
                "allowed: one of the two"
            )
    return only_prefork("fill_memory", scenario)


class MaxMemory(Fault):
    """Set ``maxmemory`` below what is used, for ``for_s`` seconds if given. Real Redis only.

    ``allkeys-lru``: every key is evicted at once, without an error, as ``flush`` does it, and
    then there is room again; a fuller Redis evicts whole lists one by one, until it fits.

    ``noeviction``: every write is refused, and that is every command in a MULTI, too: a publish
    raises, a task whose result is refused has failed, and a worker that wants to acknowledge, or to
    note a message, ends with code 1, once what runs is done. It gives back what it holds if there
    is room by then.

    - early ack: a task that just began cannot be acknowledged, and runs once more.
    - acks_late: each task that ends meanwhile runs once more, for its acknowledgement is refused.
    - acks_late + reject_on_worker_lost: the same; no child was lost.
    """

    kind: Literal["maxmemory"] = "maxmemory"
    policy: Literal["noeviction", "allkeys-lru"] = "noeviction"
    for_s: Positive | None = None

    @model_validator(mode="after")
    def _evicts_at_once(self) -> MaxMemory:
        if self.policy == "allkeys-lru" and self.for_s is not None:
            raise ScenarioError(
                f"for_s is {self.for_s}, but keys are evicted at once; allowed: None"
            )
        return self

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return cannot_fill(scenario)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        if self.policy == "allkeys-lru":
            return (Command(self.when, "evict", {}),)
        fill = Command(self.when, "fill_memory", {})
        if self.for_s is None:
            return (fill,)
        return (fill, Command(later(self.when, self.for_s), "free_memory", {}))
