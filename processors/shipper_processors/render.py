"""Render an event and its provenance as one JSON document.

The provenance is the same for all lines of a file, so it is encoded once and appended to each event.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from shipper_processors.chain_plan import RENDERING
from shipper_processors.times import format_ms
from shipper_schemas.entry import Entry, Origin
from shipper_schemas.mapping import LONGEST_KEYWORD
from shipper_schemas.violation import Violation

FIRST_SEARCHED, SECOND_SEARCHED, *RARELY_SEARCHED, EXTRA_SEARCHED = RENDERING.searched
NO_KEYS: Mapping[str, str] = {}
MOST_EXTRA = 256
"""Maximum number of strings of an event's `extra` that full-text search covers."""
CONTAINERS = (dict, list, tuple)
"""A tuple: testing against a union takes twice as long."""


def provenance(origin: Origin) -> dict[str, Any]:
    """Return the fields that describe where lines come from, except stream and offset."""
    fields: dict[str, Any] = {}
    labels = origin.labels or None
    if origin.container_id:
        own = None if origin.kubernetes else labels
        container = {"id": origin.container_id, "name": origin.container_name, "labels": own}
        if origin.image:
            container["image"] = {"name": origin.image}
        fields["container"] = {key: value for key, value in container.items() if value is not None}
    if origin.kubernetes:
        fields["kubernetes"] = {**origin.kubernetes, "labels": labels} if labels else origin.kubernetes
    if origin.service:
        fields["service"] = {"name": origin.service}
    if origin.host:
        fields["host"] = {"name": origin.host}
    fields["log"] = {"file": {"path": origin.path}}
    return {name: fields[name] for name in RENDERING.document if name in fields}


class Renderer:
    """Encodes the documents of one file."""

    __slots__ = ("_origin", "_tails")

    def __init__(self, origin: Origin) -> None:
        """Encode the provenance once, with the first document: most files of a node are quiet."""
        self._origin = origin
        self._tails: dict[str, bytes] | None = None

    def tail(self, stream: str) -> bytes:
        """Return the bytes that follow the event's fields in each document of a stream, up to the offset."""
        if self._tails is None:
            self._tails = {}
        tail = self._tails.get(stream)
        if tail is None:
            encoded = orjson.dumps(provenance(self._origin))[1:-2]
            tail = self._tails[stream] = b',"stream":"%s",%s,"offset":' % (stream.encode(), encoded)
        return tail

    def body(self, event: dict[str, Any], time_ms: int, entry: Entry) -> bytes:
        """Return the document: `@timestamp`, the event, the provenance. Raises TypeError if nested too deeply."""
        fields = orjson.dumps(event)
        return b'{"@timestamp":"%b"%b%b%b%d}}' % (
            format_ms(time_ms).encode(),
            b"," if event else b"",
            fields[1:-1],
            self.tail(entry.stream),
            entry.offset,
        )

    def quarantined(  # noqa: PLR0913, PLR0917 -- the parts of the document
        self,
        raw: str,
        violations: list[Violation],
        time_ms: int,
        index: str,
        entry: Entry,
        keys: Mapping[str, str] = NO_KEYS,
    ) -> bytes:
        """Return the quarantine document: search keys, reasons, raw line (redacted), and the entry's target index."""
        event = {**keys, "reasons": [violation.as_note() for violation in violations], "raw": raw, "index": index}
        if entry.time is not None:
            event["time"] = entry.time
        return self.body(event, time_ms, entry)


def searched_text(event: dict[str, Any]) -> str | None:
    """Return the text for full-text search: message, path, error texts, event and the strings of `extra`.

    None if the event has none of them. The event has passed `enforce`, so that each of these fields is a string.
    """
    message, path = event.get(FIRST_SEARCHED), event.get(SECOND_SEARCHED)
    text = message if path is None else path if message is None else f"{message}\n{path}"
    for name in RARELY_SEARCHED:
        if name in event:
            text = event[name] if text is None else f"{text}\n{event[name]}"
    extra = event.get(EXTRA_SEARCHED)
    if extra is not None:
        more = extra_texts(extra)
        if more:
            text = "\n".join(more if text is None else (text, *more))
    return text


def extra_texts(extra: object) -> list[str]:
    """Return the strings in `extra` that full-text search covers, in the order in which they were logged.

    At most MOST_EXTRA of them, and none longer than an index can search.
    """
    texts: list[str] = []
    waiting: list[Iterator[object]] = [iter((extra,))]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, str):
                if value and len(value) <= LONGEST_KEYWORD:
                    texts.append(value)
                    if len(texts) == MOST_EXTRA:
                        return texts
            elif isinstance(value, CONTAINERS) and value:
                waiting.append(iter(value.values() if isinstance(value, dict) else value))
                break
        else:
            waiting.pop()
    return texts
