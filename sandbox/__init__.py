"""Celery Sandbox: predict a Celery system, run it on real workers, crash it, compare."""
