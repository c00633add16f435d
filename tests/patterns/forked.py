"""Children of a test, by os.fork: kombu has children of multiprocessing read its own sockets.

A process that has once asked workers for replies has a pop outstanding; in a child that
multiprocessing forks, kombu's clean-up waits for its answer, and so takes it from the parent.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

from tests.waiting import until


def forked(work: Callable[[], object]) -> int:
    """Run ``work`` in a child; return its process id. Its exit code is 1 when it raises."""
    if child := os.fork():
        return child
    try:
        work()
    except BaseException:  # noqa: BLE001 - whatever it is, the child ends here
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def exit_code(child: int) -> int:
    """Wait until a child has ended and return its exit code."""
    ended: list[int] = []

    def look() -> bool:
        pid, status = os.waitpid(child, os.WNOHANG)
        ended.append(status)
        return pid == child

    until("the child ends", look)
    return os.waitstatus_to_exitcode(ended[-1])
