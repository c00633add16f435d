"""Evidence: the few events that prove a verdict, and the state that Celery would show."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.audit.account import Verdict
from sandbox.audit.clues import Record
from sandbox.run import Event

# The kinds of a task's own events that prove each verdict; its first `sent` always does.
_PROOF: Mapping[Verdict, frozenset[str]] = {
    "done once": frozenset({"succeeded"}),
    "done more than once": frozenset({"started", "succeeded", "restored", "requeued"}),
    "failed": frozenset({"child_lost", "failed"}),
    "revoked": frozenset({"revoked"}),
    "lost": frozenset({"published", "delivered", "started", "child_lost", "acked", "rejected"}),
    "stuck": frozenset(
        {"delivered", "eta_held", "rate_held", "started", "requeued", "restored", "child_lost"}
    ),
    "unknown": frozenset({"publish_unknown"}),
}
_STATES = {
    "sent": "PENDING",
    "received": "RECEIVED",
    "started": "STARTED",
    "retried": "RETRY",
    "revoked": "REVOKED",
    "rejected": "REJECTED",
    "failed": "FAILURE",
    "succeeded": "SUCCESS",
}
_FINAL = ("succeeded", "failed", "revoked")


def proof(task: str, verdict: Verdict, record: Record) -> tuple[Event, ...]:
    """Return the few events that prove a verdict, in order."""
    own = record.events.get(task, [])
    found = [event for event in own if event.kind in _PROOF[verdict]]
    if verdict == "stuck":
        found = list({event.kind: event for event in found}.values())
    sent = next((event for event in own if event.kind == "sent"), None)
    if sent is not None:
        found.insert(0, sent)
    killed = {a.started_s for a in record.attempts.get(task, ()) if a.outcome == "killed"}
    found += [
        event
        for event in own
        if event not in found
        and (event.kind == "child_lost" or (event.kind == "started" and event.t_s in killed))
    ]
    exits = [record.exit_after(attempt) for attempt in record.attempts.get(task, ())]
    found += [event for i, event in enumerate(exits) if event and event not in exits[:i]]
    return tuple(sorted(found, key=lambda event: event.t_s))


def state(task: str, record: Record) -> str:
    """Return what Celery calls the last thing known of a task.

    A final state stays: what another copy of the message does afterwards is a duplicate.
    """
    kinds = [event.kind for event in record.events.get(task, ()) if event.kind in _STATES]
    final = [kind for kind in kinds if kind in _FINAL]
    return _STATES[(final or kinds or ["sent"])[-1]]
