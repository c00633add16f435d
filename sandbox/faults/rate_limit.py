"""A rate limit changed while the workers run, as ``celery control rate_limit`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import field_validator

from sandbox.faults._base import Command, Fault
from sandbox.parts import Name
from sandbox.rates import parse_rate

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


class RateLimit(Fault):
    """Set the rate limit of one task type on every worker; None lifts it.

    The limit holds for each worker instance by itself.

    - every ack mode: each task runs once; what waits for a token keeps its place in the credit.
    """

    kind: Literal["rate_limit"] = "rate_limit"
    task: Name
    rate: str | None

    @field_validator("rate")
    @classmethod
    def _rate(cls, rate: str | None) -> str | None:
        if rate is not None:
            parse_rate(rate)
        return rate

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return scenario.unknown_task(self.task)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "rate_limit", {"task": self.task, "rate": self.rate}),)
