"""A round of reading: one read of every log that has something, overdue entries, and the rest of removed logs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.read_batch import CheckpointedLog, ReadBatch
from shipper.inputs.files.tailer import Tail
from shipper.system.clock import Clock


@dataclass(slots=True)
class ReadRound:
    """Reads all logs once, in turns; `moved`, `changed` and `removed` hold what was read, also of a round cut short."""

    tail: Tail
    now: float
    """When the round began (monotonic seconds)."""
    clock: Clock
    may_ship: Callable[[], bool] = lambda: True
    """False where the output is unavailable or has no room: entries are counted, and shipped later."""
    full: Callable[[], bool] = lambda: False
    """True ends the round before the next log is read; the next round begins with that one."""
    moved: bool = False
    """True once a cursor moved, so that there may be more to read."""
    changed: dict[str, CheckpointedLog] = field(default_factory=dict)
    """Logs whose checkpoint may be another one than before, by path."""
    removed: dict[str, LogReader] = field(default_factory=dict)
    """Logs that were read to their end after they were removed, by path."""

    def batches(self) -> Iterator[ReadBatch]:
        """Generate what is read; the entries of each batch are consumed before the next one is asked for.

        A log that cannot be read becomes one of `Tail.unreadable`.
        """
        for log in self.tail.ready(self.now):
            if self.full():
                self.moved = True
                return
            yield from self._read(log)
        for log in list(self.tail.logs.values()):
            if log.count_cursor.assembler.waiting:
                yield from self._noted(log, log.overdue(self.now, self.clock.wall_ms(), may_ship=self.may_ship()))
        for log in self.tail.removed(self.now):
            yield from self._noted(log, log.farewell(may_ship=self.may_ship()))
            self.changed[log.path] = self.removed[log.path] = log

    def _read(self, log: LogReader) -> Iterator[ReadBatch]:
        before = log.place()
        try:
            yield from self._noted(log, log.read(self.now, self.clock.wall_ms(), may_ship=self.may_ship()))
        except OSError as error:
            self.tail.unreadable[log.path] = error
        if log.place() != before:
            self.moved = True
            self.changed[log.path] = log
        elif log.gone_at is None:
            self.changed[log.path] = log  # its files may have other names

    def _noted(self, log: LogReader, batches: Iterator[ReadBatch]) -> Iterator[ReadBatch]:
        for batch in batches:
            self.changed[log.path] = log
            yield batch
