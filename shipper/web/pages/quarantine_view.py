"""Quarantine view: quarantined entries with their reasons, and commands to copy."""

import shlex
from collections.abc import Iterable
from typing import NamedTuple

from shipper.model.document_fields import inner
from shipper.presentation.format import Body, origin, short_id, text_of
from shipper.presentation.quarantine_groups import grouped
from shipper.web.pages.event_rows import MOST_NAME, MOST_TEXT, MOST_WORDS, cut, json_of
from shipper_schemas.quarantine import notes


class Reason(NamedTuple):
    """A reason of a quarantined entry."""

    kind: str
    field: str
    detail: str


class QuarantinedEntry(NamedTuple):
    """One quarantined entry."""

    id: str
    anchor: str
    iso: str
    origin: str
    where: str
    reasons: list[Reason]
    raw: str
    command: str
    json: str


def quarantined_entry(body: Body, options: str) -> QuarantinedEntry:
    """Return the view of a quarantined document; `options` are the shell-quoted options of its commands."""
    log = inner(body, "log")
    path = text_of(inner(log, "file").get("path"))
    return QuarantinedEntry(
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
        command=release_command(shlex.quote(text_of(short_id(body))), options),
        json=json_of(body),
    )


class QuarantinedGroup(NamedTuple):
    """Entries with the same reasons, service and event."""

    number: int
    iso: str
    """Time of the newest entry."""
    reasons: str
    service: str
    event: str
    anchor: str
    """Place of the newest entry on the page."""


def quarantined_groups(entries: Iterable[Body]) -> list[QuarantinedGroup]:
    """Return the groups of entries, as the command `quarantine list` shows them."""
    return [
        QuarantinedGroup(
            group.number,
            text_of(group.latest),
            cut(text_of(", ".join(group.reasons)), MOST_WORDS),
            cut(text_of(group.service), MOST_NAME),
            cut(text_of(group.event), MOST_NAME),
            f"q-{short_id({'_id': group.latest_id})}",
        )
        for group in grouped(entries)
    ]


def release_command(which: str, options: str) -> str:
    """Return the command that releases quarantined entries."""
    return f"shipper quarantine release {which}{options}"


def search_command(correlation_id: str, options: str) -> str:
    """Return the command that shows the timeline of a request; an id that starts with `-` follows `--`."""
    if correlation_id.startswith("-"):
        return f"shipper search{options} -- {shlex.quote(correlation_id)}"
    return f"shipper search {shlex.quote(correlation_id)}{options}"


def store_options(output: str, file: str | None) -> str:
    """Return the options that a command needs for this store; `--output` may differ from the file."""
    named = "" if file is None else f" --config {shlex.quote(file)}"
    return f"{named} --output {shlex.quote(output)}"
