"""Claims on how fast it is, and what makes it faster: benchmarks, batches, more workers."""

from __future__ import annotations

from sandbox.claims import Claim
from sandbox.deployment import Host
from sandbox.loads import Burst, Load, Poisson
from sandbox.scenario import Scenario
from sandbox.systems.leadlawk import numbers
from sandbox.systems.leadlawk.small import DATABASE, burst, lasts, small

_BENCHMARKS = "Performance Benchmarks"
_TWO_CORES = (Host(cores=2),)
"""So that what computes is the same claim on every machine."""


def claims() -> tuple[Claim, ...]:
    """Return them in the document's order."""
    return (*_scaling(), *_benchmarks())


def _benchmarks() -> tuple[Claim, ...]:
    idle: list[Load] = [Poisson(task=DATABASE, rate_per_s=4.0, stop_s=2.0)]
    return (
        Claim(
            text="task throughput 500/min with 8 workers",
            source=f"{_BENCHMARKS}, Task throughput",
            number=numbers.done_per_minute,
            holds=lambda done: done >= 500,
            shown_by={
                "0.5 s a task": _jobs("quick", 0.5, 32),
                "3 s a scrape": _jobs("slow", 3.0, 8),
            },
            unit="tasks/min",
            name="throughput",
            verdict="depends",
            why="Eight processes do 500 a minute if a task takes under 0.96 s; a scrape of 30 s "
            "makes it 16.",
            rows=("1.3 S3-1",),
        ),
        Claim(
            text="average latency < 100 ms, queue to execution",
            source=f"{_BENCHMARKS}, Average latency",
            metric="mean_wait_s",
            holds=lambda wait_s: wait_s < 0.1,
            shown_by={
                "idle": small("idle", {DATABASE: lasts(0.1)}, idle, concurrency=4, n_workers=2),
                "an evening's 40 jobs at once": _jobs("evening", 0.5, 40),
            },
            name="latency",
            verdict="depends",
            why="Only while processes are free: at 80 % load of eight the mean wait of 0.96 s "
            "tasks is 0.27 s, and of a burst it is half the time that the burst takes.",
            rows=("1.3 S3-2",),
        ),
        Claim(
            text="get result: job.get(timeout=300)",
            source="9. Data Flow, Example Flow",
            number=numbers.longest_latency_s,
            holds=lambda latency_s: latency_s < 3,
            shown_by={"8 jobs of 30 s": _jobs("few", 0.3, 8), "100": _jobs("many", 0.3, 100)},
            unit="s, of 3 (÷ 100)",
            name="get-timeout",
            verdict="depends",
            why="The timeout counts from the call, the wait in the queue included.",
        ),
    )


def _jobs(name: str, seconds: float, n: int) -> Scenario:
    """Return a burst on the document's two workers of four processes."""
    return burst(name, seconds, n, n_workers=2, concurrency=4)


def _scaling() -> tuple[Claim, ...]:
    def five(name: str, seconds: float, n: int, work: str) -> Scenario:
        tasks = {DATABASE: lasts(seconds, work=work)}
        loads = [Burst(task=DATABASE, n=n)]
        return small(name, tasks, loads, n_workers=5, concurrency=4, hosts=_TWO_CORES)

    single = small("single", {DATABASE: lasts(0.005)}, [Burst(task=DATABASE, n=60)])
    heavy = small("heavy", {DATABASE: lasts(0.4)}, [Burst(task=DATABASE, n=6)])
    return (
        Claim(
            text="horizontal scaling: docker-compose scale celery-worker=5",
            source="12. Scaling Strategy",
            number=numbers.gained,
            holds=lambda share: share > 0.4,
            shown_by={
                "work that waits": five("x5-waits", 0.5, 80, "wait"),
                "work that computes": five("x5-computes", 0.1, 20, "cpu"),
            },
            unit="of 20 processes' work",
            name="scale",
            verdict="depends",
            why="Twenty processes wait for twenty sites at once, but share two cores.",
        ),
        Claim(
            text="task batching: group similar tasks",
            source="10. Performance Optimizations, Celery",
            number=numbers.overhead_share,
            holds=lambda share: share > 0.15,
            shown_by={"tasks of 5 ms": single, "tasks of 0.4 s": heavy},
            unit="of the time is no work",
            name="batching",
            verdict="depends",
            why="It saves what Celery adds to a task, some ms: much of 5 ms, nothing of a scrape; "
            "and one failure then retries the whole batch.",
            rows=("1.5-7 batching",),
        ),
    )
