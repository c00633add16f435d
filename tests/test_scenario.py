"""Scenario: frozen, through JSON and back, and one sentence for whatever is wrong with it."""

from __future__ import annotations

import copy
import gc
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import faults, systems
from sandbox.dependencies import Call, Dependency, Outage
from sandbox.draws import Deterministic, Distribution, Empirical, Exponential, LogNormal, Uniform
from sandbox.engines import VERBS, Controls
from sandbox.errors import SandboxError, ScenarioError, one_of
from sandbox.faults import FAULTS, At, Fault, OnEvent
from sandbox.loads import BeatEntry, Burst, Closed, Load, Poisson, Rates, Trace
from sandbox.notes import NotDerived
from sandbox.parts import Part
from sandbox.scenario import (
    SCHEMA_VERSION,
    AutoRetry,
    Broker,
    Host,
    Scenario,
    SelfRetry,
    TaskType,
    WorkerPool,
    json_schema,
)

REPOSITORY = Path(__file__).parent.parent

laws = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
"""Settings of a property: the same examples each time, on any machine."""


def sentence_of(error: SandboxError | pytest.ExceptionInfo[Any]) -> str:
    """Return an error's text, after checking that it is one line that a person can read."""
    text = str(error.value if isinstance(error, pytest.ExceptionInfo) else error)
    assert text.strip() == text
    assert text.isprintable(), repr(text)
    assert "validation error" not in text
    assert "pydantic" not in text
    return text


# --- a strategy of scenarios ------------------------------------------------------------------

_POSITIVE = st.floats(1e-3, 1e6)
_NON_NEGATIVE = st.just(0.0) | _POSITIVE
# Names end in a letter, so that no two pools can number themselves into the same worker.
_NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,7}[A-Za-z]", fullmatch=True)


def _unique(n: int) -> st.SearchStrategy[list[str]]:
    return st.lists(_NAMES, min_size=1, max_size=n, unique=True)


def _bounds() -> st.SearchStrategy[tuple[float, float]]:
    pairs = st.tuples(_NON_NEGATIVE, _NON_NEGATIVE)
    return pairs.map(lambda pair: (min(pair), max(pair) + 1.0))


def distributions() -> st.SearchStrategy[Distribution]:
    """Return a strategy of distributions of every kind."""
    return st.one_of(
        st.builds(Deterministic, value_s=_NON_NEGATIVE),
        st.builds(Exponential, mean_s=_POSITIVE),
        _bounds().map(lambda pair: Uniform(low_s=pair[0], high_s=pair[1])),
        st.builds(LogNormal, mean_s=_POSITIVE, cv=st.floats(0.01, 10)),
        st.lists(_NON_NEGATIVE, min_size=2, max_size=6).map(
            lambda values: Empirical(values_s=tuple(values))
        ),
    )


def loads(tasks: st.SearchStrategy[str]) -> st.SearchStrategy[Load]:
    """Return a strategy of open loads of every kind, for the tasks of a strategy of names."""
    starts = st.lists(_NON_NEGATIVE, min_size=1, max_size=4, unique=True).map(sorted)
    steps = starts.flatmap(
        lambda times: st.tuples(*(st.tuples(st.just(at), st.floats(0, 5)) for at in times))
    )
    return st.one_of(
        _bounds().flatmap(
            lambda pair: st.builds(
                Poisson,
                task=tasks,
                rate_per_s=st.floats(0.01, 5),
                start_s=st.just(pair[0]),
                stop_s=st.none() | st.just(pair[1]),
            )
        ),
        st.builds(Burst, task=tasks, n=st.integers(1, 50), at_s=_NON_NEGATIVE),
        st.builds(Trace, task=tasks, at_s=st.lists(_NON_NEGATIVE, max_size=5).map(tuple)),
        st.builds(Rates, task=tasks, steps=steps),
    )


def _closed(tasks: st.SearchStrategy[str]) -> st.SearchStrategy[Load]:
    return st.builds(Closed, task=tasks, n_clients=st.integers(1, 20), think=distributions())


_RETRIES = st.one_of(
    st.builds(SelfRetry, max_retries=st.integers(0, 5), countdown_s=_NON_NEGATIVE),
    st.builds(AutoRetry, backoff_s=st.none() | st.integers(1, 60), jitter=st.booleans()),
)


_OUTAGES = _bounds().map(lambda pair: Outage(from_s=pair[0], to_s=pair[1], how="hang"))
_DEPENDENCIES = st.builds(
    Dependency,
    name=st.just("db"),
    capacity=st.integers(1, 9),
    outages=st.lists(_OUTAGES, max_size=2).map(tuple),
)
_CALLS = st.builds(
    Call, dependency=st.just("db"), service=distributions(), timeout_s=st.none() | _POSITIVE
)


def _task(queues: list[str]) -> Callable[[str], st.SearchStrategy[TaskType]]:
    return lambda name: st.builds(
        TaskType,
        name=st.just(name),
        queue=st.sampled_from(queues),
        service=distributions(),
        work=st.sampled_from(("wait", "cpu")),
        acks_late=st.booleans(),
        reject_on_worker_lost=st.booleans(),
        acks_on_failure=st.booleans(),
        acks_on_timeout=st.booleans(),
        retry_on_worker_lost=st.booleans(),
        countdown_s=_NON_NEGATIVE,
        rate_limit=st.none() | st.sampled_from(("5/m", "1/s", "0.5/h", "12")),
        time_limit_s=st.none() | _POSITIVE,
        p_failure=st.floats(0, 1),
        retries=st.lists(_RETRIES, max_size=2).map(tuple),
        priority=st.integers(0, 255),
        expires_s=st.none() | _POSITIVE,
        calls=st.none() | _CALLS,
    )


def _pool(queues: list[str], hosts: list[str]) -> Callable[[str], st.SearchStrategy[WorkerPool]]:
    return lambda name: st.builds(
        WorkerPool,
        name=st.just(name),
        n_workers=st.integers(1, 3),
        concurrency=st.integers(1, 8),
        queues=st.lists(st.sampled_from(queues), min_size=1, max_size=3).map(tuple),
        pool=st.sampled_from(("prefork", "threads")),
        prefetch_multiplier=st.integers(0, 4),
        max_tasks_per_child=st.none() | st.integers(1, 100),
        host=st.sampled_from(hosts),
    )


def _fault(pools: list[WorkerPool], tasks: list[str]) -> st.SearchStrategy[Fault]:
    workers = [name for pool in pools for name in pool.worker_names]
    prefork = [name for pool in pools if pool.pool == "prefork" for name in pool.worker_names]
    events = (
        "published", "received", "started", "succeeded", "failed", "worker_exited", "worker_ready",
    )  # fmt: skip
    when = st.builds(At, at_s=_NON_NEGATIVE) | st.builds(
        OnEvent,
        event=st.sampled_from(events),
        nth=st.integers(1, 99),
        after_s=_NON_NEGATIVE,
        worker=st.none() | st.sampled_from(workers),
        task=st.none() | st.sampled_from(tasks),
    )
    settings_of = {
        "worker": st.sampled_from(workers),
        "task": st.sampled_from(tasks),
        "rate": st.none() | st.just("3/m"),
        "seconds": _POSITIVE,
        "visibility_timeout_s": _POSITIVE,
        "expires_s": _POSITIVE,
        "for_s": _POSITIVE,
        "down_s": st.none() | st.just(1.5),
        "back_after_s": st.none() | st.just(1.5),
        "dependency": st.just("db"),
        "factor": _POSITIVE,
        "delay_s": _POSITIVE,
        "offset_s": _POSITIVE,
        "bytes_per_s": _POSITIVE,
        "after_s": _POSITIVE,
    }
    # These depend on more of the scenario than its workers: conformance tests have them.
    others = {
        "child_oom", "half_open", "maxmemory", "maybe", "memory_error", "pause_broker", "poison",
        "quit_worker", "start_beat",
    }  # fmt: skip
    kinds = [kind for kind in FAULTS if kind not in others]
    kinds = [kind for kind in kinds if prefork or kind != "kill_child"]

    def build(kind: str) -> st.SearchStrategy[Fault]:
        fields = {
            name: settings_of[name] for name in FAULTS[kind].model_fields if name in settings_of
        }
        if kind == "kill_child":
            fields["worker"] = st.sampled_from(prefork)
        return st.builds(FAULTS[kind], when=when, **fields)

    plain = st.sampled_from(kinds).flatmap(build)
    return plain | st.builds(FAULTS["maybe"], probability=st.floats(0, 1), fault=plain)


_TEXT = st.text(min_size=1, max_size=20)
_NOT_DERIVED = st.builds(NotDerived, where=_TEXT, what=_TEXT, assumed=_TEXT)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Return a strategy of scenarios that use every part, each field within its bounds."""
    queues, hosts, names = draw(_unique(3)), draw(_unique(2)), draw(_unique(3))
    tasks = [draw(_task(queues)(name)) for name in names]
    pools = [draw(_pool(queues, hosts)(name)) for name in draw(_unique(2))]
    task_names = st.sampled_from(names)
    beats = [
        BeatEntry(name=name, task=draw(task_names), every_s=draw(st.floats(10, 1e6)))
        for name in draw(st.lists(_NAMES, max_size=2, unique=True))
    ]
    horizon_s = draw(st.floats(1, 100))
    steady = draw(st.booleans())
    return Scenario(
        name=draw(_NAMES),
        tasks=tuple(tasks),
        workers=tuple(pools),
        queues=tuple(queues),
        loads=tuple(draw(st.lists(loads(task_names) | _closed(task_names), max_size=3))),
        beat=tuple(beats),
        faults=tuple(draw(st.lists(_fault(pools, names), max_size=3))),
        broker=Broker(visibility_timeout_s=draw(_POSITIVE)),
        dependencies=(draw(_DEPENDENCIES),),
        hosts=tuple(Host(name=name, cores=draw(st.none() | st.integers(1, 64))) for name in hosts),
        kind="steady" if steady else "terminating",
        warmup_s=draw(st.floats(0, 0.9)) * horizon_s if steady else 0.0,
        horizon_s=horizon_s,
        deadline_s=draw(st.none() | st.just(horizon_s * 2)),
        seed=draw(st.integers(0, 2**63 - 1)),
        not_derived=tuple(draw(st.lists(_NOT_DERIVED, max_size=2))),
    )


def leadlawk() -> dict[str, Any]:
    """Return LeadLawk's scenario as the data of its JSON, with a fault of every field."""
    data: dict[str, Any] = json.loads(systems.load("leadlawk").to_json())
    return data


def small(**changes: Any) -> Scenario:
    """Return the least scenario, changed."""
    fields: dict[str, Any] = {
        "name": "small",
        "tasks": [{"name": "hi"}],
        "workers": [{}],
        "horizon_s": 10.0,
    }
    return Scenario(**(fields | changes))


def parts_of(value: Any) -> Iterator[Part]:
    """Yield a part and all parts inside it."""
    if isinstance(value, Part):
        yield value
        for name in type(value).model_fields:
            yield from parts_of(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from parts_of(item)


# --- JSON and back ----------------------------------------------------------------------------


@laws
@given(scenarios())
def test_a_scenario_survives_json_unchanged(scenario: Scenario) -> None:
    """from_json(to_json(s)) equals s, hashes alike, and writes the same text again."""
    again = Scenario.from_json(scenario.to_json())
    assert again == scenario
    assert hash(again) == hash(scenario)
    assert again.to_json() == scenario.to_json()


@laws
@given(scenarios())
def test_the_json_schema_accepts_the_json_of_every_scenario(scenario: Scenario) -> None:
    """What to_json writes is valid by the published schema."""
    _VALIDATOR.validate(json.loads(scenario.to_json()))


def test_json_goes_through_a_file(tmp_path: Path) -> None:
    """from_file reads what to_json wrote, whatever the locale's encoding is."""
    scenario = systems.load("leadlawk")
    path = tmp_path / "leadlawk.json"
    path.write_text(scenario.to_json(), encoding="utf-8")
    assert Scenario.from_file(path) == scenario


def test_json_carries_the_schema_version() -> None:
    """A reader of the file can tell which version it is without this package."""
    assert leadlawk()["schema_version"] == SCHEMA_VERSION


_VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def test_the_json_schema_is_a_valid_schema_and_the_published_one() -> None:
    """json_schema() obeys draft 2020-12 and is what the repository's file says."""
    jsonschema.Draft202012Validator.check_schema(json_schema())
    published = REPOSITORY / "schema" / f"scenario-{SCHEMA_VERSION}.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json_schema()


def test_a_scenario_written_by_hand_may_leave_out_what_has_a_default() -> None:
    """Names, kinds, the version and the horizon are enough, by schema and by validation."""
    text = """{"schema_version": 1, "name": "hello", "horizon_s": 1,
               "tasks": [{"name": "hi", "service": {"kind": "exponential", "mean_s": 2}}],
               "workers": [{}],
               "loads": [{"kind": "burst", "task": "hi", "n": 4}]}"""
    _VALIDATOR.validate(json.loads(text))
    assert Scenario.from_json(text).tasks[0].queue == "celery"


# --- frozen -----------------------------------------------------------------------------------


def test_no_field_of_any_part_can_be_set() -> None:
    """Frozen all the way down: not one field of one part takes an assignment."""
    for part in parts_of(systems.load("leadlawk")):
        for name in type(part).model_fields:
            with pytest.raises(Exception, match="frozen"):
                setattr(part, name, getattr(part, name))


def test_every_container_of_a_scenario_is_immutable() -> None:
    """Equal scenarios hash alike, which no list or dict inside would allow."""
    assert {systems.load("leadlawk"), Scenario(**leadlawk())} == {systems.load("leadlawk")}


def test_a_changed_copy_is_validated_as_if_made_anew() -> None:
    """but() leaves the original alone and refuses what the constructor refuses."""
    scenario = small()
    assert scenario.but(seed=3).seed == 3
    assert scenario.seed == 0
    with pytest.raises(ScenarioError) as caught:
        scenario.but(horizn_s=3.0)
    assert "did you mean 'horizon_s'?" in sentence_of(caught)


def test_what_is_computed_from_a_scenario_does_not_change_its_identity() -> None:
    """Cached properties are no part of a scenario's value."""
    one, other = small(), small()
    assert one.worker_names == ("worker1",)
    assert one == other
    assert hash(one) == hash(other)


# --- what is derived --------------------------------------------------------------------------


@laws
@given(scenarios())
def test_every_worker_belongs_to_the_pool_that_names_it(scenario: Scenario) -> None:
    """Worker names are unique, and pool_of is their inverse; any other name has no pool."""
    assert len(set(scenario.worker_names)) == len(scenario.worker_names)
    for pool in scenario.workers:
        assert all(scenario.pool_of(name) == pool for name in pool.worker_names)
    assert scenario.pool_of("nobody-0") is None


@laws
@given(scenarios())
def test_a_run_never_ends_before_its_loads_stop(scenario: Scenario) -> None:
    """ends_by_s is the deadline where there is one, and never below the horizon."""
    assert scenario.ends_by_s >= scenario.horizon_s
    assert scenario.deadline_s in {None, scenario.ends_by_s}


# --- bad input: one sentence that names the field, the value and what is allowed -----------------


def _edit(path: str, value: object) -> str:
    """Return LeadLawk's JSON with one place changed: ``tasks.0.queue``."""
    data = leadlawk()
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = data
    for step in way:
        place = place[step]
    place[last] = value
    return json.dumps(data)


_STEP = {"kind": "rates", "task": "celery_app.database_task"}
_RATE = {"kind": "rate_limit", "when": {"on": "time", "at_s": 1.0}}
_Wrong = list[tuple[str, object, tuple[str, ...]]]
# Where, the value put there, what the sentence names. What is wrong by its shape alone:
_BY_SHAPE: _Wrong = [
    ("horizon_s", -1, ("horizon_s", "-1", "greater than 0")),
    ("horizon_s", "31", ("horizon_s", "'31'", "number")),
    ("horizon_s", True, ("horizon_s", "True", "number")),
    ("horizon_s", None, ("horizon_s", "None", "number")),
    ("horizn_s", 31.0, ("horizn_s", "did you mean 'horizon_s'?")),
    ("self", 1, ("self is not a field",)),
    ("a\nb", 1, (r"'a\nb' is not a field",)),
    ("\ud800", 1, ("allowed: text",)),
    ("", 1, ("'' is not a field",)),
    ("seed", -1, ("seed", "-1", "greater than or equal to 0")),
    ("seed", 2**63, ("seed", str(2**63), "less than")),
    ("seed", 7.5, ("seed", "7.5", "integer")),
    ("kind", "stationary", ("kind", "'stationary'", "'terminating' or 'steady'")),
    ("name", "two words", ("name", "'two words'", "letters, digits")),
    ("name", "x" * 101, ("name", "at most 100")),
    ("tasks", {}, ("tasks is {}", "a list")),
    ("tasks", [], ("tasks is []", "at least 1")),
    ("tasks.0", 3, ("tasks[0] is 3", "an object")),
    ("tasks.0.sevice", {}, ("tasks[0].sevice", "did you mean 'service'?")),
    ("tasks.0.p_failure", 1.5, ("tasks[0].p_failure", "1.5", "less than or equal to 1")),
    ("tasks.0.priority", 256, ("tasks[0].priority", "256", "less than or equal to 255")),
    ("tasks.0.work", "gpu", ("tasks[0].work", "'gpu'", "'wait' or 'cpu'")),
    ("tasks.0.acks_late", "perhaps", ("tasks[0].acks_late", "'perhaps'", "boolean")),
    ("tasks.0.service.mean_s", -1, ("tasks[0].service.mean_s", "-1", "greater than 0")),
    ("tasks.0.service.kind", "normal", ("tasks[0].service.kind", "'normal'", "'lognormal'")),
    ("tasks.0.service", {"value_s": 1}, ("tasks[0].service.kind", "None", "'deterministic'")),
    ("tasks.0.service", 0.7, ("tasks[0].service is 0.7", "an object")),
    ("tasks.0.retries.0.max_retries", -1, ("tasks[0].retries[0].max_retries", "-1")),
    ("workers.0.n_workers", 0, ("workers[0].n_workers", "0", "greater than or equal to 1")),
    ("workers.0.n_workers", 10**12, ("workers[0].n_workers", str(10**12), "1000")),
    ("workers.0.pool", "gevent", ("workers[0].pool", "'gevent'", "'prefork'")),
    ("loads.0.kind", "brust", ("loads[0].kind", "'brust'", "did you mean 'burst'?")),
    ("loads.0.n", 0, ("loads[0].n", "0", "greater than or equal to 1")),
    ("loads.1.rate_per_s", 0, ("loads[1].rate_per_s", "0", "greater than 0")),
    ("loads.0", _STEP | {"steps": [[5]]}, ("loads[0].steps[0][1]", "missing")),
    ("beat.0.every_s", 0, ("beat[0].every_s", "0", "greater than 0")),
    ("faults.0.when.event", "stoped", ("faults[0].when.event", "'stoped'", "'started'")),
    ("faults.0.when", {"at_s": 1}, ("faults[0].when.on", "None", "'event', 'time'")),
    ("faults.0.when", None, ("faults[0].when is None", "an object")),
    ("faults.0.kind", "kill_wrker", ("faults[0].kind", "did you mean 'kill_worker'?")),
    ("broker.visibility_timeout_s", 0, ("broker.visibility_timeout_s", "0", "greater than 0")),
    ("schema_version", 2, ("schema_version", "2", "allowed: 1")),
    ("schema_version", True, ("schema_version", "True", "allowed: 1")),
    ("schema_version", "1", ("schema_version", "'1'", "allowed: 1")),
]
# What is wrong by its sense: a name that nobody has, two fields that contradict each other.
_BY_SENSE: _Wrong = [
    ("horizon_s", float("nan"), ("horizon_s", "nan", "finite")),
    ("horizon_s", float("inf"), ("horizon_s", "inf", "finite")),
    ("deadline_s", 1.0, ("deadline_s is 1.0", "horizon_s = 31.0")),
    ("warmup_s", 5.0, ("warmup_s is 5.0", "only 0")),
    ("warmup_s", 99.0, ("warmup_s is 99.0", "below horizon_s = 31.0")),
    ("tasks.0.queue", "brwser", ("tasks[0].queue", "'brwser'", "did you mean 'browser'?")),
    ("tasks.0.rate_limit", "5/x", ("tasks[0].rate_limit", "'5/x'", "/s, /m or /h")),
    ("tasks.0.rate_limit", "0/m", ("tasks[0].rate_limit", "'0/m'", "above 0")),
    ("tasks.0.rate_limit", "9" * 400, ("tasks[0].rate_limit", "'999", "such as '5/m'")),
    ("tasks.1.name", "celery_app.database_task", ("tasks", "database_task", "twice")),
    ("workers.0.pool", "solo", ("workers[0].concurrency is 4", "allows only 1")),
    ("workers.0.queues", ["nowhere"], ("workers[0].queues", "'nowhere'", "'default'")),
    ("workers.0.host", "mars", ("workers[0].host", "'mars'", "'localhost'")),
    ("queues", ["browser", "browser"], ("queues", "'browser' twice")),
    ("hosts", [{"name": "a"}, {"name": "a"}], ("hosts", "'a' twice")),
    ("loads.0.task", "nothing", ("loads[0].task", "'nothing'", "celery_app.")),
    ("loads.1.start_s", 25.0, ("loads[1].stop_s is 20.0", "above start_s = 25.0")),
    ("loads.0", _STEP | {"steps": [[5, 1], [1, 1]]}, ("loads[0].steps", "[5.0, 1.0]", "ascend")),
    ("faults.0.worker", "worker9", ("faults[0].worker", "'worker9'", "'worker2'")),
    ("faults.0.when.worker", "w", ("faults[0].when.worker", "'w'", "'worker2'")),
    ("faults.0.when.task", "t", ("faults[0].when.task", "'t'", "celery_app.")),
    ("faults.0", _RATE | {"task": "t", "rate": "5/s"}, ("faults[0]", "task", "'t'", "celery_app.")),
    ("faults.0", _RATE | {"task": "t", "rate": "5/x"}, ("faults[0].rate", "'5/x'", "/m")),
    ("broker.priority_steps", [3, 0], ("broker.priority_steps", "(3, 0)", "ascend")),
]


@pytest.mark.parametrize(("where", "value", "named"), _BY_SHAPE + _BY_SENSE)
def test_a_wrong_field_is_named_with_its_value_and_what_is_allowed(
    where: str, value: object, named: tuple[str, ...]
) -> None:
    """One mistake, one sentence: the place, what is there, what could be."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_json(_edit(where, value))
    said = sentence_of(caught)
    assert [part for part in named if part not in said] == [], said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{'name': 1}", "not JSON"),
        ('{"schema_version": 1,\n "name":', "not JSON"),
        ("[]", "is a list; allowed: an object"),
        ("null", "is a NoneType; allowed: an object"),
        ("7", "is a int; allowed: an object"),
        ("9" * 5000, "not JSON"),
        ('{"schema_version": 1, "seed": ' + "9" * 5000 + "}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "schema_version is None; allowed: 1"),
        ('{"schema_version": 1}', "is missing"),
        ('{"schema_version": [[1]]}', "schema_version is [[1]]; allowed: 1"),
    ],
)
def test_text_that_is_no_scenario_is_refused_in_one_sentence(text: str, says: str) -> None:
    """Not JSON, not an object, no version: said as such, on one line."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_json(text)
    assert says in sentence_of(caught)


def test_nesting_of_any_depth_is_refused_in_one_sentence() -> None:
    """Below, at and above the depth that Python's stack allows: never a RecursionError."""
    limit = sys.getrecursionlimit()
    for depth in (*range(1, 40), *range(limit - 300, limit + 40)):
        for shape in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
            text = f'{{"schema_version": 1, "name": "deep", "tasks": {shape}}}'
            with pytest.raises(ScenarioError) as caught:
                Scenario.from_json(text)
            sentence_of(caught)


@pytest.mark.parametrize("content", [b"\xff\xfe{}", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    """Not text, or a folder: the sentence begins with the path."""
    path = tmp_path / "scenario.json"
    path.mkdir() if content is None else path.write_bytes(content)
    for wrong in (path, tmp_path / "missing.json"):
        with pytest.raises(ScenarioError) as caught:
            Scenario.from_file(wrong)
        assert sentence_of(caught).startswith(f"{wrong} cannot be read")


def test_two_pools_cannot_number_themselves_into_one_worker() -> None:
    """Pool ``w`` with 11 workers and pool ``w1`` with one would both have a worker w11."""
    with pytest.raises(ScenarioError) as caught:
        small(workers=[{"name": "w", "n_workers": 11}, {"name": "w1"}])
    assert "'w11'" in sentence_of(caught)


def test_a_closed_load_needs_results() -> None:
    """Its clients wait for each task, so a task that ignores its result cannot be theirs."""
    with pytest.raises(ScenarioError) as caught:
        small(
            tasks=[{"name": "hi", "ignore_result": True}],
            loads=[{"kind": "closed", "task": "hi", "n_clients": 1}],
        )
    assert "loads[0].task" in sentence_of(caught)


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_child_can_only_be_killed_where_there_are_children(pool: str) -> None:
    """kill_child on a worker without child processes is refused before anything starts."""
    fault = {"kind": "kill_child", "worker": "worker1", "when": {"on": "time", "at_s": 1}}
    with pytest.raises(ScenarioError) as caught:
        small(workers=[{"pool": pool}], faults=[fault])
    assert f"has a {pool} pool" in sentence_of(caught)


def test_a_hint_is_only_given_when_a_name_is_near() -> None:
    """one_of lists what is allowed in order, and guesses only what was meant."""
    assert one_of("zzz", ["b", "a"]) == "one of 'a', 'b'"
    assert one_of("x", ["only"]) == "'only'"
    assert one_of("x", []) == "nothing: none is declared"


# --- the schema refuses what validation refuses by shape -----------------------------------------


@pytest.mark.parametrize(("where", "value"), [case[:2] for case in _BY_SHAPE])
def test_the_schema_refuses_what_validation_refuses_by_shape(where: str, value: object) -> None:
    """An editor that knows the schema marks every mistake that needs no second field."""
    assert not _VALIDATOR.is_valid(json.loads(_edit(where, value)))


@pytest.mark.parametrize("field", ["schema_version", "name", "tasks", "workers", "horizon_s"])
def test_schema_and_validation_need_the_same_fields(field: str) -> None:
    """What from_json cannot do without, the schema requires."""
    data = leadlawk()
    del data[field]
    assert not _VALIDATOR.is_valid(data)
    with pytest.raises(ScenarioError, match=field):
        Scenario.from_json(json.dumps(data))


# --- mutations --------------------------------------------------------------------------------

_ODD: list[Any] = [
    None, True, False, 0, -1, 3, 2**70, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x",
    "5/x", "a\nb", "\ud800", "x" * 5000, [], [[]], [1], ["a", "b"], {}, {"kind": "noop"},
    {"": None}, [[0, 1], [0, 1]],
]  # fmt: skip


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside a JSON value."""
    found = [way] if way else []
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for step, item in inner:
            found += _places(item, (*way, step))
    return found


def mutate(draw: st.DrawFn, data: Any) -> None:
    """Delete, rename, retype or move one random place of a JSON value."""
    places = _places(data)
    if not places:
        return
    *way, last = draw(st.sampled_from(places))
    parent = data
    for step in way:
        parent = parent[step]
    action = draw(st.sampled_from(("delete", "rename", "retype", "retype", "graft")))
    if action == "delete":
        del parent[last]
    elif action == "rename" and isinstance(parent, dict):
        key = draw(st.sampled_from((f"{last}s", last[1:], last.upper(), "kind", "self", "\n")))
        parent[key] = parent.pop(last)
    elif action == "graft":
        other: Any = data
        for step in draw(st.sampled_from(places)):
            if not isinstance(other, dict | list):
                break
            other = other[step] if isinstance(other, dict) and step in other else other
        parent[last] = copy.deepcopy(other)
    else:
        # A copy: what is put in may itself be mutated next.
        parent[last] = copy.deepcopy(draw(st.sampled_from(_ODD)))


@st.composite
def mutated(draw: st.DrawFn, base: dict[str, Any], most: int = 3) -> Any:
    """Return a strategy of JSON values with one to ``most`` mistakes in them."""
    data = copy.deepcopy(base)
    for _ in range(draw(st.integers(1, most))):
        mutate(draw, data)
    return data


@settings(laws, max_examples=500)
@given(mutated(leadlawk()))
def test_a_mutated_scenario_is_a_scenario_or_one_sentence(data: Any) -> None:
    """Deleted, renamed and retyped fields: a valid scenario, or ScenarioError and no other."""
    try:
        scenario = Scenario.from_json(json.dumps(data))
    except ScenarioError as exc:
        assert len(sentence_of(exc)) < 1500
    else:
        assert Scenario.from_json(scenario.to_json()) == scenario


@laws
@given(scenarios(), st.data())
def test_a_value_of_the_wrong_type_anywhere_is_refused(scenario: Scenario, data: Any) -> None:
    """No field, however deep, takes an object that it does not know."""
    changed = json.loads(scenario.to_json())
    way = data.draw(st.sampled_from(_places(changed)))
    place = changed
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = {"no such field": 1}
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_json(json.dumps(changed))
    sentence_of(caught)


# --- the registry of faults -----------------------------------------------------------------------


@pytest.fixture
def fault_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Return a function that puts a file beside the faults, for one test."""
    monkeypatch.setattr(faults, "__path__", [*faults.__path__, str(tmp_path)])
    written: list[str] = []

    def write(name: str, *classes: tuple[str, str]) -> None:
        lines = ["from typing import Literal", "from sandbox.faults._base import Fault"]
        for class_name, kind in classes:
            lines += [f"class {class_name}(Fault):", f"    kind: Literal[{kind!r}] = {kind!r}"]
        (tmp_path / f"{name}.py").write_text("\n".join(lines))
        written.append(name)

    yield write
    for name in written:
        sys.modules.pop(f"sandbox.faults.{name}", None)
        faults.__dict__.pop(name, None)
    gc.collect()


def test_a_new_fault_is_one_new_file(fault_file: Callable[..., None]) -> None:
    """A file in the folder is found by itself; nothing else is edited."""
    fault_file("law_new", ("New", "law_new"))
    assert set(faults._scan()) == {*FAULTS, "law_new"}


def test_a_file_whose_name_begins_with_an_underscore_is_no_fault(
    fault_file: Callable[..., None],
) -> None:
    """Helpers may live beside the faults."""
    fault_file("_law_helper")
    assert set(faults._scan()) == set(FAULTS)


@pytest.mark.parametrize(
    ("name", "classes", "says"),
    [
        ("law_none", (), "defines 0 faults"),
        ("law_two", (("One", "law_one"), ("Two", "law_two")), "defines 2 faults"),
        ("law_again", (("Again", "kill_child"),), "'kill_child'"),
    ],
)
def test_a_fault_file_that_registers_nothing_or_a_duplicate_fails_loudly(
    fault_file: Callable[..., None], name: str, classes: tuple[Any, ...], says: str
) -> None:
    """None, two, or one whose kind exists: the scan names the file or the kind and stops."""
    fault_file(name, *classes)
    with pytest.raises(ImportError, match=says):
        faults._scan()


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_is_verbs_of_the_controls(kind: str) -> None:
    """A fault compiles to verbs that both engines implement, with the arguments they take."""
    values: dict[str, Any] = {
        "worker": "worker1",
        "task": "hi",
        "rate": "5/m",
        "seconds": 1.0,
        "visibility_timeout_s": 1.0,
        "dependency": "db",
        "for_s": 2.0,
        "factor": 3.0,
        "delay_s": 0.5,
        "offset_s": -3600.0,
        "bytes_per_s": 1000.0,
        "after_s": 0.1,
    }
    values |= {"when": At(at_s=1.0), "probability": 0.5, "fault": FAULTS["noop"](when=At(at_s=1.0))}
    fields = {name: values[name] for name in FAULTS[kind].model_fields if name in values}
    fault = FAULTS[kind](**fields)
    for command in fault.commands():
        assert command.verb in VERBS
        assert command.when == fault.when or "for_s" in fields
        inspect.signature(getattr(Controls, command.verb)).bind(None, **command.arguments)


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - {"noop"}))
def test_every_fault_says_what_it_means_under_each_ack_mode(kind: str) -> None:
    """The reader learns what the fault does to early and late acknowledgement."""
    text = inspect.getdoc(FAULTS[kind]) or ""
    assert "ack mode" in text or ("early ack" in text and "acks_late" in text)
