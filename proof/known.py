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

KNOWN: tuple[Known, ...] = (SWEEP_ONE_BY_ONE,)
