"""The guard before a front door: who may ask, from where, how much, and whether it is JSON.

It reads a body whole, up to a limit, before any endpoint sees it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

from starlette.responses import JSONResponse

from sandbox.parts import read_json

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BYTES = 1_000_000
"""The largest body (bytes) that a door takes, unless it states another limit."""
NUMBER_HEADER = "X-Task-Number"
_MOST_NUMBER = 999_999_999
_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_POLICY_VIOLATION = 1008

number: ContextVar[int | None] = ContextVar("number", default=None)
"""The number that the caller asks its task to have."""
method: ContextVar[str] = ContextVar("method", default="GET")


class Refusal(Exception):  # noqa: N818 - it is an answer, not a mistake of ours
    """What is answered in place of the endpoint: a status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Guard:
    """An ASGI app before another one: passes on only what has the token and is well-formed."""

    def __init__(self, app: Asgi, token: str, most_bytes: int = MOST_BYTES) -> None:
        self._app, self._most = app, most_bytes
        self._bearer = b"Bearer " + token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            headers = {name.lower(): value for name, value in scope["headers"]}
            self._check(headers)
            if scope["type"] == "http":
                receive = await self._read(headers, receive)
            number.set(_number(headers))
            method.set(scope.get("method", "GET"))
        except Refusal as refusal:
            await _refuse(refusal, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, headers: dict[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name not in _HOSTS:
            raise Refusal(400, "the Host header names another machine; allowed: 127.0.0.1")
        if not secrets.compare_digest(headers.get(b"authorization", b""), self._bearer):
            raise Refusal(401, "the token is missing or wrong; send 'Authorization: Bearer TOKEN'")

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> Receive:
        """Take in the whole body, check it, and return what gives it out again."""
        stated = headers.get(b"content-length", b"0")
        body = b"" if stated.isdigit() and int(stated) <= self._most else self._too_large()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._most:
                self._too_large()
            if not message.get("more_body"):
                break
        if body and headers.get(b"content-type", b"").startswith(b"application/json"):
            _check_json(body)
        given: list[MutableMapping[str, Any]] = [
            {"type": "http.request", "body": body, "more_body": False}
        ]

        async def again() -> MutableMapping[str, Any]:
            return given.pop() if given else await receive()

        return again

    def _too_large(self) -> bytes:
        raise Refusal(413, f"the body is too large; allowed: up to {self._most:,} bytes")


def _check_json(body: bytes) -> None:
    """Refuse what Python takes for JSON and others do not, or could not be written down again."""
    try:
        found = read_json(body.decode("utf-8"))
        if b"NaN" in body or b"Infinity" in body or b"\\ud" in body.lower():
            json.dumps(found, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except ValueError as exc:
        raise Refusal(422, f"the body is not JSON: {exc}") from None


def _number(headers: dict[bytes, bytes]) -> int | None:
    text = headers.get(NUMBER_HEADER.lower().encode())
    if text is None:
        return None
    if not text.isdigit() or int(text[:10]) > _MOST_NUMBER:
        raise Refusal(422, f"{NUMBER_HEADER} is no number; allowed: 0 to {_MOST_NUMBER:,}")
    return int(text)


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": str(refusal)})
        return
    headers = {"Connection": "close"}  # what is left of a body is not read
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    answer = JSONResponse({"detail": str(refusal)}, refusal.status, headers)
    await answer(scope, receive, send)
