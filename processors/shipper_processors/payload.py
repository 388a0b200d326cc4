"""Decode the text of an entry: a JSON object, an access line, a stack trace, or plain text."""

import math
from typing import Any, Literal

import orjson

from shipper_processors.access_log import decode_access, decode_started
from shipper_processors.chain_plan import RENDERING
from shipper_processors.envelope import without_surrogates
from shipper_processors.field_values import is_placeholder
from shipper_processors.lenient_json import OUTSIDE, members, read_closed, read_object, repaired, without_colours
from shipper_processors.normalise import is_usable_id
from shipper_processors.stack_traces import summary
from shipper_processors.text_fields import ID_KEYS, LEVEL_KEYS, TIME_KEYS, decode_fields
from shipper_processors.text_heads import LEVELS, Head, head_of
from shipper_schemas.violation import Kind, Violation

Shape = Literal["structured", "access", "text", "blank", "broken"]
LARGEST_INTEGER = 2**63
DEEPEST = 100
"""Most levels of nesting that an index, a page and a terminal can show; deeper JSON is rejected."""
AROUND = OUTSIDE + "\x1b"
"""Characters with which a text may begin before its JSON object."""
STARTED_WITHIN = 256
"""Characters in which the line of Rails that begins a request is looked for."""

Payload = tuple[Shape, dict[str, Any], Violation | None]
"""A payload's shape and fields; the violation is the reason why a text that looks like JSON is invalid."""


def decode_payload(text: str, *, cut: bool = False) -> Payload:
    """Decode the text of one entry; with `cut`, its end is missing, so that an object without its end counts."""
    if text[:1] == "{":
        return _json_object(text, cut=cut)
    if not cut and (not text or text.isspace()):
        return "blank", {}, None  # the rest of a text that was cut is not known to be blank
    if text and text[0] in AROUND:
        bare = without_colours(text).strip(OUTSIDE)
        if bare[:1] == "{":
            return _json_object(bare, cut=cut)
        if not bare and not cut:
            return "blank", {}, None
    if "\x1b" in text:
        text = without_colours(text)
    return _plain_text(text, cut=cut)


def _json_object(text: str, *, cut: bool) -> Payload:
    try:
        return "structured", orjson.loads(text), None
    except orjson.JSONDecodeError as error:
        first = error
    text = text.strip(OUTSIDE)
    try:
        content, end = read_object(text)
        rest = without_colours(text[end:]).strip(OUTSIDE)
        return "structured", storable(content), _after_object(rest) if rest else None
    except RecursionError:
        return _broken(text, f"JSON is nested too deeply; the limit is {DEEPEST} levels")
    except ValueError:
        pass
    try:
        fields = repaired(text) or (members(text) if cut else None)
        if fields:
            return "structured", storable(fields), None
    except RecursionError:
        return _broken(text, f"JSON is nested too deeply; the limit is {DEEPEST} levels")
    if text[:2] == '{"' or text.endswith("}"):
        return _broken(text, f"looks like a JSON object, but is invalid: {first.msg} at character {first.pos}")
    return _plain_text(text, cut=cut)


def _after_object(rest: str) -> Violation:
    detail = f"{len(rest)} characters of other text follow the JSON object"
    return Violation(Kind.JSON_INVALID, None, detail)


def _broken(text: str, detail: str) -> Payload:
    """Return a text that looks like JSON, with what its complete members say about level, time and id.

    An object that is invalid inside, but closed, is read as far as possible: its faults must hide no event.
    """
    violation = Violation(Kind.JSON_INVALID, None, detail)
    if (closed := _closed(text)) is not None:
        return "structured", closed, violation
    fields: dict[str, Any] = {"event": "unstructured"}
    known = members(text)
    level = next((level for key in LEVEL_KEYS if (level := _level(known.get(key)))), None)
    if level is not None:
        fields["level"] = level
    correlation_id = next((value for key in ID_KEYS if _is_id(value := known.get(key))), None)
    if correlation_id is not None:
        fields["correlation_id"] = correlation_id
    time = next((value for key in TIME_KEYS if isinstance(value := known.get(key), str)), None)
    if time is not None:
        fields["time"] = time
    return "broken", {**fields, "message": text}, violation


def _closed(text: str) -> dict[str, Any] | None:
    """Return the fields of an object that is invalid inside; the text is the message, if something was left out."""
    closed = read_closed(text)
    if closed is None or not closed[0]:
        return None
    try:
        fields = storable(closed[0])
    except RecursionError:
        return None
    return fields if closed[1] else {**fields, "message": text}


def _level(value: object) -> str | None:
    return LEVELS.get(value.lower()) if isinstance(value, str) else None


def _is_id(value: object) -> bool:
    return isinstance(value, str) and is_usable_id(value) and not is_placeholder(value)


def _plain_text(text: str, *, cut: bool) -> Payload:
    access = decode_access(text)
    if access is not None:
        known = {"event": "http_access", **access, "message": text}
        fields = {name: known.pop(name) for name in RENDERING.access if name in known}
        return "access", {**fields, **known}, None
    head = head_of(text)
    decoded = decode_fields(text, head, cut=cut)
    if decoded is not None:
        return "structured", _storable_or_text(decoded, text), None
    return "text", _text_fields(text, head), None


def _storable_or_text(decoded: dict[str, Any], text: str) -> dict[str, Any]:
    try:
        return storable(decoded)
    except RecursionError:
        return {"message": text}


def _text_fields(text: str, head: Head | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": "unstructured"}
    if head is not None:
        fields.update(head.fields())
        if head.time is not None:
            fields["time"] = head.time
    if "Started " in text[:STARTED_WITHIN]:
        fields.update(decode_started(text, 0 if head is None else head.at))
    if "\n" in text and (error_fields := summary(text)) is not None:
        fields.setdefault("level", "error")
        end = text.find("\n", 0 if head is None else head.at)  # a head may take a line of its own
        fields.update(error_fields, exception=text, message=text[:end] if end >= 0 else text)
    else:
        fields["message"] = text
    return fields


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
