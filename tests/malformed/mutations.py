"""Strategies that break what was whole: JSON by its tree or its text, files by their bytes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Place = tuple[Any, Any]

RAW = {
    "@1e999@": "1e999",
    "@-1e999@": "-1e999",
    "@digits@": "9" * 5000,
    "@deep@": "[" * 20_000 + "]" * 20_000,
    "@deep object@": '{"a":' * 5000 + "1" + "}" * 5000,
    "@open@": "[" * 2000,
    "@nothing@": "",
}
"""What no value of Python is dumped as: a text in its place becomes it."""

NUMBERS: list[Any] = [
    0, -1, 1, 2, 255, 256, 1000, 10_001, 10**6, 10**9, 10**9 + 1, 2**31, 2**53, 2**63, 2**64,
    10**18, 10**400, -(10**400), 0.0, -0.0, 0.5, 1.5, 1e-300, 5e-324, 1e-9, 1e-10, 1e9, 1e16, 1e300,
    1e308, -1e308, float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
DIALS = [0, 0, 1, 1, 2, 3, 7, 50, 250, 1e-9, 1e-6, 1e-3, 0.1, 0.5, 1e3, 1e4, 1e5, 1e6, 1e9]
TEXTS: list[Any] = [
    "", " ", ".", "..", "/", "../../etc/passwd", "-", "--help", "a\nb", "a\r\nb", "\x00", "\x1b[2J",
    "\u202e", "\ud800", "\u2028", "é", "名", "x" * 100, "x" * 101, "x" * 100_000, "a b", "unacked",
    "celery", "worker1", "worker9", "nan", "1e999", "5/m", "0/m", "9" * 500 + "/s", "1/x", "None",
    "true", "kill_worker", "closed", "poisson", "solo", "threads", "steady", "sorted", "__class__",
    "{0}", "%s", "'", '"', "\\", *RAW,
]  # fmt: skip
OTHERS: list[Any] = [None, True, False, [], {}, [None], [[]], {"": None}, [0] * 1500, {"kind": 7}]
EVIL = NUMBERS + TEXTS + OTHERS


def evil() -> st.SearchStrategy[Any]:
    """Return a strategy of values that few fields can hold."""
    return st.one_of(
        st.sampled_from(EVIL),
        st.floats(),
        st.integers(),
        st.text(max_size=20),
        st.floats(1e-3, 1e3),
        st.integers(0, 100),
    )


def places(tree: Any) -> Iterator[Place]:
    """Yield every place in a tree, as its container and its key or index."""
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(inside):
        yield tree, key
        if isinstance(value, dict | list):
            yield from places(value)


@st.composite
def mutated(draw: st.DrawFn, tree: Any, *, most: int = 3) -> Any:
    """Draw a copy of a tree of dicts and lists that was changed at one to ``most`` places."""
    root = [copy.deepcopy(tree)]
    for _ in range(draw(st.integers(1, most))):
        found = list(places(root))
        _change(draw, *found[draw(st.integers(0, len(found) - 1))])
    return root[0]


@st.composite
def tuned(draw: st.DrawFn, tree: Any) -> Any:
    """Draw a copy of a tree with other numbers and switches: often valid, seldom sensible."""
    root = [copy.deepcopy(tree)]
    dials = [
        (container, key)
        for container, key in places(root)
        if isinstance(container[key], int | float | bool) and key != "schema_version"
    ]
    for _ in range(draw(st.integers(1, 5))):
        container, key = dials[draw(st.integers(0, len(dials) - 1))]
        value = container[key]
        if isinstance(value, bool):
            container[key] = not value
        else:
            container[key] = type(value)(draw(st.sampled_from(DIALS)))
    return root[0]


def _change(draw: st.DrawFn, container: Any, key: Any) -> None:
    """Change one place of a tree, in one of the ways that hands and programs do."""
    value = container[key]
    ways = ["replace", "replace", "wrap"]
    ways += ["drop", "rename", "add"] if isinstance(container, dict) else ["repeat", "swap"]
    ways += ["scale"] if isinstance(value, int | float) and not isinstance(value, bool) else []
    match draw(st.sampled_from(ways)):
        case "replace":
            container[key] = draw(evil())
        case "wrap":
            container[key] = draw(st.sampled_from([[value], {"kind": value}, [value, value]]))
        case "drop":
            del container[key]
        case "rename":
            name = draw(
                st.sampled_from([f"{key}s", str(key).upper(), key[:-1], "", "\x00", "self"])
            )
            container[name] = container.pop(key)
        case "add":
            container[draw(st.sampled_from(["extra", "kind", "seed", "\ud800", "a\nb"]))] = 1
        case "repeat":
            times = draw(st.sampled_from([1, 2, 30]))
            container.extend(copy.deepcopy(value) for _ in range(times))
        case "swap":
            other = draw(st.integers(0, len(container) - 1))
            container[key], container[other] = container[other], value
        case "scale":
            container[key] = value * draw(st.sampled_from([-1, 0, 0.1, 10, 1e3, 1e6, 1e12]))


def dumped(tree: Any) -> str:
    """Return a tree as JSON, with what Python could not hold in its places."""
    text = json.dumps(tree)
    for token, raw in RAW.items():
        text = text.replace(json.dumps(token), raw)
    return text


@st.composite
def retyped(draw: st.DrawFn, text: str) -> str:
    """Draw a text that was typed wrong: cut, doubled, with a character too many or too few."""
    at = draw(st.integers(0, max(0, len(text) - 1)))
    way = draw(st.sampled_from(["none", "none", "cut", "insert", "remove", "twice", "append"]))
    match way:
        case "cut":
            return text[:at]
        case "insert":
            odd = draw(
                st.sampled_from(["{", "}", ",", '"', "\x00", "NaN", "\ufeff", "//", "e9", "-"])
            )
            return text[:at] + odd + text[at:]
        case "remove":
            return text[:at] + text[at + 1 :]
        case "twice":
            keys = list(re.finditer(r'"(\w+)": ', text))
            if keys:
                key = keys[draw(st.integers(0, len(keys) - 1))]
                return text[: key.start()] + key[0] + "1, " + text[key.start() :]
        case "append":
            return text + draw(st.sampled_from([text, "{}", "\x00", "]", "\n\n", "1"]))
    return text


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw the content of a file after an accident: cut, bits flipped, lines lost or moved."""
    lines = content.splitlines(keepends=True) or [b""]
    at = draw(st.integers(0, max(0, len(content) - 1)))
    line = draw(st.integers(0, len(lines) - 1))
    other = draw(st.integers(0, len(lines) - 1))
    match draw(st.sampled_from(["cut", "flip", "lose", "move", "repeat", "binary", "long", "bom"])):
        case "cut":
            return content[:at]
        case "flip":
            changed = bytearray(content or b"\0")
            for _ in range(draw(st.integers(1, 4))):
                changed[draw(st.integers(0, len(changed) - 1))] ^= 1 << draw(st.integers(0, 7))
            return bytes(changed)
        case "lose":
            return b"".join(lines[:line] + lines[line + 1 :])
        case "move":
            lines[line], lines[other] = lines[other], lines[line]
            return b"".join(lines)
        case "repeat":
            return b"".join(lines[: line + 1] * draw(st.integers(1, 3)) + lines[other:])
        case "long":
            return content[:at] + b"9" * 10_000 + content[at:]
        case "bom":
            return b"\xef\xbb\xbf" + content
        case _:
            return draw(st.binary(max_size=200))
