"""A batch: the result of one round of reading, before it is written and committed."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from shipper.model.documents import Document, Documents, Rendered
from shipper_schemas.metrics import Increment, SeriesKey

INDEXED, QUARANTINED, DROPPED, DUPLICATE = "indexed", "quarantined", "dropped", "duplicate"
OUTCOMES = (INDEXED, QUARANTINED, DROPPED, DUPLICATE)


class Written(NamedTuple):
    """Result of writing a batch; the first three add up to its length."""

    stored: int
    duplicates: int
    refused: int = 0
    """Rejected by their index, and stored in the quarantine or as dead letters instead."""
    retried: int = 0
    """Number of retries of its documents."""
    throttled: int = 0
    """Number of responses that asked to slow down (429)."""
    duplicate_entries: int = 0
    """Duplicates among the quarantined entries."""
    refused_entries: int = 0
    """Rejected documents among the quarantined entries: they became dead letters."""


def final_outcomes(decided: Counter[str], written: Written) -> Counter[str]:
    """Return the final outcomes of events: those that the pipeline `decided`, corrected by the output's result."""
    outcomes = Counter(decided)
    outcomes[QUARANTINED] -= written.duplicate_entries
    outcomes[INDEXED] -= written.duplicates - written.duplicate_entries
    outcomes[DUPLICATE] += written.duplicates
    moved = written.refused - written.refused_entries
    outcomes[INDEXED] -= moved
    outcomes[QUARANTINED] += moved
    return outcomes


@dataclass(slots=True)
class Tally:
    """Summed increments of counters, and single observations of histograms."""

    sums: defaultdict[SeriesKey, float] = field(default_factory=lambda: defaultdict(float))
    observations: list[Increment] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """Result of a round of reading: documents to write, increments to add, and lines by outcome."""

    documents: Documents = field(default_factory=Documents)
    counted: Tally = field(default_factory=Tally)
    lines: int = 0
    ended: dict[tuple[str, int], int] = field(default_factory=dict)
    """Number of events by outcome and number of lines."""

    def add(self, outcome: str, document: Document | None, lines: int) -> None:
        """Add the outcome of one event of `lines` physical lines."""
        ended = self.ended
        key = (outcome, lines)
        ended[key] = ended.get(key, 0) + 1
        if document is not None:
            self.documents.add(document)

    def extend(self, rendered: Rendered, outcome: str = INDEXED) -> None:
        """Add events of one line each, all of them for one index."""
        ended, key = self.ended, (outcome, 1)
        ended[key] = ended.get(key, 0) + len(rendered)
        self.documents.extend(rendered)

    def drop(self, number: int) -> None:
        """Add events of one line each that are dropped."""
        key = (DROPPED, 1)
        self.ended[key] = self.ended.get(key, 0) + number

    @property
    def bytes(self) -> int:
        """Bytes of the documents."""
        return self.documents.bytes

    def discard_unshipped(self) -> None:
        """Drop documents and outcomes, since they will be read again; counter increments stay."""
        self.documents, self.ended = Documents(), {}

    @property
    def events(self) -> Counter[str]:
        """Events by outcome, as the pipeline decided; an output may still report some as duplicates."""
        return self._sum(lambda _lines: 1)

    @property
    def lines_by_outcome(self) -> Counter[str]:
        """Physical lines by outcome."""
        return self._sum(lambda lines: lines)

    def _sum(self, weight: Callable[[int], int]) -> Counter[str]:
        sums: Counter[str] = Counter()
        for (outcome, lines), number in self.ended.items():
            sums[outcome] += number * weight(lines)
        return sums
