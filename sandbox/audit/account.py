"""The account of one task: how often what happened to it, what it came to, where it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sandbox.ledger import Effect
from sandbox.run import Event
from sandbox.slots import slot_name

Verdict = Literal[
    "done once", "done more than once", "failed", "revoked", "lost", "stuck", "unknown"
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Place:
    """One place where a message or an execution of a task is at the end.

    ``queue``: in the list of a queue, of priority step ``step`` if a dump has told it.
    ``unacked``: delivered to ``worker`` and not acknowledged; ``alive`` tells whether that life
    of the worker goes on. ``eta`` and ``rate``: in ``worker``'s memory, until its time or until
    the rate limit lets it through (its message is then in `unacked`). ``running``: in a slot of
    ``worker``. ``rejected``: by ``worker``, without requeue: a broker with dead-letter queues
    would have it there, Redis has dropped it. ``since_s``: since when, by the recorder; by the
    broker's own dump where the recorder does not know.

    >>> print(Place("queue", queue="celery", step=3))
    queue celery, priority step 3
    """

    where: Literal["queue", "unacked", "eta", "rate", "running", "kept", "rejected"]
    queue: str | None = None
    step: int | None = None
    worker: str | None = None
    alive: bool | None = None
    slot: int | None = None
    tag: str | None = None
    since_s: float | None = None

    def __str__(self) -> str:
        """Say it in a few words."""
        if self.where == "queue":
            return f"queue {self.queue}" + (f", priority step {self.step}" if self.step else "")
        if self.where == "running":
            return f"running on {self.worker} {slot_name(self.slot or 0)}"
        if self.where in {"eta", "rate"}:
            return f"held for its {self.where} on {self.worker or '?'}"
        if self.where == "kept":
            return f"in the memory of {self.worker}, without a message"
        since = "" if self.since_s is None else f" since {self.since_s:.3f} s"
        if self.where == "rejected":
            return f"rejected by {self.worker}{since}"
        state = {True: " (alive)", False: " (dead)", None: ""}[self.alive]
        return f"unacked of {self.worker or 'an unknown worker'}{state}{since}"


@dataclass(frozen=True)
class Account:
    """All that is known of one task at the end of a run.

    The counts: publishings begun and confirmed, deliveries to workers, executions begun, ended
    well, killed midway; ``n_effects`` effects applied and ``n_effective`` of them counting, by
    the ledger (None: no ledger is kept of it). ``state`` is what Celery calls the last thing
    known of it; ``places`` are empty once it is gone. ``overtaken_by``: a task published later,
    to the same queue with the same priority, that had ended when this one first began.
    ``late_s``: how much later than it should have it first began (None: not late).
    """

    task: str
    verdict: Verdict
    places: tuple[Place, ...]
    evidence: tuple[Event, ...]
    effects: tuple[Effect, ...] | None = None
    state: str = "PENDING"
    n_sent: int = 0
    n_published: int = 0
    n_delivered: int = 0
    n_started: int = 0
    n_succeeded: int = 0
    n_killed: int = 0
    overtaken_by: str | None = None
    late_s: float | None = None

    @property
    def n_effects(self) -> int | None:
        """How many effects its executions have applied."""
        return None if self.effects is None else len(self.effects)

    @property
    def n_effective(self) -> int | None:
        """How many of its effects count: 1 at most, where a unique constraint sees to it."""
        return None if self.effects is None else sum(one.effective for one in self.effects)

    @property
    def effect_unknown(self) -> bool:
        """Whether an execution of it was killed and no ledger tells what it had done."""
        return self.n_killed > 0 and self.effects is None

    @property
    def in_motion(self) -> bool:
        """Whether a message or an execution of it is left, so that more can happen to it."""
        return any(place.where != "rejected" for place in self.places)

    @property
    def where(self) -> str:
        """Where it is, in words: its places, or ``gone``, or ``not known``."""
        told = "; ".join(map(str, self.places))
        return told or ("not known" if self.verdict == "unknown" else "gone")

    @property
    def duplicated(self) -> bool:
        """Whether its effect was applied, or without a ledger its body ended well, twice."""
        return self.verdict == "done more than once"

    def told(self) -> str:
        """Return the whole account as text.

        >>> print(Account("hi/0", "stuck", (Place("queue", queue="celery"),), ()).told())
        hi/0: stuck, PENDING; queue celery
          published 0 of 0 times, delivered 0, started 0, succeeded 0, killed 0
          no ledger is kept of it
        """
        lines = [f"{self.task}: {self.verdict}, {self.state}; {self.where}"]
        lines.append(
            f"  published {self.n_published} of {self.n_sent} times, delivered "
            f"{self.n_delivered}, started {self.n_started}, succeeded {self.n_succeeded}, "
            f"killed {self.n_killed}"
        )
        if self.effects is None:
            lines.append("  no ledger is kept of it")
        else:
            lines.append(f"  effect applied {self.n_effects}, effective {self.n_effective}")
            lines += [f"    {_effect_told(effect)}" for effect in self.effects]
        if self.late_s is not None:
            lines.append(f"  late by {self.late_s:.3f} s")
        if self.overtaken_by is not None:
            lines.append(f"  overtaken by {self.overtaken_by}")
        return "\n".join([*lines, *(f"  {event_told(event)}" for event in self.evidence)])


def event_told(event: Event) -> str:
    """Write an event as a reader would.

    >>> event_told(Event(1.25, "started", "hi/0", worker="worker1"))
    'started at 1.250 s on worker1'
    """
    at = f"{event.kind} at {event.t_s:.3f} s"
    return f"{at} on {event.worker}" if event.worker else at


def _effect_told(effect: Effect) -> str:
    counts = "effective" if effect.effective else "a prevented duplicate"
    return f"effect at {effect.t_s:.3f} s on {effect.worker}, {counts}"
