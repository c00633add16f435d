"""A first task on 2 workers × 4, as a user's program would have it: it imports the sandbox only."""

from __future__ import annotations

import tempfile

import sandbox
from sandbox.faults import OnEvent

HELLO = sandbox.Scenario(
    name="hello",
    tasks=(sandbox.TaskType(name="hi"),),
    workers=(sandbox.WorkerPool(n_workers=2, concurrency=4),),
    loads=(sandbox.Burst(task="hi", n=1),),
    horizon_s=1.0,
)


def hello() -> None:
    """Start, wait for the first finished task, end."""
    with (
        tempfile.TemporaryDirectory() as runs,
        sandbox.start(HELLO, broker="auto", runs=runs) as session,
    ):
        session.wait_for(OnEvent(event="succeeded"))
        print("done", flush=True)


if __name__ == "__main__":
    hello()
