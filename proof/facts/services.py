"""Facts about what is beside the workers: dependencies, chords, the front door."""

from __future__ import annotations

from collections import Counter

from proof.facts.registry import fact
from sandbox.calls import calls
from sandbox.chords import chords
from sandbox.run import Run
from sandbox.schedule import canvases

# --- dependencies --------------------------------------------------------------------------


@fact()
def call_outcomes(run: Run) -> dict[str, dict[str, int]]:
    """How many calls each dependency served, refused, had leave the line, or served to nobody."""
    return {name: dict(sorted(use.outcomes.items())) for name, use in calls(run).items()}


@fact()
def calls_at_once(run: Run) -> dict[str, int]:
    """The most calls that each dependency served at once."""
    return {name: use.most_at_once for name, use in calls(run).items()}


@fact(tolerance_s=0.1)
def served_s(run: Run) -> list[float]:
    """How long each call was served, in the order in which they were begun."""
    begun: dict[tuple[str | None, int | None], float] = {}
    spans: dict[float, float] = {}
    for event in run.of_kind("call_started", "call_ended"):
        key = (event.task, event.retry)
        if event.kind == "call_started":
            begun[key] = event.t_s
        elif key in begun:
            at_s = begun.pop(key)
            spans[at_s] = event.t_s - at_s
    return [spans[at_s] for at_s in sorted(spans)]


@fact()
def errors(run: Run) -> dict[str, int]:
    """How many tasks failed for good with each error."""
    found = Counter(
        str((event.detail or {}).get("error", "")).split(":")[0] for event in run.of_kind("failed")
    )
    return dict(sorted(found.items()))


@fact()
def outages(run: Run) -> list[str]:
    """Which dependencies go down and come up, in order."""
    return [
        f"{(event.detail or {})['dependency']} {event.kind.removeprefix('dependency_')}"
        for event in run.of_kind("dependency_down", "dependency_up")
    ]


# --- chords --------------------------------------------------------------------------------


@fact()
def chord_fates(run: Run) -> dict[str, list[str]]:
    """What became of each chord's body, and the header tasks that it still waits for."""
    return {found.body: [found.fate, *sorted(found.missing)] for found in chords(run)}


@fact()
def bodies_sent(run: Run) -> dict[str, int]:
    """How often each chord's body is published."""
    count = Counter(event.task for event in run.of_kind("sent"))
    return {body: count[body] for body in _bodies(run)}


@fact()
def n_before_body(run: Run) -> dict[str, int]:
    """How many tasks of each chord's header have succeeded when its body is published.

    All but one: the worker of the last publishes the body before it reports that one.
    """
    found: dict[str, int] = {}
    done: set[str | None] = set()
    bodies = _bodies(run)
    for event in run.of_kind("sent", "succeeded"):
        if event.kind == "succeeded":
            done.add(event.task)
        elif event.task in bodies:
            found[event.task] = sum(key in done for key in bodies[event.task])
    return dict(sorted(found.items()))


@fact(tolerance_s=0.1)
def body_after_s(run: Run) -> dict[str, float]:
    """How long after the last end of its header each chord's body is published."""
    sent = {event.task: event.t_s for event in run.of_kind("sent")}
    done: dict[str, float] = {}
    for event in run.of_kind("succeeded"):
        done.setdefault(event.task or "", event.t_s)
    return {
        body: sent[body] - max(done[key] for key in keys)
        for body, keys in _bodies(run).items()
        if body in sent
    }


def _bodies(run: Run) -> dict[str, tuple[str, ...]]:
    """Return the keys of each chord's header, by its body's key."""
    return {
        f"{canvas.body[0]}/{canvas.body[1]}": tuple(canvas.keys)
        for canvas in canvases(run.scenario)
        if canvas.body is not None
    }


# --- the front door ------------------------------------------------------------------------


@fact()
def answers(run: Run) -> dict[str, int]:
    """How many requests are done, failed, refused with 503, or given up."""
    found = Counter(str((e.detail or {}).get("outcome")) for e in run.of_kind("answered"))
    return dict(sorted(found.items()))


@fact()
def accepted(run: Run) -> int:
    """How many requests are answered 202."""
    return len(run.of_kind("accepted"))


@fact()
def polls(run: Run) -> list[int]:
    """How often visitors ask for their results, sorted; who asks how often, a race may decide."""
    count = Counter(event.task for event in run.of_kind("polled"))
    return sorted(count[event.task] for event in run.of_kind("requested"))


@fact(tolerance_s=0.2)
def answered_after_s(run: Run) -> list[float]:
    """How long after their requests visitors have an answer or give up, sorted."""
    since = {event.task: event.t_s for event in run.of_kind("requested")}
    return sorted(event.t_s - since[event.task] for event in run.of_kind("answered"))
