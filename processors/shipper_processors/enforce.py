"""Enforce the correlation-ID schema: valid fields stay, everything else moves to `extra`, violations are returned."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from shipper_processors.chain_plan import SCHEMA, SchemaPlan, event_validator, value_validator
from shipper_processors.sanitize import printable, safe_repr
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
EXCERPT_LENGTH = 60

is_correlation_id = value_validator(SCHEMA, SCHEMA.correlation_field).isinstance_python
"""Return True if a value is a valid correlation id."""


def excerpt(value: object, mask: Callable[[str], str] = str) -> str:
    """Return a short, escaped excerpt of a value with its type; `mask` is applied to the whole value first."""
    text = mask(value if isinstance(value, str) else safe_repr(value))
    start = printable(text[:EXCERPT_LENGTH]) + ("…" if len(text) > EXCERPT_LENGTH else "")
    return f"{type(value).__name__} {start!r}" if isinstance(value, str) else f"{type(value).__name__} {start}"


class Enforce:
    """The schema step; callable as a structlog processor, which adds violations under `schema.errors`."""

    def __init__(
        self,
        correlation_sources: Sequence[str] = CORRELATION_SOURCES,
        *,
        required: bool = True,
        schema: SchemaPlan = SCHEMA,
    ) -> None:
        """`correlation_sources`: fields that may hold the id, in order; `required`: a missing id is a violation."""
        self._sources = tuple(correlation_sources)
        self._required = required
        self.schema = schema
        self._levels = dict(schema.levels)
        self._known = frozenset(field.name for field in schema.known_fields)
        self._validate = event_validator(schema).validate_python
        self._conforms = event_validator(schema).isinstance_python
        self._is_id = value_validator(schema, schema.correlation_field).isinstance_python
        self.mask: Callable[[str], str] = str
        """Applied to values before a violation quotes an excerpt of them."""

    def __call__(self, logger: object, method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Enforce the schema on an application's own entry. Never raises and never drops."""
        event, violations = self.enforce(event_dict)
        return with_violations(event, violations)

    def enforce(self, fields: dict[str, Any]) -> tuple[dict[str, Any], list[Violation]]:
        """Return an event made from `fields`, which is consumed, and its violations.

        `timestamp` is left in place; it is not part of the schema.
        """
        violations: list[Violation] = []
        level = fields.get("level")
        if type(level) is str:
            fields["level"] = self._levels.get(level) or self._levels.get(level.lower(), level.lower())
        if "correlation_id" in fields and self._conforms(fields):
            return fields, violations
        correlation_id = fields.get("correlation_id")
        if type(correlation_id) is not str or not self._is_id(correlation_id):
            self._find_correlation_id(fields, violations)
        return self._typed_fields(fields, violations), violations

    def _find_correlation_id(self, fields: dict[str, Any], violations: list[Violation]) -> None:
        invalid: list[tuple[str, object]] = []
        for source in self._sources:
            value = fields.get(source)
            if value is None:
                fields.pop(source, None)
                continue
            candidate = trace_id(value) if source == "traceparent" else value
            if isinstance(candidate, str) and self._is_id(candidate):
                if source != "traceparent":
                    del fields[source]
                fields["correlation_id"] = candidate
                violations += [_invalid_id(name, value, self.mask) for name, value in invalid]
                return
            invalid.append((source, value))
            if source == "correlation_id":
                _move_to_extra(fields, source)
        if invalid:
            violations.append(_invalid_id(*invalid[0], self.mask))
        elif self._required:
            sources = ", ".join(self._sources)
            violations.append(Violation(Kind.CORRELATION_ID_MISSING, None, f"no correlation id; looked for {sources}"))

    def _typed_fields(self, fields: dict[str, Any], violations: list[Violation]) -> dict[str, Any]:
        """Keep valid fields, and move the rest under `extra`; a null is an absent field."""
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
                detail = f"expected {EXPECTED.get(name, 'a string')}, got {excerpt(value, self.mask)}"
                violations.append(Violation(KINDS.get(name, Kind.FIELD_INVALID), name, detail))


def with_violations(event: dict[str, Any], violations: Sequence[Violation]) -> dict[str, Any]:
    """Return `event` with its violations under `schema.errors`."""
    if violations:
        event["schema"] = {"errors": [violation.as_note() for violation in violations]}
    return event


def _invalid_id(source: str, value: object, mask: Callable[[str], str]) -> Violation:
    detail = f"expected 1 to 128 letters, digits and . _ : / + = @ -, got {excerpt(value, mask)}"
    if isinstance(value, str):
        detail += f" of {len(value)} characters"
    return Violation(Kind.CORRELATION_ID_INVALID, source, detail)


def trace_id(value: object) -> str | None:
    """Return the trace id of a W3C traceparent (version-traceid-parentid-flags); None if it is invalid or all zero."""
    match = TRACEPARENT.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match and match[1].strip("0") else None


def _move_to_extra(fields: dict[str, Any], name: str) -> None:
    extra = fields.get("extra")
    if not isinstance(extra, dict):
        extra = fields["extra"] = {} if extra is None else {"extra": extra}
    extra[name] = fields.pop(name)
