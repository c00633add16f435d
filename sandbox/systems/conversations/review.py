"""The review of the conversation platform: what was assumed, mended and left out, and why."""

from __future__ import annotations

from sandbox.systems import Change

ASSUMPTIONS = (
    "Stated: three queues, one worker that takes all three, 2 to 5 s for a complex operation, "
    "limits of 300 and 600 s, 3 retries, 60 s between them.",
    "Implied: routes by module, since each module has a queue; early acknowledgement and a "
    "prefetch of 4 a process, since nothing else is said; endpoints that do their work themselves "
    "block the one uvicorn process, so it has one web worker.",
    "Assumed: all times are a tenth of the document's, so a message takes 0.2 to 0.5 s, a webhook "
    "0.1 s, a response 0.05 s, a report 1 s, a batch 2 s, a cleanup 0.3 s; browsers poll every "
    "0.5 s; the load, of which the document says nothing: 1.5 messages and 2 webhooks a second.",
    "Assumed: what the tasks do, since the document shows no body: messages and webhooks are "
    "stored, the AI service and the platforms' inboxes are stand-ins that count.",
)

CHANGES = (
    Change(
        "task_time_limit, task_soft_time_limit", "TASK_TIME_LIMIT = 600",
        "task_time_limit = 600", "Celery reads no setting in capitals without a namespace",
    ),
    Change(
        "retries", "TASK_MAX_RETRIES = 3, TASK_RETRY_DELAY = 60",
        "autoretry_for = (Retryable,), retry_backoff, max_retries = 3 on the task class",
        "Celery has no settings of these names; a retry is the task's own",
    ),
    Change(
        "error classification", "in prose", "Permanent is never retried, Retryable is",
        "a malformed webhook fails four times as well as once",
    ),
    Change(
        "workers", "one worker, --queues=conversations,webhooks,analytics",
        "one for conversations and webhooks, one for analytics",
        "a report that runs is not interrupted, so messages wait for its end",
    ),
    Change(
        "queue_order_strategy", "round_robin (default)", "priority",
        "the order of --queues is then the order of service",
    ),
    Change(
        "worker_prefetch_multiplier", "4 (default)", "1",
        "what a worker has taken is not reordered any more",
    ),
    Change(
        "task_acks_late", "False (default)", "True, at most three starts a message",
        "a worker that dies loses what runs; without a bound a poison message kills for ever",
    ),
    Change(
        "visibility_timeout", "3600 s (default)", "900 s",
        "above the hard limit of 600 s, and a dead worker's messages are back in 15 minutes",
    ),
    Change(
        "effects", "stored and sent at each execution", "once per idempotency key",
        "late acknowledgement means that a task may run twice",
    ),
    Change(
        "dead letters", "in prose", "patterns.dead_letters on task_failure",
        "Redis has no dead-letter exchange, and Celery no setting for one",
    ),
    Change(
        "task_default_queue", "celery (default)", "analytics",
        "no worker takes 'celery', so a task without a route would wait for ever",
    ),
    Change(
        "beat_schedule", "none, though beat is started", "cleanup_old_data_task daily, expires 1 h",
        "a beat without a schedule publishes nothing",
    ),
    Change(
        "queue statistics", "inspect", "LLEN of every priority list, HLEN unacked",
        "inspect sees what workers have taken, never the backlog",
    ),
    Change(
        "cancel", "revoke(terminate=True) -> cancelled", "says what it could not guarantee",
        "revoke is a broadcast; what has been written stays written",
    ),
    Change(
        "GET /tasks/{id}/status", "AsyncResult(id).state", "404 for an id never submitted",
        "Celery's PENDING also means unknown",
    ),
)  # fmt: skip

LEFT_OUT = {
    "Configuration Options, REDIS_DB_BROKER and REDIS_DB_BACKEND": "a run has one database for "
    "messages and results: what is compared is counts and times, which do not depend on it",
    "Testing and Validation, test_step7_async_processing.py": "the document shows neither the "
    "script nor a result, only lines that are 'expected'; what mocks cannot show is a claim here",
    "Deployment Instructions 5, Flower": "an optional extra that is not in the environment; what "
    "it shows, `sandbox ops conversations` asks of the broker and the workers",
    "Next Steps 1, Prometheus/Grafana": "the front door has /metrics in Prometheus' text; a "
    "dashboard to look at it is no part of a system that runs",
    "Integration Opportunities, steps 9 and 10": "names of later steps, without any content; "
    "step 8 is the claim 'unrouted'",
    "Usage Examples, the answer's conversation_id 'pending'": "the front door answers with the "
    "conversation that was asked for, else the customer could not continue it",
}
"""Sections of the document that do not run here, and why."""

ROWS = (
    "published", "done", "failed", "revoked", "lost", "stuck", "executions", "redelivered",
    "ran_twice", "duplicated", "retried", "throughput_per_s", "makespan_s", "mean_wait_s",
    "mean_latency_s", "p95_latency_s", "mean_service_s",
    "worker_recovery_s",
)  # fmt: skip
"""What the main comparison judges. No median: it lies between webhooks and messages, where hardly
any task is, so that a millisecond moves it far. No utilisation: it is a share of the time that
workers are up, and the one that is started again first imports a database, which calibration,
that has no app, does not know."""
