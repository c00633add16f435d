"""Fixtures that the whole suite shares: the engines, and where runs and calibrations go."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import systems, workbench
from sandbox.engines import Session
from sandbox.engines.live.broker import choose
from sandbox.overheads import Overheads
from sandbox.run import Run
from sandbox.scenario import Scenario

# A shell has what it runs in the background ignore Ctrl-C, and children inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Begin = Callable[[Scenario], Session]
ENGINES = ("model", "fake", "redis")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own calibrations out of the tests."""
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def only_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep other tests' tasks out: Celery gives a new app those of all others of its process."""
    monkeypatch.setattr("celery._state._on_app_finalizers", set())


@pytest.fixture(scope="session")
def night() -> Run:
    """Return LeadLawk's night in the model: worker 2 dies after a tenth of a second."""
    return workbench.run(systems.get("leadlawk").scenario, engine="model")


@pytest.fixture(scope="session")
def calm() -> Run:
    """Return the same night without faults."""
    return workbench.run(systems.get("leadlawk").scenario.but(faults=()), engine="model")


def real_redis() -> str:
    """Return the name of a real Redis; without one, skip on a laptop and fail in CI."""
    if choose("auto").kind != "fake":
        return "auto"
    if os.environ.get("CI"):
        pytest.fail("CI has no redis-server, so nothing would be proved on real Redis")
    pytest.skip("no redis-server on this machine")


_FAKE = pytest.param("fake", marks=pytest.mark.live)
_REDIS = pytest.param("redis", marks=[pytest.mark.live, pytest.mark.redis])


def _starts(engine: str, runs: Path) -> Iterator[Begin]:
    sessions: list[Session] = []
    broker = real_redis() if engine == "redis" else "fake"

    def start(scenario: Scenario) -> Session:
        if engine == "model":
            session = workbench.start(scenario, engine="model", overheads=Overheads())
        else:
            session = workbench.start(scenario, broker=broker, runs=runs)
        sessions.append(session)
        return session

    yield start
    for session in sessions:
        session.close()


@pytest.fixture(params=["model", _FAKE, _REDIS])
def begin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Begin]:
    """Return a function that starts a scenario on one engine; a test does not know which."""
    yield from _starts(request.param, tmp_path)


@pytest.fixture(params=["model", _REDIS])
def begin_full(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Begin]:
    """The same without the fake, which lacks persistence and a limit to its memory.

    Also where a worker's own doing is shown, or a link's: the fake's rows would cost two minutes,
    and ``make conformance`` and ``make faults`` have some of each on it.
    """
    yield from _starts(request.param, tmp_path)
