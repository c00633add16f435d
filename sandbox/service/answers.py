"""What a front door answers when it does not do what was asked: a status and one sentence."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from sandbox.errors import one_line, shown
from sandbox.patterns.database import DatabaseError
from sandbox.patterns.manager import BadArguments, BrokerGone, UnknownId, UnknownTask
from sandbox.patterns.submissions import NumberTaken

RETRY_AFTER_S = 5


class Problem(BaseModel):
    """Why something was not done: one sentence."""

    detail: str


class Busy(Exception):  # noqa: N818 - an answer, not a mistake of ours
    """No more requests may wait for a web worker."""


class WorkFailed(Exception):  # noqa: N818 - as above
    """The work that a web worker did itself has failed."""


_TOLD = {
    400: "Malformed, or the Host header names another machine",
    401: "The token is missing or wrong",
    404: "No such path or task, or an id that was never submitted",
    405: "The path has another method",
    409: "The number has been given to another task",
    413: "The body is too large",
    422: "The body, or a parameter, is not what is allowed",
    500: "The work has failed",
    503: "Too many wait, or the broker or the database does not answer: try again later",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": told} for status, told in _TOLD.items()
}
"""The answers that any endpoint may give, for its OpenAPI."""

_STATUS: dict[type[Exception], int] = {
    UnknownId: 404,
    UnknownTask: 404,
    BadArguments: 422,
    NumberTaken: 409,
    BrokerGone: 503,
    DatabaseError: 503,
    Busy: 503,
    WorkFailed: 500,
}


def add_to(app: FastAPI) -> None:
    """Have an app answer its errors with a Problem."""
    for kind in (*_STATUS, Exception):
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _known(_request: Request, exc: Exception) -> JSONResponse:
    status = next((code for kind, code in _STATUS.items() if isinstance(exc, kind)), None)
    if status is None:  # what it is stands in the log, and is none of the caller's business
        return problem(500, "the front door has made a mistake; its log says which")
    return problem(status, str(exc))


async def _invalid(_request: Request, exc: Exception) -> JSONResponse:
    """Tell the first mistake: where, what is wrong, and what was given."""
    assert isinstance(exc, RequestValidationError)
    first, *others = exc.errors()
    where = ".".join(map(str, first["loc"]))
    given = "" if first["type"] == "missing" else f" (given: {shown(first.get('input'))})"
    more = f"; and {len(others)} more" if others else ""
    return problem(422, f"{where}: {first['msg']}{given}{more}")


async def _http(_request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)
    return problem(exc.status_code, str(exc.detail), dict(exc.headers or {}))


def problem(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the answer that says why, on one line.

    >>> problem(404, "no such task").body
    b'{"detail":"no such task"}'
    """
    more = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    safe = one_line(sentence).encode("utf-8", "replace").decode()
    return JSONResponse({"detail": safe}, status, (headers or {}) | more)
