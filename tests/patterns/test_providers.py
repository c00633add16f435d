"""Laws of the stand-ins: what they deliver is counted, and they fail as drawn, in any order."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from sandbox.patterns.database import Database
from sandbox.patterns.errors import Permanent, Retryable
from sandbox.patterns.providers import AnswerLost, RateLimited, ai, sms, smtp

PHONES = [f"+4917000000{n:02}" for n in range(40)]


def test_the_limit_holds_in_every_window_and_says_when_to_come_back(database: Database) -> None:
    """At the time that it names there is room again, and not before."""
    clock = [1000.0]
    provider = replace(sms(database, limit=3, per_s=60), now=lambda: clock[0])
    delivered = []
    for phone in PHONES[:10]:
        try:
            provider.send(phone, "hi")
        except RateLimited as refused:
            clock[0] += refused.after_s - 1e-3
            with pytest.raises(RateLimited):
                provider.send(phone, "hi")
            clock[0] += 2e-3
            provider.send(phone, "hi")
        delivered.append(clock[0])
        clock[0] += 7
    assert all(later - first >= 60 for first, later in zip(delivered, delivered[3:], strict=False))


def outcomes(database: Database, phones: list[str], seed: int) -> dict[str, bool]:
    provider = sms(database, p_failure=0.4, seed=seed)
    found = {}
    for phone in phones:
        try:
            provider.send(phone, "hi")
            found[phone] = True
        except Retryable:
            found[phone] = False
    return found


def test_failures_are_drawn_by_recipient_and_attempt_not_by_order(
    database: Database, tmp_path: object
) -> None:
    """The same seed, the other way round; and another seed."""
    forth = outcomes(database, PHONES, seed=1)
    other = Database(f"{tmp_path}/other.db")
    assert outcomes(other, PHONES[::-1], seed=1) == forth
    assert 0 < sum(forth.values()) < len(PHONES)
    other.close()
    third = Database(f"{tmp_path}/third.db")
    assert outcomes(third, PHONES, seed=2) != forth
    third.close()


def test_a_lost_answer_makes_a_duplicate_unless_there_is_a_key(database: Database) -> None:
    """Delivered, but its sender cannot know: tried again it is delivered twice."""
    provider = sms(database, p_answer_lost=1.0)
    for key in (None, "bulk/7"):
        with pytest.raises(AnswerLost):
            provider.send(PHONES[bool(key)], "hi", key=key)
        with suppress(AnswerLost):
            provider.send(PHONES[bool(key)], "hi", key=key)
    assert provider.counts() == {PHONES[0]: 2, PHONES[1]: 1}
    assert provider.duplicates() == {PHONES[0]: 2}
    assert provider.outcomes() == {"answer lost": 3, "known": 1}


@pytest.mark.parametrize(
    ("make", "bad"), [(sms, "0170"), (sms, "+49x"), (smtp, "me"), (smtp, "me@home"), (ai, "")]
)
def test_a_bad_recipient_is_refused_for_good(database: Database, make: object, bad: str) -> None:
    """Permanent: no retry, and nothing delivered."""
    provider = make(database)  # type: ignore[operator]
    with pytest.raises(Permanent, match="has no recipient"):
        provider.send(bad, "hi")
    assert provider.counts() == {}


def test_an_option_that_there_is_not_is_refused(database: Database) -> None:
    with pytest.raises(TypeError, match="sms has no option 'rate'; allowed: limit"):
        sms(database, rate=3)
