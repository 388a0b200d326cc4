"""Documents on their way: one by one, or rendered together, in the order of their lines."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, overload


class Document(NamedTuple):
    """One document on its way to an index; the fields beside `body` are its search keys, so nobody parses it again.

    `body` is the complete JSON document without its id. `id` is 20 bytes: six of the entry's time in milliseconds
    since the epoch (big-endian, so that ids rise with time), fourteen of its digest.
    """

    index: str  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a document
    id: bytes
    time_ms: int
    correlation_id: str | None
    event: str | None
    level: str | None
    container: str | None
    text: str | None
    """What full-text search looks at: message, error message, stack trace, path."""
    body: bytes


def joined(pieces: list[Any]) -> bytes:
    """The lines of a bulk request: of blocks, and of single documents as bytes."""
    for piece in pieces:
        if type(piece) is not bytes:
            return bytes(piece.joined(pieces))
    return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class Rendered:
    """Documents of one index that are rendered as a bulk request has them; made into single ones where asked."""

    block: Any
    """`shipper_native.Documents`"""
    index: str
    container: str | None

    def __len__(self) -> int:
        return len(self.block)

    def __iter__(self) -> Iterator[Document]:
        for id_, time_ms, body, texts in self.block.rows():
            correlation_id, event, level, message, path, *rest = texts
            searched = [text for text in (message, path, *rest) if text is not None]
            text = "\n".join(searched) if searched else None
            columns = (self.index, id_, time_ms, correlation_id, event, level, self.container, text, body)
            yield tuple.__new__(Document, columns)


def indices_of(documents: Sequence[Document]) -> set[str]:
    """The daily indices that documents belong to."""
    if isinstance(documents, Documents):
        return set(documents.by_index())
    return {document.index for document in documents}


@dataclass(slots=True)
class Documents(Sequence[Document]):
    """The documents of a batch."""

    pieces: list[list[Document] | Rendered] = field(default_factory=list)
    bytes: int = 0
    """Of all bodies."""
    _length: int = 0

    def add(self, document: Document) -> None:
        """Take in one."""
        last = self.pieces[-1] if self.pieces else None
        if type(last) is list:
            last.append(document)
        else:
            self.pieces.append([document])
        self.bytes += len(document.body)
        self._length += 1

    def extend(self, rendered: Rendered) -> None:
        """Take in some that are rendered."""
        self.pieces.append(rendered)
        self.bytes += rendered.block.nbytes
        self._length += len(rendered)

    def by_index(self) -> Counter[str]:
        """How many belong to which daily index."""
        found: Counter[str] = Counter()
        for piece in self.pieces:
            if isinstance(piece, Rendered):
                found[piece.index] += len(piece)
            else:
                found.update(document.index for document in piece)
        return found

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Document]:
        for piece in self.pieces:
            yield from piece

    @overload
    def __getitem__(self, place: int) -> Document: ...
    @overload
    def __getitem__(self, place: slice) -> list[Document]: ...
    def __getitem__(self, place: int | slice) -> Document | list[Document]:
        return list(self)[place]
