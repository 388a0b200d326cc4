"""A batch: what one round of reading came to, before anyone has written or committed it."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from shipper.model.documents import Document, Documents, Rendered
from shipper_schemas.metrics import Increment, SeriesKey

INDEXED, QUARANTINED, DROPPED, DUPLICATE = "indexed", "quarantined", "dropped", "duplicate"
OUTCOMES = (INDEXED, QUARANTINED, DROPPED, DUPLICATE)


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


def turned_out(decided: Counter[str], written: Written) -> Counter[str]:
    """Events by what became of them, where `decided` is what the pipeline made of them."""
    found = Counter(decided)
    found[QUARANTINED] -= written.duplicate_entries
    found[INDEXED] -= written.duplicates - written.duplicate_entries
    found[DUPLICATE] += written.duplicates
    moved = written.refused - written.refused_entries
    found[INDEXED] -= moved
    found[QUARANTINED] += moved
    return found


@dataclass(slots=True)
class Tally:
    """Additions to counters, summed, and observations of histograms, one by one."""

    sums: defaultdict[SeriesKey, float] = field(default_factory=lambda: defaultdict(float))
    observations: list[Increment] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """What reading came to: documents to write, additions to make, and how many lines ended how."""

    documents: Documents = field(default_factory=Documents)
    counted: Tally = field(default_factory=Tally)
    lines: int = 0
    ended: dict[tuple[str, int], int] = field(default_factory=dict)
    """How many events of how many lines ended how."""

    def add(self, outcome: str, document: Document | None, lines: int) -> None:
        """Take in what became of one event of `lines` physical lines."""
        ended = self.ended
        key = (outcome, lines)
        ended[key] = ended.get(key, 0) + 1
        if document is not None:
            self.documents.add(document)

    def extend(self, rendered: Rendered) -> None:
        """Take in events of one line each, all of them for the main index."""
        ended, key = self.ended, (INDEXED, 1)
        ended[key] = ended.get(key, 0) + len(rendered)
        self.documents.extend(rendered)

    @property
    def bytes(self) -> int:
        """Bytes of the documents."""
        return self.documents.bytes

    def unship(self) -> None:
        """Forget what was to be shipped, since it will be read again; what was counted stays."""
        self.documents, self.ended = Documents(), {}

    @property
    def events(self) -> Counter[str]:
        """Events by outcome, as decided; an output may still find some to be duplicates."""
        return self._sum(lambda _lines: 1)

    @property
    def lines_by_outcome(self) -> Counter[str]:
        """Physical lines by outcome."""
        return self._sum(lambda lines: lines)

    def _sum(self, weight: Callable[[int], int]) -> Counter[str]:
        found: Counter[str] = Counter()
        for (outcome, lines), number in self.ended.items():
            found[outcome] += number * weight(lines)
        return found
