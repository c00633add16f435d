"""LeadLawk's door, for tests: its workers are given less time to answer a broadcast."""

from __future__ import annotations

from dataclasses import replace

from sandbox.systems.leadlawk import front

DOOR = replace(front.DOOR, reply_s=0.2)
