"""The payroll of the lab on idempotency: what its statements pay, in the model as on real workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import lab, workbench
from sandbox.errors import LabError
from sandbox.labs import payroll
from sandbox.labs.checks import NotYet

BY_TASK = "CREATE TABLE payments (task TEXT PRIMARY KEY, employee TEXT, euros INTEGER)"
BY_EMPLOYEE = "CREATE TABLE payments (task TEXT, employee TEXT PRIMARY KEY, euros INTEGER)"
ONCE = f"{payroll.PAYS} ON CONFLICT DO NOTHING"


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("settings", "euros"),
    [
        ({}, 600),
        ({"looks": payroll.LOOKS}, 600),
        ({"table": BY_TASK, "pays": ONCE}, 300),
        ({"table": BY_TASK, "pays": ONCE, "twice": True}, 600),
        ({"table": BY_EMPLOYEE, "pays": ONCE, "twice": True, "killed": True}, 300),
        ({"table": BY_EMPLOYEE, "pays": ONCE, "killed": True, "acks_late": False}, 0),
    ],
)
def test_what_a_payroll_pays_in_the_model(settings: dict[str, object], euros: int) -> None:
    """Law: a look prevents no duplicate, a key does, and no key brings back what was lost."""
    assert payroll.euros(lab.model(payroll.scenario("one", **settings))) == euros


def test_a_payment_without_on_conflict_is_refused_with_an_error() -> None:
    paid = payroll.paid(lab.model(payroll.scenario("one", table=BY_TASK)))
    assert (len(paid.rows), paid.n_refused) == (3, 3)


def test_a_table_is_unique_by_itself_whatever_the_statement_does() -> None:
    assert payroll.Books(BY_TASK, ONCE).is_unique
    assert not payroll.Books(payroll.TABLE, ONCE).is_unique


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"pays": "INSERT INTO payments VALUES"}, "incomplete input"),
        ({"pays": 7}, "a statement of SQL, in quotes"),
        ({"pays": "INSERT INTO payments VALUES (:id, :employee, :euros)"}, "id"),
        ({"pays": "SELECT * FROM payments"}, "leaves no row"),
        ({"table": "CREATE TABLE paid (task TEXT)"}, "no such table: payments"),
        ({"table": f"{payroll.TABLE}; SELECT 1"}, "one statement"),
        ({"acks_late": "yes"}, "True or False"),
        ({"acks_late": False, "deduplicate": True}, "both, or neither"),
        ({"look": payroll.LOOKS}, "did you mean 'looks'"),
    ],
)
def test_a_mistake_in_a_statement_is_told_in_a_sentence(
    settings: dict[str, object], says: str
) -> None:
    with pytest.raises(LabError, match=says):
        payroll.scenario("one", **settings)


def test_a_stub_makes_no_payroll_yet() -> None:
    nothing = payroll.scenario("one", pays=...)
    assert isinstance(nothing, NotYet)
    assert isinstance(payroll.euros(nothing), NotYet)
    assert isinstance(payroll.payments(nothing), NotYet)


def test_a_run_of_something_else_has_no_statements() -> None:
    other = payroll.scenario("one").but(name="other")
    with pytest.raises(LabError, match=r"make it with payroll\.scenario"):
        payroll.paid(lab.model(other))


@pytest.mark.live
def test_real_workers_write_the_rows_that_the_model_says() -> None:
    """Law: one set of statements, one result, by real workers in a real file as in the model."""
    one = payroll.scenario("one", table=BY_EMPLOYEE, pays=ONCE, twice=True, killed=True)
    live, model = workbench.run(one, broker="fake"), lab.model(one)
    assert payroll.paid(live).n_refused == 0
    assert payroll.euros(live) == payroll.euros(model) == 300
    assert sorted(payroll.payments(live).index) == ["anna", "ben", "carl"]
