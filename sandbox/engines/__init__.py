"""Engines: one protocol, three ways to get a Run from a Scenario (model, live, replay)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from sandbox.closing import Closing
from sandbox.faults import At, OnEvent
from sandbox.run import Event, Run
from sandbox.scenario import Scenario

VERBS = (
    "bandwidth",
    "child_oom",
    "cut_off",
    "deploy",
    "drop_connections",
    "evict",
    "fail_dependency",
    "fill_memory",
    "flush",
    "free_memory",
    "half_open",
    "kill_child",
    "kill_worker",
    "latency",
    "mend_link",
    "pause_broker",
    "pause_worker",
    "plant_mutex",
    "quit_worker",
    "rate_limit",
    "resume_broker",
    "resume_worker",
    "skew",
    "skip",
    "start_beat",
    "start_broker",
    "slow_dependency",
    "start_worker",
    "stop_broker",
    "submit",
    "sweep",
    "terminate_worker",
)


class Controls(Protocol):
    """What a user can do to a running system, by hand or through a fault.

    Each verb acts now, or, with ``when``, at a time or on an event. A wrong name raises
    ScenarioError, an impossible order (kill a worker that is down) EngineError; both say so
    in one sentence and change nothing. With ``when`` the same trouble becomes a ``control``
    event whose detail has an ``error``.
    """

    def refusal(self, verb: str) -> str | None:
        """Return why this system has no such verb: the end of a sentence, or None."""

    def submit(self, task: str, n: int = 1, *, when: At | OnEvent | None = None) -> list[str]:
        """Publish ``n`` tasks of a type; return their keys (none yet, with ``when``)."""

    def kill_child(
        self, worker: str, slot: int | None = None, *, when: At | OnEvent | None = None
    ) -> None:
        """SIGKILL the child in ``slot``, or the one busy longest (the first when all are idle)."""

    def kill_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGKILL a worker: its main process and its children."""

    def terminate_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGTERM a worker's main process: a warm shutdown."""

    def quit_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGQUIT a worker's main process: a cold shutdown, after a soft one if it is set.

        Prefork only: no other pool can end a task that runs.
        """

    def pause_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGSTOP a worker's main process and its children: it keeps all that it has."""

    def resume_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """SIGCONT a worker that is paused."""

    def drop_connections(self, *, when: At | OnEvent | None = None) -> None:
        """Cut every client's connections to the broker at once; all of them come back."""

    def stop_broker(self, *, when: At | OnEvent | None = None) -> None:
        """SIGKILL a broker that is the sandbox's own; its ``persistence`` says what it keeps."""

    def start_broker(self, *, when: At | OnEvent | None = None) -> None:
        """Start the broker again, at the same address."""

    def start_beat(self, *, when: At | OnEvent | None = None) -> None:
        """Start a second beat with the same schedule: from now on every entry is there twice."""

    def sweep(self, visibility_timeout_s: float, *, when: At | OnEvent | None = None) -> None:
        """Have a client sweep once that has a visibility timeout of its own."""

    def plant_mutex(self, expires_s: float, *, when: At | OnEvent | None = None) -> None:
        """Set ``unacked_mutex``, as a client leaves it that dies while it sweeps."""

    def start_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Start a worker that is down."""

    def rate_limit(self, task: str, rate: str | None, *, when: At | OnEvent | None = None) -> None:
        """Set a task type's rate limit on every running worker; None lifts it."""

    def skip(self, seconds: float, *, when: At | OnEvent | None = None) -> None:
        """Age the messages in ``unacked`` by ``seconds`` and have a client sweep."""

    def pause_broker(self, *, when: At | OnEvent | None = None) -> None:
        """SIGSTOP a broker that is the sandbox's own: it answers nothing, and nobody notices."""

    def resume_broker(self, *, when: At | OnEvent | None = None) -> None:
        """SIGCONT the broker."""

    def flush(self, *, when: At | OnEvent | None = None) -> None:
        """FLUSHDB on a broker that is the sandbox's own: every message is gone."""

    def deploy(self, grace_s: float, *, when: At | OnEvent | None = None) -> None:
        """Begin to replace each worker: SIGTERM, SIGKILL after ``grace_s``, a new one."""

    def evict(self, *, when: At | OnEvent | None = None) -> None:
        """Have a Redis that is the sandbox's own evict every key, under ``allkeys-lru``."""

    def fill_memory(self, *, when: At | OnEvent | None = None) -> None:
        """Have a Redis that is the sandbox's own refuse every write, under ``noeviction``."""

    def free_memory(self, *, when: At | OnEvent | None = None) -> None:
        """Let the broker take writes again."""

    def child_oom(  # noqa: PLR0913 - all but two have defaults
        self,
        task: str,
        after_s: float,
        n: int | None = 1,
        worker: str | None = None,
        slot: int | None = None,
        *,
        when: At | OnEvent | None = None,
    ) -> None:
        """Have the next ``n`` executions of a type that work longer than ``after_s`` killed there.

        With ``n`` None it is all from now on; a second order for a type replaces the first.
        With ``worker``, and ``slot``, only executions there are meant.
        """

    def half_open(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Let a worker's connections carry nothing more; nobody closes them, and new ones work."""

    def skew(self, worker: str, offset_s: float, *, when: At | OnEvent | None = None) -> None:
        """Put the clock by which a worker ages and sweeps messages forward; 0 sets it right."""

    def bandwidth(
        self,
        bytes_per_s: float | None,
        worker: str | None = None,
        *,
        when: At | OnEvent | None = None,
    ) -> None:
        """Narrow a worker's link, or all links; None widens it again. Not in the model."""

    def latency(
        self, delay_s: float, worker: str | None = None, *, when: At | OnEvent | None = None
    ) -> None:
        """Have each answer of the broker come ``delay_s`` later, to a worker or all; 0 ends it."""

    def cut_off(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Close a worker's connections to the broker and refuse it new ones."""

    def mend_link(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Let a worker that is cut off connect again, when it next tries."""

    def fail_dependency(
        self, dependency: str, for_s: float, *, when: At | OnEvent | None = None
    ) -> None:
        """Have each call to a dependency fail at once, for ``for_s`` seconds from now."""

    def slow_dependency(
        self, dependency: str, factor: float, *, when: At | OnEvent | None = None
    ) -> None:
        """Have what a dependency begins from now on take ``factor`` times as long; 1 ends it."""


@runtime_checkable
class Session(Closing, Protocol):
    """A running system: controls, the events so far, and at the end the Run.

    Leaving the ``with`` block closes it. All times are seconds of the run.
    """

    scenario: Scenario
    info: dict[str, Any]

    @property
    def controls(self) -> Controls:
        """What can be done to the system while it runs."""

    @property
    def now_s(self) -> float:
        """The run's time, in seconds."""

    def events_since(self, n: int) -> Sequence[Event]:
        """Return the events after the first ``n``, in the order they became known."""

    def wait(self, timeout_s: float | None = None) -> str:
        """Wait until all is drained, or the deadline, or ``timeout_s``; return which.

        One of ``drained``, ``deadline``, ``timeout``.
        """

    def wait_for(self, what: OnEvent, timeout_s: float = 30.0) -> Event:
        """Wait for an event and return it; EngineError when it does not come in time."""

    def close(self) -> Run:
        """End everything that was started and return the Run; a second call returns it again."""
