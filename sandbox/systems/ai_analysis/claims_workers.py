"""The AI analysis' claims on installation, workers, deployment, support and cost."""

from __future__ import annotations

from functools import cache

from sandbox.claims import Claim
from sandbox.faults import OnEvent
from sandbox.faults.deploy import Deploy
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.start_broker import StartBroker
from sandbox.faults.stop_broker import StopBroker
from sandbox.scenario import Scenario
from sandbox.systems.ai_analysis import numbers, probes
from sandbox.systems.ai_analysis.scenarios import CONTAINER, WORKER, analyses, consuming, described

_FOURTH = OnEvent(event="started", nth=4, after_s=0.05)
_DEBUG = "celery -A celery_config worker --loglevel=debug"


@cache
def as_commanded(queues: bool) -> Scenario:
    """Return three users and the document's worker, with or without -Q."""
    command = consuming(WORKER) if queues else WORKER
    return described("as-commanded", [command], loads=(analyses(3),), horizon_s=1.0, deadline_s=2.5)


@cache
def stopped(how: str) -> Scenario:
    """Return a worker that is replaced while it works: killed, or told to end."""
    kill = KillWorker(worker="worker1", when=_FOURTH, back_after_s=0.5)
    fault = kill if how == "killed" else Deploy(when=_FOURTH)
    return described(
        "stopped", [consuming(WORKER)], app="unlimited", loads=(analyses(8),), faults=(fault,),
        deadline_s=5.0,
    )  # fmt: skip


@cache
def restarted(persistence: str) -> Scenario:
    """Return a broker that is killed with messages in it, and started again."""
    stop = OnEvent(event="started", nth=2, after_s=0.05)
    faults = (StopBroker(when=stop), StartBroker(when=stop.but(after_s=0.6)))
    return described(
        "broker-restarted", [consuming(WORKER)], app="unlimited", loads=(analyses(30),),
        faults=faults, broker={"persistence": persistence}, deadline_s=12.0,
    )  # fmt: skip


@cache
def per_child(n: int) -> Scenario:
    """Return a worker whose processes are replaced after ``n`` tasks."""
    command = consuming(CONTAINER.replace("=50", f"={n}").replace("=4", "=1"))
    return described("per-child", [command], app="unlimited", loads=(analyses(6),))


def claims() -> tuple[Claim, ...]:
    """Return the claims on what runs where, in the document's order."""
    return (*_installed(), *_options(), *_deployed(), *_cost())


def _installed() -> tuple[Claim, ...]:
    return (
        Claim(
            text="Redis: fast, reliable",
            source="Components, Redis",
            holds=lambda n: n == 0,
            metric="lost",
            shown_by={p: restarted(p) for p in ("none", "aof")},
            name="redis-reliable",
            verdict="depends",
            why="What is queued survives a restart only as far as Redis writes it down, of which "
            "the document says nothing.",
            needs="appendonly",
        ),
        Claim(
            text="RabbitMQ: more complex, not needed here",
            source="Components, Redis",
            name="rabbitmq",
            verdict="not testable here",
            why="A judgement on another broker, which this sandbox does not run.",
        ),
        Claim(
            text="celery[redis]==5.3.4 with redis==5.0.1",
            source="Installation, Requirements",
            holds=lambda fits: fits == 1,
            reads=probes.requirements_fit,
            unit="(1: they fit)",
            name="requirements",
            verdict="wrong",
            why="celery 5.3.4's extra asks for redis below 5.0.0: pip finds no versions that fit.",
            rows=("1.2 #25",),
        ),
    )


def _options() -> tuple[Claim, ...]:
    return (
        Claim(
            text="Start Celery Worker: celery -A celery_config worker",
            source="Usage; Testing; Deployment Options",
            holds=lambda n: n == 3,
            metric="done",
            shown_by={"": as_commanded(queues=False)},
            name="worker-without-queues",
            verdict="wrong",
            why="It listens to 'celery' only; routed tasks stay PENDING for ever.",
            rows=("1.2 #7",),
        ),
        Claim(
            text="--queues=analysis,chat,test: process specific queues",
            source="Usage, Worker Options",
            holds=lambda n: n == 3,
            metric="done",
            shown_by={"": as_commanded(queues=True)},
            name="worker-with-queues",
            verdict="right",
            why="With it, which no command of the document has, the tasks run.",
        ),
        Claim(
            text="--concurrency=N: number of worker threads",
            source="Usage, Worker Options",
            holds=lambda right: right == 1,
            reads=probes.pool_is("threads"),
            unit="(1: threads)",
            name="threads",
            verdict="wrong",
            why="They are processes: the pool is prefork unless -P says otherwise.",
            rows=("1.2 #31",),
        ),
        Claim(
            text="--max-tasks-per-child=50: restart worker after 50 tasks",
            source="Usage, Worker Options",
            holds=lambda n: n > 0,
            number=numbers.workers_restarted,
            shown_by={"after 2 tasks here": per_child(2)},
            unit="workers",
            name="per-child",
            verdict="wrong",
            why="A process of the pool is replaced; the worker stays, and with it its bucket.",
        ),
    )


def _deployed() -> tuple[Claim, ...]:
    return (
        Claim(
            text="CMD python main.py & celery ... worker (one container) is stopped",
            source="Usage, Option A; Deployment, Option 1",
            holds=lambda n: n == 2,
            probe=probes.told_to_stop,
            unit="of 2 processes are told to stop",
            name="shell-form",
            verdict="wrong",
            why="The shell gets the SIGTERM and passes it to nobody; SIGKILL follows.",
            rows=("1.2 #26",),
        ),
        Claim(
            text="Simple deployment: a stop loses nothing",
            source="Deployment Options",
            holds=lambda n: n == 0,
            metric="lost",
            shown_by={"option 1, killed": stopped("killed"), "option 2, told": stopped("told")},
            name="stop-loses",
            verdict="depends",
            why="A worker that is told to stop ends its tasks; one that is killed has acknowledged "
            "them already.",
            rows=("1.2 #26",),
        ),
        Claim(
            text="Workers auto-scale based on queue size",
            source="Deployment Options, Option 2",
            holds=lambda n: n > 0,
            number=numbers.times_scaled,
            shown_by={"": described("container", [consuming(CONTAINER)], app="unlimited",
                                    loads=(analyses(20),))},
            unit="changes of size",
            name="auto-scale",
            verdict="wrong",
            why="Nothing is configured that would look at a queue, and nothing publishes its "
            "length; Celery's own --autoscale goes by what it has taken.",
            rows=("1.3 S2-9",),
        ),
        Claim(
            text="Check Celery worker logs: celery -A celery_config worker --loglevel=debug",
            source="Support 2",
            holds=lambda n: n == 0,
            reads=probes.workers_of(_DEBUG),
            unit="more workers",
            name="logs",
            verdict="wrong",
            why="It reads no log: it starts another worker, with a rate limit of its own and, "
            "on one host, the same node name.",
        ),
        Claim(
            text="Flower: see all tasks (pending, active, completed, failed)",
            source="Monitoring",
            holds=lambda right: right == 1,
            reads=probes.sees_what_waits,
            unit="(1: it is told of what waits)",
            name="flower-pending",
            verdict="wrong",
            why="Flower lives by events, and nobody sends one when a task is published unless "
            "task_send_sent_event is on.",
        ),
        Claim(
            text="App Runner + ElastiCache: worker beside Flask, not ideal for high load",
            source="Deployment Options, Option 1",
            name="app-runner",
            verdict="not testable here",
            why="How App Runner throttles a container between requests shows only there.",
        ),
    )  # fmt: skip


def _cost() -> tuple[Claim, ...]:
    return (
        Claim(
            text="$25, +$15 for Redis, +$10 for a worker: $40 or $50 a month",
            source="Cost Comparison",
            name="cost",
            verdict="not testable here",
            why="Prices of a cloud; the sums are right, and Redis needs a VPC connector besides.",
            rows=("1.3 S2-8",),
        ),
    )
