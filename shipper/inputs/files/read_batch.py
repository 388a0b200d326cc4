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
    """A checkpoint was requested, or another read started, before the entries of the last read were consumed."""


class CheckpointedLog(Protocol):
    """A log as delivery and commit use it: sent positions are held, rolled back and saved."""

    path: str

    def hold(self, position: Position | None) -> None:
        """Keep `position` as the oldest one sent and not acknowledged; None once all are acknowledged.

        Until then the saved ship position does not pass it, and no file from it on is released.
        """

    def roll_back(self, position: Position) -> None:
        """Discard everything sent since `position`; the ship cursor reads it again from there."""

    def release(self) -> None:
        """Release the files that are not read again."""

    def checkpoint(self) -> SavedLog:
        """Release files, and return the checkpoint of the log.

        Raises EntriesPending while the entries of the last read are not consumed: they determine the partial state in
        the checkpoint.
        """


class Entries:
    """The entries of one read, generated as they are consumed; for one consumer.

    An entry must be processed before the next one is requested.
    """

    __slots__ = ("_entries", "consumed")

    def __init__(self, entries: Iterator[Entry | FastBatch]) -> None:
        """Start unconsumed."""
        self._entries, self.consumed = entries, False

    def __iter__(self) -> Iterator[Entry | FastBatch]:
        """Yield the entries, and set `consumed` at the end without a cost per entry."""
        return chain(self._entries, self._end())

    def _end(self) -> Iterator[Entry]:
        self.consumed = True
        yield from ()


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """Entries of one read of a log, to be consumed before the next read."""

    log: CheckpointedLog
    source: Source
    entries: Entries
    before: Position | None
    """Ship position before the first entry, for a roll back if these are not stored; None if they are not shipped."""
    count: bool = True
    """False if they have been counted already."""
    bytes: int = 0
    """Bytes read by the count cursor."""

    @property
    def path(self) -> str:
        """Path of the log."""
        return self.log.path

    @property
    def ship(self) -> bool:
        """True if the entries are sent to the output."""
        return self.before is not None

    @property
    def after(self) -> SavedLog:
        """Checkpoint of the log after these entries. Raises EntriesPending."""
        if not self.entries.consumed:
            raise EntriesPending(self.path)
        return self.log.checkpoint()
