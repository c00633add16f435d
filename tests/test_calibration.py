"""Calibrations: kept for this machine, and not used where they do not hold."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import Run, Scenario, TaskType, calibration, workbench
from sandbox.engines.live.calibrate import calibrate
from sandbox.engines.live.calibrate.rounds import Rounds
from sandbox.errors import EngineError
from sandbox.overheads import Overheads

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0
MEASURED = Overheads(
    publish_s=0.0011, deliver_s=0.0022, errors={"publish_s": 0.12}, source="measured"
)


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
    """Return why a calibration is not used; known() must not use it either."""
    overheads, told = calibration.read(broker)
    assert overheads is None
    assert told.isprintable()
    known = calibration.known(broker)
    assert known.but(source="") == Overheads(source="")
    assert known.source == f"defaults, not measured on this machine: {told}"
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
    at(monkeypatch, NOW_S + 3 * DAY_S)
    assert calibration.read("fake")[1] == "calibrated on fake, 3 days ago"


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


def test_a_broker_is_predicted_with_its_own_calibration_or_the_defaults() -> None:
    """What is known of Redis is no prediction for the fake, nor the other way round."""
    calibration.store(MEASURED.but(publish_s=0.1), "fake")
    assert calibration.known("fake").publish_s == 0.1
    assert "calibrated on fake" in calibration.known("fake").source
    assert calibration.known("redis").publish_s == Overheads().publish_s
    assert "no calibration of redis on this machine yet" in calibration.known("redis").source


@pytest.mark.parametrize(
    ("kind", "url", "name"),
    [
        ("redis", None, "redis"),
        ("fake", None, "fake"),
        ("url", "redis://:secret@queue.example:6380/3", "redis at queue.example:6380"),
        ("url", "rediss://queue.example", "redis at queue.example:6379"),
    ],
)
def test_a_broker_far_away_has_a_calibration_of_its_own(
    kind: str, url: str | None, name: str
) -> None:
    """Its round trip is another; what it is kept under holds no password."""
    assert calibration.broker_name(kind, url) == name
    path = calibration.store(MEASURED, name)
    assert path.parent == calibration.folder()
    assert "secret" not in path.name + path.read_text()
    assert calibration.read(name)[0] is not None


def test_a_calibration_moved_to_another_broker_is_not_used() -> None:
    """A file that was copied still says what it was measured on."""
    path = calibration.store(MEASURED, "fake")
    path.rename(path.with_name("redis.json"))
    assert "is of the broker 'fake' and not used" in refused()


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


# --- broken files ---------------------------------------------------------------------------------

_ODD = st.sampled_from(
    [
        *(None, True, "", "0.1", "\x00\x1b[2J", "x" * 5000, "\ud800", [], {}, [[]], {"self": 1}),
        *(-1, -0.0, 0, 1, 10**400, 1e308, 5e-324, math.nan, math.inf, -math.inf, NOW_S, NOW_S * 2),
    ]
)


def nodes(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in the data, its own first."""
    items = data.items() if isinstance(data, dict) else ()
    return [path, *(inner for key, value in items for inner in nodes(value, (*path, key)))]


def replaced(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return the data with another value at a path."""
    if not path:
        return value
    return data | {path[0]: replaced(data[path[0]], path[1:], value)}


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """Draw a calibration's file with something wrong in its values, its keys or its bytes."""
    data = json.loads(original)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(nodes(data)))
        how = draw(st.sampled_from(["value", "drop", "rename", "nest"]))
        if how == "value" or not path:
            data = replaced(data, path, draw(_ODD))
        elif how == "nest":
            depth = draw(st.sampled_from([1, 50, 900]))
            data = replaced(data, path, json.loads("[" * depth + "]" * depth))
        else:
            *above, key = path
            inside = data
            for step in above:
                inside = inside[step]
            rest = {name: value for name, value in inside.items() if name != key}
            renamed = {draw(st.text(max_size=5)): inside[key]} if how == "rename" else {}
            data = replaced(data, tuple(above), rest | renamed)
        if not isinstance(data, dict):
            break
    content = json.dumps(data).encode()
    if draw(st.booleans()):
        at, length = draw(st.integers(0, len(content))), draw(st.integers(0, 40))
        content = content[:at] + draw(st.binary(max_size=8)) + content[at + length :]
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_in_the_file_it_is_used_or_refused_in_a_sentence(data: st.DataObject) -> None:
    """Law: a mutated calibration is either right to use or one line says why it is not."""
    path = calibration.store(MEASURED, "redis")
    path.write_bytes(data.draw(mutated(path.read_bytes())))
    overheads, told = calibration.read("redis")
    assert told.isprintable() and len(told) < 1000
    if overheads is None:
        assert "not used" in told
        return
    for by in (-1, 1):
        moved = overheads.moved(by)
        assert all(0 <= getattr(moved, name) < math.inf for name in Overheads.figures())


# --- measured -------------------------------------------------------------------------------------


def test_a_stored_calibration_is_used_and_a_missing_one_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`calibrated` measures at first need, says why, and never again while it holds."""
    measured: list[str] = []

    def measure(broker: str) -> Overheads:
        measured.append(broker)
        calibration.store(MEASURED, broker)
        return MEASURED

    monkeypatch.setattr("sandbox.engines.live.calibrate.calibrate", measure)
    told: list[str] = []
    for _ in range(2):
        found = workbench.calibrated("fake", tell=told.append)
        assert found.publish_s == MEASURED.publish_s
    assert measured == ["fake"]
    assert told == ["no calibration of fake on this machine yet"]


def test_a_prediction_is_for_the_broker_that_is_named() -> None:
    """Each broker's own calibration, else the defaults and why; the stored run's broker, too."""
    calibration.store(MEASURED, "fake")
    assert workbench.known("fake").publish_s == MEASURED.publish_s
    scenario = Scenario(name="none", tasks=[TaskType(name="job")], workers=[{}], horizon_s=1.0)
    prediction = workbench.predict(scenario, broker="fake", budget_s=1e-9)
    assert prediction.overheads.source == "calibrated on fake, 0 min ago"
    ran = Run(scenario, (), {"broker": "fake 7.0.0"})
    assert workbench.overheads_of(ran).publish_s == MEASURED.publish_s
    ran = Run(scenario, (), {"broker": "redis 7.0.15"})
    assert "no calibration of redis" in workbench.overheads_of(ran).source


def test_calibrating_measures_each_figure_and_keeps_it() -> None:
    """On real workers: a figure with an error was seen; only a late notice may hide two."""
    overheads = calibrate("fake")
    assert "calibrated on fake" in overheads.source
    missing = set(Overheads.figures()) - overheads.errors.keys()
    assert missing <= {"child_start_s", "detection_s"}
    kept, _ = calibration.read("fake")
    assert kept is not None
    assert kept.but(source="") == overheads.but(source="")


def test_a_child_that_is_not_up_yet_ends_a_round_and_nothing_else(tmp_path: Path) -> None:
    """On a loaded machine a worker may say that it is ready before its process is."""

    def kill_child(worker: str) -> None:
        raise EngineError(f"kill_child: {worker} has no child process at this moment")

    session: Any = SimpleNamespace(folder=tmp_path, controls=SimpleNamespace(kill_child=kill_child))
    measured = Rounds(session)
    assert not measured._kill_child("victim2")
    assert (measured.late, measured.notices) == (0, [])
