"""Documents as Kafka messages. Pure functions, no I/O.

One event is one message. The key is the correlation id, so that related events stay in order in one partition; the
value is the document's JSON body, unchanged; the headers are `id` (40 hexadecimal digits) and `index`. If several
events share a message, the value has one body a line and `id` their ids in the same order, separated by commas; all of
them belong to the same `index`.

`shipper.inputs.kafka.read_message` parses them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from shipper.model.documents import Document
from shipper_processors.route import is_daily

ID, INDEX = "id", "index"
FRAME_BYTES = 256 * 1024
"""Maximum bytes of bodies that share a message; a larger body has its own."""


class Topics(NamedTuple):
    """The topics of events and of quarantined entries."""

    events: str
    quarantine: str


class Prefixes(NamedTuple):
    """Prefixes of the daily indices of events and of quarantined entries."""

    events: str
    quarantine: str


class Message(NamedTuple):
    """A message to send. `headers` are pairs of text and bytes, as both client libraries accept them."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    documents: Sequence[Document]
    """The documents in the value, in the order of its lines."""


def messages(documents: Iterable[Document], topics: Topics, prefixes: Prefixes, each: int = 1) -> Iterator[Message]:
    """Yield `documents` as messages of up to `each` events.

    Only adjacent documents of one index share a message. Messages have no explicit timestamp: a topic would immediately
    delete events that are older than its retention.
    """
    if each == 1:
        for document in documents:
            yield _message([document], topics, prefixes)
        return
    group: list[Document] = []
    size = 0
    for document in documents:
        size += len(document.body)
        if group and not (len(group) < each and size <= FRAME_BYTES and _may_share_message(document, group[-1])):
            yield _message(group, topics, prefixes)
            group, size = [], len(document.body)
        group.append(document)
    if group:
        yield _message(group, topics, prefixes)


def _may_share_message(document: Document, other: Document) -> bool:
    """Return True if two documents may share a message: same index, and each body on one line."""
    return document.index == other.index and b"\n" not in document.body and b"\n" not in other.body


def _message(group: list[Document], topics: Topics, prefixes: Prefixes) -> Message:
    first, body = group[0], group[0].body
    key = first.correlation_id or first.container
    if len(group) == 1:
        ids = first.id.hex()
    else:
        ids = ",".join([document.id.hex() for document in group])
        body = b"\n".join([document.body for document in group])
    is_quarantined = is_daily(first.index, prefixes.quarantine)
    return Message(
        topics.quarantine if is_quarantined else topics.events,
        None if key is None else key.encode("utf-8", "surrogatepass"),
        body,
        [(ID, ids.encode()), (INDEX, first.index.encode())],
        group,
    )
