"""Parts that a team can take into its own Celery project.

None of them knows the sandbox: they use Celery, Redis and SQLAlchemy, and take an app, a
``Database`` or a Redis client. ``database`` keeps what must survive; ``lists`` is what the broker
really holds; ``manager`` submits, follows and cancels tasks; ``errors`` tells permanent failures
from those worth a retry; ``dead_letters`` keeps what failed for good; ``global_rate`` is one limit
for all workers; ``idempotency`` has an effect once; ``lost_worker`` bounds what kills its worker;
``providers`` stands in for mail, SMS and AI services.
"""
