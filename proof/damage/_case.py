"""What a fault is declared to do: to the task that ran, to those prefetched, to those queued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from proof.build import ACK_MODES, HOUR_S, Fields, burst, fault, on, scenario, task
from sandbox.audit import Verdict
from sandbox.faults import OnEvent
from sandbox.scenario import Scenario

Back = Literal["", "at once", "late", "never"]
_BACK = {
    "": "",
    "at once": ", back at once",
    "late": ", back after the visibility timeout",
    "never": ", in `unacked`",
}


class Fate(NamedTuple):
    """What becomes of a task: the audit's verdict, how often it is begun, how its message is back.

    ``runs`` are counted up to 2, which means: more than once. ``back``: the message did not
    leave who had it; is in its queue again before its visibility timeout; after it; or waits
    in `unacked` still at the end.

    >>> print(Fate("done once", 2, "late"))
    done once, begun again, back after the visibility timeout
    """

    verdict: Verdict
    runs: int
    back: Back = ""

    def __str__(self) -> str:
        """Say it in a few words; how often it was begun only where the verdict leaves it open."""
        usual = {"done once": 1, "done more than once": 2, "failed": 1}
        runs = ("never begun", "begun", "begun again")[self.runs]
        told = "" if usual.get(self.verdict) == self.runs else f", {runs}"
        return f"{self.verdict}{told}{_BACK[self.back]}"


ONCE = Fate("done once", 1)
ONCE_BACK = Fate("done once", 1, "at once")
ONCE_LATE = Fate("done once", 1, "late")
AGAIN = Fate("done once", 2, "at once")
AGAIN_LATE = Fate("done once", 2, "late")
TWICE = Fate("done more than once", 2, "at once")
TWICE_LATE = Fate("done more than once", 2, "late")
FAILED = Fate("failed", 1)
LOST = Fate("lost", 1)
GONE = Fate("lost", 0)
WAITS = Fate("stuck", 0, "never")
HALF_DONE = Fate("stuck", 1, "never")

ROLES = ("running", "prefetched", "queued", "published")
"""What a task was when the fault came: begun, in its worker's memory, in its queue, not there."""


@dataclass(frozen=True)
class Harm:
    """The fates of the tasks of each role, and how workers end; a role left empty has no task."""

    running: tuple[Fate, ...] = ()
    prefetched: tuple[Fate, ...] = ()
    queued: tuple[Fate, ...] = ()
    published: tuple[Fate, ...] = ()
    exits: tuple[str, ...] = ()

    def told(self, role: str) -> str:
        """Say what is declared of a role; ``exits``: how workers end."""
        return "; ".join(map(str, getattr(self, role))) or "none"


Fates = Fate | tuple[Fate, Fate] | tuple[()]


def harm(
    running: Fates = (),
    prefetched: Fates = (),
    queued: Fates = (),
    published: Fates = (),
    exits: tuple[str, ...] = (),
) -> Harm:
    """Return a harm; a role whose tasks all fare alike is given as their one fate."""
    roles = (running, prefetched, queued, published)
    return Harm(*((one,) if isinstance(one, Fate) else tuple(one) for one in roles), exits)


Harms = Mapping[str, Harm]


def every(one: Harm) -> Harms:
    """Return the same harm under each ack mode."""
    return dict.fromkeys(ACK_MODES, one)


def late(early: Harm, lately: Harm, reject: Harm | None = None) -> Harms:
    """Return the harm under early ack, acks_late, and with reject_on_worker_lost the same."""
    return {"early": early, "late": lately, "reject": reject or lately}


@dataclass(frozen=True)
class Case:
    """A fault in one situation: the scenario by ack mode, and what it is declared to do.

    ``moment``: the verb (or the kind of event, or that and a task type) at whose first coming
    the roles are taken; ``worker``: whose running and prefetched tasks count. ``until``: by ack
    mode, an event that ends the run, for a system that never drains. ``refused_by``: the engines
    that cannot do it and say why. ``why``: a sentence for the page.
    """

    kind: str
    name: str
    build: Callable[[str], Scenario]
    harms: Harms
    moment: str
    worker: str = "worker1"
    until: Mapping[str, OnEvent] = field(default_factory=dict)
    refused_by: tuple[str, ...] = ()
    why: str = ""

    @property
    def title(self) -> str:
        """The fault and its situation, in a few words."""
        return f"{self.kind}: {self.name}" if self.name else self.kind


def case(  # noqa: PLR0913 - all but the first three have defaults
    kind: str,
    harms: Harms,
    build: Callable[[str], Fields],
    *,
    name: str = "",
    moment: str = "",
    until: Mapping[str, OnEvent] | None = None,
    worker: str = "worker1",
    refused_by: tuple[str, ...] = (),
    why: str = "",
) -> Case:
    """Return a case; the scenario's fields are built anew for each ack mode."""

    def described(mode: str) -> Scenario:
        return scenario(**({"name": f"{kind}-{mode}"} | build(mode)))

    return Case(kind, name, described, harms, moment or kind, worker, until or {}, refused_by, why)


# --- scenarios -----------------------------------------------------------------------------

AHEAD: Fields = {"concurrency": 1, "prefetch_multiplier": 2}
"""A worker that runs one task and holds one more (late ack) or two more (early ack)."""


def holding(
    mode: str, *faults: Fields, n: int = 4, service_s: float = 0.8, kind: Fields | None = None,
    **more: Any,
) -> Fields:  # fmt: skip
    """Return four tasks: one runs, one or two are prefetched, the rest is queued."""
    return {
        "tasks": [task(service_s=service_s, **(ACK_MODES[mode] | (kind or {})))],
        "workers": [AHEAD],
        "loads": [burst(n)],
        "faults": list(faults),
        "deadline_s": 15.0,
    } | more


def behind(mode: str, *faults: Fields, long_s: float, **more: Any) -> Fields:
    """Return a long task that runs and three short ones behind it."""
    each = ACK_MODES[mode] | more.pop("kind", {})
    tasks = [task("long", long_s, **each), task(service_s=0.1, **each)]
    loads = [burst(1, "long"), burst(3, at_s=0.02)]
    return holding(mode, *faults) | {"tasks": tasks, "loads": loads} | more


def n_queued(mode: str, n: int = 4) -> int:
    """Return how many of ``n`` tasks are in the queue when a worker of AHEAD is full."""
    return n - 3 if mode == "early" else n - 2


def started(after_s: float = 0.3) -> Fields:
    """Return when: the first task has run for a while, and its worker is full.

    Half a second before it ends: on a loaded machine an order takes its time.
    """
    return on("started", 1, after_s)


def an_hour_after(mode: str, *, n_before: int = 0) -> Fields:
    """Return: when what was queued is done, the visibility timeout is over for all else."""
    return fault("skip", on("succeeded", n_before + n_queued(mode), 0.3), seconds=HOUR_S)


def back_up(after_s: float = 0.0) -> Fields:
    """Return: worker1 is started again when it has ended."""
    return fault("start_worker", on("worker_exited", 1, after_s))
