"""Commands of fakeredis that answer otherwise than redis-server 7, mended.

Each was found by the comparison in the tests, which is red without its mend.
"""

from __future__ import annotations

import functools
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from fakeredis._command_args_parsing import Float, Int, Timeout
from fakeredis._commands import SUPPORTED_COMMANDS, Key, Signature
from fakeredis._core import CommandItem
from fakeredis._helpers import OK, SimpleError, SimpleString, casematch
from fakeredis._msgs import INVALID_EXPIRE_MSG, NONFINITE_MSG, SYNTAX_ERROR_MSG, WRONGTYPE_MSG
from fakeredis.model import ExpiringMembersSet, Hash, ZSet

from sandbox.engines.live.fake.resp import NO_ARRAY

if TYPE_CHECKING:
    from collections.abc import Callable

ARGUMENTS_FIRST: dict[str, type[Any]] = {
    "hincrby": Hash,
    "linsert": list,
    "setrange": bytes,
    "spop": ExpiringMembersSet,
    "zadd": ZSet,
    "zpopmax": ZSet,
    "zpopmin": ZSet,
    "zrange": ZSet,
    "zrangebyscore": ZSet,
    "zrevrange": ZSet,
    "zrevrangebyscore": ZSet,
}
"""Commands that look at their arguments before they look at the type of their key."""


def _signature(name: str, *fixed: Any, repeat: tuple[Any, ...] = ()) -> Signature:
    known = SUPPORTED_COMMANDS[name]
    return Signature(
        name, known.func_name, cast("Any", fixed), cast("Any", repeat), flags="".join(known.flags)
    )


SIGNATURES: dict[str, Signature] = {
    **SUPPORTED_COMMANDS,
    **{
        name: _signature(name, Key(), *known.fixed[1:], repeat=known.repeat)
        for name in ARGUMENTS_FIRST
        for known in [SUPPORTED_COMMANDS[name]]
    },
    "getex": _signature("getex", Key(), repeat=(bytes,)),
    "incrbyfloat": _signature("incrbyfloat", Key(bytes), bytes),
    "lindex": _signature("lindex", Key(list, None), bytes),
    "lmove": _signature("lmove", Key(), Key(), bytes, bytes),
    "script exists": _signature("script exists", bytes, repeat=(bytes,)),
    "script load": _signature("script load", bytes),
    "hscan": _signature("hscan", Key(Hash), bytes, repeat=(bytes,)),
    "sscan": _signature("sscan", Key(ExpiringMembersSet), bytes, repeat=(bytes,)),
    "zrank": _signature("zrank", Key(ZSet), bytes),
    "zrevrank": _signature("zrevrank", Key(ZSet), bytes),
    "zscan": _signature("zscan", Key(ZSet), bytes, repeat=(bytes,)),
}
"""The keys and arguments of each command."""


def _strict(decode: Any) -> Any:
    """Return Float's decoder without Python's own forms of numbers, such as ``1_0``."""

    @functools.wraps(decode)
    def strict(cls: Any, value: bytes, *args: Any, **options: Any) -> float:
        if b"_" in value:
            raise SimpleError(options.get("decode_error") or cls.DECODE_ERROR)
        return float(decode(cls, value, *args, **options))

    return classmethod(strict)


Float.decode = _strict(vars(Float)["decode"].__func__)  # type: ignore[method-assign]


def _bounded(decode: Any) -> Any:
    """Return Timeout's decoder with redis-server's limit."""

    @functools.wraps(decode)
    def bounded(cls: Any, value: bytes, *args: Any, **options: Any) -> float:
        seconds = float(decode(cls, value, *args, **options))
        if seconds * 1000 >= 2**63:
            raise SimpleError("ERR timeout is out of range")
        return seconds

    return classmethod(bounded)


Timeout.decode = _bounded(vars(Timeout)["decode"].__func__)  # type: ignore[method-assign]


def arguments_first(kind: type[Any], method: Callable[..., Any], key: Any, *args: Any) -> Any:
    """Run `method`; on a key of another type its errors about `args` go before that one."""
    default = None if kind is bytes else kind()
    if key.value is None:
        item = CommandItem(key.key, key.db, default=default)
        result = method(item, *args)
        if item.is_modified:
            key.value, key.expireat = item.value, item.expireat
        return result
    if type(key.value) is not kind:
        method(CommandItem(key.key, key.db, default=default), *args)
        raise SimpleError(WRONGTYPE_MSG)
    return method(key, *args)


class Mends:
    """Goes before FakeSocket in the order of classes: each method here replaces one of its."""

    _db: Any
    _server: Any
    _blocking: Callable[..., Any]

    def flushdb(self, *args: bytes) -> SimpleString:
        """Empty the database; SYNC is an option as well as ASYNC."""
        _check_flush(args)
        self._db.clear()
        return OK

    def flushall(self, *args: bytes) -> SimpleString:
        """Empty all databases."""
        _check_flush(args)
        for database in self._server.dbs.values():
            database.clear()
        return OK

    def getex(self, key: Any, *args: bytes) -> Any:
        """Look at the key before the time; the time is exact, not cut to seconds."""
        option, rest = (args[0].upper(), args[1:]) if args else (b"", ())
        n_wanted = {b"": 0, b"PERSIST": 0, b"EX": 1, b"PX": 1, b"EXAT": 1, b"PXAT": 1}.get(option)
        if n_wanted is None or len(rest) != n_wanted:
            raise SimpleError(SYNTAX_ERROR_MSG)
        if key.value is None:
            return None
        if type(key.value) is not bytes:
            raise SimpleError(WRONGTYPE_MSG)
        if option == b"PERSIST" and key.expireat is not None:
            key.expireat = None
        elif rest:
            key.expireat = self._end(option, rest[0], "getex")
        return key.value

    def _end(self, option: bytes, amount: bytes, command: str) -> float:
        """Return the time of the clock that EX, PX, EXAT or PXAT means."""
        given = Int.decode(amount)
        unit = 1 if option.startswith(b"EX") else 1000
        since = 0 if option.endswith(b"AT") else self._db.time
        if given <= 0 or (since * unit + given) / unit * 1000 >= 2**63:
            raise SimpleError(INVALID_EXPIRE_MSG.format(command))
        return float(since + given / unit)

    def setex(self, key: Any, seconds: int, value: bytes) -> SimpleString:
        """Set with an end that is exact, not cut to a whole second."""
        return self._set_until(key, b"EX", seconds, value, "setex")

    def psetex(self, key: Any, ms: int, value: bytes) -> SimpleString:
        """Set with an end that is exact, not cut to a whole second."""
        return self._set_until(key, b"PX", ms, value, "psetex")

    def _set_until(self, key: Any, unit: bytes, n: int, value: bytes, command: str) -> SimpleString:
        end = self._end(unit, b"%d" % n, command)
        key.value = value
        key.expireat = end
        return OK

    def incrbyfloat(self, key: Any, amount: bytes) -> bytes:
        """Add in decimal; redis-server has more digits than a Python float."""
        current = key.value or b"0"
        if not math.isfinite(Float.decode(current) + Float.decode(amount)):
            raise SimpleError(NONFINITE_MSG)
        total = Decimal(current.decode()) + Decimal(amount.decode())
        shown = f"{total:.17f}".rstrip("0").rstrip(".")
        value = b"0" if shown == "-0" else shown.encode()
        key.update(value)
        return value

    def lindex(self, key: Any, index: bytes) -> Any:
        """Look at the type before the index."""
        i = Int.decode(index)
        return key.value[i] if -len(key.value) <= i < len(key.value) else None

    def lmove(self, source: Any, target: Any, from_: bytes, to: bytes) -> Any:
        """Look at the sides before the keys."""
        from_left, to_left = _is_left(from_), _is_left(to)
        if source.value is None:
            return None
        if type(source.value) is not list or type(target.value) not in (list, type(None)):
            raise SimpleError(WRONGTYPE_MSG)
        value = source.value.pop(0 if from_left else -1)
        source.updated()
        if target.value is None:
            target.value = []
        target.value.insert(0 if to_left else len(target.value), value)
        target.updated()
        return value

    def lpop(self, key: Any, *args: bytes) -> Any:
        """With a count, "nothing" is no array."""
        result = super().lpop(key, *args)  # type: ignore[misc]
        return NO_ARRAY if result is None and args else result

    def rpop(self, key: Any, *args: bytes) -> Any:
        """With a count, "nothing" is no array."""
        result = super().rpop(key, *args)  # type: ignore[misc]
        return NO_ARRAY if result is None and args else result

    def bzpopmin(self, *args: bytes) -> Any:
        """Fail on a key of another type."""
        return self._wait_for_score(args, reverse=False)

    def bzpopmax(self, *args: bytes) -> Any:
        """Fail on a key of another type."""
        return self._wait_for_score(args, reverse=True)

    def _wait_for_score(self, args: tuple[bytes, ...], *, reverse: bool) -> Any:
        timeout = Timeout.decode(args[-1])
        attempt = functools.partial(self._pop_score, args[:-1], reverse)
        return self._blocking(timeout, attempt)

    def _pop_score(self, keys: tuple[bytes, ...], reverse: bool, first: bool) -> Any:
        for key in keys:
            item = self._db.item(key)
            if item is None:
                continue
            if type(item.value) is ZSet:
                last = len(item.value) - 1 if reverse else 0
                score, member = next(item.value.islice_score(last, last + 1))
                item.value.discard(member)
                if not item.value:
                    self._db.remove(key)
                self._db.notify_watch(key)
                return [key, member, score]
            if first:
                raise SimpleError(WRONGTYPE_MSG)
        return None

    def hscan(self, key: Any, cursor: bytes, *args: bytes) -> Any:
        """Look at the key before the options."""
        return self._scan_in(key, cursor, args, super().hscan)  # type: ignore[misc]

    def sscan(self, key: Any, cursor: bytes, *args: bytes) -> Any:
        """Look at the key before the options."""
        return self._scan_in(key, cursor, args, super().sscan)  # type: ignore[misc]

    def zscan(self, key: Any, cursor: bytes, *args: bytes) -> Any:
        """Look at the key before the options."""
        return self._scan_in(key, cursor, args, super().zscan)  # type: ignore[misc]

    def _scan_in(
        self, key: Any, cursor: bytes, args: tuple[bytes, ...], scan: Callable[..., Any]
    ) -> Any:
        at = Int.decode(cursor, "ERR invalid cursor")
        if not key:
            return [b"0", []]
        if len(args) % 2:
            raise SimpleError(SYNTAX_ERROR_MSG)
        return scan(key, at, *args)


def _check_flush(args: tuple[bytes, ...]) -> None:
    if len(args) > 1 or any(arg.upper() not in (b"SYNC", b"ASYNC") for arg in args):
        raise SimpleError(SYNTAX_ERROR_MSG)


def _is_left(side: bytes) -> bool:
    if not casematch(side, b"left") and not casematch(side, b"right"):
        raise SimpleError(SYNTAX_ERROR_MSG)
    return casematch(side, b"left")
