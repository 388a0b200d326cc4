"""Decode the text of an entry: a JSON object, an access line, a stack trace, or plain text."""

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
"""Most levels of nesting that an index, a page and a terminal can show; deeper JSON is rejected."""


Payload = tuple[Shape, dict[str, Any], Violation | None]
"""A payload's shape and fields; the violation is the reason why a text that looks like JSON is invalid."""


def decode_payload(text: str) -> Payload:
    """Decode the text of one entry."""
    if text[:1] == "{" or text.lstrip("\ufeff \t")[:1] == "{":
        return _json_object(text)
    if not text or text.isspace():
        return "blank", {}, None
    return _plain_text(text)


def _json_object(text: str) -> Payload:
    try:
        return "structured", orjson.loads(text), None
    except orjson.JSONDecodeError as error:
        first = error
    try:
        content = json.loads(
            text.strip("\ufeff \t\r\n\0"), strict=False
        )  # raw control characters must not hide an event
        if not isinstance(content, dict):
            return _plain_text(text)
        return "structured", storable(content), None
    except RecursionError:
        return _broken(text, f"JSON is nested too deeply; the limit is {DEEPEST} levels")
    except ValueError:
        if text.lstrip("\ufeff \t")[:2] == '{"' or text.rstrip().endswith("}"):
            return _broken(text, f"looks like a JSON object, but is invalid: {first.msg} at character {first.pos}")
        return _plain_text(text)


def _broken(text: str, detail: str) -> Payload:
    return "broken", {"message": text}, Violation(Kind.JSON_INVALID, None, detail)


def _plain_text(text: str) -> Payload:
    fields: dict[str, Any]
    access = decode_access(text)
    if access is not None:
        fields = {"event": "http_access", **access, "message": text}
        return "access", {name: fields[name] for name in RENDERING.access if name in fields}, None
    fields = {"event": "unstructured"}
    level = level_of(text)
    if level is not None:
        fields["level"] = level
    if "\n" in text and (error_fields := summary(text)) is not None:
        fields.update(error_fields, level=level or "error", exception=text, message=text.partition("\n")[0])
    else:
        fields["message"] = text
    return "text", fields, None


def storable(content: dict[str, Any]) -> dict[str, Any]:
    """Return a copy that can be stored as JSON: no NaN, no lone surrogate, no integer beyond 64 bits.

    Raises RecursionError if it is nested deeper than `DEEPEST`.
    """
    return {without_surrogates(key): _storable(value, 1) for key, value in content.items()}


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
