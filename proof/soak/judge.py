"""The judges of the soak: what grows, what is left open, and which task nobody can explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from proof.soak.watch import AGES_S, SINGLES, WORKERS, Lives, Sample
from sandbox.audit import Account, Audit
from sandbox.audit.clues import Record
from sandbox.journeys import Attempt
from sandbox.run import Event, Run

MOST_MB_A_MINUTE = 0.5
MOST_UNKNOWN = 0.05
FLOOR_S = 900.0
"""A slope is judged over the last 15 minutes; over less it is only told, as is a share of tasks."""
ALLOWED_FDS: Mapping[str, int] = {
    # Each worker's process has one connection or two; a pool opens one more when it needs it.
    "proxy": 16, "broker": 8, "client": 4, "operator": 4,
}  # fmt: skip
"""By role, how many more descriptors it may have at the end; 1 for those not named."""
FULL_FDS: Mapping[str, int] = {"proxy": 82, "broker": 45, "client": 13, "operator": 15}
"""What those had whose pools were full after 20 minutes: a short run is held against it."""
_TOLD = " (told only: too short to judge)"
_SEVERAL = 3
_NEAR_S = 10.0
"""How long a connection that has taken a message can be lost after that: a link cut in silence."""
_BACK = {"restored", "requeued"}


@dataclass(frozen=True)
class Criterion:
    """One criterion: what was wanted, what was found. ``holds``: None where it is only told."""

    name: str
    wanted: str
    found: str
    holds: bool | None


# --- memory --------------------------------------------------------------------------------


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the median of the slopes between every two points (Theil and Sen).

    Up to 29 % of the points can be anything, such as a minute in which a worker was down.

    >>> slope([(0, 1.0), (1, 2.0), (2, 300.0), (3, 4.0), (4, 5.0)])
    1.0
    """
    found = [
        (b[1] - a[1]) / (b[0] - a[0])
        for i, a in enumerate(points)
        for b in points[i + 1 :]
        if b[0] != a[0]
    ]
    return median(found) if found else 0.0


def growth(minutes: Sequence[Sample], seconds: float) -> dict[str, float]:
    """Return the slope (MB a minute) of each role's memory over the last three quarters.

    The first quarter is left out: caches fill, workers meet their tasks for the first time.
    """
    last = [one for one in minutes if one.at_s >= seconds / 4]
    roles = sorted({role for one in last for role in one.memory} - {WORKERS})
    return {
        role: slope([(m.at_s / 60, m.memory[role]) for m in last if role in m.memory])
        for role in roles
    }


def at_equal_age(by_age: Mapping[int, Sequence[tuple[float, float]]], since_s: float) -> float:
    """Return by how much (MB a minute) a process is larger than one as old was, earlier on.

    Of each age the median is taken off; what remains has a slope over the time of the run.

    >>> later = {0: [(60, 19.0), (120, 19.5)], 1: [(60, 24.0), (120, 24.5)]}
    >>> at_equal_age(later, 0.0)
    0.5
    """
    remains = []
    for points in by_age.values():
        usual = median(mb for _, mb in points)
        remains += [(at_s / 60, mb - usual) for at_s, mb in points if at_s >= since_s]
    return slope(remains)


def memory(
    samples: Sequence[Sample], lives: Lives, n_mains: int, n_children: int, seconds: float
) -> Criterion:
    """Judge the growth of all processes together, the workers' at equal age."""
    by_role = growth(samples, seconds)
    mains, children = lives.by_age(is_main=True), lives.by_age(is_main=False)
    by_role["workers at equal age"] = n_mains * at_equal_age(
        mains, seconds / 4
    ) + n_children * at_equal_age(children, seconds / 4)
    found = sum(by_role.values())
    told = ", ".join(f"{role} {value:+.2f}" for role, value in by_role.items())
    return Criterion(
        "memory slope of all processes together",
        f"≤ {MOST_MB_A_MINUTE} MB/min{_TOLD * (not _is_long(seconds))}",
        f"{found:+.2f} MB/min ({told}; while it lives: {_aging('a main process', mains)}, "
        f"{_aging('a child', children)})",
        found <= MOST_MB_A_MINUTE if _is_long(seconds) else None,
    )


def _aging(what: str, by_age: Mapping[int, Sequence[tuple[float, float]]]) -> str:
    """Return the usual memory at the youngest and the oldest age that several have reached."""
    usual = {
        age: median(mb for _, mb in points)
        for age, points in sorted(by_age.items())
        if len(points) >= _SEVERAL
    }
    if not usual:
        return f"{what} too few"
    first, last = min(usual), max(usual)
    return f"{what} {usual[first]:.1f} MB → {usual[last]:.1f} MB after {AGES_S[last - 1]:.0f} s"


# --- descriptors ---------------------------------------------------------------------------


def _is_long(seconds: float) -> bool:
    return seconds * 0.75 >= FLOOR_S


def descriptors(early: Mapping[str, int], late: Mapping[str, int], seconds: float) -> Criterion:
    """Judge the descriptors of each process that lives all through the session.

    ``early``: the most of each in the first half; ``late``: those at the end. Half of a short run
    is too little for a pool of connections to fill, so that there a full one counts as ``early``.
    """
    grown, told = [], []
    full = {} if _is_long(seconds) else FULL_FDS
    for role in SINGLES:
        if role in early and role in late:
            was, now = early[role], late[role]
            told.append(f"{role} {was} → {now}")
            if now - max(was, full.get(role, 0)) > ALLOWED_FDS.get(role, 1):
                grown.append(role)
    allowed = ", ".join(f"{role} {n}" for role, n in ALLOWED_FDS.items())
    settled = ", ".join(f"{role} {n}" for role, n in full.items())
    return Criterion(
        "open file descriptors, the most in the first half and at the end",
        f"as many; up to so many more: {allowed}, others 1"
        + (f"; a pool, too short a run to fill it, as a full one: {settled}" if full else ""),
        ", ".join(told) + (f"; grown: {', '.join(grown)}" if grown else ""),
        not grown,
    )


# --- tasks ---------------------------------------------------------------------------------


def accounted(audit: Audit, run: Run, seconds: float) -> list[Criterion]:
    """Judge the audit: every published task has a verdict, and every odd one a cause.

    The share of the unknown is of the few tasks of a short run, one bad moment's: told only.
    """
    published = {e.task for e in run.of_kind("sent", "published")}
    missing = sorted(task for task in published if task not in audit.tasks)
    causes = explained(audit, run)
    without = sorted(task for task, cause in causes.items() if cause is None)
    open_share = sum(one.verdict == "unknown" for one in audit.tasks.values()) / max(
        1, len(audit.tasks)
    )
    return [
        Criterion(
            "published tasks without a verdict", "0", _named(missing), not missing,
        ),
        Criterion("tasks that nothing in the evidence explains", "0", _named(without), not without),
        Criterion(
            "tasks whose fate is unknown, for a cause with a name",
            f"≤ {MOST_UNKNOWN:.0%}{_TOLD * (not _is_long(seconds))}", f"{open_share:.2%}",
            open_share <= MOST_UNKNOWN if _is_long(seconds) else None,
        ),
    ]  # fmt: skip


def explained(audit: Audit, run: Run) -> dict[str, str | None]:
    """Return by which path each task that is not done once, or over, came to that; None: by none.

    Read from the tasks' and workers' events alone, never from the faults.
    """
    record, breaks = Record.of(run), Breaks.of(run)
    return {
        task: _cause(account, record, breaks)
        for task, account in audit.tasks.items()
        if account.verdict in {"lost", "unknown", "done more than once", "stuck"}
    }


@dataclass(frozen=True)
class Breaks:
    """When the broker lost what it had, and when what was on the way to a worker could be lost.

    ``taken``: of each task that was delivered, its type, when it was sent and first delivered.
    """

    emptied: tuple[float, ...]
    cut: tuple[tuple[float, str | None], ...]
    taken: tuple[tuple[str, float, float], ...]

    @classmethod
    def of(cls, run: Run) -> Breaks:
        """Read them from the events of tasks, workers and the broker."""
        emptied, cut = [], []
        sent: dict[str, float] = {}
        taken: dict[str, tuple[str, float, float]] = {}
        for event in run.events:
            task = event.task or ""
            if event.kind == "sent":
                sent.setdefault(task, event.t_s)
            elif event.kind == "delivered" and task in sent:
                taken.setdefault(task, (_type(task), sent[task], event.t_s))
            elif event.kind == "broker_flushed" or _forgets(event):
                emptied.append(event.t_s)
            if event.kind in {"worker_exited", "disconnected", "broker_stopped"}:
                cut.append((event.t_s, event.worker))
        return cls(tuple(emptied), tuple(cut), tuple(taken.values()))

    def in_the_hole(self, task: str, since_s: float) -> bool:
        """Whether a connection was lost when a task that was never delivered must have left.

        It was taken before the next one of its type, which came into the same list after it.
        """
        next_s = min(
            (at for kind, sent_s, at in self.taken if kind == _type(task) and sent_s > since_s),
            default=float("inf"),
        )
        return any(since_s <= at <= next_s + _NEAR_S for at, _ in self.cut)

    def lost(self, worker: str, since_s: float) -> bool:
        """Whether a worker ended, or forgot what it had not begun, after a moment."""
        return any(at >= since_s for at, name in self.cut if name == worker)


def _forgets(event: Event) -> bool:
    return event.kind == "broker_stopped" and not (event.detail or {}).get("keeps", False)


def _type(task: str) -> str:
    return task.rpartition("/")[0]


def _cause(account: Account, record: Record, breaks: Breaks) -> str | None:
    own = record.events.get(account.task, [])
    if account.verdict == "unknown":
        return "its publish call failed" if _has(own, "publish_unknown") else None
    if account.verdict == "lost":
        return _lost(own, record.attempts.get(account.task, []), breaks)
    return _repeated(own) if account.verdict == "done more than once" else None


def _lost(own: Sequence[Event], attempts: Sequence[Attempt], breaks: Breaks) -> str | None:
    if _has(own, "rejected"):
        return "rejected without requeue"
    acked = [a for a in attempts if a.acked_s is not None]
    if any(a.outcome in {"killed", "retried"} for a in acked):
        return "acknowledged early, and killed midway"
    if any(a.started_s is None and breaks.lost(a.worker, a.acked_s or 0.0) for a in acked):
        return "acknowledged early, and its worker ended before it began"
    last_s = own[-1].t_s if own else 0.0
    if any(at_s >= last_s for at_s in breaks.emptied):
        return "in the broker when that lost what it had"
    if own and breaks.in_the_hole(own[-1].task or "", last_s):
        return "taken from its queue by a connection that was lost before it was noted in unacked"
    return None


def _repeated(own: Sequence[Event]) -> str | None:
    """Each execution needs a message of its own: one that was sent, or came back to a queue."""
    n_sent = n_back = n_started = 0
    for event in own:
        n_sent += event.kind == "sent"
        n_back += event.kind in _BACK
        n_started += event.kind == "started"
        if n_started > n_sent + n_back:
            return None
    return "given back to its queue while it ran" if n_back else "published twice"


def _has(own: Sequence[Event], kind: str) -> bool:
    return any(event.kind == kind for event in own)


def _named(tasks: Sequence[str]) -> str:
    return f"{len(tasks)}" + (f": {', '.join(tasks[:10])}" if tasks else "")


# --- what is left --------------------------------------------------------------------------


def leftovers(pids: Sequence[int], files: Sequence[str]) -> list[Criterion]:
    """Judge what is still there after the session."""
    told = [str(pid) for pid in pids]
    return [
        Criterion("processes left", "0", _named(told), not told),
        Criterion("files left outside the run's folder", "0", _named(files), not files),
    ]
