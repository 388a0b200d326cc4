"""Enforce the correlation-ID schema: valid fields stay, everything else moves to `extra`, violations are returned."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from shipper_processors.chain_plan import SCHEMA, SchemaPlan, event_validator
from shipper_processors.field_values import traceparent_ids
from shipper_processors.normalise import FieldPaths, Normaliser, is_usable_id, with_message
from shipper_processors.sanitize import printable, safe_repr
from shipper_schemas.entry import RequireId
from shipper_schemas.violation import Kind, Violation

REQUEST_EVENTS = "request_"
"""Beginning of the names of events that record a request."""
MOST_NORMALISERS = 256
"""Tables with paths of single containers that are kept compiled."""
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

is_correlation_id = is_usable_id
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
        fields: FieldPaths = (),
        *,
        require: RequireId = "requests",
        requiring_events: Iterable[str] = (),
        schema: SchemaPlan = SCHEMA,
    ) -> None:
        """`fields`: paths of known fields that are tried before those of the table.

        `require`: entries that must carry a correlation id; with `requests`, those of events `request_*` and of
        `requiring_events`. Of an entry without an event, a message that is exactly one of these names is the event.
        """
        self.require: RequireId = require
        self.requiring = frozenset(requiring_events)
        """Events that must carry an id, beside those of requests."""
        self.schema = schema
        self.normaliser = Normaliser(fields, schema)
        self._own = fields
        self._normalisers: dict[FieldPaths, Normaliser] = {}
        self._known = frozenset(field.name for field in schema.known_fields)
        self._validate = event_validator(schema).validate_python
        self._conforms = event_validator(schema).isinstance_python
        self.mask: Callable[[str], str] = str
        """Applied to values before a violation quotes an excerpt of them."""

    def __call__(self, logger: object, method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Enforce the schema on an application's own entry. Never raises and never drops."""
        event, violations = self._enforced(self.normaliser, event_dict, self.require, complete=False)
        return with_violations(event, violations)

    def enforce(
        self, fields: dict[str, Any], require: RequireId | None = None, paths: FieldPaths = ()
    ) -> tuple[dict[str, Any], list[Violation]]:
        """Return an event made from `fields`, which is consumed, and its violations.

        `require` and `paths` are those of the entry's log. `timestamp` is left in place; it is not part of the schema.
        """
        normaliser = self.normaliser_of(paths) if paths else self.normaliser
        return self._enforced(normaliser, fields, require or self.require, complete=True)

    @property
    def own_paths(self) -> FieldPaths:
        """The configured paths of known fields."""
        return self._own

    def normaliser_of(self, paths: FieldPaths) -> Normaliser:
        """Return the table with further paths, of one container, before the others."""
        normaliser = self._normalisers.get(paths)
        if normaliser is None:
            if len(self._normalisers) >= MOST_NORMALISERS:
                self._normalisers.clear()
            own, configured = dict(paths), dict(self._own)
            merged = {
                name: (*own.get(name, ()), *configured.get(name, ())) for name in dict.fromkeys([*own, *configured])
            }
            normaliser = self._normalisers[paths] = Normaliser(tuple(merged.items()), self.schema)
        return normaliser

    def _enforced(
        self, normaliser: Normaliser, fields: dict[str, Any], require: RequireId, *, complete: bool
    ) -> tuple[dict[str, Any], list[Violation]]:
        fields, unusable = normaliser.normalise(fields)
        if complete and not fields.get("message"):
            with_message(fields)
        if complete and not fields.get("event"):
            message = fields.get("message")
            if type(message) is str and message in self.requiring:  # of a logger without a field for the event's name
                fields["event"] = message
        violations: list[Violation] = []
        if fields.get("correlation_id") is None or unusable:
            self._judge_id(fields, unusable, require, violations)
        timestamp = fields.pop("timestamp", None)
        event = fields if self._conforms(fields) else self._typed_fields(fields, violations)
        if timestamp is not None:
            event["timestamp"] = timestamp
        return event, violations

    def _judge_id(
        self,
        fields: dict[str, Any],
        unusable: Sequence[tuple[str, object]],
        require: RequireId,
        violations: list[Violation],
    ) -> None:
        """Report an id that is required and missing, and values that were meant as ids."""
        missing = fields.get("correlation_id") is None
        required = missing and self._requires_id(fields.get("event"), require)
        if unusable:
            source, value = unusable[0]
            kind = Kind.CORRELATION_ID_INVALID if required else Kind.CORRELATION_ID_UNUSABLE
            violations.append(_invalid_id(kind, source, value, self.mask))
        elif required:
            detail = "no correlation id, in none of the fields where loggers put one; see schema.fields"
            violations.append(Violation(Kind.CORRELATION_ID_MISSING, None, detail))

    def _requires_id(self, event: object, require: RequireId) -> bool:
        if require != "requests":
            return require == "always"
        return type(event) is str and (event.startswith(REQUEST_EVENTS) or event in self.requiring)

    def _typed_fields(self, fields: dict[str, Any], violations: list[Violation]) -> dict[str, Any]:
        """Keep valid fields, and move the rest under `extra`; a null is an absent field."""
        own = fields.pop("extra", None)
        extra: dict[str, Any] = own if isinstance(own, dict) else {} if own is None else {"extra": own}
        event: dict[str, Any] = {}
        for name, value in fields.items():
            if name not in self._known:
                extra[name] = value
            elif value is not None:
                event[name] = value
        if not self._conforms(event):
            self._move_mistyped(event, extra, violations)
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


def _invalid_id(kind: Kind, source: str, value: object, mask: Callable[[str], str]) -> Violation:
    detail = f"expected 1 to 128 letters, digits and . _ : / + = @ -, got {excerpt(value, mask)}"
    if isinstance(value, str):
        detail += f" of {len(value)} characters"
    return Violation(kind, source, detail)


def trace_id(value: object) -> str | None:
    """Return the trace id of a W3C traceparent (version-traceid-parentid-flags); None if it is invalid or all zero."""
    ids = traceparent_ids(value)
    return ids[0] if ids else None
