"""Batches in flight: submitted to the output, and neither acknowledged nor rolled back yet."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable

Marks = TypeVar("Marks")
Key = TypeVar("Key")
Mark = TypeVar("Mark")


@dataclass(slots=True)
class Arrival:
    """Time at which a request finished (monotonic seconds); None until then.

    It holds no reference to the request, which holds one to it: a reference cycle would keep each batch until the
    garbage collector runs, and memory would grow under load.
    """

    clock: Clock
    at: float | None = None

    def note(self, _request: Future[Written]) -> None:
        """Record the time at which the request finished."""
        self.at = self.clock.monotonic()


@dataclass(slots=True)
class InFlight(Generic[Marks]):
    """A batch in flight."""

    request: Future[Written] | None
    """None while the batch waits for a retry."""
    marks: Marks
    """The sender's marks to commit the batch, or to roll back to its beginning."""
    events: Counter[str]
    lines: Counter[str]
    sent_at: float
    arrival: Arrival
    documents: Sequence[Document] | None = None
    """Kept only if a failed batch is retried unchanged."""

    def finished(self) -> Future[Written] | None:
        """Return the request once it is finished."""
        return self.request if self.request is not None and self.request.done() else None

    def failed(self) -> bool:
        """Return True if its request failed because the output was unavailable."""
        request = self.finished()
        return request is not None and isinstance(request.exception(), OutputUnavailable)


def oldest_marks(batches: Iterable[Mapping[Key, Mark]]) -> dict[Key, Mark]:
    """Return the mark of the oldest batch for each key; `batches` come oldest first."""
    marks: dict[Key, Mark] = {}
    for batch in batches:
        for key, mark in batch.items():
            marks.setdefault(key, mark)
    return marks
