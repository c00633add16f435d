"""Chance: a fault that strikes in some runs and not in others."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from sandbox.draws import uniform
from sandbox.faults._base import At, Command, Fault, OnEvent, When
from sandbox.parts import Probability

if TYPE_CHECKING:
    from sandbox.scenario import Scenario

    PlainFault = Fault


def _when(fault: Maybe) -> At | OnEvent:
    return fault.fault.when


class Maybe(Fault):
    """Have ``fault`` strike with ``probability``; its ``when`` says when.

    Drawn once a run from the scenario's seed and the fault's place in the list: the model and
    real workers agree, and a replication with another seed draws anew. So what a prediction
    says of one further run has both cases in it.

    - every ack mode: what ``fault`` says of it, or as in a run without it.
    """

    kind: Literal["maybe"] = "maybe"
    # The inner fault's, so there is no such field here: nobody could say which of two counts.
    if TYPE_CHECKING:
        when: When = Field(init=False)
    else:
        when: ClassVar[property] = property(_when)
    probability: Probability
    fault: PlainFault

    @property
    def inner(self) -> Fault:
        """The fault that names workers and task types."""
        return self.fault

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return self.fault.problem(scenario)

    def where(self, place: int) -> str:
        """Return where in a scenario the fault is that names workers and task types."""
        return f"faults[{place}].fault"

    def strikes(self, seed: int, place: int) -> bool:
        """Return whether it happens in a run with ``seed`` as the scenario's fault ``place``.

        >>> fault = {"kind": "flush", "when": At(at_s=1.0)}
        >>> [Maybe(probability=0.5, fault=fault).strikes(seed, 0) for seed in range(4)]
        [False, True, True, True]
        """
        return uniform(seed, f"fault{place}/strikes", 0) < self.probability

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to, when it strikes."""
        return self.fault.commands()
