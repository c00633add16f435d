"""A broker at a URL is somebody else's: what could hurt its owner is refused, at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from click.testing import CliRunner

from sandbox import cli, workbench
from sandbox.engines import VERBS
from sandbox.engines.live import allowed
from sandbox.engines.live import broker as brokers
from sandbox.engines.live.broker import BrokerChoice
from sandbox.errors import EngineError, ScenarioError
from sandbox.faults import At, OnEvent
from sandbox.scenario import Scenario
from tests.redis_wire import PASSWORD, real_server
from tests.test_conformance import ACK_MODES, assert_laws, burst, scenario, task, verdicts

NOW = {"on": "time", "at_s": 0.1}
REFUSED: list[dict[str, Any]] = [
    {"kind": "bandwidth", "bytes_per_s": 100.0, "when": NOW},
    {"kind": "flush", "when": NOW},
    {"kind": "maxmemory", "when": NOW},
    {"kind": "maxmemory", "policy": "allkeys-lru", "when": NOW},
    {"kind": "pause_broker", "for_s": 1.0, "when": NOW},
    {"kind": "start_broker", "when": NOW},
    {"kind": "stop_broker", "when": NOW},
]
CALLS: dict[str, tuple[Any, ...]] = {"bandwidth": (100.0,)}
AT_A_URL = BrokerChoice("url", "asked for by URL", url="redis://127.0.0.1:1/0")


@pytest.mark.parametrize("fault", REFUSED, ids=lambda fault: fault["kind"])
@pytest.mark.parametrize("is_chance", [False, True])
def test_a_fault_that_hurts_the_owner_is_refused_before_anything_starts(
    tmp_path: Path, fault: dict[str, Any], is_chance: bool
) -> None:
    """By its place, under a chance too; nothing answers at this URL, so nothing was tried."""
    where = "faults[0].fault" if is_chance else "faults[0]"
    chance = {"kind": "maybe", "probability": 0.0, "fault": fault}
    described = scenario(faults=[chance if is_chance else fault])
    says = f"{where}.kind is '{fault['kind']}', but the broker is not the sandbox's own; others "
    with pytest.raises(ScenarioError) as caught:
        workbench.start(described, broker="redis://127.0.0.1:1/0", runs=tmp_path / "runs")
    assert str(caught.value) == says + "may use it"
    assert not (tmp_path / "runs").exists()


def test_the_command_line_says_so_with_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it calibrates, or predicts."""
    monkeypatch.setattr(cli, "_overheads_for", None)
    (tmp_path / "mine.json").write_text(scenario(faults=[REFUSED[1]]).to_json())
    args = ["run", str(tmp_path / "mine.json"), "--broker", "redis://127.0.0.1:1/0"]
    result = CliRunner().invoke(cli.main, args)
    assert result.exit_code == 2
    assert "faults[0].kind is 'flush', but the broker is not the sandbox's own" in result.stderr


@pytest.mark.parametrize(
    ("verb", "choice", "says"),
    [
        ("evict", brokers.choose("fake"), "the fake broker has no maxmemory; allowed: 'redis'"),
        ("flush", brokers.choose("fake"), None),
        ("latency", AT_A_URL, None),
        ("drop_connections", AT_A_URL, None),
        *(
            (verb, brokers.choose("rediss://h:1/0"), "no proxy can be in a link with TLS; allowed")
            for verb in ("latency", "cut_off", "half_open", "drop_connections")
        ),
    ],
)
def test_what_a_broker_cannot_show_is_known_beforehand(
    verb: str, choice: BrokerChoice, says: str | None
) -> None:
    """No maxmemory in the fake, no proxy behind TLS; our own links to a URL are ours."""
    found = allowed.refusal(verb, choice)
    assert (found or "").startswith(says or "\0") or found is says


def test_every_refused_verb_is_one() -> None:
    """The lists hold verbs; the faults above have all that are refused but one."""
    assert set(VERBS) > allowed.OWN
    assert set(VERBS) > allowed.PROXIED
    kinds = {command.verb for fault in scenario(faults=REFUSED).faults
             for command in fault.commands()}  # fmt: skip
    assert allowed.OWN - kinds == {"free_memory"}


@pytest.fixture(scope="module")
def url() -> Any:
    """Yield the URL of a redis-server that is not the sandbox's own."""
    with real_server() as port:
        yield f"redis://:{quote(PASSWORD)}@127.0.0.1:{port}/0"


@pytest.mark.live
@pytest.mark.redis
def test_somebody_else_s_broker_keeps_what_it_has(url: str, tmp_path: Path) -> None:
    """Verbs that could hurt are refused, now and for later; dropped connections are ours only."""
    owner = redis.Redis.from_url(url, single_connection_client=True)
    owner.lpush("celery", "somebody else's task")
    owners = owner.client_id()
    described = late(loads=[burst(2)])
    with workbench.start(described, broker=url, runs=tmp_path) as session:
        for verb in sorted(allowed.OWN):
            for when in (None, At(at_s=0.0)):
                with pytest.raises(EngineError, match=f"^{verb}: the broker is not the sandbox's"):
                    getattr(session.controls, verb)(*CALLS.get(verb, ()), when=when)
        session.wait_for(OnEvent(event="started", nth=2))
        session.controls.drop_connections()
        assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    assert {e.worker for e in run.of_kind("disconnected")} == {"worker1", "worker2"}
    assert verdicts(run) == {"done more than once": 2}
    assert [(e.detail or {})["verb"] for e in run.of_kind("control")] == ["drop_connections"]
    assert owner.client_id() == owners
    assert owner.lrange("celery", 0, -1) == [b"somebody else's task"]
    assert owner.config_get("maxmemory") == {"maxmemory": "0"}


def late(**fields: Any) -> Scenario:
    return scenario(
        tasks=[task(service_s=1.0, **ACK_MODES["late"])],
        workers=[{"n_workers": 2, "concurrency": 1, "prefetch_multiplier": 1}],
        deadline_s=15.0,
        **fields,
    )
