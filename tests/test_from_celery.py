"""Scenario.from_celery: what it says of an app is what Celery itself does with that app.

Apps are real and never started. Where Celery can be asked, it is the judge: a message is really
published to a broker in memory, a command is really read by ``celery worker``.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, Task
from celery.bin.worker import worker as worker_command
from celery.schedules import BaseSchedule, crontab
from celery.worker import WorkController
from kombu import Exchange, Queue

import sandbox
from sandbox.draws import Deterministic, Exponential
from sandbox.errors import ScenarioError
from sandbox.loads import Burst, Poisson
from sandbox.scenario import AutoRetry, Scenario, SelfRetry, TaskType, WorkerPool
from tests.test_scenario import sentence_of

pytestmark = pytest.mark.usefixtures("only_app")

ONE = ("celery -A shop worker -c 2",)


def shop(**settings: Any) -> Celery:
    """Return a fresh app on a Redis that is never asked."""
    app = Celery("shop", broker="redis://nowhere", backend="redis://nowhere", set_as_current=False)
    app.conf.update(settings)
    return app


def add(app: Celery, name: str = "shop.mail", **options: Any) -> Task:
    """Register a task that does nothing."""

    def body() -> None:
        return None

    # Not shared: by default a task belongs to every app that this process makes later.
    return app.task(body, name=name, shared=False, **options)


def derive(app: Celery, *commands: str, **more: Any) -> Scenario:
    return Scenario.from_celery(app, commands or ONE, **more)


def task_of(app: Celery, name: str = "shop.mail") -> TaskType:
    return derive(app).task(name)


def pool_of(*commands: str, **settings: Any) -> WorkerPool:
    app = shop(**settings)
    add(app)
    (pool,) = derive(app, *commands).workers
    return pool


def notes_of(scenario: Scenario, where: str) -> list[str]:
    """Return the notes that speak of a place."""
    return [str(note) for note in scenario.not_derived if where in note.where]


# --- tasks ----------------------------------------------------------------------------------------


def test_a_task_keeps_what_its_decorator_says() -> None:
    """Each option of the decorator is the field of the same meaning."""
    app = shop()
    add(
        app,
        acks_late=True,
        reject_on_worker_lost=True,
        rate_limit="10/m",
        soft_time_limit=20,
        time_limit=30,
        expires=60,
        priority=3,
        ignore_result=True,
    )
    assert task_of(app) == TaskType(
        name="shop.mail",
        service=Exponential(mean_s=0.1),
        acks_late=True,
        reject_on_worker_lost=True,
        rate_limit="10/m",
        soft_time_limit_s=20.0,
        time_limit_s=30.0,
        expires_s=60.0,
        priority=3,
        ignore_result=True,
    )


SETTINGS: dict[str, tuple[Any, str, Any]] = {
    "task_acks_late": (True, "acks_late", True),
    "task_reject_on_worker_lost": (True, "reject_on_worker_lost", True),
    "task_default_rate_limit": ("3/s", "rate_limit", "3/s"),
    "task_time_limit": (300, "time_limit_s", 300.0),
    "task_soft_time_limit": (200, "soft_time_limit_s", 200.0),
    "task_default_priority": (6, "priority", 6),
    "task_ignore_result": (True, "ignore_result", True),
    "result_backend": ("disabled://", "ignore_result", True),
    "task_default_queue": ("other", "queue", "other"),
    "task_annotations": ({"shop.mail": {"rate_limit": "7/h"}}, "rate_limit", "7/h"),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_for_all_tasks_reaches_each_task(setting: str) -> None:
    """What the configuration says holds for a task that says nothing."""
    value, field, expected = SETTINGS[setting]
    app = shop(**{setting: value})
    add(app)
    assert getattr(task_of(app), field) == expected
    assert notes_of(derive(app), f"conf.{setting}") == []


def test_a_task_s_own_option_comes_before_the_setting() -> None:
    """acks_late=False on the task is False, whatever the configuration says."""
    app = shop(task_acks_late=True, task_time_limit=300)
    add(app, acks_late=False, time_limit=5)
    assert (task_of(app).acks_late, task_of(app).time_limit_s) == (False, 5.0)


@pytest.mark.parametrize("rate", ["0/s", 0, None])
def test_a_rate_of_nothing_is_no_limit(rate: Any) -> None:
    """Celery's token bucket is made only for a rate above 0 (consumer.py)."""
    app = shop()
    add(app, rate_limit=rate)
    assert task_of(app).rate_limit is None


def test_workers_told_to_ignore_rate_limits_have_none() -> None:
    """worker_disable_rate_limits."""
    app = shop(worker_disable_rate_limits=True)
    add(app, rate_limit="1/s")
    assert task_of(app).rate_limit is None


def test_celery_s_own_tasks_are_left_out() -> None:
    """celery.chord and its like are no task of the project; a project's celery_app.x is."""
    app = shop()
    add(app, "celery_app.scan")
    add(app)
    assert derive(app).task_names == ("celery_app.scan", "shop.mail")


def test_a_limit_on_the_worker_s_command_holds_for_tasks_without_one() -> None:
    """billiard's pool takes its own limit where a task has none; one above the hard is no limit."""
    app = shop()
    add(app, "a")
    add(app, "b", time_limit=5)
    found = derive(app, "celery -A shop worker -c 1 --time-limit 9 --soft-time-limit 8")
    assert [found.task(n).time_limit_s for n in "ab"] == [9.0, 5.0]
    assert [found.task(n).soft_time_limit_s for n in "ab"] == [8.0, None]


# --- retries --------------------------------------------------------------------------------------


def test_autoretry_with_backoff_is_the_policy_of_its_options() -> None:
    """Backoff takes the countdown's place, as in celery/app/autoretry.py."""
    app = shop()
    add(
        app,
        autoretry_for=(Exception,),
        retry_backoff=2,
        retry_backoff_max=50,
        retry_jitter=False,
        retry_kwargs={"max_retries": 7, "countdown": 60},
    )
    expected = AutoRetry(max_retries=7, backoff_s=2, backoff_max_s=50, jitter=False)
    assert task_of(app).retries == (expected,)


def test_autoretry_without_backoff_waits_for_the_task_s_delay() -> None:
    """default_retry_delay and max_retries of the task, where retry_kwargs says nothing."""
    app = shop()
    add(app, autoretry_for=(Exception,), default_retry_delay=30, max_retries=4)
    assert task_of(app).retries == (AutoRetry(max_retries=4, countdown_s=30.0),)


def test_no_autoretry_is_no_retry() -> None:
    """max_retries alone retries nothing."""
    app = shop()
    add(app, max_retries=9, retry_backoff=True)
    assert task_of(app).retries == ()


def test_a_retry_in_the_body_is_read_from_its_source() -> None:
    """countdown=10 * 3**retries is a first countdown and a factor; nothing is noted of it."""
    app = shop()

    def body(self: Task) -> None:
        try:
            raise ValueError  # noqa: TRY301 - as users write it
        except Exception as exc:
            raise self.retry(exc=exc, countdown=10 * 3**self.request.retries) from exc

    app.task(body, bind=True, shared=False, name="shop.mail", max_retries=5)
    found = derive(app)
    expected = SelfRetry(max_retries=5, countdown_s=10.0, factor=3.0)
    assert found.task("shop.mail").retries == (expected,)
    assert notes_of(found, "retries") == []


def test_a_countdown_that_is_computed_is_noted() -> None:
    """What its source does not show is assumed to be the default, and said so."""
    app = shop()

    def body(self: Task, wait: float) -> None:
        try:
            raise ValueError
        except KeyError as exc:
            raise self.retry(exc=exc, countdown=wait) from exc

    app.task(body, bind=True, shared=False, name="shop.mail", default_retry_delay=20)
    found = derive(app)
    assert found.task("shop.mail").retries == (SelfRetry(countdown_s=20.0),)
    told = notes_of(found, "tasks.shop.mail.retries")
    assert any("KeyError" in note for note in told)
    assert any("computed" in note for note in told)


# --- routes: Celery publishes, the scenario says where to -----------------------------------------


def _to_other(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **kw: Any) -> Any:
    return {"queue": "routed"} if name.endswith("mail") else None


class OldRouter:
    """A router class, as before Celery 4."""

    def route_for_task(self, task: str, args: Any = None, kwargs: Any = None) -> Any:
        return "classic" if task == "shop.mail" else None


ROUTES: dict[str, dict[str, Any]] = {
    "none": {},
    "default queue": {"task_default_queue": "main"},
    "name": {"task_routes": {"shop.mail": {"queue": "post"}}},
    "short": {"task_routes": {"shop.mail": "post"}},
    "glob": {"task_routes": {"shop.*": {"queue": "post", "priority": 5}}},
    "pairs": {"task_routes": ([("other.*", {"queue": "x"}), ("shop.*", {"queue": "post"})],)},
    "list of maps": {"task_routes": ({"other.*": "x"}, {"shop.m*": "post"})},
    "function": {"task_routes": (_to_other,)},
    "class": {"task_routes": (OldRouter(),)},
    "same keys": {
        "task_queues": (Queue("a"), Queue("b")),
        "task_default_queue": "a",
        "task_routes": {"shop.*": "b"},
    },
    "exchange and key": {
        "task_queues": (
            Queue("a", Exchange("media", type="direct"), routing_key="a"),
            Queue("b", Exchange("media", type="direct"), routing_key="b"),
        ),
        "task_default_queue": "a",
        "task_routes": {"shop.*": {"exchange": "media", "routing_key": "b"}},
    },
    "key alone": {
        "task_queues": (Queue("a"), Queue("b", routing_key="b.key")),
        "task_default_queue": "a",
        "task_routes": {"shop.*": {"routing_key": "b.key"}},
    },
}


def where_it_lands(app: Celery, task: Task) -> dict[str, int]:
    """Publish a task to a broker in memory; return how many messages each queue has."""
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        for queue in list(app.amqp.queues.values()):
            queue.bind(channel).declare()
            channel.queue_purge(queue.name)  # one memory for all tests of this process
        task.apply_async(connection=connection)
        names = {str(queue.name) for queue in app.amqp.queues.values()}
        return {name: n for name in names if (n := channel._size(name))}


@pytest.mark.parametrize("routes", ROUTES)
def test_the_queue_is_the_one_celery_publishes_to(routes: str) -> None:
    """For routes of every form, the message is in the queue that the scenario names."""
    app = shop(broker_url="memory://", **ROUTES[routes])
    task = add(app, ignore_result=True)
    queue = derive(app, "celery -A shop worker -c 1").task("shop.mail").queue
    assert where_it_lands(app, task) == {queue: 1}


def test_a_route_s_priority_is_the_task_s() -> None:
    """Unless the task has its own."""
    app = shop(**ROUTES["glob"])
    add(app)
    add(app, "shop.first", priority=0)
    assert [task_of(app, n).priority for n in ("shop.mail", "shop.first")] == [5, 0]


def test_a_router_that_needs_arguments_is_noted() -> None:
    """It is asked without any; what it raises is said, and the default queue assumed."""

    def by_argument(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
        return {"queue": args[0]}

    app = shop(task_routes=(by_argument,))
    add(app)
    found = derive(app)
    assert found.task("shop.mail").queue == "celery"
    assert any("IndexError" in note for note in notes_of(found, "shop.mail.queue"))


def test_a_queue_that_nobody_consumes_is_there_and_noted() -> None:
    """A route without -Q: its tasks wait for ever, which the scenario shows."""
    app = shop(task_routes={"shop.mail": "post"})
    add(app)
    found = derive(app)
    assert found.queues == ("celery", "post")
    assert found.workers[0].queues == ("celery",)
    assert notes_of(found, "queues.post")
    assert sandbox.measure(sandbox.run(found, engine="model")).value("stuck") == 1


# --- workers: `celery worker` reads the command, the scenario says what comes of it ----------------


def read_by_celery(app: Celery, words: list[str]) -> WorkController:
    """Return the worker that ``celery worker`` makes of these words; it is never started."""
    made: list[WorkController] = []

    class Unstarted(WorkController):  # type: ignore[misc] # Celery is untyped
        def start(self) -> None:
            made.append(self)

    def build(**options: Any) -> WorkController:
        return Unstarted(app=app, **options)

    app.__dict__["Worker"] = build
    context = SimpleNamespace(app=app, no_color=True, quiet=True)
    worker_command.main(args=words, obj=context, standalone_mode=False)
    return made[0]


COMMANDS = {
    "plain": "-c 3",
    "long": "--concurrency=5 --prefetch-multiplier=2",
    "multiplier 0": "-c 2 --prefetch-multiplier 0",
    "threads": "-P threads -c 7",
    "solo": "-P solo -c 3",
    "solo plain": "-P solo --prefetch-multiplier 1",
    "queues": "-Q b,a -c 1",
    "exclude": "-X a -c 1",
    "missing queue": "-Q new -c 1",
    "children": "--max-tasks-per-child 100 -O fair -c 2",
    "name": "-n w1@%h -c 2 --without-gossip --without-mingle -E",
    "after the dashes": "-c 2 -- worker.prefetch_multiplier=9 worker.max_tasks_per_child=5",
    "no concurrency": "",
    "autoscale": "--autoscale=8,2",
}


@pytest.mark.parametrize("settings", [{}, {"worker_prefetch_multiplier": 1, "worker_pool": "solo"}])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_worker_is_what_celery_makes_of_its_command(
    command: str, settings: dict[str, Any]
) -> None:
    """Pool, slots, prefetch count, queues and life of a child are those of Celery's worker."""
    queues = (Queue("a"), Queue("b"))
    app = shop(task_queues=queues, task_default_queue="a", **settings)
    add(app)
    (pool,) = derive(app, f"celery -A shop worker {COMMANDS[command]}").workers
    made = read_by_celery(app, shlex.split(COMMANDS[command]))
    solo = made.pool_cls.__module__ == "celery.concurrency.solo"
    slots = 1 if solo else (made.max_concurrency or made.concurrency)
    assert (
        pool.pool
        == {"prefork": "prefork", "thread": "threads", "solo": "solo"}[
            made.pool_cls.__module__.rpartition(".")[2]
        ]
    )
    assert pool.concurrency == slots
    assert pool.concurrency * pool.prefetch_multiplier == made.consumer.initial_prefetch_count
    assert list(pool.queues) == list(app.amqp.queues.consume_from)
    assert pool.max_tasks_per_child == made.max_tasks_per_child


def test_equal_workers_are_one_pool() -> None:
    """Names that differ by a number make one pool; another option makes another pool."""
    app = shop()
    add(app)
    lines = [f"celery -A shop worker -n mail{i}@%h -c 4" for i in (1, 2, 3)]
    found = derive(app, *lines, "celery -A shop worker -n mail4@%h -c 1")
    assert [(p.name, p.n_workers, p.concurrency) for p in found.workers] == [
        ("mail", 3, 4),
        ("mail-b", 1, 1),
    ]


def test_celery_multi_starts_its_workers() -> None:
    """As the example in celery/bin/multi.py: one of three has ten processes."""
    app = shop(task_routes={"shop.mail": "images"})
    add(app)
    found = derive(app, "python -m celery multi start 3 -A shop -c 3 -c:1 10 -Q:1 images -l INFO")
    assert [(p.n_workers, p.concurrency, p.queues) for p in found.workers] == [
        (1, 10, ("images",)),
        (2, 3, ("celery",)),
    ]


@pytest.mark.parametrize(
    "before",
    ["C_FORCE_ROOT=1 exec ", "cd /srv && /srv/venv/bin/", "poetry run ", "python -m ", "sh -c '"],
)
def test_what_starts_celery_is_skipped(before: str) -> None:
    """Environment, wrappers, paths, a shell: the command is what celery is told."""
    end = "'" if before.endswith("'") else ""
    assert pool_of(f"{before}celery -A shop worker -c 3{end}").concurrency == 3


@pytest.mark.parametrize(
    ("command", "where", "pool"),
    [
        ("-P gevent -c 100", "commands[0].pool", WorkerPool(concurrency=100, pool="threads")),
        (
            "-P threads -c 900",
            "commands[0].concurrency",
            WorkerPool(concurrency=256, pool="threads"),
        ),
        ("-c 2 --max-memory-per-child 9", "commands[0].max_memory", WorkerPool(concurrency=2)),
    ],
)
def test_an_option_without_a_place_in_a_scenario_is_noted(
    command: str, where: str, pool: WorkerPool
) -> None:
    """With what stands in for it."""
    app = shop()
    add(app)
    found = derive(app, f"celery -A shop worker {command}")
    assert found.workers == (pool,)
    assert notes_of(found, where)


def test_an_app_without_commands_has_one_worker_as_configured() -> None:
    """worker_concurrency, worker_prefetch_multiplier, worker_max_tasks_per_child; and it is said."""
    app = shop(worker_concurrency=6, worker_prefetch_multiplier=2, worker_max_tasks_per_child=50)
    add(app)
    found = Scenario.from_celery(app)
    assert found.workers == (
        WorkerPool(concurrency=6, prefetch_multiplier=2, max_tasks_per_child=50),
    )
    assert notes_of(found, "workers")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("celery -A shop worker -c many", "many"),
        ("celery -A shop worker --no-such-thing", "--no-such-thing"),
        ("celery -A shop worker -P fibers", "'fibers'"),
        ("celery -A shop wroker", "'worker'"),
        ("gunicorn shop.wsgi", "celery -A proj worker"),
        ("celery -A shop worker 'open quote", "command line"),
        ("celery multi stop 3", "'stop'"),
        ("celery -A shop worker -- nonsense", "nonsense"),
        ("celery", "''"),
        ("celery -A shop worker -X celery", "no queue"),
        ("celery -A shop worker --help", "help"),
        ("", "celery -A proj worker"),
    ],
)
def test_a_command_that_starts_no_worker_is_refused_in_one_sentence(
    command: str, says: str
) -> None:
    """The sentence names the command by its place, and what was wrong."""
    app = shop()
    add(app)
    with pytest.raises(ScenarioError) as error:
        derive(app, *ONE, command)
    assert "commands[1]" in sentence_of(error)
    assert says in sentence_of(error)


# --- beat -----------------------------------------------------------------------------------------


class OwnSchedule(BaseSchedule):  # type: ignore[misc] # Celery is untyped
    """A schedule that only its own code knows, as solar is."""


PERIODS: dict[str, tuple[Any, float | None]] = {
    "number": (30, 30.0),
    "fraction": (0.5, 0.5),
    "timedelta": (timedelta(minutes=5), 300.0),
    "each minute": (crontab(), 60.0),
    "quarters": (crontab(minute="*/15"), 900.0),
    "hourly": (crontab(minute=5), 3600.0),
    "two-hourly": (crontab(minute=0, hour="*/2"), 7200.0),
    "daily": (crontab(minute=0, hour=3), 86400.0),
    "weekly": (crontab(minute=0, hour=3, day_of_week="mon"), 604800.0),
    "every seven minutes": (crontab(minute="*/7"), None),
    "office hours": (crontab(hour="8-17", minute=0), None),
    "monthly": (crontab(0, 0, day_of_month="1"), None),
    "of its own": (OwnSchedule(), None),
}


@pytest.mark.parametrize("period", PERIODS)
def test_a_beat_entry_has_the_period_of_its_schedule(period: str) -> None:
    """Evenly spaced times are a period; others are left out, and said to be."""
    schedule, expected = PERIODS[period]
    app = shop(beat_schedule={"tick": {"task": "shop.mail", "schedule": schedule}})
    add(app)
    found = derive(app, "celery -A shop worker -c 1 -B")
    assert [entry.every_s for entry in found.beat] == ([expected] if expected else [])
    if expected is None:
        assert notes_of(found, "beat.tick")


def test_each_beat_publishes_each_entry() -> None:
    """None without a beat, twice with two: Celery has no lock between beats."""
    app = shop(beat_schedule={"tick": {"task": "shop.mail", "schedule": 30}})
    add(app)
    assert derive(app).beat == ()
    assert notes_of(derive(app), "beat")
    assert len(derive(app, *ONE, "celery -A shop beat").beat) == 1
    assert len(derive(app, "celery -A shop worker -c 1 -B", "celery -A shop beat").beat) == 2


def test_periodic_tasks_added_in_code_are_there() -> None:
    """on_after_finalize and add_periodic_task, with a name that a scenario must write otherwise."""
    app = shop()
    task = add(app)

    @app.on_after_finalize.connect
    def setup(sender: Celery, **_: Any) -> None:
        sender.add_periodic_task(12.0, task.s(), name="every 12 s")

    (entry,) = derive(app, "celery -A shop worker -c 1 -B").beat
    assert (entry.name, entry.task, entry.every_s) == ("every_12_s", "shop.mail", 12.0)


def test_an_entry_for_no_task_of_the_app_is_noted() -> None:
    """Celery would publish it and a worker would refuse it."""
    app = shop(beat_schedule={"tick": {"task": "shop.gone", "schedule": 30}})
    add(app)
    found = derive(app, "celery -A shop worker -c 1 -B")
    assert found.beat == ()
    assert any("shop.gone" in note for note in notes_of(found, "beat.tick"))


# --- broker and other settings ----------------------------------------------------------------------


def test_the_broker_s_options_are_the_broker_s_fields() -> None:
    """broker_transport_options, by the names that kombu gives them; key names change nothing."""
    app = shop(
        broker_transport_options={
            "visibility_timeout": 600,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 2,
            "priority_steps": list(range(10)),
            "queue_order_strategy": "priority",
            "sep": ":",
            "global_keyprefix": "shop_",
        }
    )
    add(app)
    found = derive(app)
    assert found.broker.visibility_timeout_s == 600.0
    assert found.broker.unacked_restore_interval_s == 5.0
    assert found.broker.unacked_restore_throttle == 2
    assert found.broker.priority_steps == tuple(range(10))
    assert found.broker.queue_order_strategy == "priority"
    assert [note for note in notes_of(found, "broker") if "persistence" not in note] == []


NOTED: dict[str, tuple[dict[str, Any], str]] = {
    "annotation by code": ({"task_annotations": [lambda task: None]}, "conf.task_annotations"),
    "annotation wrap": (
        {"task_annotations": {"*": {"@on_failure": lambda f: f}}},
        "conf.task_annotations",
    ),
    "eager": ({"task_always_eager": True}, "conf.task_always_eager"),
    "wrong routes": ({"task_routes": [("shop.*", "post")]}, "shop.mail.queue"),
    "old name": ({"CELERY_ALWAYS_EAGER": True}, "conf.task_always_eager"),
    "amqp": ({"broker_url": "amqp://guest:secret@host//"}, "broker"),
    "option": ({"broker_transport_options": {"unacked_restore_limit": 7}}, "broker"),
    "bad option": ({"broker_transport_options": {"visibility_timeout": "long"}}, "broker"),
    "tracking": ({"task_track_started": True}, "tasks.shop.mail"),
}


@pytest.mark.parametrize("case", NOTED)
def test_a_setting_without_a_place_in_a_scenario_is_noted(case: str) -> None:
    """Nothing that was set and has an effect is dropped in silence; no secret is told."""
    settings, where = NOTED[case]
    app, usual = shop(**settings), shop()
    for one in (app, usual):
        add(one)
    new = set(notes_of(derive(app), where)) - set(notes_of(derive(usual), where))
    assert new
    assert not any("secret" in note for note in new)


@pytest.mark.parametrize(
    "make",
    [
        lambda app: app.conf.update(
            CELERYD_PREFETCH_MULTIPLIER=1, CELERY_TIMEZONE="UTC", CELERY_RESULT_SERIALIZER="yaml"
        ),
        lambda app: app.config_from_object({"worker_prefetch_multiplier": 1}),
        lambda app: app.config_from_object(
            {"CELERY_WORKER_PREFETCH_MULTIPLIER": 1, "SECRET_KEY": "x", "DEBUG": True},
            namespace="CELERY",
        ),
    ],
)
def test_settings_of_every_spelling_are_read(make: Callable[[Celery], None]) -> None:
    """Old names, lower case, and Django's prefix; keys that are not Celery's are nobody's business."""
    app = shop()
    make(app)
    add(app)
    found = derive(app)
    assert found.workers[0].prefetch_multiplier == 1
    assert notes_of(found, "conf") == []


class Watched(Task):  # type: ignore[misc] # Celery is untyped
    """A class that does something of its own when a task fails."""

    def on_failure(self, *args: Any) -> None:
        return None


def test_what_a_task_s_class_and_body_do_besides_is_noted() -> None:
    """A hook of its own, a body that publishes, a Request of its own."""
    app = shop()
    other = add(app, "shop.other")

    def body() -> None:
        other.delay()

    app.task(body, name="shop.mail", shared=False, base=Watched)
    told = " ".join(notes_of(derive(app), "tasks.shop.mail"))
    assert "on_failure" in told
    assert "delay" in told


# --- loads, services, names -------------------------------------------------------------------------


def test_what_only_the_caller_knows_is_taken_from_the_caller() -> None:
    """Service times and loads that are given are not noted as assumed."""
    app = shop()
    add(app)
    load = Poisson(task="shop.mail", rate_per_s=5.0)
    found = derive(app, service={"shop.mail": Deterministic(value_s=0.2)}, loads=[load])
    assert found.task("shop.mail").service == Deterministic(value_s=0.2)
    assert found.loads == (load,)
    assert notes_of(found, "loads") + notes_of(found, "tasks.service") == []


def test_without_loads_each_task_is_published_once() -> None:
    """What beat publishes is not; both are said."""
    app = shop(beat_schedule={"tick": {"task": "b", "schedule": 30}})
    add(app, "a")
    add(app, "b")
    found = derive(app, "celery -A shop worker -c 1 -B")
    assert found.loads == (Burst(task="a", n=1),)
    assert notes_of(found, "loads")


@pytest.fixture
def wrong() -> dict[str, Callable[[], Scenario]]:
    app, empty, broken = shop(), shop(), shop(include=["no_such_module_at_all"])
    add(app)
    add(broken)
    return {
        "no app": lambda: Scenario.from_celery(object()),
        "no tasks": lambda: Scenario.from_celery(empty),
        "include": lambda: Scenario.from_celery(broken),
        "service": lambda: derive(app, service={"shop.mial": Deterministic(value_s=1.0)}),
        "load": lambda: derive(app, loads=[Burst(task="nothing", n=1)]),
        "missing": lambda: derive(_strict(), "celery -A shop worker -c 1 -Q nowhere"),
    }


def _strict() -> Celery:
    app = shop(task_create_missing_queues=False)
    add(app)
    return app


@pytest.mark.parametrize("case", ["no app", "no tasks", "include", "service", "load", "missing"])
def test_what_cannot_be_derived_from_is_refused_in_one_sentence(
    case: str, wrong: dict[str, Callable[[], Scenario]]
) -> None:
    """Never a traceback of Celery's."""
    with pytest.raises(ScenarioError) as error:
        wrong[case]()
    sentence_of(error)


def test_names_that_a_scenario_cannot_write_stay_apart() -> None:
    """Two that become one are told apart, and the change is noted."""
    app = shop()
    add(app, "shop mail")
    add(app, "shop:mail")
    found = derive(app)
    assert found.task_names == ("shop_mail", "shop_mail.2")
    assert notes_of(found, "shop:mail")


def test_deriving_leaves_the_app_as_it_was() -> None:
    """The queues it consumes and its settings are the same, and the result is, too."""
    app = shop(task_routes={"shop.mail": "post"})
    add(app)
    before = dict(app.conf.table())
    first = derive(app, "celery -A shop worker -Q post,extra -c 1")
    assert list(app.amqp.queues.consume_from) == ["celery"]
    assert dict(app.conf.table()) == before
    assert derive(app, "celery -A shop worker -Q post,extra -c 1") == first
    assert Scenario.from_json(first.to_json()) == first


# --- LeadLawk ---------------------------------------------------------------------------------------

LEADLAWK = "celery -A celery_app worker -c 4 -Q browser,pagespeed,database,default"
DIFFERENT = {"loads", "faults", "app", "horizon_s", "deadline_s", "seed", "not_derived"}
"""What LeadLawk's scenario adds to its app: an evening's load, its faults and their times."""
DIFFERENT_OF_TASKS = {
    ("celery_app.browser_automation_task", "priority"),  # its example call passes priority=5
}


def test_leadlawk_s_app_gives_leadlawk_s_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    """Field by field, its retry by hand included; only what an app cannot know differs."""
    from sandbox.systems.leadlawk.app import celery_app

    # Whoever starts the app sets its broker; this is how Celery takes it.
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://nowhere")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://nowhere")
    system = sandbox.load("leadlawk")
    found = Scenario.from_celery(
        celery_app,
        [LEADLAWK, LEADLAWK, "celery -A celery_app beat"],
        service={task.name: task.service for task in system.tasks},
    )
    for field in set(Scenario.model_fields) - DIFFERENT - {"tasks"}:
        assert getattr(found, field) == getattr(system, field), field
    assert set(found.task_names) == set(system.task_names)
    differ = {
        (task.name, field)
        for task in system.tasks
        for field in TaskType.model_fields
        if getattr(found.task(task.name), field) != getattr(task, field)
    }
    assert differ == DIFFERENT_OF_TASKS
