"""From Celery: a scenario of an app as it is configured, and of the workers that commands start.

The app is asked, never started: no connection is opened and no task is run. Celery is imported
only where its own parsers and tables are asked: whoever has an app has imported it already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.derive.beat import beat_entries, with_options
from sandbox.derive.load import is_app
from sandbox.derive.names import plain
from sandbox.derive.settings import broker_of, note_settings
from sandbox.derive.tasks import task_types
from sandbox.derive.worker_command import WorkerCommand
from sandbox.derive.workers import with_limits, worker_pools
from sandbox.draws import Distribution
from sandbox.errors import ScenarioError
from sandbox.loads import BeatEntry, Burst, Load
from sandbox.notes import Notes
from sandbox.scenario import Scenario, TaskType, WorkerPool


def from_celery(  # noqa: PLR0913 - all but the app have defaults
    app: Any,
    commands: Sequence[str] = (),
    *,
    service: Mapping[str, Distribution] | None = None,
    loads: Iterable[Load] | None = None,
    name: str | None = None,
    horizon_s: float = 60.0,
    seed: int = 0,
) -> Scenario:
    """Return what ``Scenario.from_celery`` promises; its docstring says what that is."""
    if not is_app(app):
        raise ScenarioError(f"app is a {type(app).__name__}; allowed: a Celery app")
    notes = Notes()
    _make_ready(app)
    workers, n_beats = _workers(app, commands, notes)
    _make_ready(app, {name for one in workers for name in one.options.get("include") or ()})
    kinds = task_types(app, service or {}, notes)
    pools = worker_pools(app, workers, notes)
    kinds = with_limits(app, workers, kinds, notes)
    beat = beat_entries(app, kinds, n_beats, notes)
    given = None if loads is None else tuple(loads)
    kinds = with_options(app, kinds, beat, given or (), notes)
    described = Scenario(
        name=name or plain(str(app.main or "app"), kind="app", notes=notes),
        tasks=tuple(kinds.values()),
        workers=pools,
        queues=_queues(kinds, pools, notes),
        loads=_one_of_each(kinds, beat, notes) if given is None else given,
        beat=tuple(beat),
        broker=broker_of(app, notes),
        horizon_s=horizon_s,
        seed=seed,
    )
    note_settings(app, notes)
    _note_late(beat, horizon_s, notes)
    return described.but(not_derived=notes.found)


def _make_ready(app: Any, include: Iterable[str] = ()) -> None:
    """Import what a worker would import, and let the app bind its tasks."""
    try:
        app.conf.task_default_queue  # noqa: B018 - reading any setting loads the configuration
        app.loader.import_default_modules()
        for module in include:
            app.loader.import_task_module(module)
        app.finalize()
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a user's modules may raise anything
        told = " ".join(str(exc).split())
        raise ScenarioError(f"app cannot be configured: {type(exc).__name__}: {told}") from None


def _workers(
    app: Any, commands: Sequence[str], notes: Notes
) -> tuple[tuple[WorkerCommand, ...], int]:
    """Return the workers that the commands start, and how many beats."""
    if commands:
        # Celery's own parsers are imported only when there is a command to read.
        from sandbox.derive.commands import read_commands

        found = read_commands(app, commands, notes)
        if found.workers:
            return found.workers, found.n_beats
    else:
        found = None
    beats = "" if found or not app.conf.beat_schedule else ", and one beat"
    told = f"one `celery worker` without options{beats}"
    notes.add("workers", "no worker command was given", told)
    return (WorkerCommand("workers", None, None, {}),), found.n_beats if found else 1


def _one_of_each(
    kinds: Mapping[str, TaskType], beat: Sequence[BeatEntry], notes: Notes
) -> tuple[Load, ...]:
    """Return the load when nobody says what is published: one of each task, beside beat's."""
    by_beat = {entry.task for entry in beat}
    names = [kind.name for kind in kinds.values() if kind.name not in by_beat]
    what = "an app does not say how often its tasks are called"
    notes.add("loads", what, f"one of each at t = 0: {', '.join(names)}" if names else "beat alone")
    return tuple(Burst(task=name, n=1) for name in names)


def _queues(
    kinds: Mapping[str, TaskType], pools: Iterable[WorkerPool], notes: Notes
) -> tuple[str, ...]:
    """Return every queue that is sent to or consumed; note those that nobody consumes."""
    consumed = dict.fromkeys(queue for pool in pools for queue in pool.queues)
    sent = dict.fromkeys(kind.queue for kind in kinds.values())
    for queue in sent:
        if queue not in consumed:
            names = ", ".join(kind.name for kind in kinds.values() if kind.queue == queue)
            what = f"tasks are sent there and no worker consumes it: {names}"
            notes.add(f"queues.{queue}", what, "just so: these tasks wait for ever")
    return tuple(consumed | sent)


def _note_late(beat: Iterable[BeatEntry], horizon_s: float, notes: Notes) -> None:
    for entry in beat:
        if entry.every_s >= horizon_s:
            what = f"it publishes first after {entry.every_s:g} s, beyond horizon_s = {horizon_s:g}"
            notes.add(f"beat.{entry.name}", what, "nothing of it is seen")
