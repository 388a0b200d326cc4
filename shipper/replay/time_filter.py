"""Select: the pipeline of a replay, which takes the events of a span of time and leaves the others out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipper.model.batch import Batch
from shipper.model.source import Source
from shipper.pipeline.pipeline import Assessed, Pipeline, also
from shipper_processors.fast_path import FastBatch
from shipper_schemas.entry import Entry
from shipper_schemas.metrics import Increment

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
    """The same steps on the events of a span."""

    span: Span = field(default_factory=Span)
    history: "History | None" = None

    def process(  # noqa: PLR0913 -- the two switches are the two positions
        self,
        entries: Iterable[Entry | FastBatch],
        source: Source,
        batch: Batch,
        now_ms: int,
        *,
        count: bool,
        ship: bool,
    ) -> None:
        """As the pipeline's, for events of the span; what they add to counters is noted with its time."""
        since_ms, until_ms = self.span.since_ms, self.span.until_ms
        for entry in entries:
            if isinstance(entry, FastBatch):
                raise TypeError("events of a run have no times of their own to choose by")
            batch.lines += entry.lines
            assessed: Assessed | None = None
            try:
                assessed = self.assess(entry, now_ms)
                inside = since_ms <= assessed.time_ms < until_ms
                found = self.document(assessed, entry, source) if ship and inside else (OUTSIDE, None)
            except Exception as error:  # noqa: BLE001 -- one entry that we cannot handle must not stop the rest
                failed = self._failed(entry, now_ms, error)
                inside, found = True, self.document(failed, entry, source)
                assessed = failed if assessed is None else also(assessed, failed)
            if ship:
                batch.add(*found, entry.lines)
            if count and inside:
                self.count(assessed, entry, source.origin, batch)
                if self.history is not None:
                    self.history.add(assessed.time_ms, self.increments(assessed, entry, source))

    def increments(self, assessed: Assessed, entry: Entry, source: Source) -> Iterable[Increment]:
        """What an event adds to the counters of the rules."""
        origin = source.origin
        return self.counting.increments(
            assessed.event, entry.stream, origin.service or "unknown", origin.http_source, origin.container_name or ""
        )
