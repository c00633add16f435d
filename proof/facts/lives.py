"""Facts about a worker's life and its broker's: how messages go, what is held, who exits how."""

from __future__ import annotations

from collections import Counter, defaultdict

from proof.facts.registry import fact
from sandbox.run import Run

_ENDS = ("succeeded", "failed", "retried", "revoked")


# --- how messages go -----------------------------------------------------------------------


@fact()
def settled(run: Run) -> dict[str, list[str]]:
    """How the messages of each task went: acknowledged, rejected, requeued, child lost before."""
    ways: dict[str, list[str]] = defaultdict(list)
    for event in run.of_kind("acked", "rejected", "requeued", "child_lost"):
        ways[event.task or ""].append(event.kind)
    return dict(sorted(ways.items()))


@fact()
def finished(run: Run) -> list[str]:
    """The order in which tasks succeed."""
    return [event.task or "" for event in run.of_kind("succeeded")]


@fact()
def lost_with_broker(run: Run) -> list[str]:
    """The tasks of which nobody knows whether their publish reached the broker."""
    return sorted(event.task or "" for event in run.of_kind("publish_unknown"))


@fact()
def n_sent(run: Run) -> int:
    """How many messages are sent, retries and chord bodies too."""
    return len(run.of_kind("sent"))


# --- what is held --------------------------------------------------------------------------


@fact()
def early_holds(run: Run) -> int:
    """How many tasks are held for their time before the first task is begun."""
    starts = [event.t_s for event in run.of_kind("started")]
    first_s = starts[0] if starts else float("inf")
    return sum(event.t_s < first_s for event in run.of_kind("eta_held"))


@fact()
def n_holds(run: Run) -> dict[str, list[int]]:
    """How often each task is held for its time, and for a token."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for event in run.of_kind("eta_held", "rate_held"):
        found[event.task or ""][event.kind == "rate_held"] += 1
    return dict(sorted(found.items()))


@fact(tolerance_s=0.25)
def eta_held_s(run: Run) -> dict[str, list[float]]:
    """How long each task that comes due is held for its time."""
    since: dict[tuple[str | None, str | None], float] = {}
    spans: dict[str, list[float]] = defaultdict(list)
    for event in run.of_kind("eta_held", "eta_released"):
        key = (event.worker, event.tag)
        if event.kind == "eta_held":
            since[key] = event.t_s
        elif key in since:
            spans[event.task or ""].append(event.t_s - since.pop(key))
    return dict(sorted(spans.items()))


@fact()
def ahead_by_type(run: Run) -> dict[str, int]:
    """For each type, how many of its messages were taken when its first task ended."""
    ends: dict[str, float] = {}
    for event in run.of_kind(*_ENDS):
        ends.setdefault(_type(event.task), event.t_s)
    taken = Counter(
        name
        for event in run.of_kind("delivered")
        if event.t_s < ends.get(name := _type(event.task), float("inf"))
    )
    return dict(sorted(taken.items()))


def _type(task: str | None) -> str:
    return (task or "").rpartition("/")[0]


@fact()
def taken_anew(run: Run) -> dict[str, list[int]]:
    """How many messages each worker takes from each lost connection to its next end of a task."""
    taken: dict[str, list[int]] = defaultdict(list)
    counting: set[str] = set()
    for event in run.of_kind("disconnected", "delivered", *_ENDS):
        worker = event.worker or ""
        if event.kind == "disconnected":
            taken[worker].append(0)
            counting.add(worker)
        elif event.kind == "delivered" and worker in counting:
            taken[worker][-1] += 1
        elif event.kind != "delivered":
            counting.discard(worker)
    return dict(sorted(taken.items()))


# --- processes and exits -------------------------------------------------------------------


@fact()
def processes(run: Run) -> list[int]:
    """How many processes the autoscaler gives a worker, one after the other."""
    return [(event.detail or {})["processes"] for event in run.of_kind("scaled")]


@fact()
def exits(run: Run) -> list[str]:
    """Which workers end, and how: with a code, or by a signal."""
    return sorted(
        f"{event.worker}: {how} {code}"
        for event in run.of_kind("worker_exited")
        for how, code in (event.detail or {}).items()
    )


@fact(tolerance_s=0.6)
def exit_after_s(run: Run) -> dict[str, float]:
    """How long after it was told to stop each worker is gone; it looks every 0.5 s."""
    told: dict[str, float] = {}
    for event in run.of_kind("control"):
        if (event.detail or {}).get("verb") in {"quit_worker", "terminate_worker"}:
            told[event.worker or ""] = event.t_s
    return {
        name: event.t_s - told[name]
        for event in run.of_kind("worker_exited")
        if (name := event.worker or "") in told
    }


@fact()
def before_resume(run: Run) -> list[str]:
    """The tasks that a paused worker's processes end, or its main acknowledges, in the pause."""
    verbs = {(e.detail or {}).get("verb"): e for e in run.of_kind("control")}
    if not {"pause_worker", "resume_worker"} <= verbs.keys():
        return ["no pause"]
    pause, resume = verbs["pause_worker"], verbs["resume_worker"]
    return [
        f"{event.kind} {event.task}"
        for event in run.of_kind("acked", "delivered", *_ENDS)
        if pause.t_s + 0.05 < event.t_s < resume.t_s and event.worker == pause.worker
    ]


@fact(tolerance_s=0.4)
def planted_for_s(run: Run) -> dict[str, float]:
    """How long after a mutex was planted each message is restored first."""
    planted_s, first = None, {}
    for event in run.of_kind("control", "restored"):
        if (event.detail or {}).get("verb") == "plant_mutex":
            planted_s = event.t_s
        elif event.kind == "restored" and planted_s is not None:
            first.setdefault(event.task or "", event.t_s - planted_s)
    return dict(sorted(first.items()))
