"""Claims about order: which task comes first, and where it runs."""

from __future__ import annotations

from functools import partial

from sandbox.claims import Claim
from sandbox.draws import Deterministic
from sandbox.loads import Burst
from sandbox.scenario import Scenario
from sandbox.systems.conversations import deploy, numbers
from sandbox.systems.conversations.deploy import (
    ANALYTICS,
    BATCH,
    MESSAGE,
    REPORT,
    RESPOND,
    platform,
)

_LONG_S = 0.6


def both(app: str = "written", command: str = deploy.WORKER) -> Scenario:
    """Return 12 reports and then 12 messages, all at once, for one worker."""
    same = {"service": Deterministic(value_s=0.15)}
    return platform(
        app, [command], tasks=(ANALYTICS, MESSAGE), more={ANALYTICS: same, MESSAGE: same},
        loads=[Burst(task=ANALYTICS, n=12), Burst(task=MESSAGE, n=12)],
        horizon_s=3.0, deadline_s=8.0,
    )  # fmt: skip


def flooded(*commands: str) -> Scenario:
    """Return six long reports, and three short messages that come while they run."""
    more = {
        ANALYTICS: {"service": Deterministic(value_s=_LONG_S)},
        MESSAGE: {"service": Deterministic(value_s=0.05)},
    }
    return platform(
        commands=commands, tasks=(ANALYTICS, MESSAGE), more=more, horizon_s=3.0, deadline_s=8.0,
        loads=[Burst(task=ANALYTICS, n=6), Burst(task=MESSAGE, n=3, at_s=0.2)],
    )  # fmt: skip


def shared_out(app: str = "written", prefetch: str = "") -> Scenario:
    """Return one long task and short ones for two servers of one process each."""
    command = deploy.WORKER.replace("--concurrency=2", f"--concurrency=1 {prefetch}")
    more = {
        BATCH: {"service": Deterministic(value_s=2.0)},
        RESPOND: {"service": Deterministic(value_s=0.05)},
    }
    return platform(
        app, [command] * 2, tasks=(BATCH, RESPOND), more=more, horizon_s=3.0, deadline_s=8.0,
        loads=[Burst(task=BATCH, n=1), Burst(task=RESPOND, n=12, at_s=0.2)],
    )  # fmt: skip


def _within(late: int, early: int) -> Scenario:
    """Return ten reports of one priority, and then ten of another, in one queue."""
    command = deploy.WORKER.replace("--concurrency=2", "--concurrency=1 --prefetch-multiplier=1")
    one = {"service": Deterministic(value_s=0.1)}
    return platform(
        commands=[command], tasks=(ANALYTICS, REPORT), horizon_s=3.0, deadline_s=8.0,
        more={ANALYTICS: one | {"priority": late}, REPORT: one | {"priority": early}},
        loads=[Burst(task=ANALYTICS, n=10), Burst(task=REPORT, n=10)],
    )  # fmt: skip


def claims() -> tuple[Claim, ...]:
    """Return them in the document's order."""
    return (
        Claim(
            text="priority-based routing: conversations high, webhooks medium, analytics low",
            source="Core Infrastructure",
            holds=lambda ratio: ratio < 1,
            number=partial(numbers.wait_against, one=MESSAGE, other=ANALYTICS),
            shown_by={"": both()},
            unit="times the wait of a report",
            name="priority",
            verdict="wrong",
            why="A queue's name is no priority: one worker takes from its queues in turn, and what "
            "it has taken is not reordered.",
            rows=("1.2 #12", "1.3 S4-2"),
        ),
        Claim(
            text="conversations: customer messages, real-time interactions",
            source="Task Queue Architecture",
            holds=lambda wait_s: wait_s < _LONG_S / 2,
            number=partial(numbers.longest_wait_s, task=MESSAGE),
            shown_by={
                "one worker": flooded(deploy.WORKER),
                "one worker a queue": flooded(*deploy.ONE_A_QUEUE),
            },
            unit="s",
            name="real-time",
            verdict="depends",
            why="Nothing interrupts a report that runs: only processes that take no reports are "
            "free for a message.",
        ),
        Claim(
            text="load distribution: intelligent task routing and priority management",
            source="Scalability Features",
            holds=lambda wait_s: wait_s < 1.0,
            number=partial(numbers.longest_wait_s, task=RESPOND),
            shown_by={"": shared_out()},
            unit="s",
            name="distribution",
            verdict="wrong",
            why="Each worker takes four messages a process ahead, whatever it is busy with: short "
            "ones wait behind its long one while another server is idle.",
        ),
        Claim(
            text="task priorities: fine-grained priority levels within queues",
            source="Next Steps 3",
            holds=lambda ratio: ratio < 1,
            number=partial(numbers.wait_against, one=REPORT, other=ANALYTICS),
            shown_by={"3 before 5": _within(5, 3), "0 before 9": _within(9, 0)},
            unit="times the other's wait",
            name="levels",
            verdict="depends",
            why="On Redis a queue is four lists, for 0-2, 3-5, 6-8 and 9, the lowest number first; "
            "3 and 5 are one list.",
        ),
    )
