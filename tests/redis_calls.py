"""Calls of every data command, right and wrong, for a comparison of two servers."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Call = tuple[bytes, ...]

KEYS = (b"a", b"b", b"c", b"", b"\x00\xff\r\n")
VALUES = (b"", b"1", b"2", b"-1", b"x", b"3.5", b"10", b"\r\n\xff\x00", b"y" * 30)
key = st.sampled_from(KEYS[:3] * 4 + KEYS)
value = st.sampled_from(VALUES)
field = st.sampled_from((b"f", b"g", b"", b"\xff"))
member = st.sampled_from((b"m", b"n", b"o", b"", b"1"))
_BAD_INTEGERS = (b"x", b"", b"1.5", b" 1", b"01", b"9223372036854775808", b"1_0")
integer = st.sampled_from(
    (b"0", b"1", b"2", b"-1", b"-2", b"5", b"-100", b"100") * 2 + _BAD_INTEGERS
)
count = st.sampled_from((b"1", b"2", b"100") * 3 + (b"0", b"-1") + _BAD_INTEGERS)
everything = st.just(b"100")
_BAD_NUMBERS = (b"x", b"", b"nan", b" 1", b"1_0")
number = st.sampled_from(
    (b"0", b"1", b"-1", b"1.5", b"0.1", b"1e3", b"inf", b"-inf") * 2 + _BAD_NUMBERS
)
bound = st.sampled_from((b"0", b"1", b"(1", b"-inf", b"+inf", b"(0.5", b"2", b"x", b"("))
# Far enough away for the test's end, or at once.
seconds = st.sampled_from((b"1000", b"5000") * 4 + (b"0", b"-1", *_BAD_INTEGERS))
millis = st.sampled_from((b"1000000", b"5000000") * 4 + (b"0", b"-1", *_BAD_INTEGERS))
at_s = st.sampled_from((b"4000000000", b"4100000000", b"1", b"0", b"-1", b"x"))
at_ms = st.sampled_from((b"4000000000000", b"4100000000000", b"1", b"0", b"-1", b"x"))
pattern = st.sampled_from((b"*", b"a", b"?", b"[ab]", b"[^a]", b"\\*", b"b*", b"", b"[a-c]", b"["))
side = st.sampled_from((b"LEFT", b"RIGHT", b"left", b"UP"))


def opt(*words: bytes) -> st.SearchStrategy[Any]:
    """One of some options, or none of them."""
    return st.sampled_from((None, *words))


def some(one: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[list[Any]]:
    """A few of the same kind."""
    return st.lists(one, min_size=least, max_size=3)


def pairs(a: st.SearchStrategy[Any], b: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """A few pairs."""
    return st.lists(st.tuples(a, b), min_size=1, max_size=2)


ttl = st.one_of(
    st.none(),
    st.tuples(st.sampled_from((b"EX", b"ex")), seconds),
    st.tuples(st.just(b"PX"), millis),
    st.tuples(st.just(b"EXAT"), at_s),
    st.tuples(st.just(b"PXAT"), at_ms),
    st.just(b"KEEPTTL"),
    st.just(b"PERSIST"),
)
when = opt(b"NX", b"XX", b"GT", b"LT", b"nx", b"CH")
limit = st.one_of(st.none(), st.tuples(st.just(b"LIMIT"), integer, integer))
scores = opt(b"WITHSCORES", b"withscores", b"SCORES")
match = st.one_of(st.none(), st.tuples(st.just(b"MATCH"), pattern))

# The shape of each call: bytes stand for themselves, strategies may give one word, several, none.
CALLS: dict[str, tuple[Any, ...]] = {
    "APPEND": (key, value),
    "DECR": (key,),
    "DECRBY": (key, integer),
    "GET": (key,),
    "GETDEL": (key,),
    "GETEX": (key, ttl),
    "GETRANGE": (key, integer, integer),
    "GETSET": (key, value),
    "INCR": (key,),
    "INCRBY": (key, integer),
    "INCRBYFLOAT": (key, number),
    "MGET": (some(key),),
    "MSET": (pairs(key, value),),
    "MSETNX": (pairs(key, value),),
    "PSETEX": (key, millis, value),
    "SET": (key, value, when, opt(b"GET"), ttl),
    "SETEX": (key, seconds, value),
    "SETNX": (key, value),
    "SETRANGE": (key, integer, value),
    "STRLEN": (key,),
    "LINDEX": (key, integer),
    "LINSERT": (key, st.sampled_from((b"BEFORE", b"after", b"X")), value, value),
    "LLEN": (key,),
    "LMOVE": (key, key, side, side),
    "LPOP": (key, st.one_of(st.none(), count)),
    "LPUSH": (key, some(value)),
    "LPUSHX": (key, some(value)),
    "LRANGE": (key, integer, integer),
    "LREM": (key, integer, value),
    "LSET": (key, integer, value),
    "LTRIM": (key, integer, integer),
    "RPOP": (key, st.one_of(st.none(), count)),
    "RPOPLPUSH": (key, key),
    "RPUSH": (key, some(value)),
    "RPUSHX": (key, some(value)),
    "HDEL": (key, some(field)),
    "HEXISTS": (key, field),
    "HGET": (key, field),
    "HGETALL": (key,),
    "HINCRBY": (key, field, integer),
    "HKEYS": (key,),
    "HLEN": (key,),
    "HMGET": (key, some(field)),
    "HMSET": (key, pairs(field, value)),
    "HSCAN": (key, b"0", match),
    "HSET": (key, pairs(field, value)),
    "HSETNX": (key, field, value),
    "HSTRLEN": (key, field),
    "HVALS": (key,),
    "SADD": (key, some(member)),
    "SCARD": (key,),
    "SDIFF": (some(key),),
    "SINTER": (some(key),),
    "SISMEMBER": (key, member),
    "SMEMBERS": (key,),
    "SMISMEMBER": (key, some(member)),
    "SMOVE": (key, key, member),
    "SPOP": (key, everything),
    "SRANDMEMBER": (key, everything),
    "SREM": (key, some(member)),
    "SSCAN": (key, b"0", match),
    "SUNION": (some(key),),
    "ZADD": (key, when, opt(b"CH", b"INCR"), pairs(number, member)),
    "ZCARD": (key,),
    "ZCOUNT": (key, bound, bound),
    "ZINCRBY": (key, number, member),
    "ZMSCORE": (key, some(member)),
    "ZPOPMAX": (key, st.one_of(st.none(), count)),
    "ZPOPMIN": (key, st.one_of(st.none(), count)),
    "ZRANGE": (key, integer, integer, opt(b"REV"), scores),
    "ZRANGEBYSCORE": (key, bound, bound, scores, limit),
    "ZRANK": (key, member),
    "ZREM": (key, some(member)),
    "ZREMRANGEBYRANK": (key, integer, integer),
    "ZREMRANGEBYSCORE": (key, bound, bound),
    "ZREVRANGE": (key, integer, integer, scores),
    "ZREVRANGEBYSCORE": (key, bound, bound, scores, limit),
    "ZREVRANK": (key, member),
    "ZSCAN": (key, b"0", match),
    "ZSCORE": (key, member),
    "DBSIZE": (),
    "DEL": (some(key),),
    "EXISTS": (some(key),),
    "EXPIRE": (key, seconds, when),
    "EXPIREAT": (key, at_s, when),
    "KEYS": (pattern,),
    "PERSIST": (key,),
    "PEXPIRE": (key, millis, when),
    "PEXPIREAT": (key, at_ms, when),
    "PTTL": (key,),
    "RENAME": (key, key),
    "RENAMENX": (key, key),
    "SCAN": (b"0", match, b"COUNT", everything),
    "TTL": (key,),
    "TYPE": (key,),
    "UNLINK": (some(key),),
    "ECHO": (value,),
    "PING": (st.one_of(st.none(), value),),
    "PUBLISH": (key, value),
    "FLUSHDB": (opt(b"ASYNC", b"SYNC", b"X"),),
    "FLUSHALL": (opt(b"ASYNC", b"SYNC", b"X"),),
}
"""Every data command that does not block."""

BLOCKING: dict[str, tuple[Any, ...]] = {
    "BLPOP": (some(key),),
    "BRPOP": (some(key),),
    "BRPOPLPUSH": (key, key),
    "BZPOPMAX": (some(key),),
    "BZPOPMIN": (some(key),),
}
"""Commands that wait; the time-out follows."""

UNORDERED = frozenset(
    [
        "HGETALL",
        "HKEYS",
        "HSCAN",
        "HVALS",
        "KEYS",
        "SCAN",
        "SDIFF",
        "SINTER",
        "SMEMBERS",
        "SPOP",
        "SRANDMEMBER",
        "SSCAN",
        "SUNION",
        "ZSCAN",
    ]
)
"""Commands whose reply has no order."""

# Wrong types are found only where there are types: these make something to work on.
_MAKERS = ("SET", "LPUSH", "RPUSH", "HSET", "SADD", "ZADD")
_OFTEN = (*_MAKERS, "LPUSH", "RPUSH", "DEL", "EXPIRE", "BRPOP", "ZADD", "HDEL", "ZREM")


def flat(parts: Any) -> list[bytes]:
    """Return the words of nested parts; None is no word."""
    if parts is None:
        return []
    if isinstance(parts, bytes):
        return [parts]
    return [word for part in parts for word in flat(part)]


@st.composite
def calls(draw: st.DrawFn, table: dict[str, tuple[Any, ...]] = CALLS) -> Call:
    """Draw one call; now and then with a word too few or too many, or in small letters."""
    names = (*table, *(name for name in _OFTEN * 3 if name in table))
    name = draw(st.sampled_from(names))
    parts = [draw(p) if isinstance(p, st.SearchStrategy) else p for p in table[name]]
    words = flat(parts)
    slip = draw(st.sampled_from("." * 18 + "-+"))
    if slip == "-" and words:
        words.pop()
    if slip == "+":
        words.append(draw(value))
    return (name.encode() if draw(st.booleans()) else name.lower().encode(), *words)
