"""What every part of a scenario shares: frozen, validated when made, one sentence when wrong."""

from __future__ import annotations

import json
import stat
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.errors import ScenarioError, one_of, shown

MOST = 1_000_000_000
"""The largest number a part may hold: as seconds, 31 years."""
LEAST = 1e-9
"""The smallest number a part may hold where it must be above 0: as seconds, a nanosecond."""

NonNegative = Annotated[float, Field(ge=0, le=MOST, strict=True)]
Positive = Annotated[float, Field(ge=LEAST, le=MOST, strict=True)]
Probability = Annotated[float, Field(ge=0, le=1, strict=True)]
Count = Annotated[int, Field(ge=1, le=MOST, strict=True)]
CountOrZero = Annotated[int, Field(ge=0, le=MOST, strict=True)]
# Names become names of files, keys in Redis and arguments of Celery's commands.
_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.@-]*$"
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=_NAME)]
_IMPORT_PATH = r"^[A-Za-z_][A-Za-z0-9_.]*(:[A-Za-z_][A-Za-z0-9_]*)?$"
ImportPath = Annotated[str, Field(max_length=200, pattern=_IMPORT_PATH)]
"""A module and, after a colon, the name of the app in it: what Celery takes after -A."""

_PATTERNS = {
    _NAME: "allowed: letters, digits and _ . @ -, the last three not first",
    _IMPORT_PATH: "allowed: a module and a name in it, such as 'proj.celery:app'",
}

_PLAIN = {
    "model_attributes_type": "allowed: an object",
    "model_type": "allowed: an object",
    "string_unicode": "allowed: text",
    "tuple_type": "allowed: a list",
}


def read_text(path: Path, *, most_bytes: int) -> str:
    """Return what a file holds; a ValueError says in a few words why it cannot be read.

    A pipe or a device is no file: it could be waited for, or read, without end.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no file")
        if status.st_size > most_bytes:
            raise ValueError(f"it has {status.st_size:,} bytes; allowed: up to {most_bytes:,}")
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ValueError(exc.strerror or str(exc)) from None
    except UnicodeDecodeError as exc:
        raise ValueError(f"byte {exc.start} is not UTF-8") from None


def read_json(text: str) -> Any:
    """Return what JSON says; a ValueError says in a few words why it cannot be read.

    >>> read_json('{"seed": 7}')
    {'seed': 7}
    """
    try:
        return json.loads(text, object_pairs_hook=_keys_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; a key that is there twice would silently hide a value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"{shown(twice)} is there twice in one object")
    return found


class Part(BaseModel):
    """A frozen value of a scenario; equal when its fields are equal.

    Raises ScenarioError (one sentence: field, value, what is allowed) when made wrong.
    A ScenarioError that a validator of a part raises begins with the field's name, so
    that the whole path can be put before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, /, **data: Any) -> None:
        # pydantic calls this for nested parts too, so each level adds its own place.
        try:
            super().__init__(**data)
        except ValidationError as exc:
            raise ScenarioError(_sentence(exc, type(self))) from None

    def but(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, validated as if made anew."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**(fields | changes))


def _sentence(exc: ValidationError, part: type[BaseModel]) -> str:
    """Turn the first of pydantic's complaints into one sentence."""
    # A misspelt key is also a missing one; the misspelling is what the reader can mend.
    errors = exc.errors(include_url=False)
    error = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    where, value, context = _where(error["loc"]), error["input"], error.get("ctx", {})
    if isinstance(context.get("error"), ScenarioError):
        return f"{where}.{context['error']}" if where else str(context["error"])
    if error["type"] == "extra_forbidden":
        known = one_of(str(error["loc"][-1]), part.model_fields)
        return f"{where} is not a field of {part.__name__}; allowed: {known}"
    if error["type"] == "missing":
        return f"{where} is missing; {part.__name__} needs it"
    if error["type"].startswith("union_tag"):
        tag = str(context["discriminator"]).strip("'")
        kind = value.get(tag) if isinstance(value, dict) else getattr(value, tag, None)
        allowed = _tags(part.model_fields[str(error["loc"][0])].annotation, tag)
        near = kind if isinstance(kind, str) else ""
        return f"{where}.{tag} is {shown(kind)}; allowed: {one_of(near, allowed)}"
    reason = _reason(error["type"], context, error["msg"].removeprefix("Value error, "))
    return f"{where or 'a key'} is {shown(value)}: {reason[0].lower()}{reason[1:]}"


def _reason(kind: str, context: Mapping[str, Any], message: str) -> str:
    """Return what is allowed: in our own words where pydantic's are not a reader's."""
    if context.get("ge") == LEAST:
        return f"must be greater than 0, from {LEAST:g} to {MOST:,}"
    return _PATTERNS.get(context.get("pattern", ""), _PLAIN.get(kind, message))


def _tags(annotation: object, tag: str) -> set[str]:
    """Return the tags of the parts that a field of this type can hold."""
    fields = getattr(annotation, "model_fields", {})
    inner = {found for part in get_args(annotation) for found in _tags(part, tag)}
    return inner | ({str(fields[tag].default)} if tag in fields else set())


def _where(location: tuple[int | str, ...]) -> str:
    """Write a place as a reader would, ``loads[0]``, without pydantic's union tags."""
    field, *rest = location or ("",)
    plain = str(field).isidentifier() and len(str(field)) <= 100
    name = field if plain or not location else shown(field)
    return str(name) + "".join(f"[{step}]" for step in rest if isinstance(step, int))
