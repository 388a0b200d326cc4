"""Enforce the correlation-ID schema: typed fields stay, everything else moves to `extra`, violations are named."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from shipper_processors.chain_plan import SCHEMA, SchemaPlan, event_validator, value_validator
from shipper_processors.sanitize import printable, spelled
from shipper_schemas.violation import Kind, Violation

CORRELATION_SOURCES = ("correlation_id", "correlationId", "x_correlation_id", "request_id", "traceparent")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.ASCII)
CONSUMED = frozenset({"timestamp"})
KINDS = {
    "event": Kind.EVENT_INVALID,
    "level": Kind.LEVEL_INVALID,
    "duration_ms": Kind.DURATION_INVALID,
    "status_code": Kind.STATUS_CODE_INVALID,
}
EXPECTED = {
    "event": "a string",
    "level": "a string",
    "duration_ms": "a finite number of milliseconds, zero or more",
    "status_code": "a whole number from 100 to 599",
    "user_id": "a string or a whole number",
    "patient_id": "a string or a whole number",
}
SHOWN = 60

usable = value_validator(SCHEMA, SCHEMA.correlation_field).isinstance_python
"""Tell whether a value can be a correlation id."""


def shown(value: object, mask: Callable[[str], str] = str) -> str:
    """A short piece of a value for people, escaped, with its type; `mask` sees the whole of it."""
    text = mask(value if isinstance(value, str) else spelled(value))
    piece = printable(text[:SHOWN]) + ("…" if len(text) > SHOWN else "")
    return f"{type(value).__name__} {piece!r}" if isinstance(value, str) else f"{type(value).__name__} {piece}"


class Enforce:
    """The schema step; callable as a structlog processor, which notes violations under `schema.errors`."""

    def __init__(
        self,
        correlation_sources: Sequence[str] = CORRELATION_SOURCES,
        *,
        required: bool = True,
        schema: SchemaPlan = SCHEMA,
    ) -> None:
        """`correlation_sources`: fields that may hold the id, in order; `required`: whether its absence is noted."""
        self._sources = tuple(correlation_sources)
        self._required = required
        self.schema = schema
        self._levels = dict(schema.levels)
        self._known = frozenset(field.name for field in schema.known_fields)
        self._validate = event_validator(schema).validate_python
        self._conforms = event_validator(schema).isinstance_python
        self._usable = value_validator(schema, schema.correlation_field).isinstance_python
        self.mask: Callable[[str], str] = str
        """Applied to values of which a violation shows a piece."""

    def __call__(self, logger: object, method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Enforce the schema on an application's own entry. Never raises and never drops."""
        event, violations = self.enforce(event_dict)
        return noted(event, violations)

    def enforce(self, fields: dict[str, Any]) -> tuple[dict[str, Any], list[Violation]]:
        """Bring `fields` (consumed) into the shape of an event; everything that was wrong comes as violations.

        `timestamp` is left where it is; it is no part of the schema.
        """
        violations: list[Violation] = []
        level = fields.get("level")
        if type(level) is str:
            fields["level"] = self._levels.get(level) or self._levels.get(level.lower(), level.lower())
        if "correlation_id" in fields and self._conforms(fields):
            return fields, violations
        correlation_id = fields.get("correlation_id")
        if type(correlation_id) is not str or not self._usable(correlation_id):
            self._find_correlation_id(fields, violations)
        return self._sorted_out(fields, violations), violations

    def _find_correlation_id(self, fields: dict[str, Any], violations: list[Violation]) -> None:
        refused: list[tuple[str, object]] = []
        for source in self._sources:
            value = fields.get(source)
            if value is None:
                fields.pop(source, None)
                continue
            found = trace_id(value) if source == "traceparent" else value
            if isinstance(found, str) and self._usable(found):
                if source != "traceparent":
                    del fields[source]
                fields["correlation_id"] = found
                violations += [_unusable(name, value, self.mask) for name, value in refused]
                return
            refused.append((source, value))
            if source == "correlation_id":
                _put_aside(fields, source)
        if refused:
            violations.append(_unusable(*refused[0], self.mask))
        elif self._required:
            looked = ", ".join(self._sources)
            violations.append(Violation(Kind.CORRELATION_ID_MISSING, None, f"no correlation id; looked for {looked}"))

    def _sorted_out(self, fields: dict[str, Any], violations: list[Violation]) -> dict[str, Any]:
        """Keep what is typed right, move the rest under `extra`, null being absence."""
        own = fields.pop("extra", None)
        extra: dict[str, Any] = own if isinstance(own, dict) else {} if own is None else {"extra": own}
        event: dict[str, Any] = {}
        for name, value in fields.items():
            if name in CONSUMED:
                event[name] = value
            elif name not in self._known:
                extra[name] = value
            elif value is not None:
                event[name] = value
        timestamp = event.pop("timestamp", None)
        if not self._conforms(event):
            self._move_mistyped(event, extra, violations)
        if timestamp is not None:
            event["timestamp"] = timestamp
        if extra:
            event["extra"] = extra
        return event

    def _move_mistyped(self, event: dict[str, Any], extra: dict[str, Any], violations: list[Violation]) -> None:
        try:
            self._validate(event)
        except ValidationError as error:
            reports = error.errors(include_url=False, include_context=False)
            for name in dict.fromkeys(str(report["loc"][0]) for report in reports):
                value = event.pop(name)
                extra[name] = value
                detail = f"expected {EXPECTED.get(name, 'a string')}, got {shown(value, self.mask)}"
                violations.append(Violation(KINDS.get(name, Kind.FIELD_INVALID), name, detail))


def noted(event: dict[str, Any], violations: Sequence[Violation]) -> dict[str, Any]:
    """`event` with its violations under `schema.errors`."""
    if violations:
        event["schema"] = {"errors": [violation.as_note() for violation in violations]}
    return event


def _unusable(source: str, value: object, mask: Callable[[str], str]) -> Violation:
    detail = f"expected 1 to 128 letters, digits and . _ : / + = @ -, got {shown(value, mask)}"
    if isinstance(value, str):
        detail += f" of {len(value)} characters"
    return Violation(Kind.CORRELATION_ID_INVALID, source, detail)


def trace_id(value: object) -> str | None:
    """The trace id of a W3C traceparent (version-traceid-parentid-flags), None where it is none or all zero."""
    match = TRACEPARENT.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match and match[1].strip("0") else None


def _put_aside(fields: dict[str, Any], name: str) -> None:
    extra = fields.get("extra")
    if not isinstance(extra, dict):
        extra = fields["extra"] = {} if extra is None else {"extra": extra}
    extra[name] = fields.pop(name)
