"""The document's names, for what asks no Celery."""

from __future__ import annotations

ANALYZE = "celery_tasks.analyze_section_task"
CHAT = "celery_tasks.process_chat_task"
TEST = "celery_tasks.test_connection_task"
QUEUES = "analysis,chat,test"
HURRY = 30
"""A minute of the document is 60 / HURRY seconds of a run."""
MINUTE_S = 60 / HURRY
LIMIT = 5.0
"""The analyses a minute that the document allows."""
