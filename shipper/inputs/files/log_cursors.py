"""The two cursors of a log and its checkpoints: held, rolled back, acknowledged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from shipper.inputs.files.attention import Attention
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

EARLIER = b"earlier"
"""Start of the machine in the checkpoint of a log that was not looked at since another start."""


@dataclass(slots=True)
class LogCursors:
    """The count cursor and the ship cursor of one log."""

    path: str
    kind: str
    source: Source
    new_assembler: Callable[[], Assembler]
    limits: Limits
    log: LogFiles
    count_cursor: Cursor
    attention: Attention
    """Notified when the log has to be read again."""
    ship_cursor: Cursor | None = None
    """None while shipping follows the count cursor."""
    sent_from: Position | None = None
    """Position of the oldest entry that is sent and not acknowledged; None if all are acknowledged."""
    boot: bytes = b""
    """Identity of the machine's start, as `shipper.system.boot` reads it."""
    size: int = 0
    """Size of the live file at the last poll, in bytes."""
    _entries: Entries | None = None
    """Entries of the last read."""

    def _cursors(self) -> list[Cursor]:
        return [self.count_cursor] if self.ship_cursor is None else [self.count_cursor, self.ship_cursor]

    # --- one read ---------------------------------------------------------------------------------

    @contextmanager
    def _checkpointed(self, *, may_ship: bool) -> Iterator[Position | None]:
        """Record the ship position before reading; detach the ship cursor if the output is unavailable.

        Yields the position from which the count cursor's next entries are shipped, None if they are only counted.
        Attaches the ship cursor again afterwards if both cursors are level.
        """
        self._require_consumed()
        together, before = self.ship_cursor is None, None
        if together:
            before = self.count_cursor.position()
            if not may_ship:
                self.ship_cursor, before = self._cursor_at(before, counts=False), None
        yield before
        self._reattach()

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
        """Keep `position` as the oldest one sent and not acknowledged; None once all are acknowledged."""
        self.sent_from = position
        self.attention.wake(self.path)

    def roll_back(self, position: Position) -> None:
        """Discard everything sent since `position`; the ship cursor reads it again from there."""
        self.sent_from, self.ship_cursor = None, self._cursor_at(position, counts=False)
        self.attention.wake(self.path)

    def release(self) -> None:
        """Release the files that both cursors have read and that are acknowledged."""
        first = min(cursor.next_key for cursor in self._cursors())
        self.log.release(first if self.sent_from is None else min(first, self.sent_from.file))
        if any(file.grown for file in self.log.files):
            self.attention.wake(self.path)

    def checkpoint(self) -> SavedLog:
        """Release files, and return the checkpoint of the log. Raises EntriesPending."""
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
            [file.saved(self.kind) for file in self.log.files],
            EARLIER if self.log.rebooted else self.boot,
        )

    def restore(self, saved: SavedLog) -> None:
        """Go to a checkpoint, with no file open. Raises msgspec.MsgspecError or UnicodeDecodeError if it is damaged."""
        self.log.files, self.log.next_key = [LogFile.restored(row) for row in saved.files], saved.next_key
        self.log.beginnings = msgspec.msgpack.decode(saved.beginnings, type=dict[bytes, int])
        self.log.rebooted = saved.boot != self.boot and bool(saved.boot)
        self.count_cursor = self._cursor_at(saved.count_position, counts=True)
        if saved.ship_position is not None:
            self.ship_cursor = self._cursor_at(saved.ship_position, counts=False)

    def _cursor_at(self, position: Position, *, counts: bool) -> Cursor:
        """Return a cursor at a position, or at the start of the next file if its file is gone."""
        assembler = self.new_assembler()
        assembler.restore(position.partial_state)
        file = next((file for file in self.log.files if file.key >= position.file and not file.passed), None)
        offset = 0
        if file is not None and file.key == position.file:
            offset = min(position.offset, file.fingerprint.offset)  # the file may have lost its end since
        return Cursor(self.log, file, offset, assembler, counts, max(0, position.file - 1))

    def _cut_sent(self) -> None:
        """Let the position of the oldest entry that is not acknowledged not pass the end of a shortened file."""
        sent = self.sent_from
        file = None if sent is None else next((file for file in self.log.files if file.key == sent.file), None)
        if sent is not None and file is not None and sent.offset > file.fingerprint.offset:
            self.sent_from = Position(sent.file, file.fingerprint.offset, sent.partial_state)

    def unshipped_from(self) -> Position | None:
        """Return the position from which shipping resumes after a crash; None if it is the count position."""
        if self.sent_from is not None:
            return self.sent_from
        return None if self.ship_cursor is None else self.ship_cursor.position()

    def _reattach(self) -> None:
        """Attach the ship cursor again if both are at the same byte with the same partial state."""
        ship, count = self.ship_cursor, self.count_cursor
        if ship is not None and ship.is_at(count):
            mine, other = ship.assembler, count.assembler
            if not (mine.has_partial or other.has_partial) or mine.has_same_partials(other):
                self.ship_cursor = None

    def progress_token(self) -> tuple[object, ...]:
        """Return a value that changes with each movement of a cursor."""
        return tuple(cursor.progress_token() for cursor in self._cursors())

    def lag_bytes(self) -> int:
        """Return the bytes on disk that are not acknowledged, as far as sizes are known."""
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
