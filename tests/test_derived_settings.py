"""Each of Celery's settings: a field of the scenario, or a note, or known to change nothing."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from typing import Any

import pytest
from celery import Celery
from celery.app.defaults import DEFAULTS
from kombu import Queue
from kombu.transport.redis import Channel

from sandbox.derive.effects import (
    DERIVED,
    EFFECT,
    NO_EFFECT,
    OPTION_EFFECT,
    OPTIONS_NO_EFFECT,
    OTHER_BACKENDS,
)
from sandbox.engines.live.worker import command
from sandbox.loads import Burst
from sandbox.scenario import Scenario, WorkerPool
from tests.test_from_celery import add, notes_of, shop

pytestmark = pytest.mark.usefixtures("only_app")

PLAIN = "celery -A shop worker"


def derived(settings: dict[str, Any], line: str = PLAIN, **task: Any) -> Scenario:
    app = shop(**settings)
    add(app, **task)
    return Scenario.from_celery(app, [line])


def at(scenario: Scenario, path: str) -> Any:
    """Return a field by its place, such as ``workers.0.concurrency``."""

    def step(part: Any, name: str) -> Any:
        return part[int(name)] if name.isdecimal() else getattr(part, name)

    return reduce(step, path.split("."), scenario)


MAIL, POOL, LATE = "tasks.0", "workers.0", {"task_acks_late": True}
BEAT = {"tick": {"task": "shop.mail", "schedule": 30}}
FIELDS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "task_acks_late": (LATE, f"{MAIL}.acks_late", True),
    "task_acks_on_failure": (LATE | {"task_acks_on_failure": False}, f"{MAIL}.acks_on_failure", False),
    "task_acks_on_timeout": (LATE | {"task_acks_on_timeout": False}, f"{MAIL}.acks_on_timeout", False),
    "task_acks_on_failure_or_timeout": (
        LATE | {"task_acks_on_failure_or_timeout": False}, f"{MAIL}.acks_on_timeout", False,
    ),
    "task_reject_on_worker_lost": ({"task_reject_on_worker_lost": True}, f"{MAIL}.reject_on_worker_lost", True),
    "task_retry_on_worker_lost": ({"task_retry_on_worker_lost": True}, f"{MAIL}.retry_on_worker_lost", True),
    "task_default_rate_limit": ({"task_default_rate_limit": "3/s"}, f"{MAIL}.rate_limit", "3/s"),
    "task_default_priority": ({"task_default_priority": 6}, f"{MAIL}.priority", 6),
    "task_time_limit": ({"task_time_limit": 300}, f"{MAIL}.time_limit_s", 300.0),
    "task_soft_time_limit": ({"task_soft_time_limit": 9}, f"{MAIL}.soft_time_limit_s", 9.0),
    "task_ignore_result": ({"task_ignore_result": True}, f"{MAIL}.ignore_result", True),
    "task_routes": ({"task_routes": {"shop.mail": "post"}}, f"{MAIL}.queue", "post"),
    "task_queues": ({"task_queues": (Queue("celery"), Queue("b"))}, f"{POOL}.queues", ("celery", "b")),
    "task_default_queue": ({"task_default_queue": "other"}, f"{MAIL}.queue", "other"),
    "task_annotations": ({"task_annotations": {"shop.mail": {"rate_limit": "7/h"}}}, f"{MAIL}.rate_limit", "7/h"),
    "worker_concurrency": ({"worker_concurrency": 6}, f"{POOL}.concurrency", 6),
    "worker_pool": ({"worker_pool": "threads"}, f"{POOL}.pool", "threads"),
    "worker_prefetch_multiplier": ({"worker_prefetch_multiplier": 1}, f"{POOL}.prefetch_multiplier", 1),
    "worker_max_tasks_per_child": ({"worker_max_tasks_per_child": 9}, f"{POOL}.max_tasks_per_child", 9),
    "worker_disable_prefetch": ({"worker_disable_prefetch": True}, f"{POOL}.disable_prefetch", True),
    "worker_eta_task_limit": ({"worker_eta_task_limit": 5}, f"{POOL}.eta_task_limit", 5),
    "worker_soft_shutdown_timeout": ({"worker_soft_shutdown_timeout": 8.0}, f"{POOL}.soft_shutdown_timeout_s", 8.0),
    "worker_enable_soft_shutdown_on_idle": (
        {"worker_enable_soft_shutdown_on_idle": True}, f"{POOL}.soft_shutdown_on_idle", True,
    ),
    "result_backend": ({"result_backend": None}, f"{MAIL}.ignore_result", True),
    "broker_transport_options": (
        {"broker_transport_options": {"visibility_timeout": 60}}, "broker.visibility_timeout_s", 60.0,
    ),
}  # fmt: skip

NOTES: dict[str, tuple[Any, str]] = {
    "task_track_started": (True, "tasks.shop.mail"),
    "worker_max_memory_per_child": (9, "commands[0].max_memory_per_child"),
    "worker_pool_start_method": ("spawn", "commands[0].pool_start_method"),
    "worker_send_task_events": (True, "commands[0].task_events"),
    "broker_url": ("amqp://guest@host//", "broker"),
    "result_backend": ("db+postgresql://host/db", "conf.result_backend"),
    "task_annotations": ([lambda task: None], "conf.task_annotations"),
    "broker_transport_options": ({"visibility_timeout": "long"}, "broker.visibility_timeout_s"),
}
"""Values of settings that are derived, which a scenario has no place for."""

ELSEWHERE = {
    "worker_disable_rate_limits": "test_workers_told_to_ignore_rate_limits_have_none",
    "task_create_missing_queues": "test_what_cannot_be_derived_from_is_refused_in_one_sentence",
    "beat_schedule": "test_a_beat_entry_has_the_period_of_its_schedule",
    "broker_read_url": "celery takes broker_url for both where these are not set",
    "broker_write_url": "as broker_read_url",
    "broker_transport": "only without broker_url",
}

OPTIONS: dict[str, tuple[Any, str, Any]] = {
    "visibility_timeout": (60, "broker.visibility_timeout_s", 60.0),
    "unacked_restore_interval": (5, "broker.unacked_restore_interval_s", 5.0),
    "unacked_restore_throttle": (2, "broker.unacked_restore_throttle", 2),
    "priority_steps": ([0, 5], "broker.priority_steps", (0, 5)),
    "queue_order_strategy": ("priority", "broker.queue_order_strategy", "priority"),
}


# --- no setting is forgotten ------------------------------------------------------------------


def test_every_setting_of_celery_has_exactly_one_place() -> None:
    """A new version's setting must be given one; a misspelt name is none of Celery's."""
    tables = [set(DERIVED), set(EFFECT), set(NO_EFFECT)]
    known = set().union(*tables)
    assert sum(map(len, tables)) == len(known)
    assert {n for n in DEFAULTS if not n.startswith(OTHER_BACKENDS)} - known == set()
    assert known - set(DEFAULTS) == {"deprecated_settings"}
    assert not [name for name in known if name.startswith(OTHER_BACKENDS)]


def test_every_option_of_the_transport_has_exactly_one_place() -> None:
    """What kombu's channel on Redis takes."""
    tables = [set(OPTIONS), set(OPTION_EFFECT), set(OPTIONS_NO_EFFECT)]
    known = set().union(*tables)
    assert sum(map(len, tables)) == len(known)
    assert set(Channel.from_transport_options) - known == set()


def test_every_derived_setting_has_a_row_here() -> None:
    assert set(FIELDS) | set(NOTES) | set(ELSEWHERE) == DERIVED


# --- what each of them does -------------------------------------------------------------------


@pytest.mark.parametrize("setting", FIELDS)
def test_a_setting_is_its_field(setting: str) -> None:
    """The field has the value, has another one without the setting, and nothing is noted."""
    settings, path, expected = FIELDS[setting]
    found = derived(settings)
    assert at(found, path) == expected
    assert at(derived({}), path) != expected
    assert not notes_of(found, setting)


@pytest.mark.parametrize("setting", NOTES)
def test_a_value_without_a_place_is_noted(setting: str) -> None:
    value, where = NOTES[setting]
    assert new_notes({setting: value}, where)


def new_notes(settings: dict[str, Any], where: str) -> set[str]:
    return set(notes_of(derived(settings), where)) - set(notes_of(derived({}), where))


def another(setting: str) -> Any:
    """Return a value that is not the default."""
    default = DEFAULTS[setting]
    if isinstance(default, bool):
        return not default
    if isinstance(default, int | float):
        return 7 if default != 7 else 8
    if isinstance(default, timedelta):
        return 60
    special = {"timezone": "Europe/Berlin", "imports": ("json",), "include": ("json",)}
    fallback = {"key": 1} if isinstance(default, dict) else "other"
    return special.get(setting, fallback)


@pytest.mark.parametrize("setting", sorted(EFFECT))
def test_what_changes_something_is_noted_with_what_it_changes(setting: str) -> None:
    """By its name, and only where an app sets it."""
    (note,) = new_notes({setting: another(setting)}, f"conf.{setting}")
    assert EFFECT[setting] in note


@pytest.mark.parametrize("setting", sorted(set(NO_EFFECT) & set(DEFAULTS)))
def test_what_changes_nothing_changes_no_field_and_is_not_noted(setting: str) -> None:
    assert derived({setting: another(setting)}) == derived({})


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_the_transport_is_its_field(option: str) -> None:
    value, path, expected = OPTIONS[option]
    found = derived({"broker_transport_options": {option: value}})
    assert at(found, path) == expected != at(derived({}), path)


@pytest.mark.parametrize("option", sorted(OPTION_EFFECT))
def test_an_option_that_changes_something_is_noted(option: str) -> None:
    """Also one that takes redelivery away altogether."""
    (note,) = new_notes({"broker_transport_options": {option: 0}}, "broker")
    assert OPTION_EFFECT[option] in note


@pytest.mark.parametrize("option", sorted(OPTIONS_NO_EFFECT))
def test_an_option_that_changes_nothing_is_not_noted(option: str) -> None:
    assert derived({"broker_transport_options": {option: "x"}}) == derived({})


def test_what_an_app_cannot_say_of_its_broker_is_always_noted() -> None:
    """Whether Redis keeps its messages is Redis' own setting."""
    assert notes_of(derived({}), "broker.persistence")


def test_of_several_brokers_the_first_is_taken() -> None:
    urls = "redis://one;redis://two"
    assert any("2 addresses" in note for note in new_notes({"broker_url": urls}, "broker"))


# --- options of a command ---------------------------------------------------------------------

POOLS = [
    WorkerPool(concurrency=3, prefetch_multiplier=2, queues=("a", "b")),
    WorkerPool(concurrency=2, disable_prefetch=True, max_tasks_per_child=7),
    WorkerPool(autoscale=(8, 2), autoscale_keepalive_s=5.0),
    WorkerPool(pool="threads", concurrency=4, prefetch_multiplier=1),
    WorkerPool(pool="solo"),
]


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: command(pool, "worker1"))
def test_the_command_of_a_pool_gives_the_pool_again(pool: WorkerPool) -> None:
    """Law: what the sandbox writes as a pool's command, it reads back."""
    assert derived({}, command(pool, "worker1")).workers == (pool,)


@pytest.mark.parametrize(
    ("line", "where", "pool"),
    [
        (f"{PLAIN} --autoscale=8,0", "autoscale", WorkerPool(autoscale=(8, 1))),
        (
            f"{PLAIN} -P threads --autoscale=8,2", "autoscale",
            WorkerPool(pool="threads", concurrency=8),
        ),
        (f"{PLAIN} -c 2 -E", "task_events", WorkerPool(concurrency=2)),
        (f"{PLAIN} -c 2 --purge", "purge", WorkerPool(concurrency=2)),
    ],
)  # fmt: skip
def test_an_option_without_a_place_is_noted(line: str, where: str, pool: WorkerPool) -> None:
    found = derived({}, line)
    assert found.workers == (pool,)
    assert notes_of(found, f"commands[0].{where}")


def test_a_multiplier_of_0_is_a_setting_and_no_option() -> None:
    """celery worker takes its option's 0 for none given; the setting's is no limit."""
    unlimited = WorkerPool(concurrency=2, prefetch_multiplier=0)
    line = command(unlimited, "worker1")
    assert "prefetch" not in line
    assert derived({"worker_prefetch_multiplier": 0}, line).workers == (unlimited,)


def test_settings_after_the_dashes_are_the_worker_s() -> None:
    found = derived({}, f"{PLAIN} -c 1 -- worker.eta_task_limit=9 worker.soft_shutdown_timeout=4")
    expected = WorkerPool(concurrency=1, eta_task_limit=9, soft_shutdown_timeout_s=4.0)
    assert found.workers == (expected,)


# --- a task whose process dies ------------------------------------------------------------------


def test_a_task_that_is_retried_when_its_process_dies_keeps_delay_and_number() -> None:
    found = derived({}, retry_on_worker_lost=True, default_retry_delay=20, max_retries=5).tasks[0]
    assert (found.retry_on_worker_lost, found.default_retry_delay_s) == (True, 20.0)
    assert found.lost_max_retries == 5


def test_its_delay_is_nothing_where_it_is_not_used() -> None:
    assert derived({}, default_retry_delay=20, max_retries=5).tasks[0].max_retries is None


# --- what beat publishes with -------------------------------------------------------------------


def with_beat(
    options: dict[str, Any], more: dict[str, Any] | None = None, **given: Any
) -> Scenario:
    entries = {"tick": BEAT["tick"] | {"options": options}} | (more or {})
    app = shop(beat_schedule=entries)
    add(app)
    return Scenario.from_celery(app, [f"{PLAIN} -c 1 -B"], **given)


def test_options_of_beat_are_the_task_s_where_beat_alone_publishes_it() -> None:
    found = with_beat({"countdown": 5, "expires": timedelta(seconds=20), "priority": 3})
    kind = found.tasks[0]
    assert (kind.countdown_s, kind.expires_s, kind.priority) == (5.0, 20.0, 3)
    assert not notes_of(found, "beat.tick")


OTHER_ENTRY = {"tock": {"task": "shop.mail", "schedule": 9}}


@pytest.mark.parametrize(
    ("options", "more", "given"),
    [
        ({"queue": "other"}, None, {}),
        ({"expires": "soon"}, None, {}),
        ({"expires": -1}, None, {}),
        ({"expires": 20}, OTHER_ENTRY, {}),
        ({"expires": 20}, None, {"loads": [Burst(task="shop.mail", n=1)]}),
    ],
    ids=["no field", "no number", "no time", "entries differ", "others publish it"],
)
def test_other_options_of_beat_are_noted(
    options: dict[str, Any], more: dict[str, Any] | None, given: dict[str, Any]
) -> None:
    """A scenario has them by type: with others that publish it, they would hold for those, too."""
    found = with_beat(options, more, **given)
    assert found.tasks[0].expires_s is None
    (note,) = [note for note in notes_of(found, "beat.tick") if "publishes with" in note]
    assert next(iter(options)) in note


# --- bodies ---------------------------------------------------------------------------------------


def test_a_body_that_waits_for_a_result_is_noted() -> None:
    """It keeps a slot meanwhile, and can deadlock: waits_for is for whoever knows of whom."""
    app: Celery = shop()
    other = add(app, "shop.other")

    def body() -> None:
        other.delay().get(disable_sync_subtasks=False)

    app.task(body, name="shop.mail", shared=False)
    assert notes_of(Scenario.from_celery(app, [PLAIN]), "tasks.shop.mail.waits_for")
