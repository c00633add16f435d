from sandbox.claims import Claim
def claims() -> tuple[Claim, ...]:
    return ()
