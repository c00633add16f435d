"""Lua scripts without a way to Python, files or programs.

fakeredis makes a Lua that can call Python's eval, reach Python's objects through the errors it
catches, and open files. Celery's and kombu's scripts need none of that, and neither has Redis.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NoReturn, cast

from fakeredis.commands_mixins import scripting_mixin

if TYPE_CHECKING:
    from collections.abc import Iterator

_REAL = scripting_mixin.LUA_MODULE
MAX_MEMORY = 256 << 20
"""Bytes that all scripts may hold together."""

SCRIPT_S = 2.0
"""Seconds of CPU after which a script is stopped; meanwhile nobody else is served."""

# A script that is loaded as bytes can break Lua itself, so loadstring takes text only. The hook
# is asked every million instructions, about every 10 ms.
_CLOSE = b"""
local clock, error, sethook = os.clock, error, debug.sethook
local load, byte = loadstring, string.byte
os = {clock = clock}
for _, name in ipairs{"python", "io", "package", "require", "module", "dofile", "loadfile", "load",
                      "debug", "newproxy", "print", "gcinfo", "getfenv", "setfenv", "coroutine"} do
    _G[name] = nil
end
string.dump = nil
loadstring = function(text, name)
    if type(text) ~= "string" or byte(text) == 27 then error("loadstring takes text") end
    return load(text, name)
end
local limit = ...
local ends = nil
sethook(function()
    if ends and clock() > ends then
        error("the script ran longer than " .. limit .. " s and was stopped", 0)
    end
end, "", 1000000)
return function() ends = clock() + limit end
"""


def _no_attribute(_object: object, _name: object, _setting: object) -> NoReturn:
    raise AttributeError("a script cannot look into this object")


class Closed:
    """Stands for lupa's module while fakeredis makes its Lua, and makes one that is closed."""

    def __init__(self) -> None:
        """Have no Lua yet."""
        self._start_clock: Any = None

    def __getattr__(self, name: str) -> Any:
        """Be lupa's module in all but the runtime."""
        return getattr(_REAL, name)

    def LuaRuntime(self, **options: Any) -> Any:  # noqa: N802 - the name in lupa
        """Make a Lua that can reach nothing but what fakeredis gives it."""
        runtime = _REAL.LuaRuntime(
            register_eval=False,
            register_builtins=False,
            attribute_filter=_no_attribute,
            max_memory=MAX_MEMORY,
            **options,
        )
        self._start_clock = runtime.execute(_CLOSE, SCRIPT_S)
        return runtime

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Let fakeredis take this for lupa; at the end a script's time begins."""
        scripting_mixin.LUA_MODULE = cast("Any", self)
        try:
            yield
        finally:
            scripting_mixin.LUA_MODULE = _REAL
        self._start_clock()
