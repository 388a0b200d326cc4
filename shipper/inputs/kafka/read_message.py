"""Reading messages: documents out of what came from a topic. Pure: nothing here knows a broker.

`shipper.outputs.kafka.message` says how a shipper writes them. What comes from a topic may have been written by anyone:
a name of an index is believed only where it is the one that the document's own time leads to, and that time only where
it is not too far from the time of reading.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from shipper.model.document_fields import inner, keyed
from shipper.model.documents import Document
from shipper.outputs.kafka.message import ID, INDEX, Prefixes
from shipper_processors.redact import Redactor
from shipper_processors.render import Renderer
from shipper_processors.route import document_id, index_name, skewed
from shipper_processors.times import LATEST_MS, format_ms, parse_ms
from shipper_schemas.entry import Entry, Origin
from shipper_schemas.quarantine import kinds, malformed
from shipper_schemas.violation import Kind, Violation

ID_DIGITS = 40
DIGEST_BYTES = 14
LONGEST_SHOWN = 60
ANY_TIME = range(LATEST_MS + 1)


class Received(NamedTuple):
    """A message as received; anybody may have written it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """Time of the message by its topic, in milliseconds since the epoch; negative where the topic has none."""
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class NotOurs(ValueError):
    """A message that no shipper wrote; the text says what is wrong with it."""


def documents(received: Received, prefixes: Prefixes, believed: range = ANY_TIME, now_ms: int = 0) -> list[Document]:
    """The documents in a message. Raises NotOurs where any part of it is not as a shipper writes it.

    A time that is not `believed` is replaced, with a note: by that of the message, which is the same at every reading,
    or where that is none to believe either, by `now_ms`.
    """
    if received.value is None:
        raise NotOurs("a message without a value")
    stand_in = received.timestamp_ms if received.timestamp_ms in believed else now_ms
    headers = dict(received.headers)
    ids, index = _text(headers, ID).split(","), _text(headers, INDEX)
    bodies = [received.value] if len(ids) == 1 else received.value.split(b"\n")
    if len(bodies) != len(ids):
        raise NotOurs(f"{len(ids)} ids for {len(bodies)} lines")
    pairs = zip(ids, bodies, strict=True)
    return [_document(_id(text), index, body, prefixes, believed, stand_in) for text, body in pairs]


def _text(headers: dict[str, bytes | None], name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise NotOurs(f"no header `{name}`")
    try:
        return value.decode("ascii")
    except UnicodeDecodeError as error:
        raise NotOurs(f"header `{name}` is no plain text") from error


def _id(text: str) -> bytes:
    try:
        digits = bytes.fromhex(text)
    except ValueError:
        digits = b""
    if len(text) != ID_DIGITS or digits.hex() != text:
        raise NotOurs(f"header `{ID}` is no id of {ID_DIGITS} hexadecimal digits")
    return digits


def _document(  # noqa: PLR0913, PLR0917 -- what a message says, and what of it is believed
    id_: bytes, index: str, body: bytes, prefixes: Prefixes, believed: range, stand_in_ms: int
) -> Document:
    try:
        event = orjson.loads(body)
    except ValueError as error:
        raise NotOurs("the value is no JSON") from error
    if not isinstance(event, dict):
        raise NotOurs("the value is no JSON object")
    stamp = event.get("@timestamp")
    time_ms = parse_ms(stamp) if isinstance(stamp, str) else None
    if time_ms is None or not 0 <= time_ms <= LATEST_MS:
        raise NotOurs("invalid `@timestamp`")
    refused = index == index_name(prefixes.quarantine, time_ms)
    if refused:
        _require_refused(event)
    elif index != index_name(prefixes.events, time_ms):
        known = f"{prefixes.events} or {prefixes.quarantine}"
        raise NotOurs(f"index {index[:LONGEST_SHOWN]!r} is not {known} with the day of `@timestamp`")
    if time_ms not in believed or (refused and _runtime_ms(event, time_ms) not in believed):
        prefix = prefixes.quarantine if refused else prefixes.events
        event, time_ms = _restamped(event, time_ms, stand_in_ms, refused=refused), stand_in_ms
        index, body = index_name(prefix, time_ms), _encoded(event)
    document = keyed(index, id_, time_ms, event, body)
    return document._replace(text=event["raw"]) if refused else document


def _runtime_ms(event: dict[str, Any], otherwise: int) -> int:
    """The runtime's time of a refused entry, which has its say at a release; `otherwise` where there is none."""
    time_ms = parse_ms(event["time"]) if isinstance(event.get("time"), str) else None
    return otherwise if time_ms is None else time_ms


def _restamped(event: dict[str, Any], time_ms: int, stand_in_ms: int, *, refused: bool) -> dict[str, Any]:
    """`event` under a time that is believed, with a note on its own."""
    note = skewed("@timestamp", time_ms, stand_in_ms, "the message's time").as_note()
    restamped = {**event, "@timestamp": format_ms(stand_in_ms)}
    if refused:
        restamped.pop("time", None)
        return {**restamped, "reasons": [*event["reasons"], note]}
    errors = inner(event, "schema").get("errors")
    return {**restamped, "schema": {"errors": [*(errors if isinstance(errors, list) else []), note]}}


def _encoded(event: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(event)
    except TypeError as error:
        raise NotOurs("the value is nested too deeply") from error


def _require_refused(event: dict[str, Any]) -> None:
    """Raise NotOurs where `event` is no entry of the quarantine as a node agent writes it.

    An agent sends to a topic the entries that the schema rejects. Entries that an index rejects come from the process
    that writes to the index, and a release would believe them.
    """
    if (wrong := malformed(event)) is not None:
        raise NotOurs(f"no entry of the quarantine: {wrong}")
    if Kind.REFUSED_BY_INDEX in kinds(event):
        raise NotOurs("no index refuses what goes to a topic")


class Foreign:
    """Makes entries of the quarantine from messages that no shipper wrote."""

    def __init__(self, prefixes: Prefixes, redactor: Redactor, host: str) -> None:
        """`host` is the node that reads them."""
        self._prefixes, self._redactor, self._host = prefixes, redactor, host
        self._renderers: dict[tuple[str, int], Renderer] = {}

    def __call__(self, received: Received, reason: str, now_ms: int, believed: range = ANY_TIME) -> Document:
        """The entry for one message, under an id that the same message has at every reading.

        `now_ms` stands in for the time of a message whose topic knows none that is `believed`.
        """
        known = 0 <= received.timestamp_ms <= LATEST_MS
        time_ms = received.timestamp_ms if received.timestamp_ms in believed else now_ms
        raw = self._redactor.redact_raw((received.value or b"").decode("utf-8", "backslashreplace"))
        place = f"{received.topic}\0{received.partition}\0{received.offset}".encode()
        digest = hashlib.blake2b(place, digest_size=DIGEST_BYTES).digest()
        entry = Entry(raw, "unknown", None, received.offset, 1, digest)
        reasons = [Violation(Kind.ENVELOPE_INVALID, None, self._redactor.redact_text(reason))]
        target = index_name(self._prefixes.events, time_ms)
        return Document(
            index_name(self._prefixes.quarantine, time_ms),
            document_id(received.timestamp_ms if known else 0, digest),
            time_ms,
            None,
            None,
            None,
            None,
            raw,
            self._renderer(received).refused(raw, reasons, time_ms, target, entry),
        )

    def _renderer(self, received: Received) -> Renderer:
        place = (received.topic, received.partition)
        if place not in self._renderers:
            path = f"kafka://{received.topic}/{received.partition}"
            self._renderers[place] = Renderer(Origin(path=path, source=path, host=self._host))
        return self._renderers[place]
