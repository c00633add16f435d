"""Effects: what each of Celery's settings would change that a scenario has no place for.

A setting is derived by another module of this folder, or it stands in one of these tables: it
changes something (then an app that sets it is told what), or neither counts nor times (then the
reason stands here). Names: celery/app/defaults.py, kombu/transport/redis.py.
"""

from __future__ import annotations

from collections.abc import Mapping


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


DERIVED = _names(
    """
    task_acks_late task_reject_on_worker_lost task_default_rate_limit task_default_priority
    task_time_limit task_soft_time_limit task_ignore_result task_routes task_queues
    task_default_queue task_acks_on_failure_or_timeout task_acks_on_failure task_acks_on_timeout
    task_retry_on_worker_lost task_track_started task_annotations task_create_missing_queues
    worker_concurrency worker_pool worker_prefetch_multiplier worker_max_tasks_per_child
    worker_disable_rate_limits worker_disable_prefetch worker_max_memory_per_child
    worker_pool_start_method worker_eta_task_limit worker_soft_shutdown_timeout
    worker_enable_soft_shutdown_on_idle worker_send_task_events beat_schedule broker_url
    broker_read_url broker_write_url broker_transport broker_transport_options result_backend
    """
)
"""What the other modules of this folder read; a value they cannot represent they note."""

EFFECT: Mapping[str, str] = {
    "task_always_eager": "a call runs its task itself, without broker and worker",
    "task_compression": "each message is packed and unpacked",
    "task_default_exchange_type": "an exchange may send to several queues",
    "task_create_missing_queue_exchange_type": "an exchange may send to several queues",
    "task_inherit_parent_priority": "a task that another publishes has its priority",
    "task_publish_retry": "a publish that finds no broker is given up at once",
    "task_publish_retry_policy": "it says how long a publish tries to find the broker",
    "task_send_sent_event": "each publish sends an event, too",
    "task_allow_error_cb_on_chord_header": "an error callback runs for each header task",
    "worker_agent": "a class of its own runs in the worker",
    "worker_autoscaler": "a class of its own decides on the number of processes",
    "worker_consumer": "a class of its own consumes",
    "worker_timer": "a class of its own keeps countdowns and rate limits",
    "worker_timer_precision": "countdowns and rate limits come due that much later",
    "worker_cancel_long_running_tasks_on_connection_loss": "a lost connection ends late-ack tasks",
    "worker_deduplicate_successful_tasks": "a redelivered task that succeeded is not run again",
    "worker_direct": "each worker has one more queue, of its own",
    "worker_enable_prefetch_count_reduction": "it says what is prefetched after a lost connection",
    "worker_lost_wait": "it says how long the result of a dead process is waited for",
    "worker_pool_putlocks": "it says whether main hands on more tasks than there are processes",
    "broker_pool_limit": "it is how many threads of a process can publish at once",
    "broker_connection_timeout": "it is how long one try to reach the broker takes",
    "broker_connection_retry": "a worker that loses its broker may end",
    "broker_connection_retry_on_startup": "a worker that finds no broker may end",
    "broker_connection_max_retries": "a worker ends that has not found its broker again by then",
    "broker_channel_error_retry": "it says whether a worker gets over an error of a channel",
    "broker_failover_strategy": "it says which of several brokers is next",
    "result_expires": "who waits longer for a result, or a chord's header, finds none",
    "result_chord_expires": "a chord whose header takes longer never has its body",
    "result_failure_expires": "who waits longer for a failure finds none",
    "result_chord_join_timeout": "a chord's body fails when its results take longer to read",
    "result_chord_retry_interval": "it is how often a chord is looked at that has no callback",
    "result_compression": "each result is packed and unpacked",
    "result_extended": "each result holds its task's arguments, too",
    "result_backend_always_retry": "a result that cannot be stored is tried again",
    "result_backend_max_retries": "it is how often a result is tried again",
    "result_backend_base_sleep_between_retries_ms": "it is how soon a result is tried again",
    "result_backend_max_sleep_between_retries_ms": "it is how late a result is tried again",
    "result_backend_transport_options": "they say how results are stored",
    "redis_max_connections": "one connection more is an error",
    "redis_socket_timeout": "a result that takes longer is an error",
    "redis_retry_on_timeout": "a result may be written twice",
    "beat_scheduler": "a class of its own decides what is due",
    "beat_cron_starting_deadline": "a crontab that was missed by more is not made up for",
}
"""What a setting changes, of those that change something; each is noted where an app sets it."""

_REASONS: Mapping[str, str] = {
    "only the log, tracebacks and events of others tell of it": """
        task_remote_tracebacks task_repr_maxlevels worker_hijack_root_logger worker_log_color
        worker_log_format worker_log_datefmt worker_task_log_format worker_task_log_datefmt
        worker_redirect_stdouts worker_redirect_stdouts_level
    """,
    "the code, the clock's zone, how a setting is written": """
        imports include enable_utc timezone deprecated_settings
    """,
    "the form of a message or a result, not its way": """
        accept_content result_accept_content task_serializer task_protocol result_serializer
    """,
    "an exchange and a key lead to a queue, and the queue is derived": """
        task_default_exchange task_default_routing_key result_exchange result_exchange_type
    """,
    "only AMQP has it": """
        task_default_delivery_mode task_default_queue_type task_create_missing_queue_type
        task_queue_max_priority worker_detect_quorum_queues result_persistent broker_heartbeat
        broker_heartbeat_checkrate broker_login_method broker_native_delayed_delivery_queue_type
    """,
    "only an eager app reads it": "task_eager_propagates task_store_eager_result",
    "what a task that failed and ignores its result leaves in Redis": """
        task_store_errors_even_if_ignored
    """,
    "only remote control reads it": """
        worker_enable_remote_control worker_pool_restarts worker_state_db
        beat_enable_remote_control beat_remote_control_max_tick_age
    """,
    "it counts while a worker starts": "worker_proc_alive_timeout",
    "what one process keeps in its own memory": "result_cache_max",
    "where the broker is": """
        broker_host broker_port broker_user broker_password broker_vhost broker_use_ssl
        broker_pool_acquire_timeout
    """,
    "where beat keeps its state, and how often it looks": """
        beat_schedule_filename beat_sync_every beat_max_loop_interval
    """,
    "where Redis is, as a result backend": """
        redis_backend_use_ssl redis_db redis_host redis_username redis_password redis_port
        redis_socket_connect_timeout redis_socket_keepalive
    """,
}
NO_EFFECT = {name: reason for reason, names in _REASONS.items() for name in names.split()}
"""Why a setting changes neither counts nor times."""

OTHER_BACKENDS = (
    "database_", "cache_", "cassandra_", "s3_", "azureblockblob_", "gcs_", "couchbase_",
    "arangodb_", "mongodb_", "cosmosdbsql_", "elasticsearch_", "security_", "event_", "control_",
)  # fmt: skip
"""Beginnings of settings of other result backends (a backend that is not Redis is noted), of
signatures, and of what only events and remote control read."""

OPTION_EFFECT: Mapping[str, str] = {
    "ack_emulation": "without it nothing is redelivered",
    "unacked_mutex_expire": "it is how long a client that died in a sweep stops all others'",
    "unacked_restore_limit": "it is how many messages one sweep restores",
    "socket_timeout": "a wait for a message that takes longer is a lost connection",
    "retry_on_timeout": "a message may be published twice",
    "max_connections": "one connection more is an error",
    "max_retries": "it says how long a lost broker is looked for",
    "interval_start": "it says how soon a lost broker is looked for",
    "interval_step": "it says how soon a lost broker is looked for",
    "interval_max": "it says how soon a lost broker is looked for",
    "body_encoding": "it is how long a message is",
    "polling_interval": "a client without an event loop looks that seldom",
    "deadletter_queue": "what no queue takes is kept",
}
"""What an option of the broker's transport changes."""

OPTIONS_NO_EFFECT = _names(
    """
    sep global_keyprefix fanout_prefix fanout_patterns keyprefix_queue keyprefix_fanout
    socket_connect_timeout socket_keepalive socket_keepalive_options health_check_interval
    client_name master_name sentinel_kwargs password username unacked_key unacked_index_key
    unacked_mutex_key
    """
)
"""Names of keys, how a connection is made and kept alive."""
