"""A narrow link: a full uplink, a small cloud instance, a VPN."""

from __future__ import annotations

from typing import Any, Literal

from sandbox.faults._base import Command, Fault, later
from sandbox.parts import Name, Positive


class Bandwidth(Fault):
    """Let ``bytes_per_s`` through each way of each connection, for ``for_s`` seconds if given.

    On the link of ``worker``, or on all. Only on real workers and a broker of the sandbox's own:
    a scenario does not say how large a message is, so the model cannot know what one takes.

    - every ack mode: each task runs once; all takes longer, a large argument or result above all.
    """

    kind: Literal["bandwidth"] = "bandwidth"
    bytes_per_s: Positive
    worker: Name | None = None
    for_s: Positive | None = None

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        link: dict[str, Any] = {} if self.worker is None else {"worker": self.worker}
        begin = Command(self.when, "bandwidth", link | {"bytes_per_s": self.bytes_per_s})
        if self.for_s is None:
            return (begin,)
        end = Command(later(self.when, self.for_s), "bandwidth", link | {"bytes_per_s": None})
        return (begin, end)
