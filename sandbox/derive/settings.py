"""Settings: the broker's options, and every setting that a scenario has no place for.

Nothing that was set is dropped in silence: a setting is derived, or is known to change neither
counts nor times, or is noted. Names: celery/app/defaults.py, kombu/transport/redis.py.
"""

from __future__ import annotations

from typing import Any

from sandbox.errors import shown
from sandbox.notes import Notes
from sandbox.scenario import Broker


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
    worker_pool_start_method beat_schedule broker_url broker_read_url broker_write_url
    broker_transport broker_transport_options result_backend
    """
)
"""What the other modules of this folder read; a value they cannot represent they note."""

_NO_EFFECT = _names(
    """
    accept_content result_accept_content enable_utc timezone imports include deprecated_settings
    task_serializer task_protocol task_compression task_default_exchange task_default_routing_key
    task_default_exchange_type task_default_delivery_mode task_send_sent_event
    task_remote_tracebacks task_repr_maxlevels task_publish_retry task_publish_retry_policy
    task_store_eager_result task_eager_propagates task_store_errors_even_if_ignored
    worker_hijack_root_logger worker_log_color worker_log_format worker_log_datefmt
    worker_task_log_format worker_task_log_datefmt worker_redirect_stdouts worker_state_db
    worker_redirect_stdouts_level worker_send_task_events worker_enable_remote_control
    worker_timer_precision worker_proc_alive_timeout worker_detect_quorum_queues
    """
)
_NO_EFFECT_BEGIN = (
    "result_", "redis_", "database_", "cache_", "cassandra_", "s3_", "azureblockblob_", "gcs_",
    "couchbase_", "arangodb_", "mongodb_", "cosmosdbsql_", "elasticsearch_", "security_", "event_",
    "control_", "beat_", "broker_",
)  # fmt: skip
_OPTIONS_NO_EFFECT = _names(
    """
    sep global_keyprefix fanout_prefix fanout_patterns keyprefix_queue keyprefix_fanout
    socket_timeout socket_connect_timeout socket_keepalive socket_keepalive_options
    retry_on_timeout max_connections health_check_interval client_name master_name
    sentinel_kwargs password username ack_emulation unacked_key unacked_index_key
    unacked_mutex_key max_retries interval_start interval_step interval_max
    """
)
_BROKER = {
    "visibility_timeout": "visibility_timeout_s",
    "unacked_restore_interval": "unacked_restore_interval_s",
    "unacked_restore_throttle": "unacked_restore_throttle",
    "priority_steps": "priority_steps",
    "queue_order_strategy": "queue_order_strategy",
}
_REDIS = ("redis", "rediss", "sentinel")


def broker_of(app: Any, notes: Notes) -> Broker:
    """Return the broker's settings from ``broker_transport_options``."""
    _note_transport(app, notes)
    options = dict(app.conf.broker_transport_options or {})
    fields: dict[str, Any] = {}
    for option, field in _BROKER.items():
        if options.get(option) is None:
            continue
        value = options.pop(option)
        changed = _valid(field, value)
        if changed is None:
            default = getattr(Broker(), field)
            notes.add(f"broker.{field}", f"{option} is {shown(value)}", f"{default}")
        else:
            fields[field] = changed
    for option in sorted(set(options) - _OPTIONS_NO_EFFECT - set(_BROKER)):
        what = f"broker_transport_options has {option}={shown(options[option])}"
        notes.add("broker", what, "without it")
    return Broker(**fields)


def _valid(field: str, value: Any) -> Any:
    """Return a value as the field takes it, None when it cannot be held."""
    try:
        changed: Any = float(value) if field.endswith("_s") else value
        changed = tuple(value) if field == "priority_steps" else changed
        Broker(**{field: changed})
    except (TypeError, ValueError):
        return None
    return changed


def _note_transport(app: Any, notes: Notes) -> None:
    url = app.conf.broker_url or ""
    # The address is a secret: of it only the transport is named.
    scheme = str(url[0] if isinstance(url, list | tuple) else url).partition("://")[0]
    scheme = scheme.partition("+")[0] or str(app.conf.broker_transport or "")
    if scheme not in _REDIS:
        told = f"the broker is {scheme}" if scheme else "no broker is set, so Celery takes AMQP"
        notes.add("broker", told, "Redis")


def note_settings(app: Any, notes: Notes) -> None:
    """Note each setting that was given, has an effect, and has no place in a scenario."""
    # The table of all settings; whoever has an app has imported Celery already.
    from celery.app.defaults import DEFAULTS

    for key, value in app.conf.table(censored=True).items():
        name = _modern(app, str(key))
        if name in DERIVED or name in _NO_EFFECT or name.startswith(_NO_EFFECT_BEGIN):
            continue
        # Any other key is the project's own, or Django's: no setting of Celery's.
        if name in DEFAULTS and value != DEFAULTS[name]:
            notes.add(f"conf.{name}", f"it is {shown(value)}", shown(DEFAULTS[name]))
    _note_annotations(app, notes)


def _modern(app: Any, key: str) -> str:
    """Return a setting's name in today's spelling, without the prefix of a namespace."""
    from celery.app.defaults import _TO_NEW_KEY

    prefix = str(app.conf.prefix or "")
    short = key[len(prefix) :] if prefix and key.startswith(prefix) else key
    return str(_TO_NEW_KEY.get(short, short.lower()))


def _note_annotations(app: Any, notes: Notes) -> None:
    """Note what task_annotations wraps; what they set has become the tasks' attributes."""
    given = app.conf.task_annotations or ()
    for one in given if isinstance(given, list | tuple) else (given,):
        if not isinstance(one, dict):
            notes.add(
                "conf.task_annotations",
                f"{shown(one)} decides by code",
                "what it has set on the tasks, and nothing else",
            )
            continue
        wrapped = sorted(key for values in one.values() for key in values if key.startswith("@"))
        if wrapped:
            notes.add(
                "conf.task_annotations", f"it wraps {', '.join(wrapped)}", "nothing is wrapped"
            )
