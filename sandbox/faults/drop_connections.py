"""Every connection cut at once: a proxy restarted, a failover, a load balancer's idle limit."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault


class DropConnections(Fault):
    """Cut all clients' connections to the broker, which goes on and takes them back at once.

    Each worker gives back what it has not acknowledged and forgets what it has not begun:

    - early ack: what runs ends once; what was prefetched runs once, a little later.
    - acks_late: what runs goes on, goes back to its queue as well, and so runs twice.
    - acks_late + reject_on_worker_lost: the same; no child was lost.

    A pool of threads cannot forget: there, what was prefetched runs twice, too.
    """

    kind: Literal["drop_connections"] = "drop_connections"

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "drop_connections", {}),)
