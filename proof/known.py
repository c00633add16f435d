"""What the model is known to get wrong, with its size and the reason; five at most."""

from __future__ import annotations

from dataclasses import dataclass

from proof.build import LATE, burst, killed_and_back, on, scenario, task
from sandbox.scenario import Scenario


@dataclass(frozen=True)
class Known:
    """A difference between the model and real workers; ``source`` is where it comes from.

    ``scenario`` shows it; tests/test_known.py holds it, so that one that vanishes fails too.
    """

    what: str
    size: str
    source: str
    scenario: Scenario


SWEEP_ONE_BY_ONE = Known(
    "a sweep restores one message after the other, newest first, and an idle worker with credit "
    "takes them meanwhile; the model restores all at one moment",
    "the order in which the messages of one sweep are begun",
    "kombu/transport/redis.py QoS.restore_visible, restore_by_tag",
    scenario(
        name="sweep-one-by-one",
        tasks=[task(service_s=0.3, **LATE)],
        loads=[burst(4)],
        workers=[{"concurrency": 1, "prefetch_multiplier": 4}],
        faults=killed_and_back(1, skip_after=on("worker_exited", 1, 1.5)),
    ),
)

CROWDED = Known(
    "the end of a task costs the model what it costs where four processes share two cores; where "
    "one process is alone it costs less",
    "1.5 ms instead of 5.6 ms a task; with early ack 0.7 ms: fifty no-ops on one process took "
    "0.12 s, and 0.35 s in the model",
    "sandbox/engines/live/calibrate/plan.py: finish_s is that of two busy workers with two "
    "processes each; main processes and children use the same cores, which the model does not know",
    scenario(
        name="crowded",
        tasks=[
            task("busy", 0.7, **LATE), task("alone", 0.0, **LATE),
            task("busier", 0.7, queue="crowd", **LATE), task("crowd", 0.0, queue="crowd", **LATE),
        ],
        queues=["celery", "crowd"],
        # All are queued before the first of them begins: no process waits for the client.
        loads=[
            burst(1, "busy"), burst(100, "alone", 0.1),
            burst(4, "busier", 1.5), burst(200, "crowd", 1.6),
        ],
        workers=[
            {"name": "one", "prefetch_multiplier": 1},
            {
                "name": "two", "n_workers": 2, "concurrency": 2, "prefetch_multiplier": 1,
                "queues": ["crowd"],
            },
        ],
    ),
)  # fmt: skip

CONVOY = Known(
    "a thread that waits gets the interpreter back late while other threads compute",
    "a sleep of 0.45 s beside two computations ended after 0.84 s to 0.97 s",
    "CPython's global lock is taken over each 5 ms at most (sys.setswitchinterval), and each step "
    "of the waiting thread takes it anew",
    scenario(
        name="convoy",
        tasks=[task("long", 0.9, work="cpu"), task("short", 0.3, work="cpu"), task("nap", 0.45)],
        loads=[burst(1, name) for name in ("long", "short", "nap")],
        workers=[{"concurrency": 3, "pool": "threads"}],
    ),
)

KNOWN: tuple[Known, ...] = (SWEEP_ONE_BY_ONE, CROWDED, CONVOY)
