"""The seams between the pipeline and the world: what a batch holds, what an output does, what a search asks."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.model.query import Query


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
