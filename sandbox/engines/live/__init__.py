"""The live engine: real Celery workers on a real or a fake Redis."""

from sandbox.engines.live.engine import LiveSession, start

__all__ = ["LiveSession", "start"]
