"""The room: everybody's guesses and progress of a workshop, in the Redis that all share.

``$SANDBOX_ROOM`` is its URL with the workshop's name as fragment, ``redis://host:6379/0#monday``.
What is noted there is kept a day, under the learner's own name (``$SANDBOX_LEARNER``, else this
machine's and user's). Where the server cannot be reached, a learner's own guess stands alone.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urlsplit

from sandbox.engines.live.broker import choose
from sandbox.errors import EngineError, LabError, shown

if TYPE_CHECKING:
    import redis

_KEPT_S = 24 * 3600
_WAIT_S = 1.0
_NAME = re.compile(r"[\w.@ -]{1,40}")
_BETWEEN = "\t"
_QUESTIONS, _PROGRESS = "questions", "progress"


@dataclass(frozen=True)
class Room:
    """A workshop's name on a server, and who one is there.

    Each method asks the server; OSError or redis' own error where it does not answer.
    """

    url: str
    name: str
    learner: str

    @classmethod
    def at(cls, address: str, learner: str = "") -> Room:
        """Read an address, ``redis://host:6379/0#monday``; LabError or EngineError for another.

        >>> Room.at("redis://host:6379/0#monday", "anna").name
        'monday'
        """
        url, name = urldefrag(address)
        if "://" not in url:
            raise LabError("a room is redis://host:port/0#name, a URL and the workshop's name")
        choose(url)
        one = cls(url, name or "room", learner or _myself())
        for what, text in (("room", one.name), ("learner", one.learner)):
            if not _NAME.fullmatch(text):
                raise LabError(
                    f"the {what}'s name is {shown(text)}; allowed: 1 to 40 letters, digits, blanks "
                    "and . _ @ -"
                )
        return one

    def reach(self) -> None:
        """Raise EngineError, in one sentence without a password, unless the server answers."""
        import redis

        try:
            with self._server() as server:
                server.ping()
        except (OSError, ValueError, redis.RedisError) as exc:
            place = urlsplit(self.url)
            raise EngineError(
                f"the workshop's Redis at {place.hostname}:{place.port or 6379} does not answer "
                f"({type(exc).__name__}); is it started, and is this its address and password?"
            ) from None

    def pool(self, question: str, number: float) -> tuple[float, ...]:
        """Put one's guess with the others'; return all."""
        digest = hashlib.sha256(question.encode()).hexdigest()[:16]
        with self._server() as server:
            self._note(server, _QUESTIONS, digest, question)
            self._note(server, digest, self.learner, repr(number))
            return tuple(float(one) for one in self._hash(server, digest).values())

    def note(self, lab: str, n_right: int, n: int) -> None:
        """Note how many checks of a lab one has right."""
        with self._server() as server:
            self._note(server, _PROGRESS, f"{self.learner}{_BETWEEN}{lab}", f"{n_right}/{n}")

    def guesses(self) -> dict[str, dict[str, float]]:
        """Return everybody's guesses: by question, by learner."""
        with self._server() as server:
            return {
                question: {who: float(one) for who, one in self._hash(server, digest).items()}
                for digest, question in self._hash(server, _QUESTIONS).items()
            }

    def progress(self) -> dict[str, dict[str, str]]:
        """Return how far everybody is: by learner, by lab, ``"3/4"`` checks right."""
        found: dict[str, dict[str, str]] = {}
        with self._server() as server:
            for both, told in sorted(self._hash(server, _PROGRESS).items()):
                who, _, lab = both.partition(_BETWEEN)
                found.setdefault(who, {})[lab] = told
        return found

    def clear(self) -> int:
        """Delete all that is noted of this room; return how many keys that were."""
        with self._server() as server:
            digests = self._hash(server, _QUESTIONS)
            keys = [self._key(part) for part in (*digests, _QUESTIONS, _PROGRESS)]
            return int(server.delete(*keys))

    def _key(self, part: str) -> str:
        return f"sandbox-room:{self.name}:{part}"

    def _note(self, server: redis.Redis, part: str, field: str, value: str) -> None:
        server.hset(self._key(part), field, value)
        server.expire(self._key(part), _KEPT_S)

    def _hash(self, server: redis.Redis, part: str) -> dict[str, str]:
        found: Any = server.hgetall(self._key(part))
        return dict(found)

    @contextmanager
    def _server(self) -> Iterator[redis.Redis]:
        import redis

        server = redis.Redis.from_url(
            self.url,
            socket_timeout=_WAIT_S,
            socket_connect_timeout=_WAIT_S,
            decode_responses=True,
        )
        with closing(server):
            yield server


def _myself() -> str:
    return re.sub(r"[^\w.@ -]", "-", f"{getpass.getuser()}@{socket.gethostname()}")[:40]


def of_this_workshop() -> Room | None:
    """Return the room that ``$SANDBOX_ROOM`` names; None outside a workshop.

    LabError or EngineError when what it says is no room's address.
    """
    address = os.environ.get("SANDBOX_ROOM", "")
    return Room.at(address, os.environ.get("SANDBOX_LEARNER", "")) if address else None


def pooled(question: str, number: float) -> tuple[float, ...]:
    """Return everybody's guesses, one's own included; only nothing where there is no room."""
    room = of_this_workshop()
    if room is not None:
        with _unless_gone():
            return room.pool(question, number)
    return ()


def noted(lab: str, n_right: int, n: int) -> None:
    """Tell the room how far one is; nobody is told where there is none."""
    room = of_this_workshop()
    if room is not None:
        with _unless_gone():
            room.note(lab, n_right, n)


@contextmanager
def _unless_gone() -> Iterator[None]:
    import redis

    with suppress(OSError, ValueError, redis.RedisError):
        yield
