"""The schema of quarantine entries, as every shipper writes them.

A store or a topic may contain entries of other writers, so an entry is validated before anything is read from it.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shipper_schemas.violation import Kind

KEYS = ("level", "event", "correlation_id", "trace_id")
"""Fields of the event that a quarantined entry keeps as search keys, beside its time, its origin and its text."""
TEXT = "text"
"""The text of a structured entry that full-text search covers; that of other entries is `raw`."""


class Part(BaseModel):
    """A part of an entry; unknown keys are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, defer_build=True)


class Reason(Part):
    """One reason for which the entry was quarantined."""

    kind: str
    detail: str = ""
    field: str | None = None


class Named(Part):
    """A host, a service or an image."""

    name: str | None = None


class Container(Part):
    """The container of the entry's line."""

    id: str | None = None
    name: str | None = None
    image: Named | None = None
    labels: dict[str, Any] | None = None


class File(Part):
    """The file of the line."""

    path: str


class Log(Part):
    """The file of the line, and the line's byte offset in it."""

    file: File
    offset: int = Field(ge=0)


class RejectedDocument(Part):
    """A document that its index rejected: `raw` is the whole document."""

    stamp: str = Field(alias="@timestamp")
    reasons: list[Reason] = Field(min_length=1)
    raw: str
    level: str | None = None
    event: str | None = None
    correlation_id: str | None = None
    trace_id: str | None = None
    text: str | None = None


class QuarantinedEntry(RejectedDocument):
    """An entry that the schema rejected: `raw` is its text, and the other fields describe its origin."""

    stream: Literal["stdout", "stderr", "unknown"]
    log: Log
    time: str | None = None
    container: Container | None = None
    service: Named | None = None
    host: Named | None = None
    kubernetes: dict[str, Any] | None = None


def notes(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the reasons of an entry, without invalid ones."""
    reasons = entry.get("reasons")
    return [reason for reason in reasons if isinstance(reason, dict)] if isinstance(reasons, list) else []


def full_text(entry: dict[str, Any]) -> str | None:
    """Return the text of an entry that full-text search covers."""
    texts = (entry.get(TEXT), entry.get("raw"))
    return next((text for text in texts if isinstance(text, str)), None)


def kinds(entry: dict[str, Any]) -> list[str]:
    """Return the kinds of violation that an entry names."""
    return [kind for reason in notes(entry) if isinstance(kind := reason.get("kind"), str)]


def malformed(entry: dict[str, Any]) -> str | None:
    """Return the first part of `entry` that does not have the shape, with its path; None if all parts have it."""
    shape = RejectedDocument if Kind.REFUSED_BY_INDEX in kinds(entry) else QuarantinedEntry
    try:
        shape.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"`{'.'.join(str(part) for part in first['loc'])}`: {first['msg']}"
    return None
