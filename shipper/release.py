"""Release: a quarantined entry runs through the chain again, under the rules of today."""

from dataclasses import dataclass
from typing import Any

import orjson

from processors.document import searched_text
from processors.times import parse_ms
from schemas.entry import Entry, Origin
from schemas.violation import Kind, Policy, Violation
from shipper.batch import INDEXED
from shipper.pipeline import Pipeline
from shipper.ports import Document, Source

DIGEST_AT = 6


@dataclass(frozen=True, slots=True)
class Releaser:
    """Turns a quarantine document into what the main index would hold. Counters are not touched: they counted it."""

    pipeline: Pipeline

    def __call__(self, quarantined: dict[str, Any]) -> tuple[Document | None, list[Violation]]:
        """The document for the main index under the id it always had, or None and why it is still refused."""
        if any(reason["kind"] == Kind.ENVELOPE_INVALID for reason in quarantined["reasons"]):
            why = "the runtime's line is damaged: there is no entry in it to release"
            return None, [Violation(Kind.ENVELOPE_INVALID, None, why)]
        if any(reason["kind"] == Kind.REFUSED_BY_INDEX for reason in quarantined["reasons"]):
            return refused_document(quarantined), []
        entry, origin = entry_of(quarantined), origin_of(quarantined)
        assessed = self.pipeline.assess(entry, parse_ms(quarantined["@timestamp"]) or 0)
        outcome, document = self.pipeline.document(assessed, entry, Source.of(origin))
        if outcome != INDEXED or document is None:
            refused = [found for found in assessed.violations if self.pipeline.policies[found.kind] is not Policy.ALLOW]
            return None, refused
        return document._replace(id=bytes.fromhex(quarantined["_id"])), []


def entry_of(quarantined: dict[str, Any]) -> Entry:
    """The entry as it was when it was refused, its raw text redacted."""
    return Entry(
        quarantined["raw"],
        quarantined["stream"],
        quarantined.get("time"),
        quarantined["log"]["offset"],
        1,
        bytes.fromhex(quarantined["_id"])[DIGEST_AT:],
    )


def refused_document(quarantined: dict[str, Any]) -> Document:
    """A document that its index refused, as it was: the chain had accepted it, and only the index can tell now."""
    body = orjson.loads(quarantined["raw"])
    return Document(
        quarantined["index"],
        bytes.fromhex(quarantined["_id"]),
        parse_ms(body["@timestamp"]) or 0,
        body.get("correlation_id"),
        body.get("event"),
        body.get("level"),
        (body.get("container") or {}).get("name") or (body.get("service") or {}).get("name"),
        searched_text(body),
        quarantined["raw"].encode(),
    )


def origin_of(document: dict[str, Any]) -> Origin:
    """The provenance that a document tells of."""
    container = document.get("container", {})
    return Origin(
        path=document["log"]["file"]["path"],
        source=container.get("id", ""),
        service=document.get("service", {}).get("name"),
        host=document.get("host", {}).get("name"),
        container_id=container.get("id"),
        container_name=container.get("name"),
        image=container.get("image", {}).get("name"),
        labels=container.get("labels", {}),
        kubernetes=document.get("kubernetes", {}),
    )
