"""Live tail: new entries of the inputs, processed as the agent would, and stored nowhere."""

from collections.abc import Iterator
from dataclasses import dataclass

from shipper.inputs.files.read_batch import ReadBatch
from shipper.inputs.files.read_round import ReadRound
from shipper.inputs.files.tailer import Tail
from shipper.model.documents import Document
from shipper.pipeline.pipeline import Pipeline
from shipper.system.clock import Clock
from shipper_processors.payload_split import split_documents
from shipper_schemas.entry import Entry

Ended = tuple[str, Document]
"""An entry's outcome, and its document for the main index or the quarantine."""


@dataclass(slots=True)
class LiveTail:
    """Reads the logs of `tail` and runs them through `pipeline`. It opens files for reading only."""

    tail: Tail
    pipeline: Pipeline
    clock: Clock
    scan_s: float = 1.0
    _scan_at: float = 0.0

    def turn(self) -> Iterator[Ended]:
        """Yield the entries that arrived since the last turn; dropped ones are skipped."""
        now = self.clock.monotonic()
        if now >= self._scan_at:
            self.tail.scan()
            self._scan_at = now + self.scan_s
        reading = ReadRound(self.tail, now, self.clock)
        for batch in reading.batches():
            yield from self._ended(batch)
        for log in reading.changed.values():
            log.release()
        for log in reading.removed.values():
            self.tail.forget(log)

    def _ended(self, batch: ReadBatch) -> Iterator[Ended]:
        for entry in batch.entries:
            assert isinstance(entry, Entry)  # noqa: S101 -- without a native chain there are no runs
            for part in split_documents(entry):
                handled = self.pipeline.handle(part, batch.source, self.clock.wall_ms(), count=False)
                if handled.document is not None:
                    yield handled.outcome, handled.document

    def close(self) -> None:
        """Close all files."""
        self.tail.close()
