"""Bodies: what the source of a task's function shows of ``self.retry`` and of canvas.

A body is read, never run. What it shows is little: calls by name, and the arithmetic of a
countdown; anything else is noted as not derived.
"""

from __future__ import annotations

import ast
import inspect
import math
import operator
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

_PUBLISHES = {"delay", "apply_async", "send_task", "replace", "chord", "group", "chain", "chunks"}
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
_TRIED = range(5)


class RetryCall(NamedTuple):
    """A call of ``self.retry``; ``countdowns_s`` for the first retries, None when unreadable."""

    countdowns_s: tuple[float, ...] | None
    max_retries: int | None
    has_countdown: bool
    catches: str


class Body(NamedTuple):
    """What a body's source shows; ``read`` is False when there is no source."""

    read: bool
    publishes: tuple[str, ...] = ()
    waits: bool = False
    retries: tuple[RetryCall, ...] = ()


def body_of(task: Any) -> Body:
    """Read the source of a task's function."""
    run = getattr(task, "_orig_run", None) or task.run  # what autoretry has wrapped
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(run))))
    except (OSError, TypeError, SyntaxError, ValueError):
        return Body(read=False)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = sorted({name for call in calls if (name := _called(call)) in _PUBLISHES})
    catches = _handlers(tree)
    retries = [
        _retry(call, catches.get(id(call), ""))
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "retry"
    ]
    waits = any(_called(call) == "allow_join_result" or _lifts_guard(call) for call in calls)
    return Body(True, tuple(names), waits, tuple(retries))


def _lifts_guard(call: ast.Call) -> bool:
    return any(word.arg == "disable_sync_subtasks" for word in call.keywords)


def _called(call: ast.Call) -> str:
    func = call.func
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def _handlers(tree: ast.AST) -> dict[int, str]:
    """Return what the handler around each node catches, by the node's id."""
    return {
        id(inner): "Exception" if node.type is None else ast.unparse(node.type)
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        for inner in ast.walk(node)
    }


def _retry(call: ast.Call, catches: str) -> RetryCall:
    given = {word.arg: word.value for word in call.keywords if word.arg}
    most = given.get("max_retries")
    countdown = given.get("countdown")
    values = None if countdown is None else [_value(countdown, n) for n in _TRIED]
    known = None if values is None or None in values else tuple(v for v in values if v is not None)
    return RetryCall(
        known,
        most.value if isinstance(most, ast.Constant) and isinstance(most.value, int) else None,
        countdown is not None or "eta" in given,
        catches,
    )


def _value(node: ast.expr, retries: int) -> float | None:
    """Return the number that an expression of constants and ``self.request.retries`` has."""
    if isinstance(node, ast.Constant):
        ok = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        return float(node.value) if ok else None  # type: ignore[arg-type]
    if isinstance(node, ast.Attribute):
        return float(retries) if ast.unparse(node).endswith(".request.retries") else None
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _value(node.left, retries), _value(node.right, retries)
        if left is None or right is None or (isinstance(node.op, ast.Pow) and abs(right) > 64):
            return None
        try:
            result = _OPERATORS[type(node.op)](left, right)
        except (ArithmeticError, ValueError):
            return None
        return result if isinstance(result, float) and math.isfinite(result) else None
    return None
