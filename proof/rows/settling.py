"""What becomes of a message whose attempt ended badly: celery/worker/request.py."""

from __future__ import annotations

from typing import Any

from proof.build import ACK_MODES, LATE, burst, fault, kills, on, task
from proof.row import DEADLINE, NOTICE, Row, row
from proof.rows.retries import self_retry

REJECT = ACK_MODES["reject"]
RETRY: dict[str, Any] = {
    "retry_on_worker_lost": True, "default_retry_delay_s": 0.3, "max_retries": 1
}  # fmt: skip
_NO_ACK: dict[str, Any] = {"acks_on_failure": False}
_AHEAD = {"concurrency": 1, "prefetch_multiplier": 4}
_FOUR = {"concurrency": 4, "prefetch_multiplier": 1}


def _fails(*retries: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a task that always fails and whose failure does not acknowledge it."""
    return task(p_failure=1.0, retries=list(retries), **_NO_ACK, **more)


ROWS: tuple[Row, ...] = (
    # --- acks_on_failure -------------------------------------------------------------
    row(
        "a failure is rejected", ("failure without ack", "late ack"), "order", "settled",
        tasks=[_fails(**LATE)], loads=[burst(3)],
    ),
    row(
        "a retry acknowledges, the last failure does not", ("failure without ack", "self retry"),
        "settled", tasks=[_fails(self_retry(1, 0.2), **LATE)],
        loads=[burst(2)],
    ),
    row(
        "an early ack is not taken back", ("failure without ack", "early ack"), "settled",
        tasks=[_fails()], loads=[burst(2)],
    ),
    row(
        "a lost child is a failure", ("failure without ack", "child killed"), "order", "settled",
        race=NOTICE, slow=True, tasks=[task(service_s=0.5, **_NO_ACK, **LATE)], loads=[burst(3)],
        faults=kills(1),
    ),
    # --- acks_on_timeout -------------------------------------------------------------
    row(
        "a hard limit without an ack goes round", ("timeout without ack", "hard limit"),
        "order", "settled", race=DEADLINE,
        # Four processes: none has to be replaced before the deadline ends what never does.
        tasks=[task("slow", 9.0, time_limit_s=1.0, acks_on_timeout=False, **LATE)],
        loads=[burst(1, "slow")], workers=[_FOUR], horizon_s=1.0, deadline_s=2.8,
    ),
    row(
        "a hard limit without an ack goes to the back", ("timeout without ack", "late ack"),
        "order", "settled", race=DEADLINE, slow=True,
        tasks=[
            task("slow", 9.0, time_limit_s=0.6, acks_on_timeout=False, **LATE),
            task("job", 9.0, **LATE),
        ],
        # A process may be replaced as late as at the tick of 5 s; then `job` has it.
        loads=[burst(1, "slow"), burst(2)], horizon_s=1.0, deadline_s=6.0,
    ),
    row(
        "a hard limit after an early ack", ("timeout without ack", "early ack"), "settled",
        race="a child's start", loads=[burst(1)],
        tasks=[task(service_s=9.0, time_limit_s=0.5, acks_on_timeout=False)],
    ),
    # --- retry_on_worker_lost --------------------------------------------------------
    row(
        "a lost worker is retried, early ack", ("retry on worker lost", "early ack"),
        "order", "settled", "eta_held_s", race=NOTICE, slow=True, workers=[_AHEAD],
        tasks=[task(service_s=0.6, **RETRY)], loads=[burst(2)], faults=kills(1),
    ),
    row(
        "a lost worker is retried, not rejected", ("retry on worker lost", "reject on worker lost"),
        "order", "settled", "put_back", race=NOTICE, slow=True,
        tasks=[task(service_s=0.6, **REJECT, **RETRY)], loads=[burst(2)], faults=kills(1),
    ),
    row(
        "lost more often than max_retries", ("retry on worker lost", "reject on worker lost"),
        "settled", race=NOTICE, slow=True,
        tasks=[task(service_s=3.0, **REJECT, **RETRY | {"max_retries": 0})], loads=[burst(1)],
        faults=kills(1),
    ),
    row(
        "nobody is left to retry", ("retry on worker lost", "worker killed"), "settled", "n_sent",
        tasks=[task(service_s=0.6, **RETRY)], loads=[burst(3)],
        faults=[fault("kill_worker", on("started", 1), back_after_s=0.3)],
        horizon_s=1.0, deadline_s=3.0,
    ),
    row(
        "a poison pill has no count", ("reject on worker lost", "child killed"), "put_back",
        race=NOTICE, slow=True, tasks=[task(service_s=0.6, max_retries=0, **REJECT)],
        loads=[burst(1)], faults=kills(1),
    ),
)  # fmt: skip
