"""A broker's everyday commands, done directly on the store: the usual case of each, and only that.

fakeredis builds several objects for every argument of a command; a direct one costs a fifth.
Whatever is unusual (options, a wrong type, a wrong number of arguments) answers None here and
goes the full way, so that each error is worded in one place. Tests hold both ways against
redis-server.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from fakeredis._helpers import SimpleError, compile_pattern
from fakeredis._msgs import WRONGTYPE_MSG
from fakeredis.model import ExpiringMembersSet, Hash, ZSet

from sandbox.engines.live.fake.resp import NULL, OK, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.engines.live.fake.session import Session

ONE, ZERO = b":1\r\n", b":0\r\n"
_SECONDS = re.compile(rb"[1-9][0-9]{0,8}")
_NUMBER = re.compile(rb"-?[0-9]{1,15}(\.[0-9]{1,17})?")


def pop(session: Session, keys: list[bytes], left: bool, first: bool) -> list[bytes] | None:
    """Take one item from the first of `keys` that holds a list; None if none does.

    Raises SimpleError at the `first` attempt if one before it holds something else. The
    session remembers what it took until its client has sent another request.
    """
    database = session.database
    for key in keys:
        item = database.item(key)
        if item is None:
            continue
        values = item.value
        if type(values) is list:
            value: bytes = values.pop(0 if left else -1)
            if not values:
                database.remove(key)
            database.notify_watch(key)
            session.popped = (database, key, value, left)
            return [key, value]
        if first:
            raise SimpleError(WRONGTYPE_MSG)
    return None


def _get(session: Session, words: list[bytes]) -> bytes | None:
    if len(words) != 2:
        return None
    item = session.database.item(words[1])
    if item is None:
        return NULL[session.protocol]
    value = item.value
    return b"$%d\r\n%b\r\n" % (len(value), value) if type(value) is bytes else None


def _put(session: Session, key: bytes, value: bytes, seconds: bytes | None) -> bytes:
    database = session.database
    database.create(key, value)
    if seconds:
        database.expire(key, database.time + int(seconds))
    database.notify_watch(key)
    return OK


def _set(session: Session, words: list[bytes]) -> bytes | None:
    if len(words) == 3:
        return _put(session, words[1], words[2], None)
    if len(words) == 5 and words[3].upper() == b"EX" and _SECONDS.fullmatch(words[4]):
        return _put(session, words[1], words[2], words[4])
    return None


def _setex(session: Session, words: list[bytes]) -> bytes | None:
    if len(words) != 4 or not _SECONDS.fullmatch(words[2]):
        return None
    return _put(session, words[1], words[3], words[2])


def _del(session: Session, words: list[bytes]) -> bytes | None:
    database, n_gone = session.database, 0
    if len(words) < 2:
        return None
    for key in words[1:]:
        if database.item(key) is not None:
            database.remove(key)
            database.notify_watch(key)
            n_gone += 1
    return b":%d\r\n" % n_gone


def _expire(session: Session, words: list[bytes]) -> bytes | None:
    if len(words) != 3 or not _SECONDS.fullmatch(words[2]):
        return None
    database = session.database
    if database.item(words[1]) is None:
        return ZERO
    database.expire(words[1], database.time + int(words[2]))
    database.notify_watch(words[1])
    return ONE


def _push(session: Session, words: list[bytes], left: bool) -> bytes | None:
    if len(words) < 3:
        return None
    database, key = session.database, words[1]
    item = database.item(key)
    if item is None:
        values: list[bytes] = []
        database.create(key, values)
    elif type(item.value) is list:
        values = item.value
    else:
        return None
    if left:
        values[0:0] = words[:1:-1]
    else:
        values.extend(words[2:])
    database.notify_watch(key)
    return b":%d\r\n" % len(values)


def _rpop(session: Session, words: list[bytes]) -> bytes | None:
    if len(words) != 2:
        return None
    database, key = session.database, words[1]
    item = database.item(key)
    if item is None:
        return NULL[session.protocol]
    if type(item.value) is not list:
        return None
    value: bytes = item.value.pop()
    if not item.value:
        database.remove(key)
    database.notify_watch(key)
    return b"$%d\r\n%b\r\n" % (len(value), value)


def _blocking_pop(session: Session, words: list[bytes], left: bool) -> bytes | None:
    if len(words) < 3 or not _NUMBER.fullmatch(words[-1]) or words[-1][0] == ord("-"):
        return None
    attempt = functools.partial(pop, session, words[1:-1], left)
    try:
        found = attempt(True)
    except SimpleError:
        return None  # the first attempt took nothing, so the full way finds the same error
    if found is None:
        return session.wait(attempt, None, words, float(words[-1]))
    key, value = found
    return b"*2\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(value), value)


def _length(session: Session, words: list[bytes], kind: type[Any]) -> bytes | None:
    if len(words) != 2:
        return None
    item = session.database.item(words[1])
    if item is None:
        return ZERO
    return b":%d\r\n" % len(item.value) if type(item.value) is kind else None


def _own(database: Any, key: bytes, kind: type[Any]) -> Any:
    """Return the value of a key, a new one where there was none; None for another kind's."""
    item = database.item(key)
    if item is None:
        found = kind()
        database.create(key, found)
        return found
    return item.value if type(item.value) is kind else None


def _hset(session: Session, words: list[bytes]) -> bytes | None:
    if len(words) < 4 or len(words) % 2:
        return None
    database, key = session.database, words[1]
    found = _own(database, key, Hash)
    if found is None:
        return None
    n_before = len(found)
    for i in range(2, len(words), 2):
        found[words[i]] = words[i + 1]
    database.notify_watch(key)
    return b":%d\r\n" % (len(found) - n_before)


def _hget(session: Session, words: list[bytes]) -> bytes | None:
    if len(words) != 3:
        return None
    item = session.database.item(words[1])
    if item is None:
        return NULL[session.protocol]
    return encode(item.value[words[2]], session.protocol) if type(item.value) is Hash else None


def _remove(session: Session, words: list[bytes], kind: type[Any]) -> bytes | None:
    """HDEL and ZREM."""
    if len(words) < 3:
        return None
    database, key = session.database, words[1]
    item = database.item(key)
    if item is None:
        return ZERO
    found = item.value
    if type(found) is not kind:
        return None
    n_before = len(found)
    for word in words[2:]:
        if word in found:
            found.discard(word) if kind is ZSet else found.pop(word)
    n_gone = n_before - len(found)
    if n_gone:
        if n_gone == n_before:
            database.remove(key)
        database.notify_watch(key)
    return b":%d\r\n" % n_gone


def _zadd(session: Session, words: list[bytes]) -> bytes | None:
    if len(words) < 4 or len(words) % 2 or not all(map(_NUMBER.fullmatch, words[2::2])):
        return None
    database, key = session.database, words[1]
    found = _own(database, key, ZSet)
    if found is None:
        return None
    n_before, changed = len(found), False
    for i in range(2, len(words), 2):
        changed = found.add(words[i + 1], float(words[i])) or changed
    if changed:
        database.notify_watch(key)
    return b":%d\r\n" % (len(found) - n_before)


def _publish(session: Session, words: list[bytes]) -> bytes | None:
    if len(words) != 3:
        return None
    store, channel, n_receivers = session.store, words[1], 0
    receivers = store.subscribers.get(channel)
    if receivers:
        message = [b"message", channel, words[2]]
        for receiver in list(receivers):
            receiver.put_response(message)
            n_receivers += 1
    for pattern, receivers in store.psubscribers.items():
        if compile_pattern(pattern).match(channel):
            message = [b"pmessage", pattern, channel, words[2]]
            for receiver in list(receivers):
                receiver.put_response(message)
                n_receivers += 1
    return b":%d\r\n" % n_receivers


def _ping(_: Session, words: list[bytes]) -> bytes | None:
    return b"+PONG\r\n" if len(words) == 1 else None


QUICK: dict[bytes, Callable[[Session, list[bytes]], bytes | None]] = {
    b"GET": _get,
    b"SET": _set,
    b"SETEX": _setex,
    b"DEL": _del,
    b"EXPIRE": _expire,
    b"LPUSH": functools.partial(_push, left=True),
    b"RPUSH": functools.partial(_push, left=False),
    b"RPOP": _rpop,
    b"BLPOP": functools.partial(_blocking_pop, left=True),
    b"BRPOP": functools.partial(_blocking_pop, left=False),
    b"LLEN": functools.partial(_length, kind=list),
    b"HLEN": functools.partial(_length, kind=Hash),
    b"ZCARD": functools.partial(_length, kind=ZSet),
    b"SCARD": functools.partial(_length, kind=ExpiringMembersSet),
    b"HSET": _hset,
    b"HGET": _hget,
    b"HDEL": functools.partial(_remove, kind=Hash),
    b"ZREM": functools.partial(_remove, kind=ZSet),
    b"ZADD": _zadd,
    b"PUBLISH": _publish,
    b"PING": _ping,
}
"""The direct way of a command by its name in capitals."""
