"""Settings: the broker's options, and every setting that a scenario has no place for.

Nothing that was set is dropped in silence: a setting is derived, or is known to change neither
counts nor times, or is noted (effects.py).
"""

from __future__ import annotations

from typing import Any

from sandbox.derive.effects import (
    DERIVED,
    EFFECT,
    NO_EFFECT,
    OPTION_EFFECT,
    OPTIONS_NO_EFFECT,
    OTHER_BACKENDS,
)
from sandbox.errors import shown
from sandbox.notes import Notes
from sandbox.scenario import Broker

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
    for option in sorted(set(options) - OPTIONS_NO_EFFECT - set(_BROKER)):
        what = f"broker_transport_options has {option}={shown(options[option])}"
        notes.add("broker", _with(what, OPTION_EFFECT.get(option)), "without it")
    what = "an app does not say whether its Redis keeps what it holds"
    notes.add("broker.persistence", what, f"{Broker().persistence}: a stop loses it all")
    return Broker(**fields)


def _with(what: str, effect: str | None) -> str:
    return what if effect is None else f"{what}: {effect}"


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
    urls = list(url) if isinstance(url, list | tuple) else str(url).split(";")
    if len(urls) > 1:
        notes.add("broker", f"it has {len(urls)} addresses, one after the other", "the first")
    scheme = _scheme(urls[0]) or str(app.conf.broker_transport or "")
    if scheme not in _REDIS:
        told = f"the broker is {scheme}" if scheme else "no broker is set, so Celery takes AMQP"
        notes.add("broker", told, "Redis")
    backend = _scheme(app.conf.result_backend)
    if backend not in {*_REDIS, "", "disabled"}:
        notes.add("conf.result_backend", f"results go to {backend}", "Redis")


def _scheme(url: Any) -> str:
    """Return what an address begins with: the rest of it is a secret."""
    return str(url or "").partition("://")[0].partition("+")[0].partition(":")[0]


def note_settings(app: Any, notes: Notes) -> None:
    """Note each setting that was given, has an effect, and has no place in a scenario."""
    # The table of all settings; whoever has an app has imported Celery already.
    from celery.app.defaults import DEFAULTS

    for key, value in app.conf.table(censored=True).items():
        name = _modern(app, str(key))
        if name in DERIVED or name in NO_EFFECT or name.startswith(OTHER_BACKENDS):
            continue
        # Any other key is the project's own, or Django's: no setting of Celery's.
        if name in DEFAULTS and value != DEFAULTS[name]:
            what = _with(f"it is {shown(value)}", EFFECT.get(name))
            notes.add(f"conf.{name}", what, shown(DEFAULTS[name]))
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
