"""Claims: judged by their own evidence, each engine by itself; every row of the facts has one."""

from __future__ import annotations

import doctest
import importlib
import json
import math
from typing import Any

import pytest
from click.testing import CliRunner

from sandbox import cli, evidence, systems
from sandbox.claims import Answer, Claim, Evidence, answer
from sandbox.errors import ScenarioError
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario
from sandbox.systems import Change, System

# Table 1.2's rows, the claims of each document in table 1.3, and what a second reading found.
ROWS = (
    *(f"1.2 #{n}" for n in range(1, 36)),
    *(
        f"1.3 {seed}-{n}"
        for seed, most in (("S1", 8), ("S2", 9), ("S3", 9), ("S4", 6), ("S5", 8))
        for n in range(1, most + 1)
    ),
    "1.5-1 S2 /chat", "1.5-2 S5 event loop", "1.5-3 S5 GET export", "1.5-4 S1/S5 sync door",
    "1.5-5 S3 deduplication", "1.5-6 compression", "1.5-7 batching", "1.5-8 pipelining",
    "1.5-9 signing", "1.5-10 no Redis password", "1.5-11 Flower's password",
)  # fmt: skip


def burst(n: int, **more: Any) -> Scenario:
    fields = {
        "name": "shop",
        "tasks": [{"name": "mail", "service": {"kind": "deterministic", "value_s": 0.1}}],
        "workers": [{}],
        "loads": [{"kind": "burst", "task": "mail", "n": n}],
        "horizon_s": 1.0,
    }
    return Scenario(**(fields | more))


def claim(verdict: Answer, holds_at: float = 3.0, **more: Any) -> Claim:
    """Return the claim that so many are done, at least."""
    shown_by = {"": burst(3)} if "reads" not in more and "probe" not in more else {}
    fields = {"metric": "done" if shown_by else None, "shown_by": shown_by} | more
    return Claim("enough is done", "a blog", lambda n: n >= holds_at, verdict=verdict, **fields)


def found(one: Claim) -> Evidence:
    return next(evidence.gather([one], overheads=Overheads()))


@pytest.mark.parametrize(
    ("holds_at", "says"), [(3.0, "as stated"), (4.0, "CONTRADICTED: stated right, found wrong")]
)
def test_evidence_can_contradict_what_is_stated(holds_at: float, says: str) -> None:
    assert found(claim("right", holds_at)).status == says


def test_a_claim_that_holds_here_and_not_there_depends() -> None:
    """Each scenario gives a number of its own."""
    both = {"three": burst(3), "two": burst(2)}
    assert found(claim("depends", shown_by=both)).predicted == {"three": 3.0, "two": 2.0}
    assert found(claim("depends", shown_by=both)).is_as_stated


def test_a_number_may_be_read_from_a_run() -> None:
    one = claim("right", metric=None, number=lambda run: float(len(run.of_kind("started"))))
    assert found(one).predicted == {"": 3.0}


def test_what_configuration_says_needs_no_engine() -> None:
    assert found(claim("wrong", reads=lambda: 0.0)).measured == {"": 0.0}
    assert found(claim("wrong", reads=lambda: 0.0)).is_as_stated


def test_the_engines_must_agree_on_a_verdict() -> None:
    """What the model bears out and workers do not is contradicted, whatever is stated."""
    for verdict in ("right", "wrong", "depends"):
        one = Evidence(claim(verdict), predicted={"": 3.0}, measured={"": 1.0})
        assert not one.is_as_stated
        assert one.verdict == "depends"


def test_nothing_is_said_without_evidence() -> None:
    """nan, like no number, tells nothing; a stated verdict does not stand on it."""
    assert answer([None]) == "not testable here"
    assert Evidence(claim("right"), predicted={"": math.nan}).verdict == "not testable here"
    assert not Evidence(claim("right"), predicted={"": math.nan}).is_as_stated


def test_what_only_a_living_system_shows_is_not_asked_of_the_model() -> None:
    one = found(claim("right", probe=lambda _: 3.0))
    assert (one.verdict, one.status) == ("right", "live only")


@pytest.mark.parametrize(
    ("broker", "status"), [("fake", "needs Redis: maxmemory"), (None, "live only")]
)
def test_what_the_fake_lacks_is_named(broker: str | None, status: str) -> None:
    one = claim("right", probe=lambda _: 3.0, needs="maxmemory")
    assert next(evidence.gather([one], broker=broker, overheads=Overheads())).status == status


def test_what_goes_wrong_with_one_claim_is_told_and_the_next_is_asked() -> None:
    """A number that a run does not have is no verdict."""
    odd = claim(
        "wrong", metric=None, number=lambda run: float(max(e.t_s for e in run.of_kind("x")))
    )
    first, second = evidence.gather([odd, claim("right")], overheads=Overheads())
    assert first.status.startswith("FAILED: ValueError: ") and not first.is_as_stated
    assert second.is_as_stated


def test_a_claim_has_one_number() -> None:
    with pytest.raises(ScenarioError, match="two numbers"):
        claim("right", number=lambda _: 0.0)
    with pytest.raises(ScenarioError, match="neither metric nor number"):
        claim("right", metric=None)


# --- the five systems -------------------------------------------------------------------------


def all_claims() -> list[tuple[str, Claim]]:
    return [(name, one) for name, s in systems.all_systems().items() for one in s.claims]


def test_every_row_of_the_facts_has_a_claim() -> None:
    """Of wrong settings, of claims, and of what a second reading found: none is skipped."""
    rows = {row for _, one in all_claims() for row in one.rows}
    assert set(ROWS) - rows == set()
    assert rows - set(ROWS) == set()


def test_a_claim_s_name_is_its_own_and_its_reason_a_sentence() -> None:
    names = [f"{system}:{one.name}" for system, one in all_claims()]
    assert len(set(names)) == len(names)
    assert [n for n, (_, c) in zip(names, all_claims(), strict=True) if not c.verdict] == []
    assert [n for n, (_, c) in zip(names, all_claims(), strict=True) if c.why[-1:] != "."] == []


def test_what_is_not_testable_has_no_number_and_the_rest_has_one() -> None:
    odd = [one.name for _, one in all_claims() if one.is_testable is (one.verdict == UNTESTED)]
    assert odd == []


UNTESTED = "not testable here"


def test_nine_of_ten_testable_claims_run_live() -> None:
    """The others say why not."""
    testable = [one for _, one in all_claims() if one.is_testable]
    assert sum(not one.not_live for one in testable) >= 0.9 * len(testable)


def test_every_system_has_its_variants() -> None:
    """As written and as mended, and a front door without and with a queue behind it."""
    for name in ("dashboard", "ai-analysis", "leadlawk", "conversations", "students"):
        system = systems.get(name)
        assert {"as-written", "mended", "before", "after"} <= set(system.variants), system.name
        assert system.changes, system.name


def test_a_system_s_own_name_is_its_first_variant() -> None:
    lead = systems.get("leadlawk")
    assert systems.load("leadlawk") == next(iter(lead.variants.values()))
    assert systems.load("leadlawk:x5").name == "leadlawk-x5"
    with pytest.raises(ScenarioError, match=r"^variant of leadlawk is 'x6'; allowed: "):
        systems.load("leadlawk:x6")


def test_a_change_says_what_and_why() -> None:
    assert str(Change("a", "1", "2", "it fails")) == "a: 1 -> 2 (it fails)"
    assert System("none", "?", "a blog", dict).changes == ()


# --- the command ------------------------------------------------------------------------------


def test_the_command_prints_verdict_number_and_reason() -> None:
    done = CliRunner().invoke(cli.main, ["claims", "leadlawk:recovery-worker"])
    assert done.exit_code == 0
    assert done.output.startswith("WRONG  'recovery < 30 s")
    assert "predicted 36" in done.output


def test_the_command_as_json() -> None:
    done = CliRunner().invoke(cli.main, ["claims", "leadlawk:recovery-worker", "--json"])
    (one,) = json.loads(done.output)
    assert one["verdict"] == "wrong" and one["scenarios"] == {"": "leadlawk"}


def test_a_claim_that_is_not_there_is_one_sentence() -> None:
    done = CliRunner().invoke(cli.main, ["claims", "leadlawk:recovery"])
    assert done.exit_code == 2
    assert "claim of leadlawk is 'recovery'; allowed: " in done.output


@pytest.mark.parametrize("name", ["claims", "evidence", "systems", "systems._deriving"])
def test_the_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"sandbox.{name}")).failed == 0
