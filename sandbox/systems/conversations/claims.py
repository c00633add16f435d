from __future__ import annotations
from sandbox.claims import Claim
def claims() -> tuple[Claim, ...]:
    return ()
