"""Release of a quarantined entry: it runs through the chain again, under the current rules."""

import re
from dataclasses import dataclass
from typing import Any

import orjson

from shipper.model.batch import INDEXED
from shipper.model.document_fields import keyed
from shipper.model.documents import Document
from shipper.model.source import Source
from shipper.pipeline.pipeline import WITHHELD, Pipeline
from shipper_processors.route import index_name
from shipper_processors.times import LATEST_MS, parse_ms
from shipper_schemas.container_labels import paths_of, require_of
from shipper_schemas.entry import Entry, Origin
from shipper_schemas.quarantine import kinds, malformed
from shipper_schemas.violation import Kind, Policy, Violation

DIGEST_AT = 6
ID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Releaser:
    """Turns a quarantine document into one for the main index. It is not counted again."""

    pipeline: Pipeline

    def __call__(self, quarantined: dict[str, Any]) -> tuple[Document | None, list[Violation]]:
        """Return the document for the main index under its original id, or None and the reasons of the rejection."""
        if (wrong := malformed(quarantined) or malformed_id(quarantined)) is not None:
            return None, [damaged(f"this entry was not written by a shipper: {wrong}")]
        named = kinds(quarantined)
        if Kind.ENVELOPE_INVALID in named:
            return None, [damaged("the runtime's line is damaged: it contains no entry to release")]
        if Kind.REFUSED_BY_INDEX in named:
            document = rejected_document(quarantined, self.pipeline.index_prefix)
            return document, [] if document else [damaged("it contains no document with the time of the entry")]
        if Kind.INTERNAL_ERROR in named and quarantined["raw"] == WITHHELD:
            return None, [Violation(Kind.INTERNAL_ERROR, None, "its text was withheld; replay its file instead")]
        entry, origin = entry_of(quarantined), origin_of(quarantined)
        now_ms = time_of(quarantined["@timestamp"]) or 0
        handled = self.pipeline.handle(entry, Source.of(origin), now_ms, count=False)
        if handled.outcome != INDEXED or handled.document is None:
            violations, policies = handled.assessed.violations, self.pipeline.policies
            return None, [violation for violation in violations if policies[violation.kind] is not Policy.ALLOW]
        return handled.document._replace(id=bytes.fromhex(quarantined["_id"])), []


def entry_of(quarantined: dict[str, Any]) -> Entry:
    """Return the entry as it was quarantined, with its raw text redacted."""
    return Entry(
        quarantined["raw"],
        quarantined["stream"],
        quarantined.get("time"),
        quarantined["log"]["offset"],
        1,
        bytes.fromhex(quarantined["_id"])[DIGEST_AT:],
    )


def rejected_document(quarantined: dict[str, Any], prefix: str) -> Document | None:
    """Return a document that its index rejected, unchanged: the chain accepted it, so only the index can decide again.

    Its index follows from its time, which is the entry's: an index name in the entry is not trusted. None if the entry
    contains no such document.
    """
    try:
        body = orjson.loads(quarantined["raw"])
    except ValueError:
        return None
    stamp = body.get("@timestamp") if isinstance(body, dict) else None
    time_ms = time_of(stamp) if isinstance(stamp, str) else None
    if time_ms is None or time_ms != time_of(quarantined["@timestamp"]):
        return None
    id_ = bytes.fromhex(quarantined["_id"])
    return keyed(index_name(prefix, time_ms), id_, time_ms, body, quarantined["raw"].encode())


def time_of(stamp: str) -> int | None:
    """Return milliseconds since the epoch; None for a time outside the range of indices."""
    time_ms = parse_ms(stamp)
    return time_ms if time_ms is not None and 0 <= time_ms <= LATEST_MS else None


def damaged(why: str) -> Violation:
    """Return the reason for an entry that can never be released."""
    return Violation(Kind.ENVELOPE_INVALID, None, why)


def malformed_id(quarantined: dict[str, Any]) -> str | None:
    """Return the defect of an entry's id or time; None if it has none."""
    if ID.fullmatch(str(quarantined.get("_id"))) is None:
        return "its id is invalid"
    return "`@timestamp` is not a valid time" if time_of(quarantined["@timestamp"]) is None else None


def origin_of(document: dict[str, Any]) -> Origin:
    """Return the provenance recorded in a document."""
    container = document.get("container") or {}
    labels = container.get("labels") or {}
    return Origin(
        path=document["log"]["file"]["path"],
        source=container.get("id") or "",
        service=(document.get("service") or {}).get("name"),
        host=(document.get("host") or {}).get("name"),
        container_id=container.get("id"),
        container_name=container.get("name"),
        image=(container.get("image") or {}).get("name"),
        labels=labels,
        kubernetes=document.get("kubernetes") or {},
        require_correlation_id=require_of(labels),
        fields=paths_of(labels),
    )
