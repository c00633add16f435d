"""What LeadLawk's document leaves open, what is changed of it, and what does not run here."""

from __future__ import annotations

from sandbox.systems import Change

ASSUMPTIONS = (
    "Stated: 2 workers × 4 processes, prefetch 1, limits 3300/3600 s, beat every 30 s, "
    "5 min, 15 min; 500 tasks a minute with a mean wait under 100 ms.",
    "Implied: 500 tasks a minute on 8 processes need a mean under 0.96 s, and with that wait, "
    "if times are exponential, at most 0.69 s.",
    "Assumed: browser 0.7 s, pagespeed 0.5 s, database 0.1 s, beat's tasks 0.05 s. A scrape "
    "with Selenium takes minutes: 0.7 s is what makes the stated throughput possible.",
    "Assumed: the API has 8 web workers, as many as there are processes, so that before and "
    "after differ in the queue alone; its visitors, who get no notice, ask every second.",
    "An hour of waiting is skipped, not waited for; in claims, longer times are divided by "
    "what their labels say.",
)

CHANGES = (
    Change("worker command", "no -Q", "-Q browser,pagespeed,database,default",
           "a worker without it takes 'celery' alone, and no scrape ever runs"),
    Change("task_default_queue", "celery (unset)", "default",
           "the document draws a queue 'default' that nothing names"),
    Change("task_time_limit", "3600", "600", "it is the visibility timeout: who meets it is run "
           "a second time meanwhile"),
    Change("task_soft_time_limit", "3300", "540", "it stays below the hard limit"),
    Change("visibility_timeout", "3600 (unset)", "900",
           "a killed worker's messages are back after 15 minutes, and no job runs that long"),
    Change("task_reject_on_worker_lost", "True", "False, with task_retry_on_worker_lost",
           "a job that kills its process came back for ever; now three times, a second apart"),
    Change("retries", "self.retry in the body, and autoretry_for", "autoretry_for alone",
           "two policies made six attempts, of which the last came sooner than those before"),
    Change("retry_backoff", "True (1 s)", "30", "five retries within half a minute do not outlive "
           "an outage; these last about a quarter of an hour"),
    Change("dont_autoretry_for", "nothing", "Permanent, SoftTimeLimitExceeded",
           "a bad job and one that takes too long fail again"),
    Change("task_dead_letter_exchange", "dlx", "a list in Redis (patterns.dead_letters)",
           "Celery has no such setting and says nothing"),
    Change("leads", "inserted by each execution", "inserted once a page (patterns.idempotency)",
           "late acknowledgement means at least once: a page was stored twice"),
    Change("priority of browser jobs", "5", "0, and queue_order_strategy = priority",
           "on Redis 0 comes first, and names of queues alone order nothing"),
    Change("expires of a job", "3600", "none", "what comes back after a crash had expired"),
    Change("beat_schedule", "no expires", "expires after one period",
           "checks that nobody took were all done at once when a worker came back"),
    Change("worker_max_memory_per_child", "unset", "250000 kB", "four processes stay below the "
           "container's 1 GB, which the text promises"),
    Change("progress", "never reported", "update_state after each page",
           "the document promises it; its listing does not do it"),
    Change("maxmemory-policy", "allkeys-lru", "noeviction, and an alert on the backlog",
           "eviction drops whole queues in silence"),
    Change("Redis password", "none", "requirepass", "who can write to Redis can run any task"),
    Change("GET of depths", "inspect active", "GET /queues: all lists and unacked",
           "inspect sees only what workers have taken"),
)  # fmt: skip

LEFT_OUT = {
    "Architecture Diagram: Flutter app, CLI tools": "clients; the sandbox's visitors and "
    "sandbox load make their requests",
    "Architecture Diagram: Selenium, Chrome, PageSpeed API": "services outside: their time is "
    "drawn, their pages and scores are made of the job's number",
    "1. Redis as Result Backend: database 1": "broker and results share one database here, as "
    "they share one server, its memory and its eviction there",
    "1. Redis Performance Tuning: 256mb": "the fault maxmemory fills Redis without 256 MB",
    "5. Worker Management: docker-compose, replicas, 1 GB": "containers; the same commands run "
    "as processes, and the fault child_oom kills one that takes too much",
    "6. Scheduled Tasks: 5 and 15 minutes": "beyond the horizon of a run; health checks every "
    "30 s run",
    "7. Monitoring: Flower": "an optional extra, not in this environment; the record, GET /queues "
    "and GET /metrics show rates, ratios, depths and times",
    "11. Security: Docker network, Flower's password": "properties of a network and of a file; "
    "the rest of the section is in the claims",
    "12. Scaling: Redis cluster": "kombu has no transport for one",
    "Best Practices, 3. and 4.: CPU, debug logging": "advice without a number",
    "References": "links",
}
