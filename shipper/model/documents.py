"""Documents to write: single ones, and groups pre-encoded as a bulk body, in the order of their lines."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, overload

import orjson


class Document(NamedTuple):
    """One document for an index; the fields beside `body` are its search keys, so that no output parses it again.

    `body` is the complete JSON document without its id. `id` is 20 bytes: six of the entry's time in milliseconds
    since the epoch (big-endian, so that ids rise with time), fourteen of its digest.
    """

    index: str  # type: ignore[assignment]  # hides tuple.index, which no caller uses
    id: bytes
    time_ms: int
    correlation_id: str | None
    event: str | None
    level: str | None
    container: str | None
    text: str | None
    """Text that full-text search covers: message, path, error texts, event, strings of `extra`."""
    body: bytes
    trace_id: str | None = None
    """Another id by which the entry is found; None if it is the correlation id."""


def joined(pieces: list[Any]) -> bytes:
    """Return the lines of a bulk request, joined from native blocks and from single documents as bytes."""
    for piece in pieces:
        if type(piece) is not bytes:
            return bytes(piece.joined(pieces))
    return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class Rendered:
    """Documents of one index, pre-encoded as a bulk NDJSON body; iteration yields them one by one."""

    block: Any
    """`shipper_native.Documents`"""
    index: str
    container: str | None

    def __len__(self) -> int:
        return len(self.block)

    def __iter__(self) -> Iterator[Document]:
        from shipper_processors.render import extra_texts  # noqa: PLC0415 -- loads the chain, which a search seldom needs

        for id_, time_ms, body, texts in self.block.rows():
            correlation_id, event, level, message, path, *errors, extra, trace_id = texts
            texts_in_order = (message,) if self.block.quarantined else (message, path, *errors, event)
            searched = [text for text in texts_in_order if text is not None]
            if extra is not None:
                searched += extra_texts(orjson.loads(extra))
            text = "\n".join(searched) if searched else None
            columns = (self.index, id_, time_ms, correlation_id, event, level, self.container, text, body, trace_id)
            yield tuple.__new__(Document, columns)


def indices_of(documents: Sequence[Document]) -> set[str]:
    """Return the daily indices of the documents."""
    if isinstance(documents, Documents):
        return set(documents.by_index())
    return {document.index for document in documents}


@dataclass(slots=True)
class Documents(Sequence[Document]):
    """The documents of a batch."""

    chunks: list[list[Document] | Rendered] = field(default_factory=list)
    bytes: int = 0
    """Total size of all bodies."""
    _length: int = 0

    def add(self, document: Document) -> None:
        """Add one document."""
        last = self.chunks[-1] if self.chunks else None
        if type(last) is list:
            last.append(document)
        else:
            self.chunks.append([document])
        self.bytes += len(document.body)
        self._length += 1

    def extend(self, rendered: Rendered) -> None:
        """Add pre-encoded documents."""
        self.chunks.append(rendered)
        self.bytes += rendered.block.nbytes
        self._length += len(rendered)

    def join(self, later: "Documents") -> None:
        """Add the documents of another batch, which is not used any more."""
        self.chunks += later.chunks
        self.bytes += later.bytes
        self._length += len(later)

    @classmethod
    def of(cls, documents: list[Document]) -> "Documents":
        """Return single documents as a batch."""
        size = sum(len(document.body) for document in documents)
        return cls([documents] if documents else [], size, len(documents))

    def by_index(self) -> Counter[str]:
        """Return the number of documents per daily index."""
        counts: Counter[str] = Counter()
        for chunk in self.chunks:
            if isinstance(chunk, Rendered):
                counts[chunk.index] += len(chunk)
            else:
                counts.update(document.index for document in chunk)
        return counts

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Document]:
        for chunk in self.chunks:
            yield from chunk

    @overload
    def __getitem__(self, place: int) -> Document: ...
    @overload
    def __getitem__(self, place: slice) -> list[Document]: ...
    def __getitem__(self, place: int | slice) -> Document | list[Document]:
        return list(self)[place]
