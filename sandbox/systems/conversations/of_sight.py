"""Claims about what can be seen: queues, tasks, progress, alerts."""

from __future__ import annotations

from sandbox.claims import Claim
from sandbox.draws import Deterministic
from sandbox.loads import Burst
from sandbox.scenario import Scenario
from sandbox.systems.conversations import numbers, probes, reading
from sandbox.systems.conversations.deploy import MESSAGE, platform

_QUEUES = "GET /conversations/tasks/queues/status"


def _burst() -> Scenario:
    one = {"service": Deterministic(value_s=0.15)}
    return platform(
        tasks=(MESSAGE,), more={MESSAGE: one}, loads=[Burst(task=MESSAGE, n=40)],
        horizon_s=3.5, deadline_s=8.0,
    )  # fmt: skip


def claims() -> tuple[Claim, ...]:
    """Return them in the document's order."""
    return (
        Claim(
            text='queue status: "conversations": {"active": 2, "pending": 0}',
            source=f"Queue Health Monitoring, {_QUEUES}",
            holds=lambda share: share == 1,
            number=numbers.in_sight,
            shown_by={"": _burst()},
            unit="of the unfinished tasks are with a worker",
            name="queue-status",
            verdict="wrong",
            why="What asks the workers sees at most 2 running and 8 taken ahead; the backlog is in "
            "four lists a queue, which only the broker can count.",
            rows=("1.3 S4-4",),
        ),
        Claim(
            text="queue statistics: performance metrics and queue health monitoring",
            source="Task Management Service",
            holds=lambda share: share > 0.9,
            probe=probes.inspected,
            unit="of the unfinished tasks in inspect active and reserved",
            name="inspect",
            verdict="wrong",
            why="inspect knows what workers hold, never what waits.",
            rows=("1.3 S4-4",),
        ),
        Claim(
            text="real-time queue statistics and health checks",
            source="API Integration",
            holds=lambda took_s: took_s < 0.1,
            probe=probes.inspect_takes_s,
            unit="s for one inspect",
            name="inspect-time",
            verdict="wrong",
            why="A broadcast cannot know who will answer: it listens for a whole second.",
        ),
        Claim(
            text="real-time status: task progress and completion tracking",
            source="Monitoring Capabilities",
            holds=lambda kinds: kinds >= 1,
            probe=probes.progress_seen("written"),
            unit="values between 0 and 100 %",
            name="progress",
            verdict="wrong",
            why="Celery knows PENDING, STARTED and an end; progress is what a task says by "
            "update_state, and the document has no such call.",
        ),
        Claim(
            text="check task progress: GET /conversations/tasks/async_task_456/status",
            source="Task Status Monitoring",
            holds=lambda told: told == 1,
            reads=reading.unknown_is_told,
            unit="(1: an unknown id is told from one that waits)",
            name="unknown-id",
            verdict="wrong",
            why="Celery's PENDING is every id that has no result: unknown, expired, lost or "
            "waiting; the front door here answers 404.",
        ),
        Claim(
            text="monitoring alerts: task failures, queue backlog, worker health",
            source="Monitoring Alerts",
            holds=lambda settings: settings > 0,
            reads=reading.alert_settings,
            unit="settings of Celery about alerts",
            name="alerts",
            verdict="wrong",
            why="Celery notifies nobody; sandbox/service/alerts.py is what has to be written.",
        ),
        Claim(
            text="access monitoring at http://localhost:5555",
            source="Deployment Instructions 5",
            name="flower",
            verdict="not testable here",
            why="Flower is an optional extra that is not in the environment.",
        ),
    )
