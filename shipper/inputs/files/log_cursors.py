"""The two cursors of a log, its checkpoints, and what delivery tells of them: held, rolled back, acknowledged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from shipper.inputs.files.cursor import Cursor
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.read_batch import Entries, EntriesPending, ReadBatch
from shipper.inputs.files.rotated_log import LogFiles
from shipper.model.source import Source
from shipper.state.checkpoint import Position, SavedLog
from shipper_processors.assemble import Assembler
from shipper_processors.fast_path import FastBatch
from shipper_schemas.entry import Entry


@dataclass(slots=True)
class LogCursors:
    """The count cursor and the ship cursor over the files of one log."""

    path: str
    kind: str
    source: Source
    new_assembler: Callable[[], Assembler]
    limits: Limits
    log: LogFiles
    count_cursor: Cursor
    ship_cursor: Cursor | None = None
    """None while both cursors are one."""
    sent_from: Position | None = None
    """Position of the oldest entry that is sent and not acknowledged; None where all are acknowledged."""
    size: int = 0
    """Bytes of the live file, when it was last looked at."""
    _entries: Entries | None = None
    """Those of the last read."""

    def _cursors(self) -> list[Cursor]:
        return [self.count_cursor] if self.ship_cursor is None else [self.count_cursor, self.ship_cursor]

    # --- one read ---------------------------------------------------------------------------------

    @contextmanager
    def _checkpointed(self, *, may_ship: bool) -> Iterator[Position | None]:
        """Record the ship position before reading; detach the ship cursor if the output is unavailable.

        Gives the position that the count cursor's next entries are shipped from, None where it reads for the counters
        alone. Afterwards both cursors are one again where nothing separates them.
        """
        self._require_consumed()
        together, before = self.ship_cursor is None, None
        if together:
            before = self.count_cursor.position()
            if not may_ship:
                self.ship_cursor, before = self._cursor_at(before, counts=False), None
        yield before
        self._rejoin()

    def _require_consumed(self) -> None:
        if self._entries is not None and not self._entries.consumed:
            raise EntriesPending(self.path)

    def _batch(self, entries: Iterator[Entry | FastBatch], before: Position | None, *, count: bool = True) -> ReadBatch:
        self._entries, moved = Entries(entries), 0
        if count:
            moved, self.count_cursor.bytes_read = self.count_cursor.bytes_read, 0
        return ReadBatch(self, self.source, self._entries, before, count, moved)

    # --- checkpoints ------------------------------------------------------------------------------

    def hold(self, position: Position | None) -> None:
        """Keep `position` as the oldest one sent and not acknowledged; None once everything sent is acknowledged."""
        self.sent_from = position

    def roll_back(self, position: Position) -> None:
        """Give up everything sent since `position`: it is read again from there, by the ship cursor alone."""
        self.sent_from, self.ship_cursor = None, self._cursor_at(position, counts=False)

    def release(self) -> None:
        """Let go of the files that both cursors are beyond and that are acknowledged."""
        first = min(cursor.next_key for cursor in self._cursors())
        self.log.release(first if self.sent_from is None else min(first, self.sent_from.file))

    def checkpoint(self) -> SavedLog:
        """Release files, and return what the state keeps of the log. Raises EntriesPending."""
        self._require_consumed()
        self.release()
        return SavedLog(
            self.path,
            self.kind,
            msgspec.json.encode(self.source.origin),
            self.count_cursor.position(),
            self.unshipped_from(),
            self.log.next_key,
            msgspec.msgpack.encode(self.log.beginnings),
            [file.saved() for file in self.log.files],
        )

    def restore(self, saved: SavedLog) -> None:
        """Go to a checkpoint, with no file open. Raises msgspec.MsgspecError or UnicodeDecodeError on damage."""
        self.log.files, self.log.next_key = [LogFile.restored(row) for row in saved.files], saved.next_key
        self.log.beginnings = msgspec.msgpack.decode(saved.beginnings, type=dict[bytes, int])
        self.count_cursor = self._cursor_at(saved.counted, counts=True)
        if saved.shipped is not None:
            self.ship_cursor = self._cursor_at(saved.shipped, counts=False)

    def _cursor_at(self, position: Position, *, counts: bool) -> Cursor:
        """Return a cursor at a position; one whose file is gone goes on with the next."""
        assembler = self.new_assembler()
        assembler.restore(position.residue)
        file = next((file for file in self.log.files if file.key >= position.file and not file.passed), None)
        exact = file is not None and file.key == position.file
        return Cursor(self.log, file, position.offset if exact else 0, assembler, counts, max(0, position.file - 1))

    def unshipped_from(self) -> Position | None:
        """Return where shipping goes on after a crash; None where that is where counting goes on."""
        if self.sent_from is not None:
            return self.sent_from
        return None if self.ship_cursor is None else self.ship_cursor.position()

    def _rejoin(self) -> None:
        """Make both cursors one again where they are level and carry the same partial entries."""
        ship, count = self.ship_cursor, self.count_cursor
        if ship is not None and ship.is_level_with(count):
            mine, other = ship.assembler, count.assembler
            if not (mine.waiting or other.waiting) or mine.residue() == other.residue():
                self.ship_cursor = None

    def place(self) -> tuple[object, ...]:
        """Return a value that changes with each movement of a cursor."""
        return tuple(cursor.place() for cursor in self._cursors())

    def lag_bytes(self) -> int:
        """Return the bytes on disk that are not acknowledged yet, as far as sizes are known."""
        cursor, live = self.ship_cursor or self.count_cursor, self.log.live()
        if cursor.file is None and self.sent_from is None:
            return self.size
        key, offset = (0 if cursor.file is None else cursor.file.key), cursor.offset
        if self.sent_from is not None:
            key, offset = self.sent_from.file, self.sent_from.offset
        if live is not None and key == live.key:
            return max(0, self.size - offset)
        sizes = [(file.handle.size() if file.handle else None) or 0 for file in self.log.files if file.key >= key]
        return max(0, sum(sizes) - offset)
