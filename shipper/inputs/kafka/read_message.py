"""Message reader: turns messages of a topic into documents. Pure: no connection to a broker.

`shipper.outputs.kafka.message` describes the format. Anyone may have written a message: an index name is accepted only
if it follows from the document's time, and that time only if it is close enough to the time of reading.
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
    """A message as received, from any writer."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """Timestamp of the message in its topic, in milliseconds since the epoch; negative if it has none."""
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class InvalidMessage(ValueError):
    """A message that no shipper wrote; the text names the problem."""


def documents(received: Received, prefixes: Prefixes, trusted: range = ANY_TIME, now_ms: int = 0) -> list[Document]:
    """Return the documents in a message. Raises InvalidMessage if any part of it differs from a shipper's format.

    A time outside `trusted` is replaced, with a note: by the timestamp of the message, which is the same at every
    reading, or by `now_ms` if that is outside, too.
    """
    if received.value is None:
        raise InvalidMessage("the message has no value")
    stand_in = received.timestamp_ms if received.timestamp_ms in trusted else now_ms
    headers = dict(received.headers)
    ids, index = _text(headers, ID).split(","), _text(headers, INDEX)
    bodies = [received.value] if len(ids) == 1 else received.value.split(b"\n")
    if len(bodies) != len(ids):
        raise InvalidMessage(f"{len(ids)} ids for {len(bodies)} lines")
    pairs = zip(ids, bodies, strict=True)
    return [_document(_id(text), index, body, prefixes, trusted, stand_in) for text, body in pairs]


def _text(headers: dict[str, bytes | None], name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise InvalidMessage(f"no header `{name}`")
    try:
        return value.decode("ascii")
    except UnicodeDecodeError as error:
        raise InvalidMessage(f"header `{name}` is not ASCII text") from error


def _id(text: str) -> bytes:
    try:
        digits = bytes.fromhex(text)
    except ValueError:
        digits = b""
    if len(text) != ID_DIGITS or digits.hex() != text:
        raise InvalidMessage(f"invalid id in header `{ID}`; expected {ID_DIGITS} hexadecimal digits")
    return digits


def _document(  # noqa: PLR0913, PLR0917 -- content of a message, and the bounds of its time
    id_: bytes, index: str, body: bytes, prefixes: Prefixes, trusted: range, stand_in_ms: int
) -> Document:
    try:
        event = orjson.loads(body)
    except ValueError as error:
        raise InvalidMessage("the value is not valid JSON") from error
    if not isinstance(event, dict):
        raise InvalidMessage("the value is not a JSON object")
    stamp = event.get("@timestamp")
    time_ms = parse_ms(stamp) if isinstance(stamp, str) else None
    if time_ms is None or not 0 <= time_ms <= LATEST_MS:
        raise InvalidMessage("invalid `@timestamp`")
    quarantined = index == index_name(prefixes.quarantine, time_ms)
    if quarantined:
        _require_quarantined(event)
    elif index != index_name(prefixes.events, time_ms):
        expected = f"{prefixes.events} or {prefixes.quarantine}"
        raise InvalidMessage(f"index {index[:LONGEST_SHOWN]!r} is not {expected} with the day of `@timestamp`")
    if time_ms not in trusted or (quarantined and _runtime_ms(event, time_ms) not in trusted):
        prefix = prefixes.quarantine if quarantined else prefixes.events
        event, time_ms = _restamped(event, time_ms, stand_in_ms, quarantined=quarantined), stand_in_ms
        index, body = index_name(prefix, time_ms), _encoded(event)
    return keyed(index, id_, time_ms, event, body)


def _runtime_ms(event: dict[str, Any], otherwise: int) -> int:
    """Return the runtime's time of a quarantined entry, which a release uses; `otherwise` if it has none."""
    time_ms = parse_ms(event["time"]) if isinstance(event.get("time"), str) else None
    return otherwise if time_ms is None else time_ms


def _restamped(event: dict[str, Any], time_ms: int, stand_in_ms: int, *, quarantined: bool) -> dict[str, Any]:
    """Return `event` with the time `stand_in_ms`, and a note about its own time."""
    note = skewed("@timestamp", time_ms, stand_in_ms, "the message's time").as_note()
    restamped = {**event, "@timestamp": format_ms(stand_in_ms)}
    if quarantined:
        restamped.pop("time", None)
        return {**restamped, "reasons": [*event["reasons"], note]}
    errors = inner(event, "schema").get("errors")
    return {**restamped, "schema": {"errors": [*(errors if isinstance(errors, list) else []), note]}}


def _encoded(event: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(event)
    except TypeError as error:
        raise InvalidMessage("the value is nested too deeply") from error


def _require_quarantined(event: dict[str, Any]) -> None:
    """Raise InvalidMessage if `event` is not a quarantined entry in the format of a node agent.

    An agent sends entries that the schema rejects to a topic. Entries that an index rejects come from the process that
    writes to the index, and a release trusts them.
    """
    if (problem := malformed(event)) is not None:
        raise InvalidMessage(f"invalid quarantine entry: {problem}")
    if Kind.REFUSED_BY_INDEX in kinds(event):
        raise InvalidMessage("an entry from a topic cannot be rejected by an index")


class QuarantineBuilder:
    """Builds quarantine entries from messages that no shipper wrote."""

    def __init__(self, prefixes: Prefixes, redactor: Redactor, host: str) -> None:
        """Use `host` as the node that reads the messages."""
        self._prefixes, self._redactor, self._host = prefixes, redactor, host
        self._renderers: dict[tuple[str, int], Renderer] = {}

    def __call__(
        self,
        received: Received,
        reason: str,
        now_ms: int,
        trusted: range = ANY_TIME,
        failures: Sequence[Violation] = (),
    ) -> Document:
        """Return the entry for one message, with the same id at every reading.

        `now_ms` is the time of a message whose timestamp is outside `trusted`. Internal `failures` precede the reason.
        """
        raw = self._redactor.redact_raw((received.value or b"").decode("utf-8", "backslashreplace"))
        reasons = [*failures, Violation(Kind.ENVELOPE_INVALID, None, self._redactor.redact_text(reason))]
        return self.entry(received, raw, reasons, now_ms, trusted)

    def entry(
        self, received: Received, raw: str, reasons: Sequence[Violation], now_ms: int, trusted: range = ANY_TIME
    ) -> Document:
        """Return the entry for text and reasons that are already redacted."""
        known = 0 <= received.timestamp_ms <= LATEST_MS
        time_ms = received.timestamp_ms if received.timestamp_ms in trusted else now_ms
        place = f"{received.topic}\0{received.partition}\0{received.offset}".encode()
        digest = hashlib.blake2b(place, digest_size=DIGEST_BYTES).digest()
        entry = Entry(raw, "unknown", None, received.offset, 1, digest)
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
            self._renderer(received).quarantined(raw, list(reasons), time_ms, target, entry),
        )

    def _renderer(self, received: Received) -> Renderer:
        place = (received.topic, received.partition)
        if place not in self._renderers:
            path = f"kafka://{received.topic}/{received.partition}"
            self._renderers[place] = Renderer(Origin(path=path, source=path, host=self._host))
        return self._renderers[place]
