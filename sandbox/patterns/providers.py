"""Stand-ins for a mail server, an SMS gateway and an AI service, kept in the database.

They do what tasks must cope with: they have a rate limit of their own, fail as drawn from a seed,
refuse bad recipients for good, and now and then deliver without their answer arriving, which is how
a retry becomes a second message. Every message is counted, so duplicates can be seen.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from re import Pattern
from re import compile as regex

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Table,
    func,
    insert,
    select,
)

from sandbox.errors import shown
from sandbox.patterns.database import Database, metadata
from sandbox.patterns.errors import Permanent, Retryable

_messages = Table(
    "provider_messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("provider", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("text", String, nullable=False),
    Column("key", String),
    Column("at", Float, nullable=False),
    Index("provider_messages_by_time", "provider", "at"),
    Index("provider_messages_by_recipient", "provider", "recipient"),
    Index("provider_messages_by_key", "provider", "key", unique=True),
)
_attempts = Table(
    "provider_attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("provider", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("outcome", String, nullable=False),
    Index("provider_attempts_by_recipient", "provider", "recipient"),
)


class RateLimited(Retryable):
    """The provider's 429: it takes no more now. ``after_s`` is its Retry-After."""


class ProviderFailed(Retryable):
    """The provider's 503, drawn: nothing was delivered."""


class AnswerLost(Retryable):
    """The connection broke after the provider had delivered; its client cannot know that."""


class BadRecipient(Permanent):
    """The provider's 400: no attempt will deliver this."""


@dataclass(frozen=True)
class Provider:
    """A service that takes messages: at most ``limit`` in any ``per_s`` seconds (0: no limit).

    ``p_failure`` and ``p_answer_lost`` are drawn from the seed, the recipient and which attempt
    for it this is, so that they do not depend on who comes first. ``recipients`` must match.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     database = Database(f"{folder}/app.db")
    ...     receipt = sms(database).send("+491701234", "hello")
    ...     again = sms(database).send("+491701234", "hello")
    ...     found = sms(database).duplicates()
    ...     database.close()
    >>> receipt, found
    ('sms-1', {'+491701234': 2})
    """

    name: str
    database: Database
    recipients: Pattern[str]
    limit: int = 0
    per_s: float = 60.0
    p_failure: float = 0.0
    p_answer_lost: float = 0.0
    seed: int = 0
    now: Callable[[], float] = time.time

    def send(self, recipient: str, text: str, *, key: str | None = None) -> str:
        """Deliver and return a receipt; with a ``key`` that it knows, return the first receipt.

        Raises BadRecipient, RateLimited, ProviderFailed or AnswerLost.
        """
        with self.database.transaction() as connection:
            outcome, receipt, after_s = self._decided(connection, recipient, text, key)
            row = {"provider": self.name, "recipient": recipient, "outcome": outcome}
            connection.execute(insert(_attempts), row)
        # Outside: what was written stays, as the provider's books would.
        if outcome == "bad recipient":
            raise BadRecipient(f"{self.name} has no recipient {shown(recipient)}")
        if outcome == "rate limited":
            raise RateLimited(f"{self.name} takes {self.limit} in {self.per_s:g} s", after_s)
        if outcome == "failed":
            raise ProviderFailed(f"{self.name} is out of order")
        if outcome == "answer lost":
            raise AnswerLost(f"{self.name} did not answer")
        return receipt

    def _decided(
        self, connection: Connection, recipient: str, text: str, key: str | None
    ) -> tuple[str, str, float]:
        """Return the outcome, a receipt where there is one, and after how long to ask again."""
        if not self.recipients.fullmatch(recipient):
            return "bad recipient", "", 0.0
        if key is not None and (known := self._known(connection, key)) is not None:
            return "known", f"{self.name}-{known}", 0.0
        after_s = self._full_for_s(connection)
        if after_s > 0:
            return "rate limited", "", after_s
        attempt = self._attempts(connection, recipient)
        if self._drawn("failure", recipient, attempt) < self.p_failure:
            return "failed", "", 0.0
        row = {"provider": self.name, "recipient": recipient, "text": text, "key": key}
        made = insert(_messages).values(**row, at=self.now()).returning(_messages.c.id)
        receipt = f"{self.name}-{connection.execute(made).scalar_one()}"
        lost = self._drawn("answer", recipient, attempt) < self.p_answer_lost
        return ("answer lost" if lost else "delivered"), receipt, 0.0

    def _known(self, connection: Connection, key: str) -> int | None:
        same = (_messages.c.provider == self.name, _messages.c.key == key)
        found: int | None = connection.execute(select(_messages.c.id).where(*same)).scalar()
        return found

    def _full_for_s(self, connection: Connection) -> float:
        """Return after how many seconds there is room again; 0 when there is."""
        if not self.limit:
            return 0.0
        at, now = _messages.c.at, self.now()
        recent = (_messages.c.provider == self.name, at > now - self.per_s)
        # The oldest of as many as fit: when it leaves the window, one more fits.
        query = select(at).where(*recent).order_by(at.desc()).offset(self.limit - 1).limit(1)
        oldest = connection.execute(query).scalar()
        return 0.0 if oldest is None else max(1e-6, oldest + self.per_s - now)

    def _attempts(self, connection: Connection, recipient: str) -> int:
        """Return how many attempts for a recipient have been drawn before."""
        drawn = _attempts.c.outcome.in_(("failed", "delivered", "answer lost"))
        same = (_attempts.c.provider == self.name, _attempts.c.recipient == recipient, drawn)
        query = select(func.count()).select_from(_attempts).where(*same)
        return int(connection.execute(query).scalar_one())

    def _drawn(self, what: str, recipient: str, attempt: int) -> float:
        key = f"{self.seed}/{self.name}/{what}/{recipient}/{attempt}".encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=7).digest()) / 2**56

    def counts(self) -> Mapping[str, int]:
        """Return how many messages each recipient got."""
        per = (_messages.c.recipient, func.count())
        mine = _messages.c.provider == self.name
        query = select(*per).where(mine).group_by(_messages.c.recipient)
        with self.database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def duplicates(self) -> Mapping[str, int]:
        """Return who got more than one message, and how many."""
        return {recipient: n for recipient, n in self.counts().items() if n > 1}

    def outcomes(self) -> Mapping[str, int]:
        """Return how many attempts ended how: delivered, failed, rate limited or other."""
        mine = _attempts.c.provider == self.name
        query = select(_attempts.c.outcome, func.count()).where(mine).group_by(_attempts.c.outcome)
        with self.database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}


def smtp(database: Database, **options: float) -> Provider:
    """Return a mail server; a recipient has one ``@`` and a dot after it."""
    return _provider("smtp", database, r"[^@\s]+@[^@\s]+\.[^@\s.]+", options)


def sms(database: Database, **options: float) -> Provider:
    """Return an SMS gateway; a recipient is a number in international form, ``+491701234567``."""
    return _provider("sms", database, r"\+[1-9][0-9]{6,14}", options)


def ai(database: Database, **options: float) -> Provider:
    """Return an AI service; its "recipient" is what the request is about: a document, a chat."""
    return _provider("ai", database, r"\S.{0,199}", options)


def answer(prompt: str) -> dict[str, int | str]:
    """Return what the AI service says of a text: always the same of the same.

    >>> answer("One risk. One more risk, and a chance.")["words"]
    8
    """
    words = prompt.split()
    longest = max(words, key=len, default="")
    return {"words": len(words), "sentences": prompt.count("."), "longest": longest[:60]}


def _provider(
    name: str, database: Database, recipients: str, options: Mapping[str, float]
) -> Provider:
    known = {"limit", "per_s", "p_failure", "p_answer_lost", "seed"}
    if wrong := sorted(set(options) - known):
        raise TypeError(f"{name} has no option {wrong[0]!r}; allowed: {', '.join(sorted(known))}")
    found = Provider(name, database, regex(recipients))
    return Provider(**{**vars(found), **options})
