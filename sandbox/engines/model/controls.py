"""The controls: every verb, checked, recorded and carried out in virtual time."""

from __future__ import annotations

import math
from typing import Any

from sandbox.engines import VERBS
from sandbox.engines.commands import check, chosen, no_child_now, second_beat
from sandbox.engines.model.client import Client
from sandbox.engines.model.outage import Offline
from sandbox.engines.model.pause import Pause
from sandbox.engines.model.slot import victim
from sandbox.engines.model.worker import Worker
from sandbox.engines.model.world import World
from sandbox.errors import EngineError, SandboxError, ScenarioError, one_of
from sandbox.faults import At, Command, OnEvent, commands_of
from sandbox.run import Event


class ModelControls:
    """Controls of the model: a verb acts at the current virtual time, or when ``when`` comes."""

    def __init__(self, world: World, client: Client) -> None:
        self._world, self._client = world, client
        self._starting: set[str] = set()
        self._quitting: set[str] = set()
        self._limits: dict[str, str | None] = {}
        for i, fault in enumerate(world.scenario.faults):
            for command in fault.commands():
                if command.verb not in VERBS:
                    allowed = one_of(command.verb, VERBS)
                    raise ScenarioError(
                        f"{fault.where(i)}.kind is {fault.inner.kind!r}, whose verb "
                        f"{command.verb!r} the model does not have; allowed: {allowed}"
                    )
        for command in commands_of(world.scenario.faults, world.scenario.seed):
            self._schedule(command)

    def refusal(self, verb: str) -> str | None:
        """Return why the model has no such verb: the end of a sentence, or None."""
        return None

    # --- the verbs -------------------------------------------------------------------

    def submit(self, task: str, n: int = 1, *, when: At | OnEvent | None = None) -> list[str]:
        """Publish ``n`` tasks of a type; return their keys (none yet, with ``when``)."""
        keys: list[str] | None = self._order("submit", when, task=task, n=n)
        return keys or []

    def kill_child(
        self, worker: str, slot: int | None = None, *, when: At | OnEvent | None = None
    ) -> None:
        """SIGKILL the child in ``slot``, or the one busy longest (the first when all are idle)."""
        self._order("kill_child", when, worker=worker, **chosen(slot=slot))

    def kill_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGKILL a worker: its main process and its children."""
        self._order("kill_worker", when, worker=worker)

    def terminate_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGTERM a worker's main process: a warm shutdown."""
        self._order("terminate_worker", when, worker=worker)

    def quit_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGQUIT a worker's main process: a cold shutdown, after a soft one if it is set."""
        self._order("quit_worker", when, worker=worker)

    def pause_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGSTOP a worker: its main process and its children stand still."""
        self._order("pause_worker", when, worker=worker)

    def resume_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGCONT a worker that is paused."""
        self._order("resume_worker", when, worker=worker)

    def drop_connections(self, *, when: At | OnEvent | None = None) -> None:
        """Cut every client's connections to the broker at once."""
        self._order("drop_connections", when)

    def stop_broker(self, *, when: At | OnEvent | None = None) -> None:
        """SIGKILL the broker; without persistence all that it holds is gone."""
        self._order("stop_broker", when)

    def start_broker(self, *, when: At | OnEvent | None = None) -> None:
        """Start the broker again."""
        self._order("start_broker", when)

    def start_beat(self, *, when: At | OnEvent | None = None) -> None:
        """Start a second beat with the same schedule: from now on every entry is there twice."""
        self._order("start_beat", when)

    def sweep(self, visibility_timeout_s: float, *, when: At | OnEvent | None = None) -> None:
        """Have a client sweep once that has a visibility timeout of its own."""
        self._order("sweep", when, visibility_timeout_s=visibility_timeout_s)

    def plant_mutex(self, expires_s: float, *, when: At | OnEvent | None = None) -> None:
        """Set ``unacked_mutex``, as a client leaves it that dies while it sweeps."""
        self._order("plant_mutex", when, expires_s=expires_s)

    def start_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Start a worker that is down."""
        self._order("start_worker", when, worker=worker)

    def rate_limit(self, task: str, rate: str | None, *, when: At | OnEvent | None = None) -> None:
        """Set a task type's rate limit on every running worker; None lifts it."""
        self._order("rate_limit", when, task=task, rate=rate)

    def skip(self, seconds: float, *, when: At | OnEvent | None = None) -> None:
        """Age the messages in `unacked` by ``seconds``, and sweep ``sweep_s`` later.

        One sweep restores all that is older than the timeout, since kombu's
        ``unacked_restore_limit`` is None unless it is set.
        """
        self._order("skip", when, seconds=seconds)

    def fail_dependency(
        self, dependency: str, for_s: float, *, when: At | OnEvent | None = None
    ) -> None:
        """Have each call to a dependency fail at once, for ``for_s`` seconds from now."""
        self._order("fail_dependency", when, dependency=dependency, for_s=for_s)

    def slow_dependency(
        self, dependency: str, factor: float, *, when: At | OnEvent | None = None
    ) -> None:
        """Have what a dependency begins from now on take ``factor`` times as long; 1 ends it."""
        self._order("slow_dependency", when, dependency=dependency, factor=factor)

    # --- now or later ----------------------------------------------------------------

    def _order(self, verb: str, when: At | OnEvent | None, **arguments: Any) -> Any:
        check(self._world.scenario, verb, arguments)
        if when is None:
            return getattr(self, f"_do_{verb}")(**arguments)
        self._schedule(Command(when, verb, arguments))
        return None

    def _schedule(self, command: Command) -> None:
        """Carry a command out at its time, or some time after its event."""
        world, when = self._world, command.when
        if isinstance(when, At):
            world.await_in(max(0.0, when.at_s - world.env.now), self._carry_out, command)
            return

        def seen(event: Event) -> None:
            delay_s = max(0.0, event.t_s + when.after_s - world.env.now)
            world.await_in(delay_s, self._carry_out, command)

        world.record.watch(when, seen, since=len(world.record.events))

    def _carry_out(self, command: Command) -> None:
        """Do it; with nobody to raise to, trouble becomes a part of the record."""
        try:
            self._order(command.verb, None, **command.arguments)
        except SandboxError as exc:
            self._note(command.verb, **command.arguments, error=str(exc))

    def _note(self, verb: str, *, worker: str | None = None, **detail: Any) -> None:
        self._world.record.note("control", worker=worker, detail={"verb": verb} | detail)

    # --- what they do ----------------------------------------------------------------

    def _do_submit(self, task: str, n: int) -> list[str]:
        if not isinstance(n, int):
            raise ScenarioError(f"submit: n is {n!r}; allowed: a whole number, 1 or more")
        return self._client.submit(self._world.kinds[task], n)

    def _do_kill_child(self, worker: str, slot: int | None = None) -> None:
        self._reachable("kill_child")
        found = self._able("kill_child", worker, closing=worker not in self._quitting)
        struck = victim(found.pool.slots, slot)
        if struck is None:
            raise EngineError(no_child_now(worker, slot))
        key = struck.message.key if struck.message and struck.started_s is not None else None
        self._note("kill_child", worker=worker, slot=struck.number, task=key)
        found.kill_child(struck)

    def _do_kill_worker(self, worker: str) -> None:
        found = self._running(worker)
        self._note("kill_worker", worker=worker)
        found.kill()

    def _do_terminate_worker(self, worker: str) -> None:
        self._reachable("terminate_worker")
        found = self._able("terminate_worker", worker)
        self._note("terminate_worker", worker=worker)
        found.terminate()

    def _do_quit_worker(self, worker: str) -> None:
        self._reachable("quit_worker")
        found = self._able("quit_worker", worker)
        self._note("quit_worker", worker=worker)
        self._quitting.add(worker)
        found.quit()

    def _do_pause_worker(self, worker: str) -> None:
        self._reachable("pause_worker")
        found = self._able("pause_worker", worker)
        self._note("pause_worker", worker=worker)
        found.stop()

    def _do_resume_worker(self, worker: str) -> None:
        found = self._running(worker)
        pause = found.pause
        if not isinstance(pause, Pause) or found.closing:
            raise EngineError(f"resume_worker: {worker} is not paused")
        self._note("resume_worker", worker=worker)
        pause.end()

    def _do_drop_connections(self) -> None:
        workers = self._none_closing("drop_connections")
        self._note("drop_connections")
        self._world.broker.forget_clients()
        for worker in workers:
            if not worker.is_offline:
                worker.reconnect()

    def _do_stop_broker(self) -> None:
        workers = self._none_closing("stop_broker")
        self._note("stop_broker")
        waiting = set(self._world.broker.blocked)
        self._world.broker.stop()
        for worker in workers:
            if not worker.is_cut:
                worker.reconnect(in_brpop=worker in waiting)

    def _do_start_broker(self) -> None:
        broker = self._world.broker
        if not broker.is_down:
            raise EngineError("start_broker: the broker is running already")
        self._note("start_broker")
        broker.is_down = False
        broker.changed(is_far=self._world.client_trip_s > 0)
        for worker in self._world.workers.values():
            worker.find_broker()

    def _none_closing(self, verb: str) -> list[Worker]:
        """Return the workers that are up; none may be shutting down, nor the broker be down."""
        self._reachable(verb)
        workers = [worker for worker in self._world.workers.values() if worker.is_alive]
        for worker in workers:
            if worker.closing:
                raise EngineError(f"{verb}: {worker.name} is shutting down already")
            if worker.half_open is not None:
                raise EngineError(f"{verb}: {worker.name} is half open; kill it first")
        return workers

    def _reachable(self, verb: str) -> None:
        if self._world.broker.is_down:
            raise EngineError(f"{verb}: the broker is down; start it first")
        if self._world.broker.standstill is not None:
            raise EngineError(f"{verb}: the broker is paused; resume it first")
        if self._world.broker.is_full:
            raise EngineError(f"{verb}: the broker's memory is full; free it first")

    def _do_sweep(self, visibility_timeout_s: float) -> None:
        self._reachable("sweep")
        world = self._world
        self._note("sweep", visibility_timeout_s=visibility_timeout_s)
        sweep_s = world.overheads.sweep_s
        world.await_in(sweep_s, world.broker.sweep, None, visibility_timeout_s)

    def _do_plant_mutex(self, expires_s: float) -> None:
        self._reachable("plant_mutex")
        self._note("plant_mutex", expires_s=expires_s)
        self._world.broker.plant_mutex(expires_s)

    def _do_start_beat(self) -> None:
        self._note("start_beat")
        for task, at_s in second_beat(self._world.scenario, self._world.env.now):
            self.submit(task, when=At(at_s=at_s))

    def _do_start_worker(self, worker: str) -> None:
        self._reachable("start_worker")
        if self._world.workers[worker].is_alive or worker in self._starting:
            raise EngineError(f"start_worker: {worker} is running already")
        self._note("start_worker", worker=worker)
        self._starting.add(worker)
        self._world.await_in(self._world.overheads.worker_start_s, self._ready, worker)

    def _ready(self, name: str) -> None:
        self._starting.remove(name)
        self._quitting.discard(name)
        before = self._world.workers[name]
        worker = self._world.workers[name] = Worker(self._world, before.settings, name)
        worker.n_kills = before.n_kills
        worker.skew_s = before.skew_s
        worker.trip_s, worker.is_slow = before.trip_s, before.is_slow

    def _do_rate_limit(self, task: str, rate: str | None) -> None:
        self._reachable("rate_limit")
        self._note("rate_limit", task=task, rate=rate)
        for worker in self._world.workers.values():
            if worker.is_cut or worker.half_open is not None:
                continue
            if worker.pause is not None:
                worker.pause.later(worker.holds.limit_rate, task, rate)
            elif worker.is_alive and not worker.closing:
                worker.holds.limit_rate(task, rate)

    def _do_skip(self, seconds: float) -> None:
        if seconds == math.inf:
            raise ScenarioError("skip: seconds is inf; allowed: a number of seconds")
        self._reachable("skip")
        self._note("skip", seconds=seconds)
        self._world.broker.age(seconds)
        self._world.record.note("skipped", detail={"seconds": seconds})
        self._world.await_in(self._world.overheads.sweep_s, self._world.broker.sweep, None)

    def _do_fail_dependency(self, dependency: str, for_s: float) -> None:
        self._note("fail_dependency", dependency=dependency, for_s=for_s)
        service = self._world.services[dependency]
        service.go_down()
        self._world.call_in(for_s, service.come_up)

    def _do_slow_dependency(self, dependency: str, factor: float) -> None:
        self._note("slow_dependency", dependency=dependency, factor=factor)
        self._world.services[dependency].factor = factor

    def _able(self, verb: str, name: str, *, closing: bool = False) -> Worker:
        """Return a worker that is up, not paused and, but for ``closing``, not shutting down."""
        worker = self._running(name)
        if worker.closing and not closing:
            raise EngineError(f"{verb}: {name} is shutting down already")
        if worker.half_open is not None:
            raise EngineError(f"{verb}: {name} is half open; kill it first")
        if isinstance(worker.pause, Offline):
            raise EngineError(f"{verb}: {name} has no connection to the broker")
        if worker.pause is not None:
            raise EngineError(f"{verb}: {name} is paused; resume it first")
        return worker

    def _running(self, name: str) -> Worker:
        worker = self._world.workers[name]
        if not worker.is_alive:
            raise EngineError(f"{name} is down; start it first")
        return worker
