"""Message: a document as a Kafka message. Pure: nothing here knows a broker.

One event is one message: key, the correlation id, so that what belongs together stays in order in one partition;
value, the document's JSON body as it is; headers `id` (40 hexadecimal digits) and `index`. Where several events are
framed in one message, the value holds one body a line and `id` their ids in the same order, separated by commas; all
of them belong to the one `index`.

`shipper.inputs.kafka.read_message` reads them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from shipper.model.documents import Document
from shipper_processors.route import is_daily

ID, INDEX = "id", "index"
FRAME_BYTES = 256 * 1024
"""Bodies framed in one message; a larger body stands alone."""


class Topics(NamedTuple):
    """Where messages go: events, and refused entries."""

    events: str
    quarantine: str


class Prefixes(NamedTuple):
    """What the names of daily indices begin with: of events, and of refused entries."""

    events: str
    quarantine: str


class Message(NamedTuple):
    """A message to send. `headers` are text and bytes, as both client libraries take them."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    documents: Sequence[Document]
    """What it carries, in the order of its lines."""


def messages(documents: Iterable[Document], topics: Topics, prefixes: Prefixes, each: int = 1) -> Iterator[Message]:
    """`documents` as messages of up to `each` events.

    Only neighbours of one index are framed together. No message has a time of its own: a topic would at once expire
    events that are older than its retention.
    """
    if each == 1:
        for document in documents:
            yield _message([document], topics, prefixes)
        return
    group: list[Document] = []
    size = 0
    for document in documents:
        size += len(document.body)
        if group and not (len(group) < each and size <= FRAME_BYTES and _alike(document, group[-1])):
            yield _message(group, topics, prefixes)
            group, size = [], len(document.body)
        group.append(document)
    if group:
        yield _message(group, topics, prefixes)


def _alike(document: Document, other: Document) -> bool:
    """Whether two documents may be framed together: a body of several lines stands alone."""
    return document.index == other.index and b"\n" not in document.body and b"\n" not in other.body


def _message(group: list[Document], topics: Topics, prefixes: Prefixes) -> Message:
    index, id_, _, correlation_id, _, _, container, _, body = group[0]
    key = correlation_id or container
    if len(group) == 1:
        ids = id_.hex()
    else:
        ids = ",".join([document.id.hex() for document in group])
        body = b"\n".join([document.body for document in group])
    refused = is_daily(index, prefixes.quarantine)
    return Message(
        topics.quarantine if refused else topics.events,
        None if key is None else key.encode("utf-8", "surrogatepass"),
        body,
        [(ID, ids.encode()), (INDEX, index.encode())],
        group,
    )
