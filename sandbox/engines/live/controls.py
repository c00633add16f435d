"""The verbs on real workers: signals, broadcasts, and a broker's clock put forward."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import signal
import threading
from collections.abc import Callable
from typing import Any

from sandbox.engines.commands import Trigger, check, chosen, no_child_now
from sandbox.engines.live.allowed import refusal
from sandbox.engines.live.calls import DOWNSTREAM
from sandbox.engines.live.links import PROXY
from sandbox.engines.live.outage import Outage
from sandbox.engines.live.processes import Processes
from sandbox.engines.live.record import Record
from sandbox.engines.live.victim import victim
from sandbox.engines.live.writer import Writer
from sandbox.errors import EngineError, SandboxError
from sandbox.faults import At, Command, OnEvent
from sandbox.run import Event
from sandbox.scenario import Scenario
from sandbox.schedule import BY_HAND

_ANSWER_S = 15.0


class LiveControls:
    """Controls of a live session. Commands for later are carried out by one thread, in order."""

    outage: Outage

    def __init__(
        self,
        scenario: Scenario,
        processes: Processes,
        record: Record,
        writer: Writer,
        start_worker: Callable[[str], Any],
    ) -> None:
        self.scenario, self._processes, self._record = scenario, processes, record
        self._writer, self._start = writer, start_worker
        self._by_hand = {name: itertools.count(BY_HAND) for name in scenario.task_names}
        self._orders = itertools.count()
        self._later: list[tuple[Trigger, Command]] = []
        self._due: queue.Queue[Command | None] = queue.Queue()
        self._busy = 0
        self._paused: set[str] = set()
        self._closing: set[str] = set()
        self._quitting: set[str] = set()
        self.submitted: set[str] = set()
        threading.Thread(target=self._hands, name="sandbox-controls", daemon=True).start()

    def refusal(self, verb: str) -> str | None:
        """Return why this broker does not take a verb: the end of a sentence, or None."""
        return refusal(verb, self.outage.choice)

    # --- verbs -----------------------------------------------------------------------

    def submit(self, task: str, n: int = 1, *, when: At | OnEvent | None = None) -> list[str]:
        """Publish ``n`` tasks of a type; return their keys (none yet, with ``when``)."""
        if self._postponed("submit", {"task": task, "n": n}, when):
            return []
        keys = [f"{task}/{next(self._by_hand[task])}" for _ in range(n)]
        self.submitted.update(keys)
        self._processes.order("tell", name="client", message={"submit": keys})
        return keys

    def kill_child(
        self, worker: str, slot: int | None = None, *, when: At | OnEvent | None = None
    ) -> None:
        """SIGKILL the child in ``slot``, or the one busy longest (the first when all are idle)."""
        if self._postponed("kill_child", {"worker": worker} | chosen(slot=slot), when):
            return
        self._reachable("kill_child")
        self._able("kill_child", worker, closing=worker not in self._quitting)
        found = victim(self._record, self._processes.order("children", name=worker), worker, slot)
        if found is None:
            raise EngineError(no_child_now(worker, slot))
        self._log("kill_child", worker=worker, **found._asdict())
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGKILL)

    def kill_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGKILL a worker: its main process and its children."""
        if not self._postponed("kill_worker", {"worker": worker}, when):
            self._signal("kill_worker", worker, signal.SIGKILL, tree=True)

    def terminate_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGTERM a worker's main process: a warm shutdown."""
        if not self._postponed("terminate_worker", {"worker": worker}, when):
            self._reachable("terminate_worker")
            self._able("terminate_worker", worker)
            self._closing.add(worker)
            self._signal("terminate_worker", worker, signal.SIGTERM, tree=False)

    def quit_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGQUIT a worker's main process: a cold shutdown, after a soft one if it is set."""
        if not self._postponed("quit_worker", {"worker": worker}, when):
            self._reachable("quit_worker")
            self._able("quit_worker", worker)
            self._closing.add(worker)
            self._quitting.add(worker)
            self._signal("quit_worker", worker, signal.SIGQUIT, tree=False)

    def pause_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGSTOP a worker: its main process and its children stand still."""
        if not self._postponed("pause_worker", {"worker": worker}, when):
            self._reachable("pause_worker")
            self._able("pause_worker", worker)
            self._paused.add(worker)
            self._signal("pause_worker", worker, signal.SIGSTOP, tree=True)

    def resume_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGCONT a worker that is paused."""
        if self._postponed("resume_worker", {"worker": worker}, when):
            return
        self._up(worker)
        if worker not in self._paused:
            raise EngineError(f"resume_worker: {worker} is not paused")
        self._paused.remove(worker)
        self._signal("resume_worker", worker, signal.SIGCONT, tree=True)

    def drop_connections(self, *, when: At | OnEvent | None = None) -> None:
        """Cut every client's connections to the broker at once."""
        if self._postponed("drop_connections", {}, when):
            return
        self._reachable("drop_connections")
        self._none_closing("drop_connections")
        self._log("drop_connections")
        if self.outage.choice.url is None:
            self._operate("drop_connections")
        else:  # Only what is ours is cut on a broker that others use.
            self._operate("reset_peer", who=PROXY)

    def stop_broker(self, *, when: At | OnEvent | None = None) -> None:
        """SIGKILL the broker; without persistence all that it holds is gone."""
        if self._postponed("stop_broker", {}, when):
            return
        self._reachable("stop_broker")
        self._none_closing("stop_broker")
        self._log("stop_broker")
        self.outage.begin()
        self._writer.write("broker_stopped", detail={"keeps": self.outage.keeps})

    def start_broker(self, *, when: At | OnEvent | None = None) -> None:
        """Start the broker again, at the same address."""
        if self._postponed("start_broker", {}, when):
            return
        if not self.outage.is_down:
            raise EngineError("start_broker: the broker is running already")
        self._log("start_broker")
        self.outage.end()

    def sweep(self, visibility_timeout_s: float, *, when: At | OnEvent | None = None) -> None:
        """Have a client sweep once that has a visibility timeout of its own."""
        timeout: dict[str, Any] = {"visibility_timeout_s": visibility_timeout_s}
        if not self._postponed("sweep", timeout, when):
            self._reachable("sweep")
            self._log("sweep", **timeout)
            self._operate("sweep", **timeout)

    def plant_mutex(self, expires_s: float, *, when: At | OnEvent | None = None) -> None:
        """Set ``unacked_mutex``, as a client leaves it that dies while it sweeps."""
        if not self._postponed("plant_mutex", {"expires_s": expires_s}, when):
            self._reachable("plant_mutex")
            self._log("plant_mutex", expires_s=expires_s)
            self._operate("plant_mutex", expires_s=expires_s)

    def start_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Start a worker that is down, and wait until it is ready."""
        if self._postponed("start_worker", {"worker": worker}, when):
            return
        self._reachable("start_worker")
        if worker not in self._processes.exited:
            raise EngineError(f"start_worker: {worker} is running already")
        self._log("start_worker", worker=worker)
        self._paused.discard(worker)
        self._closing.discard(worker)
        self._quitting.discard(worker)
        self._start(worker)

    def rate_limit(self, task: str, rate: str | None, *, when: At | OnEvent | None = None) -> None:
        """Set a task type's rate limit on every running worker; None lifts it."""
        if self._postponed("rate_limit", {"task": task, "rate": rate}, when):
            return
        self._reachable("rate_limit")
        workers = len(set(self.scenario.worker_names) - self._deaf)
        confirmed = self._operate("rate_limit", task=task, rate=rate, workers=workers)
        self._log("rate_limit", task=task, rate=rate, confirmed=confirmed)

    def skip(self, seconds: float, *, when: At | OnEvent | None = None) -> None:
        """Age the messages in ``unacked`` by ``seconds`` and have a client sweep."""
        if not self._postponed("skip", {"seconds": seconds}, when):
            self._reachable("skip")
            self._log("skip", seconds=seconds)
            self._operate("skip", seconds=seconds)

    def fail_dependency(
        self, dependency: str, for_s: float, *, when: At | OnEvent | None = None
    ) -> None:
        """Have each call to a dependency fail at once, for ``for_s`` seconds from now."""
        arguments: dict[str, Any] = {"dependency": dependency, "for_s": for_s}
        if not self._postponed("fail_dependency", arguments, when):
            self._log("fail_dependency", **arguments)
            self._operate("fail", who=DOWNSTREAM, **arguments)

    def slow_dependency(
        self, dependency: str, factor: float, *, when: At | OnEvent | None = None
    ) -> None:
        """Have what a dependency begins from now on take ``factor`` times as long; 1 ends it."""
        arguments: dict[str, Any] = {"dependency": dependency, "factor": factor}
        if not self._postponed("slow_dependency", arguments, when):
            self._log("slow_dependency", **arguments)
            self._operate("slow", who=DOWNSTREAM, **arguments)

    def dump(self) -> None:
        """Record what the broker holds; nothing when it does not answer."""
        if self.outage.is_paused:
            return
        with contextlib.suppress(EngineError):
            self._operate("dump", wait_s=3.0)

    # --- how -------------------------------------------------------------------------

    def _up(self, worker: str) -> None:
        if worker in self._processes.exited:
            raise EngineError(f"{worker} is down; start it first")

    @property
    def _deaf(self) -> set[str]:
        """The workers that answer no broadcast; one that is paused does when it goes on."""
        return self._processes.exited.keys() | self._paused

    def _none_closing(self, verb: str) -> None:
        for worker in sorted(self._closing - self._processes.exited.keys()):
            raise EngineError(f"{verb}: {worker} is shutting down already")

    def _reachable(self, verb: str) -> None:
        if self.outage.is_down:
            raise EngineError(f"{verb}: the broker is down; start it first")
        if self.outage.is_paused:
            raise EngineError(f"{verb}: the broker is paused; resume it first")
        if self.outage.is_full:
            raise EngineError(f"{verb}: the broker's memory is full; free it first")

    def _able(self, verb: str, worker: str, *, closing: bool = False) -> None:
        """Refuse a worker that is down or paused and, but for ``closing``, one that shuts down."""
        self._up(worker)
        if worker in self._paused:
            raise EngineError(f"{verb}: {worker} is paused; resume it first")
        if worker in self._closing and not closing:
            raise EngineError(f"{verb}: {worker} is shutting down already")

    def _signal(self, verb: str, worker: str, number: int, *, tree: bool) -> None:
        self._up(worker)
        self._log(verb, worker=worker)
        self._processes.order("signal", name=worker, signum=int(number), tree=tree)
        if number == signal.SIGKILL:
            exited = self._processes.exited
            self._record.wait_until(lambda: worker in exited, _ANSWER_S)

    def _operate(
        self, verb: str, *, who: str = "operator", wait_s: float = _ANSWER_S, **arguments: Any
    ) -> Any:
        """Have the operator (or ``who``) do something and return what it answered."""
        number = next(self._orders)
        message = {"number": number, "verb": verb, **arguments}
        self._processes.order("tell", name=who, message=message)
        answer = self._record.wait_until(lambda: self._answer(number), wait_s)
        if answer is None:
            what = "broker" if who == "operator" else "dependency"
            raise EngineError(f"{verb}: the {what} did not answer in {wait_s:.0f} s")
        if "error" in answer:
            raise EngineError(f"{verb}: {answer['error']}")
        return answer["result"]

    def _answer(self, number: int) -> dict[str, Any] | None:
        for line in self._record.notes:
            if line["kind"] == "_answer" and line["detail"]["number"] == number:
                return dict(line["detail"])
        return None

    def _log(self, verb: str, **arguments: Any) -> None:
        known = {name: value for name, value in arguments.items() if name != "worker"}
        self._writer.write(
            "control", worker=arguments.get("worker"), detail={"verb": verb, **known}
        )

    # --- at a time, or on an event ---------------------------------------------------

    def _postponed(self, verb: str, arguments: dict[str, Any], when: At | OnEvent | None) -> bool:
        """Check arguments and broker; keep the command for later when it has a ``when``."""
        check(self.scenario, verb, arguments)
        why = self.refusal(verb)
        if why is not None:
            raise EngineError(f"{verb}: {why}")
        if when is not None:
            self.schedule(Command(when, verb, arguments))
        return when is not None

    def schedule(self, command: Command) -> None:
        """Carry out a command when its moment comes."""
        with self._record.changed:
            self._later.append((Trigger(command.when), command))

    def see(self, event: Event) -> None:
        """Let an event count for the commands that wait for one."""
        for trigger, _ in self._later:
            trigger.see(event)

    def fire(self) -> None:
        """Hand over the commands whose moment has come; called by the pump."""
        now = self._record.now()
        with self._record.changed:
            due = [x for x in self._later if x[0].due_s is not None and x[0].due_s <= now]
            for item in due:
                self._later.remove(item)
                self._busy += 1
                self._due.put(item[1])

    @property
    def pending(self) -> bool:
        """Whether a command is under way, or its time is known and has yet to come."""
        return bool(self._busy) or any(trigger.due_s is not None for trigger, _ in self._later)

    def close(self) -> None:
        """End the thread that carries out commands for later."""
        self._due.put(None)

    def _hands(self) -> None:
        while (command := self._due.get()) is not None:
            try:
                getattr(self, command.verb)(**command.arguments)
            except SandboxError as exc:
                self._log(command.verb, **command.arguments, error=str(exc))
            finally:
                with self._record.changed:
                    self._busy -= 1
