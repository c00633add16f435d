"""Proof: the model held against real workers, wrong models, queueing theory and its intervals."""
