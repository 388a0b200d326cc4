"""A read round: one read of every log with new data, overdue partial entries, and the rest of removed logs."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.read_batch import CheckpointedLog, ReadBatch
from shipper.inputs.files.tailer import Tail
from shipper.system.clock import Clock


@dataclass(slots=True)
class ReadRound:
    """Reads all logs once, in turn; `moved`, `changed` and `removed` hold for a partial round, too."""

    tail: Tail
    now: float
    """Start of the round (monotonic seconds)."""
    clock: Clock
    may_ship: Callable[[], bool] = lambda: True
    """False if the output is unavailable or full: entries are counted now and shipped later."""
    full: Callable[[], bool] = lambda: False
    """True ends the round before the next log; the next round starts with that log."""
    reads_ahead: int = 0
    """Number of reads that begin before the entries of earlier ones are consumed, so that threads can scan them."""
    bytes_ahead: int = 0
    """Bytes of these reads."""
    moved: bool = False
    """True if a cursor moved, so that there may be more to read."""
    changed: dict[str, CheckpointedLog] = field(default_factory=dict)
    """Logs whose checkpoint may have changed, by path."""
    removed: dict[str, LogReader] = field(default_factory=dict)
    """Removed logs that were read to their end, by path."""

    def batches(self) -> Iterator[ReadBatch]:
        """Yield the batches read; the entries of each are consumed before the next one is requested.

        A log that cannot be read is added to `Tail.unreadable`.
        """
        ahead: deque[tuple[ReadBatch, Iterator[ReadBatch]]] = deque()
        is_full = False
        for log in self.tail.ready(self.now):
            is_full = self.full()
            if is_full:
                self.moved = True
                break
            rest = self._read(log)
            for first in rest:
                ahead.append((first, rest))
                self.bytes_ahead += first.bytes
                break
            while len(ahead) > self.reads_ahead:
                yield from self._begun(*ahead.popleft())
        while ahead:
            yield from self._begun(*ahead.popleft())
        if is_full:
            return
        for log in self.tail.waiting():
            yield from self._recorded(log, log.overdue(self.now, self.clock.wall_ms(), may_ship=self.may_ship()))
        for log in self.tail.removed(self.now):
            yield from self._recorded(log, log.read_deleted(may_ship=self.may_ship()))
            self.changed[log.path] = self.removed[log.path] = log

    def _begun(self, first: ReadBatch, rest: Iterator[ReadBatch]) -> Iterator[ReadBatch]:
        """Yield the batches of a read that has begun with `first`."""
        self.bytes_ahead -= first.bytes
        yield first
        yield from rest

    def _read(self, log: LogReader) -> Iterator[ReadBatch]:
        before = log.progress_token()
        try:
            yield from self._recorded(log, log.read(self.now, self.clock.wall_ms(), may_ship=self.may_ship()))
        except OSError as error:
            self.tail.unreadable[log.path] = error
        if log.progress_token() != before:
            self.moved = True
            self.changed[log.path] = log
        elif log.gone_at is None:
            self.changed[log.path] = log  # its files may have been renamed

    def _recorded(self, log: LogReader, batches: Iterator[ReadBatch]) -> Iterator[ReadBatch]:
        for batch in batches:
            self.changed[log.path] = log
            yield batch
