"""Calibrations: kept for this machine, and not used where they do not hold."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox import calibration
from sandbox.overheads import Overheads

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0
MEASURED = Overheads(publish_s=0.0011, deliver_s=0.0022, relative_error=0.1, source="measured")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path))
    at(monkeypatch, NOW_S)


def at(monkeypatch: pytest.MonkeyPatch, now_s: float) -> None:
    """Set the clock that calibrations are dated by."""
    monkeypatch.setattr(calibration, "time", SimpleNamespace(time=lambda: now_s))


def edited(**changes: Any) -> Path:
    """Store a calibration and change its file."""
    path = calibration.store(MEASURED, "redis")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def refused(broker: str = "redis") -> str:
    """Return why a calibration is not used; newest() must not use it either."""
    overheads, told = calibration.read(broker)
    assert overheads is None
    assert told.isprintable()
    assert calibration.newest() == Overheads()
    return told


# --- kept and read --------------------------------------------------------------------------------


def test_a_stored_calibration_is_read_as_it_was_measured() -> None:
    """Every figure comes back; its source says which broker it is of and how old it is."""
    calibration.store(MEASURED, "redis")
    overheads, told = calibration.read("redis")
    assert overheads == MEASURED.but(source=told)
    assert told == "calibrated on redis, 0 min ago"


def test_a_calibration_tells_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of a prediction can judge by it whether to calibrate anew."""
    calibration.store(MEASURED, "fake")
    at(monkeypatch, NOW_S + 90 * 60)
    assert calibration.read("fake")[1] == "calibrated on fake, 90 min ago"


def test_storing_replaces_and_leaves_no_half_written_file(tmp_path: Path) -> None:
    """One file a broker, complete at every moment."""
    calibration.store(MEASURED, "redis")
    path = calibration.store(MEASURED.but(publish_s=0.5), "redis")
    overheads, _ = calibration.read("redis")
    assert overheads is not None
    assert overheads.publish_s == 0.5
    assert [file.name for file in tmp_path.iterdir()] == [path.name] == ["redis.json"]


def test_brokers_have_calibrations_of_their_own() -> None:
    """What the fake costs says nothing of Redis."""
    calibration.store(MEASURED, "fake")
    assert calibration.read("redis") == (None, "no calibration of redis on this machine yet")


def test_the_newest_is_rediss_then_the_fakes_then_the_defaults() -> None:
    """A prediction uses the best that is known, and says what that is."""
    assert calibration.newest() == Overheads()
    calibration.store(MEASURED.but(publish_s=0.1), "fake")
    assert calibration.newest().publish_s == 0.1
    calibration.store(MEASURED.but(publish_s=0.2), "redis")
    assert calibration.newest().publish_s == 0.2
    assert "calibrated on redis" in calibration.newest().source


def test_the_folder_is_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SANDBOX_CACHE, else XDG_CACHE_HOME, else ~/.cache; a missing one is made."""
    assert calibration.folder() == tmp_path
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path / "not" / "yet"))
    assert calibration.store(MEASURED, "redis").parent == tmp_path / "not" / "yet"
    monkeypatch.delenv("SANDBOX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert calibration.folder() == tmp_path / "celery-sandbox"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert calibration.folder() == tmp_path / ".cache" / "celery-sandbox"


# --- not used, and said so ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 5000,
        b'{"machine": {}}',
        b'{"machine": {}, "at": 0, "overheads": []}',
        b'{"machine": {}, "at": "yesterday", "overheads": {}}',
        b'{"machine": {}, "at": 1' + b"0" * 400 + b', "overheads": {}}',
        b'{"machine": {}, "at": 0, "overheads": {"publish_s": -1}}',
        b'{"machine": {}, "at": 0, "overheads": {"publish_ms": 1}}',
        b'{"machine": {}, "at": 0, "overheads": {"self": 1}}',
    ],
)
def test_a_corrupt_calibration_is_not_used_and_says_so(content: bytes) -> None:
    """Whatever is in the file: a sentence that names it, and the defaults."""
    path = calibration.store(MEASURED, "redis")
    path.write_bytes(content)
    told = refused()
    assert told.startswith(f"the calibration {path} is corrupt and not used")


def test_a_folder_in_the_place_of_the_file_is_corrupt(tmp_path: Path) -> None:
    """It exists, but holds nothing to read."""
    (tmp_path / "redis.json").mkdir()
    assert "corrupt and not used" in refused()


@pytest.mark.parametrize("days", [7.5, 400.0, -1.0])
def test_a_calibration_that_is_too_old_or_of_the_future_is_not_used(
    days: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a week the machine is another one; a date to come means a wrong clock."""
    calibration.store(MEASURED, "redis")
    at(monkeypatch, NOW_S + days * DAY_S)
    assert f"is {days:.1f} days old and not used" in refused()


def test_a_week_is_not_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit itself is allowed."""
    calibration.store(MEASURED, "redis")
    at(monkeypatch, NOW_S + 7 * DAY_S)
    assert calibration.read("redis")[0] is not None


def test_a_date_that_is_no_number_is_not_used() -> None:
    """NaN is neither young nor old."""
    edited(at=float("nan"))
    assert "not used" in refused()


@pytest.mark.parametrize(
    "other",
    [
        lambda m: m | {"node": "elsewhere"},
        lambda m: m | {"cores": (m["cores"] or 0) + 1},
        lambda m: m | {"python": "3.99.0"},
        lambda m: m | {"versions": m["versions"] | {"celery": "0.1"}},
        lambda m: {},
        lambda m: None,
    ],
)
def test_a_calibration_of_another_machine_or_version_is_not_used(
    other: Callable[[dict[str, Any]], Any],
) -> None:
    """Node, cores, Python and the four packages must be the same."""
    edited(machine=other(calibration.machine()))
    assert "is of another machine or version and not used" in refused()


def test_the_machine_is_what_overheads_depend_on() -> None:
    """Its description is plain data, and says so for a package that is missing."""
    described = calibration.machine()
    assert json.loads(json.dumps(described)) == described
    assert described["cores"] == os.cpu_count()
    assert set(described["versions"]) == {"celery", "kombu", "redis", "fakeredis"}
    assert calibration._version("no-such-package") == "not installed"
