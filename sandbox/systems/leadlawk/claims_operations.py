"""Claims on routes, settings, states, and the commands of the document's operations."""

from __future__ import annotations

from sandbox.claims import Claim
from sandbox.faults import At, OnEvent
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.start_worker import StartWorker
from sandbox.loads import BeatEntry, Burst
from sandbox.scenario import Scenario
from sandbox.systems.leadlawk import numbers, probes, reads
from sandbox.systems.leadlawk.small import (
    BROWSER,
    DATABASE,
    HEALTH,
    PAGESPEED,
    QUEUES,
    lasts,
    small,
)

_OPERATIONS = "Operational Procedures"
_FLOW = "9. Data Flow"


def claims() -> tuple[Claim, ...]:
    """Return them in the document's order."""
    return (*_routes(), *_settings(), *_workers(), *_flow(), *_commands())


def _routes() -> tuple[Claim, ...]:
    return (
        Claim(
            text="pickup: worker fetches from queue",
            source=f"{_FLOW}, Task Lifecycle; 5. Worker Management",
            metric="done",
            holds=lambda done: done >= 3,
            shown_by={"the command as written": _routed("as-written", "")},
            name="pickup",
            verdict="wrong",
            why="Routes only say where to publish: without -Q a worker takes 'celery' alone, and "
            "the scrapes wait for ever.",
            rows=("1.2 #7",),
        ),
        Claim(
            text="total capacity: 8 concurrent tasks (2 workers × 4 processes)",
            source="5. Worker Management, Worker Pool Configuration",
            number=numbers.most_at_once,
            holds=lambda most: most == 8,
            shown_by={
                "the command as written": _wide("wide-as-written", ""),
                "with -Q": _wide("wide", QUEUES),
            },
            unit="tasks at once",
            name="capacity",
            verdict="depends",
            why="Eight, once the workers are told which queues to take; as written none.",
        ),
        Claim(
            text="default queue: general purpose tasks",
            source="3. Task Queue Routing",
            reads=reads.unrouted_to_default,
            holds=lambda found: found == 1,
            name="default-queue",
            verdict="wrong",
            why="Nothing names it: a task without a route goes to 'celery'.",
        ),
        Claim(
            text="queue priorities: browser high, pagespeed medium, database low",
            source="3. Task Queue Routing, Queue Priorities",
            number=numbers.overtaken,
            holds=lambda others: others == 0,
            shown_by={"": _mixed("by-queue", 0)},
            unit="other tasks begun before the last browser task",
            name="queue-priorities",
            verdict="wrong",
            why="A worker takes its queues in turn; queue_order_strategy='priority' and the order "
            "of -Q would make it so.",
            rows=("1.2 #12",),
        ),
        Claim(
            text="priority=5 for high-priority lead scraping; use priority queues wisely",
            source=f"{_FLOW}, Example Flow; 3. Task Queue Routing; Best Practices",
            number=numbers.first_browser,
            holds=lambda share: share < 0.5,
            shown_by={"": _mixed("by-priority", 5)},
            unit="of the other tasks begun before it",
            name="priority-5",
            verdict="wrong",
            why="On Redis 0 is first, and is what a task without a priority has: 5 is after all "
            "of them.",
            rows=("1.2 #11",),
        ),
    )


def _routed(name: str, queues: str) -> Scenario:
    return small(
        name, {BROWSER: lasts(0.1)}, [Burst(task=BROWSER, n=3)], app="written", queues=queues,
        deadline_s=2.5,
    )  # fmt: skip


def _wide(name: str, queues: str) -> Scenario:
    return small(
        name, {DATABASE: lasts(0.5)}, [Burst(task=DATABASE, n=16)], app="written", queues=queues,
        n_workers=2, concurrency=4, deadline_s=3.0,
    )  # fmt: skip


def _mixed(name: str, priority: int) -> Scenario:
    """Return four tasks of each of two queues that wait while one of a third is executed."""
    tasks = {
        DATABASE: lasts(0.8), PAGESPEED: lasts(0.05), BROWSER: lasts(0.05, priority=priority)
    }  # fmt: skip
    loads = [
        Burst(task=DATABASE, n=1),
        Burst(task=PAGESPEED, n=4, at_s=0.1),
        Burst(task=BROWSER, n=4, at_s=0.2),
    ]
    return small(name, tasks, loads)


def _settings() -> tuple[Claim, ...]:
    return (
        Claim(
            text="retry_backoff_max = 600",
            source="4. Task Implementation, Base Task Class",
            reads=reads.longest_backoff_s,
            holds=lambda longest_s: longest_s >= 600,
            unit="s",
            name="backoff-max",
            verdict="wrong",
            why="Five retries that begin at 1 s end at 16 s: no limit of 600 s is met.",
        ),
        Claim(
            text="progress tracking via self.update_state()",
            source="4. Task Implementation, Browser Automation Task",
            reads=reads.progress_reports,
            holds=lambda reports: reports == 1,
            name="progress",
            verdict="wrong",
            why="Its listing does not call it; the mended task does, page by page.",
        ),
        Claim(
            text="dead letter queue: failed tasks after max retries",
            source="8. Failure Handling, Dead Letter Queue",
            reads=reads.dead_letter_settings,
            holds=lambda known: known == 2,
            unit="of the two settings known to Celery",
            name="dead-letters",
            verdict="wrong",
            why="No such settings, accepted in silence; on Redis it must be written.",
            rows=("1.2 #6",),
        ),
    )


def _workers() -> tuple[Claim, ...]:
    return (
        Claim(
            text="worker_max_tasks_per_child: restart after 100 tasks",
            source="5. Worker Management; 8. Failure Handling",
            probe=probes.children_replaced,
            holds=lambda processes: processes >= 2,
            unit="processes for 5 tasks, at 2 each",
            name="max-tasks-per-child",
            verdict="right",
            why="The process ends between two tasks, and a new one takes its place.",
        ),
        Claim(
            text="auto-restart after a memory threshold",
            source="5. Worker Management; 8. Failure Handling, Recovery Mechanisms",
            reads=reads.memory_threshold,
            holds=lambda kilobytes: kilobytes > 0,
            unit="kB",
            name="memory-restart",
            verdict="wrong",
            why="worker_max_memory_per_child is not set: at 1 GB the container's out-of-memory "
            "killer comes instead.",
            rows=("1.2 #29",),
        ),
        Claim(
            text="memory limit: 1 GB per worker",
            source="5. Worker Management, Worker Pool Configuration",
            name="container-memory",
            verdict="not testable here",
            why="It is a limit of a container; the fault child_oom shows what follows when it is "
            "met.",
        ),
        Claim(
            text="beat: health check every 30 seconds",
            source="6. Scheduled Tasks (Celery Beat)",
            number=numbers.oldest_check,
            holds=lambda periods: periods <= 1,
            shown_by={"its worker away for 2 s, checks every 0.25 s": _late_checks()},
            unit="periods until a check began",
            name="beat-backlog",
            verdict="wrong",
            why="Beat goes on while no worker is there, and without expires all of it is done at "
            "once when one comes back.",
            rows=("1.2 #32",),
        ),
    )


def _late_checks() -> Scenario:
    scenario = small(
        "late-checks", {HEALTH: lasts(0.02)}, [], horizon_s=3.0, deadline_s=12.0,
        faults=(
            KillWorker(worker="worker1", when=At(at_s=0.6)),
            StartWorker(worker="worker1", when=OnEvent(event="worker_exited", after_s=2.0)),
        ),
    )  # fmt: skip
    return scenario.but(beat=(BeatEntry(name="health-check", task=HEALTH, every_s=0.25),))


def _flow() -> tuple[Claim, ...]:
    return (
        Claim(
            text="task_track_started=True: track task start time",
            source="2. Celery Configuration, Core Settings",
            probe=probes.start_time_kept,
            holds=lambda kept: kept == 1,
            name="track-started",
            verdict="wrong",
            why="STARTED is stored with the process and the host, without a time.",
        ),
        Claim(
            text="job.status is PENDING, STARTED, SUCCESS or FAILURE",
            source=f"{_FLOW}, Example Flow",
            probe=probes.states_beyond,
            holds=lambda others: others == 0,
            unit="more states seen",
            name="states",
            verdict="wrong",
            why="RETRY and REVOKED are missing, and PENDING is also what Celery says of an id "
            "that it does not know.",
            rows=("1.2 #34",),
        ),
        Claim(
            text="revoke if needed: job.revoke(terminate=True)",
            source=f"{_FLOW}, Example Flow",
            probe=probes.killed_by_revoke,
            holds=lambda ended: ended == 1,
            name="revoke",
            verdict="right",
            why="A prefork worker kills the process at once; what it has stored so far stays.",
        ),
    )


def _commands() -> tuple[Claim, ...]:
    return (
        Claim(
            text="check queue depths: celery inspect active",
            source=f"{_OPERATIONS}, Monitoring",
            probe=probes.seen_by_inspect,
            holds=lambda share: share > 0.99,
            unit="of the backlog",
            name="inspect-active",
            verdict="wrong",
            why="It sees what workers execute, never what waits in Redis.",
            rows=("1.2 #23",),
        ),
        Claim(
            text="view task stats: celery inspect stats",
            source=f"{_OPERATIONS}, Monitoring",
            probe=probes.counted_by_stats,
            holds=lambda share: share == 1,
            unit="of the tasks done",
            name="inspect-stats",
            verdict="right",
            why="It counts what each worker has taken since it started; failures are in it.",
        ),
        Claim(
            text="check worker health: celery inspect ping",
            source=f"{_OPERATIONS}, Monitoring",
            probe=probes.idle_but_answering,
            holds=lambda answering: answering == 0,
            unit="workers that answer and do nothing",
            name="inspect-ping",
            verdict="wrong",
            why="The main process answers, whatever its queues and children do.",
        ),
        Claim(
            text="purge all queues: celery purge",
            source=f"{_OPERATIONS}, Troubleshooting",
            probe=probes.left_by_purge,
            holds=lambda left: left == 0,
            unit="of the messages left",
            name="purge",
            verdict="wrong",
            why="It empties the queues that the app consumes, and that is 'celery'; "
            "celery purge -Q names others, and unacked it never touches.",
        ),
        Claim(
            text="revoke specific task, restart workers",
            source=f"{_OPERATIONS}, Troubleshooting",
            probe=probes.runs_though_revoked,
            holds=lambda runs: runs == 0,
            unit="revoked tasks that ran",
            name="revoke-and-restart",
            verdict="wrong",
            why="What is revoked stands in the workers' memory: the second command forgets the "
            "first, unless they have a --statedb.",
        ),
        Claim(
            text="celery flower --broker=redis://redis:6379",
            source="7. Monitoring & Observability, Celery Flower Dashboard",
            reads=reads.subcommands_with_broker,
            holds=lambda n: n >= 1,
            unit="sub-commands of Celery that take it",
            name="flower-broker",
            verdict="wrong",
            why="--broker belongs before the sub-command; Flower ignores it after its name and "
            "looks for amqp://localhost (seen with Flower 2.2, not installed here).",
            rows=("1.2 #21",),
        ),
        Claim(
            text="use Flower for visualization; monitor CPU usage; debug logging when needed",
            source="Best Practices, 3. and 4.; 7. Monitoring, Key Metrics",
            name="advice",
            verdict="not testable here",
            why="Advice without a number; the sandbox's own record and panel stand in for Flower.",
        ),
    )
