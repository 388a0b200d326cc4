"""A batch: what one round of reading came to, before anyone has written or committed it."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from schemas.metrics import Increment, SeriesKey
from shipper.ports import Document

INDEXED, QUARANTINED, DROPPED, DUPLICATE = "indexed", "quarantined", "dropped", "duplicate"
OUTCOMES = (INDEXED, QUARANTINED, DROPPED, DUPLICATE)


@dataclass(slots=True)
class Tally:
    """Additions to counters, summed, and observations of histograms, one by one."""

    sums: defaultdict[SeriesKey, float] = field(default_factory=lambda: defaultdict(float))
    observations: list[Increment] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """What reading came to: documents to write, additions to make, and how many lines ended how."""

    documents: list[Document] = field(default_factory=list)
    counted: Tally = field(default_factory=Tally)
    bytes: int = 0
    lines: int = 0
    events: Counter[str] = field(default_factory=Counter)
    """Events by outcome, as decided; an output may still find some to be duplicates."""
    lines_by_outcome: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: str, document: Document | None, lines: int) -> None:
        """Take in what became of one event of `lines` physical lines."""
        self.events[outcome] += 1
        self.lines_by_outcome[outcome] += lines
        if document is not None:
            self.documents.append(document)
            self.bytes += len(document.body)
