"""What every part of a scenario shares: frozen, validated when made, one sentence when wrong."""

from __future__ import annotations

from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.errors import ScenarioError, one_of

NonNegative = Annotated[float, Field(ge=0, strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True)]
Probability = Annotated[float, Field(ge=0, le=1, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]
CountOrZero = Annotated[int, Field(ge=0, strict=True)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.@-]+$")]

_SHOWN = 60
_PLAIN = {
    "model_attributes_type": "allowed: an object",
    "model_type": "allowed: an object",
    "string_pattern_mismatch": "allowed: letters, digits and _ . @ -",
    "string_unicode": "allowed: text",
    "tuple_type": "allowed: a list",
}


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
    reason = _PLAIN.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{where or 'a key'} is {shown(value)}: {reason[0].lower()}{reason[1:]}"


def _tags(annotation: object, tag: str) -> set[str]:
    """Return the tags of the parts that a field of this type can hold."""
    fields = getattr(annotation, "model_fields", {})
    inner = {found for part in get_args(annotation) for found in _tags(part, tag)}
    return inner | ({str(fields[tag].default)} if tag in fields else set())


def _where(location: tuple[int | str, ...]) -> str:
    """Write a place as a reader would, ``loads[0]``, without pydantic's union tags."""
    field, *rest = location or ("",)
    name = field if str(field).isidentifier() or not location else shown(field)
    return str(name) + "".join(f"[{step}]" for step in rest if isinstance(step, int))


def shown(value: object) -> str:
    """Return a value as an error shows it: on one line, and not all of a long one."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deeply, or too many digits
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
