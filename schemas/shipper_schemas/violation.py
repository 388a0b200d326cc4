"""Violations of an entry, and the operator's policy for each."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """Kinds of violation; the value is the `reason` label of the violation counter, and is in quarantine entries."""

    CORRELATION_ID_MISSING = "correlation_id_missing"
    CORRELATION_ID_INVALID = "correlation_id_invalid"
    CORRELATION_ID_UNUSABLE = "correlation_id_unusable"
    EVENT_INVALID = "event_invalid"
    LEVEL_INVALID = "level_invalid"
    DURATION_INVALID = "duration_invalid"
    STATUS_CODE_INVALID = "status_code_invalid"
    FIELD_INVALID = "field_invalid"
    TIMESTAMP_INVALID = "timestamp_invalid"
    TIMESTAMP_SKEWED = "timestamp_skewed"
    TIMESTAMP_ZONE = "timestamp_zone"
    JSON_INVALID = "json_invalid"
    ENVELOPE_INVALID = "envelope_invalid"
    LINE_CUT = "line_cut"
    UNSTRUCTURED = "unstructured"
    BLANK = "blank"
    INTERNAL_ERROR = "internal_error"
    REFUSED_BY_INDEX = "refused_by_index"


class Policy(StrEnum):
    """The action on an entry with a violation."""

    QUARANTINE = "quarantine"
    FLAG = "flag"
    DROP = "drop"
    ALLOW = "allow"


DEFAULT_POLICIES: dict[Kind, Policy] = {
    **dict.fromkeys(Kind, Policy.QUARANTINE),
    Kind.CORRELATION_ID_UNUSABLE: Policy.FLAG,
    Kind.EVENT_INVALID: Policy.FLAG,
    Kind.LEVEL_INVALID: Policy.FLAG,
    Kind.DURATION_INVALID: Policy.FLAG,
    Kind.STATUS_CODE_INVALID: Policy.FLAG,
    Kind.FIELD_INVALID: Policy.FLAG,
    Kind.JSON_INVALID: Policy.FLAG,
    Kind.TIMESTAMP_INVALID: Policy.FLAG,
    Kind.TIMESTAMP_SKEWED: Policy.FLAG,
    Kind.TIMESTAMP_ZONE: Policy.FLAG,
    Kind.LINE_CUT: Policy.FLAG,
    Kind.UNSTRUCTURED: Policy.ALLOW,
    Kind.BLANK: Policy.DROP,
}


class Violation(NamedTuple):
    """One violation of an entry."""

    kind: Kind
    field: str | None
    detail: str
    """A description for people: the actual and the expected value. Quotes at most a short, escaped excerpt."""

    def as_note(self) -> dict[str, str]:
        """Return the form under `schema.errors` and in a quarantine entry: `{"kind", "field"?, "detail"}`."""
        note = {"kind": self.kind.value, "detail": self.detail}
        if self.field is not None:
            note["field"] = self.field
        return note
