"""Scenarios from nothing but their JSON Schema: right in shape, and mostly wrong in sense."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sandbox.scenario import json_schema
from tests.malformed.mutations import evil

_SCHEMA = json_schema()
_NAMES = ["a", "b", "celery", "worker", "worker1", "localhost", "proj:app", "5/m", "1"]


@st.composite
def trees(draw: st.DrawFn, schema: dict[str, Any] = _SCHEMA) -> Any:
    """Draw what a schema describes; now and then something else."""
    if draw(st.integers(0, 399)) == 0:
        return draw(evil())
    if "$ref" in schema:
        return draw(trees(_SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return draw(trees(draw(st.sampled_from(schema[several]))))
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    return _of_type(draw, schema)


def _of_type(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            needed = set(schema.get("required", ()))
            return {
                name: draw(trees(field))
                for name, field in schema.get("properties", {}).items()
                if name in needed or draw(st.integers(0, 3)) == 0
            }
        case "array":
            if "prefixItems" in schema:
                return [draw(trees(item)) for item in schema["prefixItems"]]
            n = draw(st.integers(schema.get("minItems", 0), 2))
            return [draw(trees(schema["items"])) for _ in range(n)]
        case "string":
            return draw(st.sampled_from(_NAMES))
        case "integer":
            return draw(_numbers(schema).map(int))
        case "number":
            return draw(_numbers(schema))
        case "boolean":
            return draw(st.booleans())
        case _:
            return None


def _numbers(schema: dict[str, Any]) -> st.SearchStrategy[float]:
    """Return small numbers, and the bounds and what is just beyond them."""
    low, high = schema.get("minimum", 0), schema.get("maximum", 2**31)
    usual = st.sampled_from([1, 1, 2, 5, 10, 0.5])
    return usual | usual | st.sampled_from([low, high, low - 1, high + 1, 1e-6, 100])
