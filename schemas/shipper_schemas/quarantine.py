"""The shape of an entry of the quarantine, as every shipper writes it: what reading one back may rely on.

A store or a topic may hold what others wrote, so nothing is read out of an entry before it has this shape.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shipper_schemas.violation import Kind


class Part(BaseModel):
    """A part of an entry; what it does not know is left alone."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Reason(Part):
    """Why the entry was refused."""

    kind: str
    detail: str = ""
    field: str | None = None


class Named(Part):
    """A host, a service or an image."""

    name: str | None = None


class Container(Part):
    """Where the entry's line comes from."""

    id: str | None = None
    name: str | None = None
    image: Named | None = None
    labels: dict[str, Any] | None = None


class File(Part):
    """The file of the line."""

    path: str


class Log(Part):
    """Where in it."""

    file: File
    offset: int = Field(ge=0)


class RefusedDocument(Part):
    """A document that its index refused: `raw` is all of it."""

    stamp: str = Field(alias="@timestamp")
    reasons: list[Reason] = Field(min_length=1)
    raw: str


class RefusedEntry(RefusedDocument):
    """An entry that the schema refused: `raw` is its text, and the rest says where that comes from."""

    stream: Literal["stdout", "stderr", "unknown"]
    log: Log
    time: str | None = None
    container: Container | None = None
    service: Named | None = None
    host: Named | None = None
    kubernetes: dict[str, Any] | None = None


def notes(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The reasons of an entry, as far as they are any."""
    reasons = entry.get("reasons")
    return [reason for reason in reasons if isinstance(reason, dict)] if isinstance(reasons, list) else []


def kinds(entry: dict[str, Any]) -> list[str]:
    """The kinds of violation that an entry names, whatever else it holds."""
    return [kind for reason in notes(entry) if isinstance(kind := reason.get("kind"), str)]


def malformed(entry: dict[str, Any]) -> str | None:
    """What in `entry` is not as a shipper writes it, by its place; None where nothing is."""
    shape = RefusedDocument if Kind.REFUSED_BY_INDEX in kinds(entry) else RefusedEntry
    try:
        shape.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"`{'.'.join(str(part) for part in first['loc'])}`: {first['msg']}"
    return None
