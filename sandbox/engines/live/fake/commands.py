"""The commands that the broker serves. All others it refuses, each with one sentence.

Every data command here is compared with redis-server by the tests, reply by reply.
"""

from __future__ import annotations

import functools
from typing import Any, cast

from fakeredis._commands import COMMANDS_WITH_SUB, SUPPORTED_COMMANDS, Signature
from fakeredis._helpers import SimpleError
from fakeredis.model import get_command_info

from sandbox.engines.live.fake.mends import SIGNATURES

STRINGS = (
    "APPEND DECR DECRBY GET GETDEL GETEX GETRANGE GETSET INCR INCRBY INCRBYFLOAT MGET MSET MSETNX "
    "PSETEX SET SETEX SETNX SETRANGE STRLEN"
)
LISTS = (
    "BLPOP BRPOP BRPOPLPUSH LINDEX LINSERT LLEN LMOVE LPOP LPUSH LPUSHX LRANGE LREM LSET LTRIM "
    "RPOP RPOPLPUSH RPUSH RPUSHX"
)
HASHES = "HDEL HEXISTS HGET HGETALL HINCRBY HKEYS HLEN HMGET HMSET HSCAN HSET HSETNX HSTRLEN HVALS"
SETS = (
    "SADD SCARD SDIFF SINTER SISMEMBER SMEMBERS SMISMEMBER SMOVE SPOP SRANDMEMBER SREM SSCAN SUNION"
)
SORTED_SETS = (
    "BZPOPMAX BZPOPMIN ZADD ZCARD ZCOUNT ZINCRBY ZMSCORE ZPOPMAX ZPOPMIN ZRANGE ZRANGEBYSCORE "
    "ZRANK ZREM ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE"
)
KEYS = (
    "DBSIZE DEL EXISTS EXPIRE EXPIREAT FLUSHALL FLUSHDB KEYS PERSIST PEXPIRE PEXPIREAT PTTL "
    "RANDOMKEY RENAME RENAMENX SCAN TTL TYPE UNLINK"
)
OTHERS = "ECHO PING PUBLISH TIME"
CONNECTION = (
    "DISCARD EVAL EVALSHA EXEC INFO MULTI PSUBSCRIBE PUNSUBSCRIBE SELECT SUBSCRIBE UNSUBSCRIBE "
    "UNWATCH WATCH"
)
SUBCOMMANDS = (
    "CLIENT GETNAME|CLIENT ID|CLIENT INFO|CLIENT KILL|CLIENT LIST|CLIENT NO-EVICT|CLIENT SETNAME|"
    "PUBSUB CHANNELS|PUBSUB NUMPAT|PUBSUB NUMSUB|SCRIPT EXISTS|SCRIPT FLUSH|SCRIPT LOAD"
)

_ONLY_REDIS = (
    "ASKING BGREWRITEAOF BITFIELD_RO CLUSTER CONFIG DEBUG EVALSHA_RO EVAL_RO FAILOVER LATENCY "
    "LOLWUT MEMORY MIGRATE MODULE MONITOR OBJECT PSYNC READONLY READWRITE REPLCONF REPLICAOF "
    "ROLE SHUTDOWN SLAVEOF SLOWLOG SYNC TOUCH WAIT XSETID"
)
REFUSED = frozenset(_ONLY_REDIS.lower().split())
"""Commands of redis-server that fakeredis has never heard of."""

IN_SCRIPTS = frozenset(
    f"{STRINGS} {LISTS} {HASHES} {SETS} {SORTED_SETS} {KEYS} {OTHERS}".lower().split()
)
"""What a Lua script may call."""

SERVED = IN_SCRIPTS | set(CONNECTION.lower().split()) | set(SUBCOMMANDS.lower().split("|"))
"""What a client may call, besides AUTH, HELLO, QUIT and RESET."""

IN_PUBSUB = frozenset(
    (b"PING", b"SUBSCRIBE", b"UNSUBSCRIBE", b"PSUBSCRIBE", b"PUNSUBSCRIBE", b"QUIT", b"RESET")
)
"""What a RESP2 client with subscriptions may call."""

_INFO = Signature("info", "info", cast("Any", ()), cast("Any", (bytes,)))


def find(words: list[bytes], *, queue: bool = False) -> tuple[Signature, list[bytes]]:
    """Return the command that `words` call and its arguments.

    Raises SimpleError for what is not served, and for a wrong number of arguments; MULTI does
    not look yet (`queue`) whether those that go in pairs do.
    """
    name, arguments = words[0].decode("utf-8", "replace").lower(), words[1:]
    if name in COMMANDS_WITH_SUB and arguments:
        name, arguments = f"{name} {arguments[0].decode('utf-8', 'replace').lower()}", words[2:]
    if name not in SERVED:
        raise _refusal(name, words)
    signature: Signature = SIGNATURES.get(name, _INFO)
    n_more = len(arguments) - len(signature.fixed)
    if (
        n_more < 0
        or (n_more and not signature.repeat)
        or (not queue and n_more % len(signature.repeat or "1"))
    ):
        raise SimpleError(f"ERR wrong number of arguments for '{name.replace(' ', '|')}' command")
    return signature, arguments


@functools.lru_cache(maxsize=1024)
def can_queue(name: bytes, n_words: int) -> bool:
    """Whether MULTI takes a request of a command without subcommands and so many words."""
    try:
        find([name] * n_words, queue=True)
    except SimpleError:
        return False
    return True


def _refusal(name: str, words: list[bytes]) -> SimpleError:
    first = name.split(maxsplit=1)[0]
    if name in SUPPORTED_COMMANDS or first in REFUSED or get_command_info(first.encode()):
        shown = name.upper() if name in SUPPORTED_COMMANDS else first.upper()
        return SimpleError(f"ERR the fake broker has no {shown}; use redis-server for it")
    said = [repr(word[:128].decode("utf-8", "replace")) for word in words]
    shown = " ".join([*said[1:20], ""])
    return SimpleError(f"ERR unknown command {said[0]}, with args beginning with: {shown}")
