"""What the students' document claims, from its first section to its last."""

from __future__ import annotations

import math

from sandbox.claims import Claim
from sandbox.faults import OnEvent
from sandbox.faults.stop_broker import StopBroker
from sandbox.front import FrontDoor
from sandbox.loads import Burst
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.systems.students import endpoints, probes
from sandbox.systems.students.scenarios import (
    BULK,
    CLEANUP,
    CUSTOM,
    DEVELOPMENT,
    NOTIFY,
    PRODUCTION,
    REPORT,
    TEMPLATE,
    WEB_THREADS,
    hurried_retry,
    killed,
    small,
)

_SPEED = "Performance Comparison"
_CONFIG = "Configuration, Celery Config"
_PRACTICE = "Best Practices"
_TROUBLE = "Troubleshooting"
_IMPACT = "Performance Impact"


def claims() -> tuple[Claim, ...]:
    """Return every claim, stated best practice and optimisation of the document."""
    return (
        *_of_speed(),
        *_of_limits(),
        *_of_queues(),
        *_of_loss(),
        *endpoints.claims(),
        *probes.claims(),
        *_not_testable(),
    )


# --- speed -----------------------------------------------------------------------------------


def _at_the_door(mode: str, n: int, bulk_s: float, n_web_workers: int) -> Scenario:
    """Return ``n`` bulk sends at once at a front door."""
    door = FrontDoor.model_validate(
        {
            "requests": Burst(task=BULK, n=n),
            "mode": mode,
            "n_web_workers": n_web_workers,
            "poll_every_s": 0.1,
        }
    )
    return small(f"{mode}-{n}", {BULK: bulk_s}, (), commands=PRODUCTION[:1], front_door=door)


def _to_response(run: Run) -> float:
    """Return the longest time from a request to its first answer, in times of the whole work."""
    return _from_request(run, "accepted", "answered")


def _to_done(run: Run) -> float:
    """Return the longest time from a request until its work was seen done, likewise."""
    return _from_request(run, "answered")


def _from_request(run: Run, *kinds: str) -> float:
    work_s = run.scenario.task(BULK).service.mean_s
    asked = {event.task: event.t_s for event in run.of_kind("requested")}
    first: dict[str | None, float] = {}
    for event in run.of_kind(*kinds):
        first.setdefault(event.task, event.t_s)
    waits = [at - asked[task] for task, at in first.items() if task in asked]
    return max(waits, default=math.nan) / work_s


def _most_at_once(run: Run) -> float:
    """Return the most tasks that were executed at one time."""
    changes = []
    for attempt in run.fold.attempts:
        if attempt.started_s is not None:
            end = attempt.ended_s if attempt.ended_s is not None else math.inf
            changes += [(attempt.started_s, 1), (end, -1)]
    running = most = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return float(most)


def _of_speed() -> tuple[Claim, ...]:
    sync, queued = _at_the_door("sync", 1, 1.0, WEB_THREADS), _at_the_door("async", 1, 1.0, 1)
    bulk = {BULK: 0.5}
    return (
        Claim(
            "before: 100 phones = 100 seconds",
            _SPEED,
            lambda number: 0.9 < number < 2,
            number=_to_response,
            shown_by={"": sync},
            unit="× 100 messages' time",
            name="before",
            verdict="right",
            why="The request ends when the last message is sent.",
        ),
        Claim(
            "after: queue task and return immediately",
            _SPEED,
            lambda number: number < 0.5,
            number=_to_response,
            shown_by={"": queued},
            unit="× 100 messages' time",
            name="instant-response",
            verdict="right",
            why="The response waits for one publish, not for the work.",
        ),
        Claim(
            "result: 2000x faster",
            f"{_SPEED}; {_IMPACT}",
            lambda number: number <= 1 / 2000,
            number=_to_done,
            shown_by={"before": sync, "after": queued},
            unit="× 100 messages' time until they are sent",
            name="2000x",
            verdict="wrong",
            why="Only the response is faster: one task sends the 100 messages one after the other, "
            "as the endpoint did.",
            rows=("1.3 S5-1",),
        ),
        Claim(
            "workers process tasks in parallel",
            "Architecture",
            lambda number: number >= 2,
            number=_most_at_once,
            shown_by={
                "one bulk of 100": small("one-bulk", bulk, [Burst(task=BULK, n=1)]),
                "four bulk sends": small("four-bulk", bulk, [Burst(task=BULK, n=4)]),
            },
            unit="tasks at once",
            name="parallel",
            verdict="depends",
            why="Tasks run in parallel, the messages within one task do not.",
        ),
        Claim(
            "concurrent operations: unlimited",
            _IMPACT,
            lambda number: number >= 12,
            number=_most_at_once,
            shown_by={"": small("unlimited", {BULK: 0.3}, [Burst(task=BULK, n=12)])},
            unit="tasks at once, of 12 sent",
            name="unlimited",
            verdict="wrong",
            why="No more run at once than the workers that take their queue have processes; the "
            "queue alone is unlimited, and so is what it takes of Redis' memory.",
            rows=("1.3 S5-3",),
        ),
        Claim(
            "before: API response time blocked",
            _IMPACT,
            lambda number: number >= 1.5,
            number=_to_response,
            shown_by={
                "10 bulk sends": _at_the_door("sync", 10, 0.5, WEB_THREADS),
                "60 bulk sends": _at_the_door("sync", 60, 0.5, WEB_THREADS),
            },
            unit="× a bulk's time",
            name="before-blocked",
            verdict="depends",
            why="FastAPI runs plain endpoints in 40 threads: requests block each other from the "
            "41st bulk send on.",
            rows=("1.5-4 S1/S5 sync door",),
        ),
    )


# --- limits and retries ----------------------------------------------------------------------


def _too_long(name: str, app: str = "hurried", service_s: float = 0.7) -> Scenario:
    """Return one bulk send of 700 messages, a second of the document being a millisecond."""
    fields = {"service": service_s, "retries": hurried_retry()}
    return small(name, {BULK: fields}, [Burst(task=BULK, n=1)], app=app, commands=PRODUCTION[:1])


def _limits_in_threads() -> Scenario:
    command = f"{PRODUCTION[0]} --pool=threads"
    fields = {"service": 2.0, "retries": hurried_retry()}
    loads = [Burst(task=BULK, n=1)]
    return small("threads", {BULK: fields}, loads, app="hurried", commands=[command])


def _longest_s(run: Run) -> float:
    """Return how long the longest execution took (s)."""
    spans = [
        a.ended_s - a.started_s
        for a in run.fold.attempts
        if a.started_s is not None and a.ended_s is not None
    ]
    return max(spans, default=math.nan)


def _messages_a_minute(run: Run) -> float:
    """Return how fast bulk sends of 100 messages were begun, in messages a minute."""
    starts = sorted(event.t_s for event in run.of_kind("started"))
    span_s = starts[-1] - starts[0] if len(starts) > 1 else math.nan
    return 100 * (len(starts) - 1) / span_s * 60


def _rated(name: str, n_workers: int) -> Scenario:
    command = PRODUCTION[0].replace("worker1", "worker{}")
    commands = [command.format(n + 1) for n in range(n_workers)]
    n = 3 * n_workers
    return small(name, {BULK: 0.1}, [Burst(task=BULK, n=n)], app="rated", commands=commands)


def _of_limits() -> tuple[Claim, ...]:
    too_long = {"": _too_long("700")}
    custom = {"service": 0.01, "p_failure": 1.0, "retries": hurried_retry()}
    template = {
        "": small("template", {CUSTOM: custom}, [Burst(task=CUSTOM, n=1)], app="hurried",
                  commands=DEVELOPMENT)
    }  # fmt: skip
    split = {BULK: {"service": 0.1, "retries": hurried_retry()}}
    return (
        Claim(
            "bulk operations without timeouts",
            "What's New",
            lambda failed: failed == 0,
            metric="failed",
            shown_by=too_long,
            name="without-timeouts",
            verdict="wrong",
            why="700 messages take longer than the soft limit of 600 s; the task fails in the end.",
        ),
        Claim(
            "task_soft_time_limit=600: warn after 10 minutes",
            _CONFIG,
            lambda executions: executions == 1,
            metric="executions",
            shown_by=too_long,
            name="soft-limit-warns",
            verdict="wrong",
            why="SoftTimeLimitExceeded is an Exception: `except Exception: self.retry()` begins "
            "the whole batch again, three times.",
            rows=("1.2 #16",),
        ),
        Claim(
            "use timeouts: prevent stuck tasks (15 min max)",
            f"{_PRACTICE} 2; {_CONFIG}",
            lambda longest_s: longest_s < 1.4,
            number=_longest_s,
            shown_by={
                "prefork": _too_long("prefork", service_s=2.0),
                "threads": _limits_in_threads(),
            },
            unit="s, the limit being 0.9",
            name="timeouts",
            verdict="depends",
            why="Only a prefork worker can end a task; threads and solo ignore both limits.",
            rows=("1.3 S5-5",),
        ),
        Claim(
            "task timeout: increase task_time_limit",
            f"{_TROUBLE}, Task Timeout",
            lambda failed: failed == 0,
            metric="failed",
            shown_by={"": _too_long("patient", "patient")},
            name="increase-time-limit",
            verdict="wrong",
            why="The soft limit of 600 s strikes first, however high the hard one.",
        ),
        Claim(
            "task timeout: break task into smaller subtasks",
            f"{_TROUBLE}, Task Timeout; {_PRACTICE} 1",
            lambda failed: failed == 0,
            metric="failed",
            shown_by={"": small("split", split, [Burst(task=BULK, n=7)], app="split")},
            name="smaller-subtasks",
            verdict="right",
            why="Seven tasks of 100 messages each end within the limit that one of 700 breaks.",
        ),
        Claim(
            "max 100 msgs/minute (where Celery reads the limit: task_annotations)",
            f"{_CONFIG}, Rate limiting",
            lambda rate: rate <= 110,
            number=_messages_a_minute,
            shown_by={"one worker": _rated("rated", 1), "two workers": _rated("rated-2", 2)},
            unit="messages/min",
            name="rate-counts-tasks",
            verdict="wrong",
            why="The limit counts tasks, of 100 messages each, and each worker by itself.",
            rows=("1.3 S5-2",),
        ),
        Claim(
            "retry up to 3 times with 60 second delay",
            "Creating Custom Tasks",
            lambda retried: retried == 3,
            metric="retried",
            shown_by=template,
            name="three-retries",
            verdict="right",
            why="self.retry(max_retries=3) publishes three retries and then fails.",
        ),
        Claim(
            "template for new tasks",
            "Creating Custom Tasks",
            lambda done: done == 1,
            metric="done",
            shown_by=template,
            name="template",
            verdict="wrong",
            why="Its do_work() returns `result`, which is bound only by its own return: NameError "
            "in each of the four executions.",
            rows=("1.2 #17",),
        ),
    )


# --- queues ----------------------------------------------------------------------------------


def _done_share(run: Run) -> float:
    """Return the share of the tasks sent that succeeded."""
    sent = [j for j in run.fold.journeys.values() if j.n_sent]
    return sum(j.n_succeeded > 0 for j in sent) / len(sent) if sent else math.nan


def _longest_notification_wait(run: Run) -> float:
    """Return the longest wait of a notification, in times of a bulk send."""
    waits = [
        a.started_s - a.sent_s
        for a in run.fold.attempts
        if a.task.startswith(NOTIFY) and a.started_s is not None and a.sent_s is not None
    ]
    return max(waits, default=math.nan) / run.scenario.task(BULK).service.mean_s


def _never(name: str, task: str, **more: object) -> Scenario:
    """Return three tasks that nobody may take: the run is over after two seconds."""
    load = [Burst(task=task, n=3)]
    return small(name, {task: 0.1}, load, horizon_s=1.0, deadline_s=2.0, **more)


def _auto(task: str) -> str:
    return f"tasks.celery_tasks.{task.rpartition('.')[2]}"


def _of_queues() -> tuple[Claim, ...]:
    everywhere = "messaging,notifications,reports"
    split = [f"{command} --prefetch-multiplier=1" for command in PRODUCTION]
    pooled = [
        command.replace(queue, everywhere)
        for command, queue in zip(split, everywhere.split(","), strict=True)
    ]
    bulks = {BULK: 0.5}, [Burst(task=BULK, n=12)]
    behind = [Burst(task=BULK, n=8), Burst(task=NOTIFY, n=2, at_s=0.2)]
    return (
        Claim(
            "task_routes: organize by type (three production workers)",
            f"{_CONFIG}; Running Celery Workers",
            lambda share: share == 1,
            number=_done_share,
            shown_by={"": _never("globs", _auto(BULK), app="written")},
            unit="of the tasks done",
            name="route-globs",
            verdict="wrong",
            why="Tasks in tasks/celery_tasks.py are called tasks.celery_tasks.*: no glob matches, "
            "and nobody consumes the queue `celery`.",
            rows=("1.2 #8",),
        ),
        Claim(
            "start a worker (development)",
            "Running Celery Workers; Next Steps 1",
            lambda share: share == 1,
            number=_done_share,
            shown_by={
                "names as in the document": small(
                    "development", {_auto(BULK): 0.1}, [Burst(task=_auto(BULK), n=3)],
                    app="written", commands=DEVELOPMENT,
                ),
                "names that the routes match": _never("no-q", BULK, commands=DEVELOPMENT),
            },
            unit="of the tasks done",
            name="development-worker",
            verdict="depends",
            why="Without -Q it takes `celery` only: all tasks while no route matches, none once "
            "the routes work.",
        ),
        Claim(
            "cleanup_old_sessions: runs daily, cleans up old data",
            "Available Tasks, Scheduled Tasks",
            lambda share: share == 1,
            number=_done_share,
            shown_by={"": _never("cleanup", CLEANUP)},
            unit="of the tasks done",
            name="cleanup-runs",
            verdict="wrong",
            why="No route is for it, so it goes to `celery`, which no production worker consumes.",
            rows=("1.2 #9",),
        ),
        Claim(
            "one worker per queue",
            "Running Celery Workers, Start Multiple Workers",
            lambda busy: busy >= 0.6,
            metric="utilisation",
            shown_by={
                "one queue each": small("split-queues", *bulks, commands=split),
                "all queues each": small("pooled", *bulks, commands=pooled),
            },
            name="worker-per-queue",
            verdict="depends",
            why="Twelve bulk sends keep one worker busy while the two others may not help; it is "
            "right for isolation only.",
            rows=("1.3 S5-8",),
        ),
        Claim(
            "use task routing: separate queues for different task types",
            f"{_PRACTICE} 5",
            lambda number: number < 1,
            number=_longest_notification_wait,
            shown_by={"": small("isolated", {BULK: 0.5, NOTIFY: 0.1}, behind)},
            unit="× a bulk send's time",
            name="isolation",
            verdict="right",
            why="A notification does not wait behind bulk sends that have a worker of their own.",
        ),
    )  # fmt: skip


# --- loss ------------------------------------------------------------------------------------


def _killed(name: str, app: str) -> Scenario:
    """Return two bulk sends whose worker is killed; an hour goes by when it is back."""
    faults = killed(2, skipped_s=3600.0, at_s=2.4, after_s=0.4)
    loads = [Burst(task=BULK, n=2)]
    more = {"app": app, "commands": PRODUCTION[:1], "faults": faults, "horizon_s": 2.5}
    return small(name, {BULK: 0.8}, loads, **more)  # type: ignore[arg-type] # told by name


def _broker_restarted(persistence: str) -> Scenario:
    """Return reports that wait for their worker while the broker is killed and started again."""
    stop = StopBroker(when=OnEvent(event="published", nth=4, after_s=0.2), down_s=0.4)
    return small(
        f"broker-{persistence}",
        {REPORT: 0.1, TEMPLATE: 0.1},
        [Burst(task=REPORT, n=4)],
        commands=PRODUCTION[:1],
        broker={"persistence": persistence},
        faults=(stop,),
        deadline_s=3.0,
    )


def _lost_or_twice(run: Run) -> float:
    from sandbox.metrics import measure

    metrics = measure(run)
    return metrics.value("lost") + metrics.value("ran_twice")


def _of_loss() -> tuple[Claim, ...]:
    late = _killed("acks-late", "late")
    return (
        Claim(
            "Redis broker: task queue (reliable)",
            f"Architecture; {_TROUBLE}, Lost Tasks: make sure Redis is persistent",
            lambda lost: lost == 0,
            metric="lost",
            shown_by={
                "persistent (AOF)": _broker_restarted("aof"),
                "not persistent": _broker_restarted("none"),
            },
            name="persistent",
            verdict="depends",
            why="What waits in the broker survives its restart only where it is persistent.",
        ),
        Claim(
            "tasks run in background: a worker's crash loses none",
            "What's New; Architecture",
            lambda lost: lost == 0,
            metric="lost",
            shown_by={"": _killed("early-ack", "celery_app")},
            name="early-ack",
            verdict="wrong",
            why="A task is acknowledged before it begins: what a killed worker runs is gone.",
        ),
        Claim(
            "use acks_late=True for reliability",
            f"{_TROUBLE}, Lost Tasks",
            lambda lost: lost == 0,
            metric="lost",
            shown_by={"": late},
            name="acks-late",
            verdict="right",
            why="What a killed worker ran comes back; but only after the visibility timeout of an "
            "hour.",
        ),
        Claim(
            "lost tasks: persistent Redis and acks_late (each task is done, once)",
            f"{_TROUBLE}, Lost Tasks",
            lambda number: number == 0,
            number=_lost_or_twice,
            shown_by={
                "queued, broker restarted with AOF": _broker_restarted("aof"),
                "running, worker killed": late,
            },
            unit="tasks lost or run twice",
            name="lost-tasks",
            verdict="depends",
            why="Queued tasks are safe; running ones run twice, and send their messages twice.",
            rows=("1.3 S5-7",),
        ),
    )


def _not_testable() -> tuple[Claim, ...]:
    told = (
        ("better user experience", "What's New", "An opinion; no number is promised."),
        (
            "server resources: all used -> distributed",
            _IMPACT,
            "The document names no machines; on one machine the same work takes the same.",
        ),
        (
            "return useful data: results that can be displayed to users",
            f"{_PRACTICE} 4",
            "An opinion on what is useful.",
        ),
        (
            "task timeout: optimize the task code",
            f"{_TROUBLE}, Task Timeout",
            "The document shows no body that could be made quicker.",
        ),
        (
            "lost tasks: monitor Redis memory usage",
            f"{_TROUBLE}, Lost Tasks",
            "Advice without a number; `sandbox ops students` shows the memory beside the lists.",
        ),
    )
    return tuple(
        Claim(text, source, name=f"untold-{n}", verdict="not testable here", why=why)
        for n, (text, source, why) in enumerate(told, start=1)
    )
