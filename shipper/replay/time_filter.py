"""Select: the pipeline of a replay, which takes the events of a span of time and leaves the others out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipper.model.documents import Document
from shipper.model.source import Source
from shipper.pipeline.pipeline import Assessed, Pipeline
from shipper_schemas.entry import Entry, Origin
from shipper_schemas.metrics import Increment
from shipper_schemas.violation import Kind

if TYPE_CHECKING:
    from shipper.metrics.openmetrics_history import History

OUTSIDE = "outside"
"""Outcome of events before `since` or from `until` on."""
FOREVER_MS = 1 << 62


@dataclass(frozen=True, slots=True)
class Span:
    """From `since_ms`, inclusive, to `until_ms`, exclusive; milliseconds since the epoch."""

    since_ms: int = -FOREVER_MS
    until_ms: int = FOREVER_MS


@dataclass(frozen=True, slots=True)
class Selecting(Pipeline):
    """The same steps on the events of a span; additions to counters are noted in `history` with their time.

    An entry that a step failed on is kept whatever its time: it could not be read.
    """

    span: Span = field(default_factory=Span)
    history: "History | None" = None

    def document(self, assessed: Assessed, entry: Entry, source: Source) -> tuple[str, Document | None]:
        """Outcome and document of an event of the span; `OUTSIDE` and None for others."""
        if not self._inside(assessed):
            return OUTSIDE, None
        return Pipeline.document(self, assessed, entry, source)

    def increments(self, assessed: Assessed, entry: Entry, origin: Origin) -> Sequence[Increment] | None:
        """Additions of an event of the span, noted in the history; None for others, which are not counted at all."""
        if not self._inside(assessed) and not _has_failed(assessed):
            return None
        added = Pipeline.increments(self, assessed, entry, origin)
        if self.history is not None and added:
            self.history.add(assessed.time_ms, added)
        return added

    def _inside(self, assessed: Assessed) -> bool:
        return self.span.since_ms <= assessed.time_ms < self.span.until_ms


def _has_failed(assessed: Assessed) -> bool:
    return any(violation.kind is Kind.INTERNAL_ERROR for violation in assessed.violations)
