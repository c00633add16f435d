"""The fold: what the events say, so far, of every task and every worker.

One pass, one event at a time, no engine: the live panel, the end of a run, the attempts
table and the audit all read this state. A task can be in several places at once: that is
what at-least-once delivery means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.deliveries import Deliveries
from sandbox.journeys import UNACKED, Attempt, Journey

if TYPE_CHECKING:
    from sandbox.run import Event


@dataclass(slots=True)
class Fold:
    """The state after a number of events; ``feed`` adds more.

    >>> from sandbox.run import Event
    >>> fold = Fold().feed([Event(0.0, "sent", "hi/0", queue="celery")])
    >>> fold.queued, fold.running, fold.drained
    (1, 0, False)
    """

    journeys: dict[str, Journey] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    workers: dict[str, bool] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    skipped: list[tuple[float, float]] = field(default_factory=list)
    n_events: int = 0
    in_motion: int = 0
    deliveries: Deliveries = field(default_factory=Deliveries)

    def feed(self, events: Iterable[Event]) -> Fold:
        """Take more events, in the order of their times; return self."""
        for event in events:
            self.n_events += 1
            if event.task is not None:
                self._feed_task(event)
            elif event.kind in _WORKER:
                _WORKER[event.kind](self, event)
        return self

    def _feed_task(self, event: Event) -> None:
        step = _TASK.get(event.kind)
        if step is None:
            return
        journey = self.journeys.get(event.task or "")
        if journey is None:
            journey = self.journeys[event.task or ""] = Journey(event.task or "")
        was = journey.in_motion
        step(self, journey, event)
        self.in_motion += journey.in_motion - was

    # --- a message's way -------------------------------------------------------------

    def _sent(self, journey: Journey, event: Event) -> None:
        journey.n_sent += 1
        journey.n_queued += 1
        journey.last_sent_s = event.t_s
        if journey.first_sent_s is None:
            journey.first_sent_s = event.t_s

    def _publish_unknown(self, journey: Journey, event: Event) -> None:
        # A delivery may have shown already that the message was published after all.
        journey.n_queued = max(0, journey.n_queued - 1)
        journey.publish_unknown = True

    def _delivered(self, journey: Journey, event: Event) -> None:
        worker, tag = event.worker or "", event.tag or ""
        # One that was on its way to a broker that lost the others can still arrive.
        if journey.n_queued > 0 or not (journey.publish_unknown or journey.is_lost):
            journey.n_queued -= 1
        journey.n_deliveries += 1
        journey.unacked[tag] = worker
        attempt = Attempt(
            task=journey.task,
            delivery=journey.n_deliveries,
            worker=worker,
            tag=tag,
            queue=event.queue,
            sent_s=journey.last_sent_s,
            delivered_s=event.t_s,
        )
        self.attempts.append(attempt)
        self.deliveries.add(attempt)

    def _received(self, journey: Journey, event: Event) -> None:
        # What was forgotten unread is in the broker again; the read one is another delivery.
        attempt = self.deliveries.first(event, lambda a: a.received_s is None and a.ended_s is None)
        if attempt is not None:
            attempt.received_s = event.t_s

    def _held(self, journey: Journey, event: Event) -> None:
        journey.held[event.tag or ""] = event.kind.partition("_")[0]
        self._keep(journey, event.worker or "", event.tag or "")

    def _released(self, journey: Journey, event: Event) -> None:
        journey.held.pop(event.tag or "", None)

    def _acked(self, journey: Journey, event: Event) -> None:
        owner = journey.unacked.pop(event.tag or "", None)
        journey.held.pop(event.tag or "", None)
        attempt = self.deliveries.first(
            event, lambda a: a.acked_s is None and a.outcome not in UNACKED
        )
        if attempt is not None and attempt.acked_s is None:
            attempt.acked_s = event.t_s
            if journey.kept and not self.deliveries.was_lost(event):
                journey.kept.discard((attempt.worker, attempt.delivery))
        if owner is not None and journey.n_deliveries > 1:
            self._keep(journey, owner, event.tag or "")

    def _back(self, journey: Journey, event: Event) -> None:
        """Take the message from `unacked` to its queue; a stale owner may still be running it."""
        owner = journey.unacked.pop(event.tag or "", None)
        if owner is None:
            self.problems.append(f"{journey.task} was {event.kind} while it was not in unacked")
            return
        journey.n_queued += 1
        if event.kind == "restored":
            self._keep(journey, owner, event.tag or "")

    def _keep(self, journey: Journey, owner: str, tag: str) -> None:
        """Note that a living worker will begin what it was given last, its own or not."""
        attempts = self.deliveries.by_tag.get((owner, tag))
        if attempts and self.workers.get(owner, True):
            last = attempts[-1]
            if last.started_s is None and last.ended_s is None and last.acked_s is None:
                journey.kept.add((owner, last.delivery))

    # --- an execution's way ----------------------------------------------------------

    def _started(self, journey: Journey, event: Event) -> None:
        journey.n_executions += 1
        slot = (event.worker or "", event.slot or 0)
        attempt = self.deliveries.begun(event)
        if attempt is None or attempt.started_s is not None:
            self.problems.append(f"{journey.task} started without having been delivered")
            return
        if slot in self.deliveries.by_slot:
            other = self.deliveries.by_slot[slot]
            self.problems.append(f"{journey.task} started in the slot that runs {other.task}")
        journey.held.pop(attempt.tag, None)
        if journey.kept:
            journey.kept.discard((attempt.worker, attempt.delivery))
        journey.running.add(slot)
        attempt.slot, attempt.retry, attempt.started_s = event.slot, event.retry, event.t_s
        attempt.execution = journey.n_executions
        self.deliveries.by_slot[slot] = attempt

    def _ended(self, journey: Journey, event: Event) -> None:
        """End an execution; `failed` without one is a message that could not be run."""
        slot = (event.worker or "", event.slot if event.slot is not None else -1)
        attempt = self.deliveries.by_slot.get(slot)
        if attempt is None or attempt.task != journey.task:
            attempt = None if self.deliveries.was_lost(event) else self.deliveries.running(event)
        journey.count(event.kind, event.t_s)
        if attempt is not None:
            self._close(attempt, event.t_s, event.kind)
        elif (
            event.kind != "failed"
            and self.workers.get(event.worker or "", True)
            and not self.deliveries.was_lost(event)
        ):
            # The last words of a worker that is gone can come after its end.
            self.problems.append(f"{journey.task} {event.kind} without having been started")

    def _child_lost(self, journey: Journey, event: Event) -> None:
        attempt = self.deliveries.running(event)
        if attempt is not None:
            journey.n_killed += 1
            self._close(attempt, event.t_s, "killed")

    def _revoked(self, journey: Journey, event: Event) -> None:
        journey.n_revoked += 1
        attempt = self.deliveries.first(event, lambda a: a.started_s is None and a.ended_s is None)
        if attempt is not None:
            attempt.ended_s, attempt.outcome = event.t_s, "revoked"
            journey.kept.discard((attempt.worker, attempt.delivery))

    def _close(self, attempt: Attempt, t_s: float, outcome: str) -> None:
        slot = (attempt.worker, attempt.slot or 0)
        attempt.ended_s, attempt.outcome = t_s, outcome
        self.deliveries.by_slot.pop(slot, None)
        self.journeys[attempt.task].running.discard(slot)

    # --- workers ---------------------------------------------------------------------

    def _worker_ready(self, event: Event) -> None:
        self.workers[event.worker or ""] = True

    def _worker_exited(self, event: Event) -> None:
        """End what the worker still ran: whether it took effect, nobody knows."""
        self.workers[event.worker or ""] = False
        for attempt in self.deliveries.of_worker.pop(event.worker or "", []):
            journey = self.journeys[attempt.task]
            was = journey.in_motion
            journey.held.pop(attempt.tag, None)
            journey.kept.discard((attempt.worker, attempt.delivery))
            self.deliveries.by_tag.pop((attempt.worker, attempt.tag), None)
            if attempt.started_s is not None and attempt.ended_s is None:
                journey.n_killed += 1
                self._close(attempt, event.t_s, "killed")
            self.in_motion += journey.in_motion - was

    def _disconnected(self, event: Event) -> None:
        """Forget what the worker held and had not begun; `restored` tells where it went.

        ``keeps``: what is in its pool's queue stays there; a pool of threads has no way out.
        """
        keeps, kept = (event.detail or {}).get("keeps", False), []
        for attempt in self.deliveries.of_worker.pop(event.worker or "", []):
            journey = self.journeys[attempt.task]
            stays = keeps and attempt.tag not in journey.held
            if stays or attempt.started_s is not None or attempt.ended_s is not None:
                kept.append(attempt)
                continue
            was = journey.in_motion
            attempt.ended_s, attempt.outcome = event.t_s, "forgotten"
            journey.held.pop(attempt.tag, None)
            journey.kept.discard((attempt.worker, attempt.delivery))
            self.in_motion += journey.in_motion - was
        self.deliveries.of_worker[event.worker or ""] = kept

    def _broker_stopped(self, event: Event) -> None:
        """Without persistence every message is gone; what a worker has in memory it may run."""
        if (event.detail or {}).get("keeps", False):
            return
        for journey in self.journeys.values():
            was = journey.in_motion
            if journey.n_queued > 0 or journey.unacked:
                journey.is_lost = True
            journey.n_queued = 0
            for tag, owner in journey.unacked.items():
                self._keep(journey, owner, tag)
            journey.unacked.clear()
            self.in_motion += journey.in_motion - was

    def _skipped(self, event: Event) -> None:
        self.skipped.append((event.t_s, float((event.detail or {}).get("seconds", 0.0))))

    # --- what a panel shows ----------------------------------------------------------

    @property
    def drained(self) -> bool:
        """Whether nothing more can happen to any task."""
        return self.in_motion == 0

    @property
    def queued(self) -> int:
        """Messages waiting in the broker's lists."""
        return sum(max(0, j.n_queued) for j in self.journeys.values())

    @property
    def running(self) -> int:
        """Executions under way."""
        return len(self.deliveries.by_slot)

    @property
    def unacked(self) -> int:
        """Messages delivered and not acknowledged, whether their worker lives or not."""
        return sum(len(j.unacked) for j in self.journeys.values())

    def owns(self, worker: str, tag: str) -> bool:
        """Whether a worker still knows of a delivery: neither died nor forgot it since."""
        return self.deliveries.owns(worker, tag)

    def is_held(self, journey: Journey) -> bool:
        """Whether a living worker runs a task, will run it, or has not settled a delivery of it."""
        pairs = journey.unacked.items()
        open_ = any(self.deliveries.is_open(worker, tag) for tag, worker in pairs)
        return open_ or bool(journey.running or journey.kept)

    @property
    def orphaned(self) -> int:
        """Unacknowledged messages that no worker knows of: they wait for the visibility timeout."""
        pairs = (pair for j in self.journeys.values() for pair in j.unacked.items())
        return sum(not self.owns(worker, tag) for tag, worker in pairs)

    @property
    def reserved(self) -> int:
        """Messages in the memory of a living worker that no process has begun."""
        return sum(
            self.owns(worker, tag) and not any(w == worker for w, _ in j.running)
            for j in self.journeys.values()
            for tag, worker in j.unacked.items()
        )

    def scenario_time(self, t_s: float) -> float:
        """Return a run time with the seconds skipped before it added."""
        return t_s + sum(seconds for at, seconds in self.skipped if at <= t_s)


_TASK: dict[str, Callable[[Fold, Journey, Any], None]] = {
    "sent": Fold._sent,
    "publish_unknown": Fold._publish_unknown,
    "delivered": Fold._delivered,
    "received": Fold._received,
    "eta_held": Fold._held,
    "eta_released": Fold._released,
    "rate_held": Fold._held,
    "rate_released": Fold._released,
    "started": Fold._started,
    "succeeded": Fold._ended,
    "failed": Fold._ended,
    "retried": Fold._ended,
    "child_lost": Fold._child_lost,
    "revoked": Fold._revoked,
    "acked": Fold._acked,
    "rejected": Fold._acked,
    "requeued": Fold._back,
    "restored": Fold._back,
}
_WORKER: dict[str, Callable[[Fold, Any], None]] = {
    "worker_ready": Fold._worker_ready,
    "worker_exited": Fold._worker_exited,
    "disconnected": Fold._disconnected,
    "broker_stopped": Fold._broker_stopped,
    "broker_flushed": Fold._broker_stopped,
    "skipped": Fold._skipped,
}
