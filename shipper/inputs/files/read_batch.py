"""Read batches: the entries of one read of a log, with the checkpoints before and after them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from shipper.model.source import Source
from shipper.state.checkpoint import Position, SavedLog
from shipper_processors.fast_path import FastBatch
from shipper_schemas.entry import Entry


class EntriesPending(RuntimeError):
    """A checkpoint was asked for, or another read begun, before the entries of the last read were consumed."""


class CheckpointedLog(Protocol):
    """A log as delivery and commit know it: what was sent is held, rolled back, and saved."""

    path: str

    def hold(self, position: Position | None) -> None:
        """Keep `position` as the oldest one sent and not acknowledged; None once everything sent is acknowledged.

        Until then the saved ship position does not pass it, and no file from it on is let go.
        """

    def roll_back(self, position: Position) -> None:
        """Give up everything sent since `position`: it is read again from there, by the ship cursor alone."""

    def release(self) -> None:
        """Let go of the files that nobody reads again."""

    def checkpoint(self) -> SavedLog:
        """Release files, and return what the state keeps of the log.

        Raises EntriesPending while the entries of the last read are not consumed: the partial entries that the
        checkpoint carries follow from them.
        """


class Entries:
    """The entries of one read, generated while they are consumed; for one consumer.

    The work on one entry must be done before the next one is asked for.
    """

    __slots__ = ("_entries", "consumed")

    def __init__(self, entries: Iterator[Entry | FastBatch]) -> None:
        """Nothing is consumed yet."""
        self._entries, self.consumed = entries, False

    def __iter__(self) -> Iterator[Entry | FastBatch]:
        """Generate the entries; the end is noticed without a cost for each of them."""
        return chain(self._entries, self._end())

    def _end(self) -> Iterator[Entry]:
        self.consumed = True
        yield from ()


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """Entries of one read of a log, to be consumed before anything else is read of it."""

    log: CheckpointedLog
    source: Source
    entries: Entries
    before: Position | None
    """Ship position before the first entry, to go back to if these are not stored; None where they are not shipped."""
    count: bool = True
    """False where the count cursor has counted them before."""
    bytes: int = 0
    """Bytes that the count cursor moved over."""

    @property
    def path(self) -> str:
        """Path of the log."""
        return self.log.path

    @property
    def ship(self) -> bool:
        """True where they are to be sent to the output."""
        return self.before is not None

    @property
    def after(self) -> SavedLog:
        """Checkpoint of the log after these entries and all before them. Raises EntriesPending."""
        if not self.entries.consumed:
            raise EntriesPending(self.path)
        return self.log.checkpoint()
