"""Refused: entries of the quarantine as rows, each with its reasons; and the commands that pages give to copy."""

import shlex
from typing import NamedTuple

from shipper.model.document_fields import inner
from shipper.presentation.format import Body, origin, short_id, text_of
from shipper.web.pages.event_rows import MOST_NAME, MOST_TEXT, MOST_WORDS, cut, json_of
from shipper_schemas.quarantine import notes


class Reason(NamedTuple):
    """Why an entry was refused."""

    kind: str
    field: str
    detail: str


class Refused(NamedTuple):
    """One entry."""

    id: str
    anchor: str
    iso: str
    origin: str
    where: str
    reasons: list[Reason]
    raw: str
    command: str
    json: str


def refused(body: Body, options: str) -> Refused:
    """A quarantined document as a row; `options` are those that its commands need, as a shell takes them."""
    log = inner(body, "log")
    path = text_of(inner(log, "file").get("path"))
    return Refused(
        id=text_of(short_id(body)),
        anchor=f"q-{short_id(body)}",
        iso=text_of(body.get("@timestamp")),
        origin=cut(origin(body), MOST_NAME),
        where=f"{path} at byte {text_of(log.get('offset'))}" if path else "",
        reasons=[
            Reason(text_of(note.get("kind")), text_of(note.get("field")), cut(text_of(note.get("detail")), MOST_WORDS))
            for note in notes(body)
        ],
        raw=cut(str(body.get("raw", "")), MOST_TEXT),
        command=release(shlex.quote(text_of(short_id(body))), options),
        json=json_of(body),
    )


def release(which: str, options: str) -> str:
    """The command that runs refused entries through the chain again."""
    return f"shipper quarantine release {which}{options}"


def search(correlation_id: str, options: str) -> str:
    """The command that shows the timeline of a request; an id that begins as an option does stands behind `--`."""
    if correlation_id.startswith("-"):
        return f"shipper search{options} -- {shlex.quote(correlation_id)}"
    return f"shipper search {shlex.quote(correlation_id)}{options}"


def options_of(output: str, file: str | None) -> str:
    """What a command needs to find the store: its output too, which may be another than that of the file."""
    named = "" if file is None else f" --config {shlex.quote(file)}"
    return f"{named} --output {shlex.quote(output)}"
