"""The ways in which Celery on Redis loses a task or runs it twice, each with reason and source.

A path is recognised by what the record says of the one task: its deliveries, executions and
acknowledgements, and what happened to the broker and the workers meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sandbox.audit import Account
from sandbox.journeys import Attempt
from sandbox.run import Event, Run
from sandbox.tasks import TaskType

EARLY, LATE, REJECT = MODES = ("early", "late", "reject")
_CLOCK_S = 0.05
"""What two processes' stamps of one moment may differ by."""


@dataclass(frozen=True)
class Case:
    """One task that broke a promise: its type, account, events and executions, and the run."""

    run: Run
    kind: TaskType
    account: Account
    own: tuple[Event, ...]
    attempts: tuple[Attempt, ...]

    @classmethod
    def of(cls, run: Run, account: Account) -> Case:
        """Gather what the record says of one task."""
        own = tuple(e for e in run.events if e.task == account.task and e.kind != "control")
        attempts = tuple(a for a in run.fold.attempts if a.task == account.task)
        return cls(run, run.scenario.task(account.task.rpartition("/")[0]), account, own, attempts)

    @property
    def mode(self) -> str:
        """The ack mode of its type."""
        if not self.kind.acks_late:
            return EARLY
        return REJECT if self.kind.reject_on_worker_lost else LATE

    @property
    def sent_s(self) -> float:
        """When it was first sent."""
        return next((e.t_s for e in self.own if e.kind == "sent"), 0.0)

    def had(self, kind: str) -> list[Event]:
        """Return its events of a kind."""
        return [event for event in self.own if event.kind == kind]

    def ordered(self, *verbs: str) -> list[Event]:
        """Return the verbs that were carried out, of these names."""
        return [
            event
            for event in self.run.of_kind("control")
            if (event.detail or {}).get("verb") in verbs and "error" not in (event.detail or {})
        ]

    def path(self, paths: tuple[Path, ...]) -> Path | None:
        """Return the first listed path that it took."""
        return next((p for p in paths if self.mode in p.modes and p.taken_by(self)), None)


@dataclass(frozen=True)
class Path:
    """A way to lose a task, or to run it twice; ``source``: where Celery, kombu or Redis does so.

    ``modes``: the ack modes under which it is open.
    """

    name: str
    reason: str
    source: str
    taken_by: Callable[[Case], bool]
    modes: tuple[str, ...] = MODES


# --- losses ---------------------------------------------------------------------------------------


def _data_lost(case: Case) -> bool:
    stops = [e for e in case.run.of_kind("broker_stopped") if not (e.detail or {}).get("keeps")]
    gone = [*stops, *case.run.of_kind("broker_flushed")]
    return any(event.t_s >= case.sent_s - _CLOCK_S for event in gone)


def _over_the_limit(case: Case) -> bool:
    limit_s = case.kind.time_limit_s
    return limit_s is not None and any(
        a.outcome == "killed" and (a.ended_s or 0.0) - (a.started_s or 0.0) >= limit_s - _CLOCK_S
        for a in case.attempts
    )


def _child_lost(case: Case) -> bool:
    return bool(case.had("child_lost"))


def _retries_used_up(case: Case) -> bool:
    most = max((attempt.retry or 0 for attempt in case.attempts), default=0)
    return case.kind.retry_on_worker_lost and most >= case.kind.lost_max_retries


def _killed_after_its_ack(case: Case) -> bool:
    return any(a.outcome == "killed" and a.acked_s is not None for a in case.attempts)


def _not_noted(case: Case) -> bool:
    """Whether it was last seen in a queue, and somebody could take it without noting it."""
    moves = [e for e in case.own if e.kind in {"sent", "restored", "requeued", "delivered"}]
    if not moves or moves[-1].kind == "delivered":
        return False
    verbs = ("half_open", "cut_off", "drop_connections", "kill_worker", "pause_worker")
    no_credit = case.run.of_kind("eta_released") or _solo(case)
    ends = case.run.of_kind("worker_exited", "disconnected")
    return bool(case.ordered(*verbs) or no_credit or ends)


def _solo(case: Case) -> bool:
    return any(pool.pool == "solo" for pool in case.run.scenario.workers)


LOSSES: tuple[Path, ...] = (
    Path(
        "the broker lost its data",
        "stopped without persistence, flushed or evicted after the task was sent",
        "Redis: appendonly no; FLUSHDB; maxmemory-policy allkeys-lru",
        _data_lost,
    ),
    Path(
        "acknowledged at its hard time limit",
        "a task over its hard limit is FAILURE, and acknowledged unless acks_on_timeout is False",
        "celery/worker/request.py Request.on_timeout",
        _over_the_limit,
    ),
    Path(
        "acknowledged when its child was lost",
        "main acknowledges the message of a task whose process died, and stores FAILURE",
        "celery/worker/request.py Request.on_failure",
        _child_lost,
        (EARLY, LATE),
    ),
    Path(
        "its worker was lost once too often",
        "retry_on_worker_lost counts against max_retries; the last loss is FAILURE, even with reject",
        "celery/worker/request.py Request.on_failure, max_retries_exceeded",
        _retries_used_up,
    ),
    Path(
        "killed after its early acknowledgement",
        "the message is gone when its body begins; nobody has it when the worker dies",
        "celery/worker/request.py Request.on_accepted",
        _killed_after_its_ack,
        (EARLY,),
    ),
    Path(
        "taken from its queue and not noted in unacked",
        "BRPOP removes the message, and a MULTI of its own writes unacked: who dies, is stopped, "
        "or has no credit left in between, has it in a socket, where nobody finds it",
        "kombu/transport/redis.py Channel._brpop_read, QoS.append",
        _not_noted,
    ),
)


# --- repeats --------------------------------------------------------------------------------------


def _given_back(case: Case) -> Iterator[tuple[Event, Event]]:
    """Yield each move out of `unacked` to the front of a queue, with the delivery before it."""
    last: Event | None = None
    for event in case.own:
        if event.kind == "delivered":
            last = event
        elif event.kind == "restored" and last is not None:
            yield event, last


def _timed_out(case: Case) -> bool:
    timeout_s = case.run.scenario.broker.visibility_timeout_s
    return any(
        back.t_s - last.t_s >= timeout_s - _CLOCK_S - 1.0  # kombu rounds to whole seconds
        for back, last in _given_back(case)
    )


def _aged(case: Case) -> bool:
    skips = case.run.of_kind("skipped")
    return any(
        last.t_s <= skip.t_s + _CLOCK_S and skip.t_s <= back.t_s + _CLOCK_S
        for back, last in _given_back(case)
        for skip in skips
    )


def _swept(case: Case) -> bool:
    orders = case.ordered("sweep")
    return any(o.t_s <= b.t_s + _CLOCK_S for b, _ in _given_back(case) for o in orders)


def _skewed(case: Case) -> bool:
    orders = case.ordered("skew")
    return any(o.t_s <= b.t_s + _CLOCK_S for b, _ in _given_back(case) for o in orders)


def _left_behind(case: Case) -> bool:
    """Whether its owner gave it back: at its end, or when it lost its connection."""
    ends = case.run.of_kind("worker_exited", "disconnected")
    return any(
        end.worker == last.worker and end.t_s >= last.t_s - _CLOCK_S
        for _, last in _given_back(case)
        for end in ends
    )


def _requeued(case: Case) -> bool:
    return bool(case.had("requeued"))


def _sent_again(case: Case) -> bool:
    sent = [event.retry or 0 for event in case.had("sent")]
    return len(sent) > len(set(sent))


REPEATS: tuple[Path, ...] = (
    Path(
        "restored by the visibility timeout",
        "unacked for longer than the timeout, whoever has it: prefetched, held for its ETA or "
        "by a rate limit, or, with a late acknowledgement, running",
        "kombu/transport/redis.py QoS.restore_visible",
        _timed_out,
    ),
    Path(
        "aged by hand",
        "skip ages what is in unacked, for the visibility timeout as if the time had passed",
        "kombu/transport/redis.py QoS.restore_visible",
        _aged,
    ),
    Path(
        "restored by a client with a shorter timeout",
        "unacked is shared, and each client sweeps it by a timeout of its own",
        "kombu/transport/redis.py QoS.restore_visible",
        _swept,
    ),
    Path(
        "restored by a clock that is wrong",
        "the index has the owner's clock, the sweep the sweeper's",
        "kombu/transport/redis.py QoS.append, QoS.restore_visible",
        _skewed,
    ),
    Path(
        "given back by its worker while it ran or waited",
        "a channel that closes restores all that is not acknowledged; what runs goes on",
        "kombu/transport/virtual/base.py QoS.restore_unacked_once",
        _left_behind,
    ),
    Path(
        "requeued while another copy ran",
        "reject with requeue moves the message of both copies: they have one tag",
        "kombu/transport/redis.py QoS.reject",
        _requeued,
        (LATE, REJECT),
    ),
    Path(
        "its retry was published by each of its copies",
        "two copies of one message fail, and each publishes the same retry",
        "celery/app/task.py Task.retry",
        _sent_again,
    ),
)
