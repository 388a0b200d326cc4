"""Follow: what the inputs bring from now on, as the agent would store it, with nothing kept anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass

from shipper.inputs.files.read_batch import ReadBatch
from shipper.inputs.files.read_round import ReadRound
from shipper.inputs.files.tailer import Tail
from shipper.model.documents import Document
from shipper.pipeline.pipeline import Pipeline
from shipper.system.clock import Clock
from shipper_schemas.entry import Entry

Ended = tuple[str, Document]
"""An entry's outcome, and its document for the main index or the quarantine."""


@dataclass(slots=True)
class LiveTail:
    """Reads the logs of `tail` and runs them through `pipeline`. It opens files to read them and writes none."""

    tail: Tail
    pipeline: Pipeline
    clock: Clock
    scan_s: float = 1.0
    _scan_at: float = 0.0

    def turn(self) -> Iterator[Ended]:
        """What came since the last turn; entries that are dropped are passed over."""
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
            assert isinstance(entry, Entry)  # noqa: S101 -- no chain takes runs here
            handled = self.pipeline.handled(entry, batch.source, self.clock.wall_ms(), count=False)
            if handled.document is not None:
                yield handled.outcome, handled.document

    def close(self) -> None:
        """Give all descriptors back."""
        self.tail.close()
