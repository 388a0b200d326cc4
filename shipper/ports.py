"""The seams between the pipeline and the world: what a batch holds, what an output does, what a search asks."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from processors.document import Renderer
from schemas.entry import Origin


@dataclass(frozen=True, slots=True)
class Source:
    """A log's provenance, with what is derived from it once."""

    origin: Origin
    renderer: Renderer
    name: str | None
    """Container, or service: what a search for a container looks at."""

    @classmethod
    def of(cls, origin: Origin) -> "Source":
        """Prepare the provenance of one log."""
        return cls(origin, Renderer(origin), origin.container_name or origin.service)


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


class Written(NamedTuple):
    """What an output did with a batch; the first three add up to its length."""

    stored: int
    duplicates: int
    refused: int = 0
    """Stored in the quarantine instead, or as a dead letter, because the index would not have them."""
    retried: int = 0
    """How often one of them had to be sent again."""
    throttled: int = 0
    """How often the output asked for less (429)."""
    duplicate_entries: int = 0
    """Of the duplicates, those that were meant for the quarantine."""
    refused_entries: int = 0
    """Of the refused, those that were meant for the quarantine: they became dead letters."""


class Output(Protocol):
    """Where documents go. Submitting is idempotent by (index, id)."""

    url: str
    window: int
    """How many batches may be on their way at once."""

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Send `documents` on their way.

        The result comes once all of them are stored durably; OutputUnavailable in its place leaves it open which of
        them were. An output that is fast and local may do all of it before it returns.
        """

    def close(self) -> None:
        """Give up what is on its way, and release handles."""


def settled(written: Written) -> Future[Written]:
    """The result of a batch that needed no waiting."""
    done: Future[Written] = Future()
    done.set_result(written)
    return done


@dataclass(frozen=True, slots=True)
class Query:
    """A search. Times are milliseconds since the epoch, `since` inclusive, `until` exclusive."""

    correlation_id: str | None = None
    event: str | None = None
    level: str | None = None
    """This level and the more severe ones."""
    container: str | None = None
    """Container name, or the beginning of its id, or a service name."""
    text: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int | None = 100
    newest_first: bool = False


class Reader(Protocol):
    """The reading side of a store, usable while the agent writes."""

    def search(self, query: Query) -> Iterator[dict[str, Any]]:
        """Documents in the order of their time; each has `_id` and `_index` beside the body. Raises StoreUnreadable."""

    def quarantine(
        self,
        *,
        reason: str | None = None,
        mentioning: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Quarantined entries not yet released, in the order of their time, each with `_id` and `_index`.

        `mentioning` leaves those whose raw line holds that text.
        """

    def release(self, index: str, document_id: str, document: Document) -> None:
        """Store `document` and mark the quarantined entry released, in that order. Raises ReleaseRefused."""

    def close(self) -> None:
        """Release handles."""
