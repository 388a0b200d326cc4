"""An output for tests: documents in memory, by the name in the URL."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import orjson

from shipper.config.settings import Settings
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.model.quarantine_matches import QuarantineMatches
from shipper.model.query import Query
from shipper.outputs.base import Notice, Output, OutputFactory, Reader, Retention, completed
from shipper.outputs.query_filter import accepts
from shipper.system.errors import OutputUnavailable

STORES: defaultdict[str, dict[bytes, Document]] = defaultdict(dict)
CLOSED = "memory:closed"
"""The URL of an unavailable store."""


def validate(url: str) -> None:
    """Raise ValueError for a URL without a name."""
    if not url.partition(":")[2].isalpha():
        raise ValueError("expected memory:NAME, a word")


@dataclass
class MemoryStore:
    """Writes to one of STORES."""

    url: str
    window: int = 1

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Store the new documents."""
        store = STORES[self.url]
        new = {document.id: document for document in documents if document.id not in store}
        store |= new
        return completed(Written(len(new), len(documents) - len(new)))

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class MemoryReader:
    """Reads one of STORES."""

    url: str
    pause: Callable[[], None]

    def search(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yield the matching documents, by time."""
        wanted = accepts(query)
        for document in sorted(STORES[self.url].values(), key=lambda document: document.time_ms):
            self.pause()
            body = orjson.loads(document.body)
            if wanted(body):
                yield {**body, "_id": document.id.hex(), "_index": document.index}

    def quarantine(
        self,
        *,
        reason: str | None = None,
        mentioning: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Nothing is quarantined."""
        yield from ()

    def matching_quarantine(self, query: Query) -> QuarantineMatches:
        """Nothing is quarantined."""
        return QuarantineMatches()

    def release(self, index: str, document_id: str, document: Document) -> None:
        """Store the document."""
        STORES[self.url][document.id] = document

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class MemoryReaders:
    """Opens readers of one store."""

    url: str

    def open(self, pause: Callable[[], None] = lambda: None) -> Reader:
        """Open another reader."""
        return MemoryReader(self.url, pause)

    def close(self) -> None:
        """Nothing to close."""


class MemoryFactory(OutputFactory):
    """`memory:NAME`."""

    confirmation = "it is there"
    no_setup = "memory needs none"

    def output(self, settings: Settings) -> Output:
        """The writing side."""
        return MemoryStore(settings.output)

    def check(self, settings: Settings) -> None:
        """Raise OutputUnavailable for CLOSED."""
        if settings.output == CLOSED:
            raise OutputUnavailable("it is closed", "open it")

    def readers(self, settings: Settings, timeout: float | None = None) -> MemoryReaders:
        """The reading side."""
        return MemoryReaders(settings.output)

    def retention(self, settings: Settings) -> Retention | None:
        """Return one hour."""
        return Retention(3600.0, "the end of the process")

    def notices(self, settings: Settings) -> Iterator[Notice]:
        """Yield that the store is not persistent."""
        yield Notice("it ends with the process", "give local:DIR")


FACTORY = MemoryFactory()
