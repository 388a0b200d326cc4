"""Time filter: the pipeline of a replay, which skips events outside a time range."""

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
"""Outcome of events outside the time range."""
FOREVER_MS = 1 << 62


@dataclass(frozen=True, slots=True)
class Span:
    """Time range from `since_ms`, inclusive, to `until_ms`, exclusive; milliseconds since the epoch."""

    since_ms: int = -FOREVER_MS
    until_ms: int = FOREVER_MS


@dataclass(frozen=True, slots=True)
class TimeFilteredPipeline(Pipeline):
    """Pipeline for the events of a time range; records counter increments with their time in `history`.

    An entry on which a step failed is kept regardless of its time, which could not be read.
    """

    span: Span = field(default_factory=Span)
    history: "History | None" = None

    def document(self, assessed: Assessed, entry: Entry, source: Source) -> tuple[str, Document | None]:
        """Return outcome and document of an event in the range; `OUTSIDE` and None for others."""
        if not self._is_inside(assessed):
            return OUTSIDE, None
        return Pipeline.document(self, assessed, entry, source)

    def increments(self, assessed: Assessed, entry: Entry, origin: Origin) -> Sequence[Increment] | None:
        """Record and return the increments of an event in the range; None for others, which are not counted."""
        if not self._is_inside(assessed) and not _has_failed(assessed):
            return None
        increments = Pipeline.increments(self, assessed, entry, origin)
        if self.history is not None and increments:
            self.history.add(assessed.time_ms, increments)
        return increments

    def _is_inside(self, assessed: Assessed) -> bool:
        return self.span.since_ms <= assessed.time_ms < self.span.until_ms


def _has_failed(assessed: Assessed) -> bool:
    return any(violation.kind is Kind.INTERNAL_ERROR for violation in assessed.violations)
