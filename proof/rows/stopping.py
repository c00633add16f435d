"""A worker stopped for a while, quit, cut off, or brought back."""

from __future__ import annotations

from typing import Any

from proof.build import ACK_MODES, HOUR_S, LATE, ONE, QUICK_SWEEPS, Fields, burst, fault, on, task
from proof.row import CROWD, DEADLINE, EXIT, Row, row
from proof.rows.retries import fails, self_retry

_AHEAD = {"concurrency": 1, "prefetch_multiplier": 3}
_TWO = {"concurrency": 2, "prefetch_multiplier": 1}
_RESUME = "when the pause is over"


def paused_for_an_hour(nth: int, after_s: float = 0.3) -> list[Fields]:
    """Return: worker1 is stopped at its nth start, and goes on when its messages have aged."""
    return [
        fault("pause_worker", on("started", nth, after_s), for_s=1.2),
        fault("skip", on("started", nth, after_s + 0.3), seconds=HOUR_S),
    ]


def quit_and_back(nth: int, after_s: float = 0.3) -> list[Fields]:
    """Return: worker1 gets SIGQUIT at its nth start and is started again."""
    return [
        fault("quit_worker", on("started", nth, after_s)),
        fault("start_worker", on("worker_exited")),
    ]


def past_the_timeout(mode: str) -> Fields:
    """Return two workers, one of them stopped until the other has done all that it can.

    Early ack: the two prefetched run twice; late ack: the two that ran.
    """
    n_elsewhere = 6 if mode == "early" else 8
    return {
        "tasks": [task(service_s=0.5, **ACK_MODES[mode])],
        "workers": [_TWO | {"n_workers": 2}],
        "loads": [burst(8)],
        "broker": QUICK_SWEEPS,
        "faults": [
            fault("pause_worker", on("started", 2, worker="worker1")),
            fault("resume_worker", on("succeeded", n_elsewhere, worker="worker2")),
        ],
    }


def _soft(mode: str) -> dict[str, Any]:
    """Return a worker with a soft shutdown of 1 s that runs a short and a long task."""
    acks = ACK_MODES[mode]
    return {
        "tasks": [task("long", 5.0, **acks), task("short", 0.5, **acks)],
        "loads": [burst(1, "short"), burst(1, "long"), burst(2, "short", 0.1)],
        "workers": [_TWO | {"soft_shutdown_timeout_s": 1.0}],
        "faults": [fault("quit_worker", on("started", 2, 0.2))],
        "horizon_s": 1.0,
        "deadline_s": 3.4,
        "race": DEADLINE,
    }


def _idle(*, waits: bool) -> dict[str, Any]:
    """Return a worker that holds only a countdown when it gets SIGQUIT."""
    return {
        "tasks": [fails(self_retry(1, 30.0))],
        "loads": [burst(1)],
        "workers": [ONE | {"soft_shutdown_timeout_s": 1.5, "soft_shutdown_on_idle": waits}],
        "faults": [fault("quit_worker", on("received", 2, 0.2))],
        "horizon_s": 1.0,
        "deadline_s": 4.2 if waits else 2.8,
        "race": DEADLINE,
    }


ROWS: tuple[Row, ...] = (
    # --- SIGSTOP and SIGCONT ---------------------------------------------------------
    row(
        "a short pause only delays", ("pause", "early ack"), "order", "put_back", race=_RESUME,
        tasks=[task(service_s=0.4)], loads=[burst(4)], workers=[_AHEAD],
        faults=[fault("pause_worker", on("started", 2), for_s=0.8)],
    ),
    row(
        "nothing goes on in a pause", ("pause", "late ack"), "before_resume", "starts_s",
        tasks=[task(service_s=0.3, **LATE)], loads=[burst(3)], race=_RESUME,
        faults=[fault("pause_worker", on("started", 1), for_s=1.2)],
    ),
    row(
        "a pause of an hour, early ack", ("pause", "redelivery", "early ack"), "put_back",
        "order", race=_RESUME, tasks=[task(service_s=0.6), task("end", 0.05)],
        loads=[burst(4), burst(1, "end", 4.2)], workers=[_AHEAD], horizon_s=4.4, slow=True,
        faults=paused_for_an_hour(1),
    ),
    row(
        "a pause of an hour, late ack", ("pause", "redelivery", "late ack"), "put_back",
        race=_RESUME, tasks=[task(service_s=0.6, **LATE), task("end", 0.05)],
        loads=[burst(3), burst(1, "end", 3.6)], workers=[_AHEAD], horizon_s=4.6,
        faults=paused_for_an_hour(1), slow=True,
    ),
    row(
        "a pause past the timeout, early ack", ("pause", "visibility timeout"), "fates_by_type",
        "n_put_back", race="which worker takes what", slow=True, **past_the_timeout("early"),
    ),
    row(
        "a pause past the timeout, late ack", ("pause", "visibility timeout"), "fates_by_type",
        "n_put_back", race="which worker takes what", slow=True, **past_the_timeout("late"),
    ),
    row(
        "a sleep ends in a pause, a computation does not", ("pause", "processor work"),
        "finished", race=CROWD, workers=[{"concurrency": 2}],
        tasks=[task("nap", 0.6), task("burn", 0.6, work="cpu")],
        loads=[burst(1, "burn"), burst(1, "nap")],
        faults=[
            fault("pause_worker", on("started", 2)),
            fault("resume_worker", on("started", 2, 1.1)),
        ],
    ),
    row(
        "resumed by a fault of its own", ("pause", "prefetch"), "order", "put_back", race=_RESUME,
        loads=[burst(4), burst(2, at_s=1.0)], tasks=[task(service_s=0.2)], workers=[_AHEAD],
        faults=[
            fault("pause_worker", on("started", 1)),
            fault("resume_worker", on("published", 6, 0.3)),
        ],
    ),
    # --- SIGQUIT ---------------------------------------------------------------------
    row(
        "a cold shutdown, early ack", ("cold shutdown", "early ack", "restored to the front"),
        "order", "put_back", "exit_after_s", race=EXIT,
        tasks=[task(service_s=0.5)], loads=[burst(4)], workers=[_AHEAD], faults=quit_and_back(1),
    ),
    row(
        "a cold shutdown, late ack", ("cold shutdown", "late ack", "restored to the front"),
        "order", "put_back", "exits", race=EXIT,
        tasks=[task(service_s=0.6, **LATE)], loads=[burst(3)], workers=[_AHEAD],
        faults=quit_and_back(1),
    ),
    row(
        "a cold shutdown, reject on worker lost", ("cold shutdown", "reject on worker lost"),
        "put_back", "lost_children", race=EXIT,
        tasks=[task(service_s=0.6, **ACK_MODES["reject"])], loads=[burst(4)], workers=[_TWO],
        faults=quit_and_back(2),
    ),
    row(
        "a soft shutdown lets short tasks end, early ack", ("soft shutdown", "early ack"),
        "finished", "put_back", "lost_children", "exit_after_s", **_soft("early"),
    ),
    row(
        "a soft shutdown lets short tasks end, late ack", ("soft shutdown", "late ack"),
        "finished", "put_back", "lost_children", "exit_after_s", **_soft("late"),
    ),
    row(
        "an idle worker quits at once", ("soft shutdown on idle", "soft shutdown", "ETA"),
        "put_back", "exit_after_s", **_idle(waits=False),
    ),
    row(
        "an idle worker waits if told to", ("soft shutdown on idle", "ETA"),
        "put_back", "exit_after_s", **_idle(waits=True),
    ),
    # --- connections -----------------------------------------------------------------
    row(
        "connections lost, early ack", ("lost connection", "early ack"), "order", "put_back",
        tasks=[task(service_s=0.7)], loads=[burst(4)], workers=[_AHEAD],
        faults=[fault("drop_connections", on("started", 1, 0.3))],
    ),
    row(
        "connections lost, late ack", ("lost connection", "late ack", "redelivery"), "put_back",
        tasks=[task(service_s=0.7, **LATE)], loads=[burst(3)], workers=[_AHEAD],
        faults=[fault("drop_connections", on("started", 1, 0.3))],
    ),
    row(
        "connections lost, threads", ("lost connection", "threads"), "put_back",
        tasks=[task(service_s=0.6)], loads=[burst(3)],
        workers=[{"pool": "threads", "concurrency": 1, "prefetch_multiplier": 2}],
        faults=[fault("drop_connections", on("started", 1, 0.3))],
    ),
    row(
        "connections lost, countdowns and tokens forgotten", ("lost connection", "countdown"),
        "n_holds", "put_back",
        tasks=[task("later", 0.05, countdown_s=1.5), task("slow", 0.05, rate_limit="1/s")],
        loads=[burst(1, "later"), burst(2, "slow")], workers=[_AHEAD],
        faults=[fault("drop_connections", on("received", 3, 0.3))],
    ),
    # --- back by itself --------------------------------------------------------------
    row(
        "a killed worker comes back by itself", ("worker restarted", "worker killed"), "order",
        "exits", tasks=[task(service_s=0.4)], loads=[burst(5)],
        horizon_s=1.0, deadline_s=4.5,
        faults=[fault("kill_worker", on("started", 1), back_after_s=0.3)],
    ),
    row(
        "a worker comes back to new tasks", ("worker restarted", "first come"), "order", "exits",
        loads=[burst(2, at_s=1.2)],
        faults=[fault("kill_worker", {"on": "time", "at_s": 0.3}, back_after_s=0.5)],
    ),
)  # fmt: skip
