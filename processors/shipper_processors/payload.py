"""Payload: what the text of an entry says - a JSON object, an access line, a stack trace, or just words."""

import json
import math
from typing import Any, Literal

import orjson

from shipper_processors.access_log import decode_access
from shipper_processors.chain_plan import RENDERING
from shipper_processors.envelope import without_surrogates
from shipper_processors.levels import level_of
from shipper_processors.stack_traces import summary
from shipper_schemas.violation import Kind, Violation

Shape = Literal["structured", "access", "text", "blank", "broken"]
LARGEST_INTEGER = 2**63
DEEPEST = 100
"""Nesting that an index, a page and a terminal can be asked to show; deeper JSON is refused as a payload."""


Payload = tuple[Shape, dict[str, Any], Violation | None]
"""A payload's shape and its fields; the violation says why a text that looks like JSON is none."""


def decode_payload(text: str) -> Payload:
    """Decode the text of one entry."""
    if text[:1] == "{" or text.lstrip("\ufeff \t")[:1] == "{":
        return _json_object(text)
    if not text or text.isspace():
        return "blank", {}, None
    return _words(text)


def _json_object(text: str) -> Payload:
    try:
        return "structured", orjson.loads(text), None
    except orjson.JSONDecodeError as error:
        first = error
    try:
        found = json.loads(text.strip("\ufeff \t\r\n\0"), strict=False)  # a raw control character must hide no event
        if not isinstance(found, dict):
            return _words(text)
        return "structured", storable(found), None
    except RecursionError:
        return _broken(text, f"JSON nested too deeply to be read; the deepest kept is {DEEPEST} levels")
    except ValueError:
        if text.lstrip("\ufeff \t")[:2] == '{"' or text.rstrip().endswith("}"):
            return _broken(text, f"looks like a JSON object, but cannot be read: {first.msg} at character {first.pos}")
        return _words(text)


def _broken(text: str, detail: str) -> Payload:
    return "broken", {"message": text}, Violation(Kind.JSON_INVALID, None, detail)


def _words(text: str) -> Payload:
    fields: dict[str, Any]
    access = decode_access(text)
    if access is not None:
        fields = {"event": "http_access", **access, "message": text}
        return "access", {name: fields[name] for name in RENDERING.access if name in fields}, None
    fields = {"event": "unstructured"}
    level = level_of(text)
    if level is not None:
        fields["level"] = level
    if "\n" in text and (found := summary(text)) is not None:
        fields.update(found, level=level or "error", exception=text, message=text.partition("\n")[0])
    else:
        fields["message"] = text
    return "text", fields, None


def storable(found: dict[str, Any]) -> dict[str, Any]:
    """A copy in which every value can be stored as JSON: no NaN, no lone surrogate, no integer beyond 64 bits.

    Raises RecursionError where it is nested deeper than `DEEPEST`.
    """
    return {without_surrogates(key): _storable(value, 1) for key, value in found.items()}


def _storable(value: Any, depth: int) -> Any:  # noqa: ANN401 -- any JSON value
    if depth > DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -LARGEST_INTEGER <= value < LARGEST_INTEGER:
        return str(value)
    if isinstance(value, dict):
        return {without_surrogates(key): _storable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item, depth + 1) for item in value]
    return value
