"""The model engine: Celery's semantics in SimPy, file by file beside the live engine's."""

from sandbox.engines.model.engine import ModelSession, start, waits_s

__all__ = ["ModelSession", "start", "waits_s"]
