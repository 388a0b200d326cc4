"""Reading a log: two heads over its files, each turning bytes into entries from its own position.

The *counted* head goes on whatever the output does. The *shipped* head is one with it while the output keeps up, and
goes by itself, from its own position, after the output was away.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from shipper.inputs.files.cursor import Cursor
from shipper.inputs.files.fingerprint import PREFIX, SEAM, hashed
from shipper.inputs.files.handles import inode_of
from shipper.inputs.files.rotated_log import NEVER, LogFile, LogFiles, Looked
from shipper.inputs.files.rotated_names import GZIP
from shipper.model.source import Source
from shipper.state.checkpoint import Position
from shipper_processors.assemble import Assembler, PlainAssembler
from shipper_processors.fast_path import FastBatch
from shipper_schemas.entry import Entry

BEGINNINGS = 64
LOOKED_THROUGH = 64 * 1024 * 1024
"""Bytes of a line that is too long which are passed over at once: a compressed one may go on for terabytes."""
SETTLING = {"docker": 0.0, "cri": 1.0}
"""Seconds in which a runtime may still write into a file it has rotated; other writers get `rotate_wait`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of reading: bytes at once, bytes a line, seconds to wait for late lines and for the rest of an entry."""

    chunk_bytes: int = 256 * 1024
    line_bytes: int = 1024 * 1024
    rotate_wait: float = 5.0
    join_wait: float = 1.0


@dataclass(slots=True)
class LogReader:
    """One followed log. All times are monotonic seconds unless they end in `_ms`."""

    path: str
    kind: str
    source: Source
    new_assembler: Callable[[], Assembler]
    limits: Limits
    log: LogFiles
    counted: Cursor
    shipped: Cursor | None = None
    """None while both heads are one."""
    sent_from: Position | None = None
    """Where the oldest batch began that is still on its way to the output; None where all is acknowledged."""
    beginnings: dict[bytes, int] = field(default_factory=dict)
    gone_at: float | None = None
    read_at: float = NEVER
    at_end: bool = False
    """The last read of the counted head gave nothing."""
    withheld: bool = False
    """The last read of the counted head ended in an error."""
    size: int = 0
    changed_ns: int = 0
    bytes_read: int = 0

    # --- is there anything ------------------------------------------------------------------------

    def look(self, now: float) -> bool:
        """One stat of the live path; notices rotation, truncation and removal. Whether a read may give something.

        A file that changed without growing, or before anything of it was read, may have been copied away and
        truncated meanwhile; what it holds then decides.

        Raises OSError where the file is there and cannot be opened.
        """
        live = self.log.live()
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            if live is not None or self.log.moved():
                self._discover(now)
            self.gone_at = now if self.gone_at is None else self.gone_at
            return self._behind()
        self.gone_at = None
        self.size, before, self.changed_ns = stat.st_size, self.changed_ns, stat.st_mtime_ns
        packed = self.path.endswith(GZIP)  # its size says nothing of how far it is read
        if (
            live is None
            or self.log.fresh
            or inode_of(stat) != live.identity.inode
            or (stat.st_size < live.identity.offset and not packed)
            or ((live.identity.offset == 0 or packed) and stat.st_mtime_ns != before)
        ):
            self._discover(now)
            return True
        if packed:
            return not self.at_end or self._behind()
        if stat.st_size == live.identity.offset and stat.st_mtime_ns != before:
            self._usable(live, now)
        self.at_end = stat.st_size <= live.identity.offset and not self._behind()
        return not self.at_end

    def _behind(self) -> bool:
        return self.shipped is not None or self.log.after(self.counted.key) is not None or self.gone_at is not None

    def _discover(self, now: float) -> None:
        self.log.discover(now)
        for cursor in self._cursors():
            if cursor.file is None or not any(file is cursor.file for file in self.log.files):
                self._enter(cursor, self.log.after(cursor.key))

    def _cursors(self) -> list[Cursor]:
        return [self.counted] if self.shipped is None else [self.counted, self.shipped]

    def start_at_end(self) -> None:
        """Pass over all that is there now, but for a line that has no end yet."""
        live = self.log.live()
        self._enter(self.counted, live)
        for file in self.log.files:
            if file is not live:
                self._pass_over(file)
        if live is None or live.handle is None:
            return
        size = live.handle.size() or 0
        while size > 0:
            start = max(0, size - self.limits.chunk_bytes)
            end = live.handle.read(start, size - start).rfind(b"\n") + 1
            if end:
                self._moved(self.counted, live, start + end, live.handle.read(max(0, start + end - SEAM), SEAM))
                self.bytes_read, live.begun = 0, True
                return
            size = start

    @staticmethod
    def _pass_over(file: LogFile) -> None:
        """Read no more of a file than it is known again by."""
        if file.handle is not None:
            beginning = file.handle.read(0, PREFIX)
            file.identity.grow(file.handle, len(beginning), beginning)
        file.passed = True
        file.close()

    # --- reading ----------------------------------------------------------------------------------

    def read_counted(self, now: float) -> Iterator[Entry | FastBatch]:
        """Entries that the counted head comes to with one read; empty at the end of what is there."""
        self.withheld = True
        entries = self._read(self.counted, now, None)
        self.at_end, self.withheld = entries is None, False
        if entries is None:
            return iter(())
        self.read_at = now
        return entries

    def read_shipped(self, now: float) -> Iterator[Entry | FastBatch]:
        """As `read_counted`, for a shipped head on its own; never goes beyond the counted one."""
        cursor = self.shipped
        if cursor is None:
            return iter(())
        until = self.counted.offset if cursor.file is self.counted.file else None
        entries = self._read(cursor, now, until)
        return iter(()) if entries is None else entries

    def overdue(self, now: float, wall_ms: int) -> Iterator[Entry | FastBatch]:
        """Entries of the counted head that waited long enough for a continuation, at the end of what is there."""
        return self._overdue(self.counted, now, wall_ms) if self.at_end else iter(())

    def overdue_shipped(self, now: float, wall_ms: int) -> Iterator[Entry | FastBatch]:
        """The same for a shipped head that has caught up; it waits for the counted one to have let go first."""
        if self.shipped is None or self.counted.assembler.waiting or not self._level():
            return iter(())
        return self._overdue(self.shipped, now, wall_ms)

    def _overdue(self, cursor: Cursor, now: float, wall_ms: int) -> Iterator[Entry | FastBatch]:
        if not cursor.assembler.waiting:
            return iter(())
        if self.read_at == NEVER:  # taken up from the state: what comes may have been written meanwhile
            self.read_at = now
        cursor.wait(self.read_at, now, wall_ms, self.limits.join_wait + 1)
        return cursor.assembler.flush() if now >= cursor.overdue_at else iter(())

    def _read(self, cursor: Cursor, now: float, until: int | None) -> Iterator[Entry | FastBatch] | None:
        """One read, going on to the next file where one is finished; None where there is nothing to be had now."""
        while (file := cursor.file) is not None:
            try:
                if not self._usable(file, now):
                    if cursor.file is file:
                        self._enter(cursor, self.log.after(file.key))
                    continue
                entries = self._chunk(cursor, file, until)
                if entries is not None or not self._leaves(cursor, file, now):
                    return entries
                last = self._rest(cursor, file)
            except OSError:
                if not self._lost(file, now):
                    raise
                file.close()  # without a name it cannot be opened again
                self._discover(now)
                continue
            self._enter(cursor, self.log.after(file.key))
            if last is not None:
                return last
        return None

    def _lost(self, file: LogFile, now: float) -> bool:
        """Whether an unreadable file is not waited for any more: it has no name, and another waits behind it."""
        if not file.gone or file.rotated_at is None or self.log.after(file.key) is None:
            return False
        return now - file.rotated_at >= self.limits.rotate_wait

    def _usable(self, file: LogFile, now: float) -> bool:
        """Whether the file is open and still holds what was read of it; looks around again where it does not."""
        if file.handle is None or (file.handle.size() is not None and not file.identity.describes(file.handle)):
            self._discover(now)
        return file.handle is not None and any(file is known for known in self.log.files)

    def _chunk(self, cursor: Cursor, file: LogFile, until: int | None) -> Iterator[Entry | FastBatch] | None:
        assert file.handle is not None  # noqa: S101 -- `_usable` was asked before
        if until is not None and until <= cursor.offset:
            return None
        if file.looked is not None and file.looked.begin == cursor.offset:
            return self._long_line(cursor, file, until)
        size = self.limits.chunk_bytes if until is None else self._at_once(until - cursor.offset)
        data = file.handle.read(cursor.offset, size)
        end = data.rfind(b"\n") + 1
        if end == 0 and data and until == cursor.offset + len(data):
            return self._unterminated(cursor, file, data)
        if end == 0:
            return self._long_line(cursor, file, until) if data and len(data) == size else None
        return self._entries(cursor, file, data[:end])

    def _entries(self, cursor: Cursor, file: LogFile, lines: bytes) -> Iterator[Entry | FastBatch]:
        if cursor.offset == 0:
            self._begin(cursor, file, lines[: lines.index(b"\n")])
        start = cursor.offset
        self._moved(cursor, file, start + len(lines), lines)
        return cursor.assembler.feed(lines, start)

    def _moved(self, cursor: Cursor, file: LogFile, offset: int, before: bytes) -> None:
        """`head` has read up to `offset`; `before` are the bytes that end there."""
        self.bytes_read += (offset - cursor.offset) if cursor is self.counted else 0
        if cursor is self.counted and file.handle is not None:
            if len(before) < min(SEAM, offset):
                before = file.handle.read(max(0, offset - SEAM), min(SEAM, offset))
            file.identity.grow(file.handle, offset, before)
        cursor.offset = offset

    def _begin(self, cursor: Cursor, file: LogFile, first_line: bytes) -> None:
        """A head starts a file; a plain one is told from earlier files that began alike."""
        if not isinstance(cursor.assembler, PlainAssembler):
            return
        if not file.begun:
            beginning = hashed(first_line)
            file.repeat, file.begun = self.beginnings.pop(beginning, 0), True
            self.beginnings[beginning] = file.repeat + 1
            while len(self.beginnings) > BEGINNINGS:
                del self.beginnings[next(iter(self.beginnings))]
        cursor.assembler.begin(file.repeat)

    def _long_line(self, cursor: Cursor, file: LogFile, until: int | None) -> Iterator[Entry | FastBatch] | None:
        """A line that no chunk holds: read whole where the bounds allow, else its beginning, once its end is seen.

        What has no end before `until` was a last line to the counted head, which stands there.
        """
        assert file.handle is not None  # noqa: S101
        bound, looked = self.limits.line_bytes, file.looked
        if looked is None or looked.begin != cursor.offset:
            left = bound + 1 if until is None else until - cursor.offset
            data = file.handle.read(cursor.offset, min(left, bound + 1))
            end = data.find(b"\n") + 1
            if end:
                return self._entries(cursor, file, data[:end])
            if len(data) <= bound:
                return self._unterminated(cursor, file, data) if len(data) == left else None
            kept = data[:bound] if file.handle.size() is None else b""
            looked = file.looked = Looked(cursor.offset, cursor.offset + len(data), kept)
        most = looked.until + LOOKED_THROUGH
        stop = most if until is None else min(most, until)
        while looked.until < stop and (piece := file.handle.read(looked.until, self._at_once(stop - looked.until))):
            newline = piece.find(b"\n")
            if newline >= 0:
                end = looked.until + newline
                return self._cut(cursor, file, looked, end, end + 1)
            looked.until += len(piece)
        if until is not None and looked.until >= until:
            return self._cut(cursor, file, looked, until, until)
        return iter(()) if looked.until >= most else None

    def _at_once(self, left: int) -> int:
        return min(self.limits.chunk_bytes, left)

    def _cut(self, cursor: Cursor, file: LogFile, looked: Looked, end: int, after: int) -> Iterator[Entry]:
        """The entry of a line that was looked through up to its `end`; what follows begins at `after`."""
        assert file.handle is not None  # noqa: S101
        beginning = looked.beginning or file.handle.read(cursor.offset, self.limits.line_bytes)
        return self._overlong(cursor, file, beginning, end, after)

    def _overlong(self, cursor: Cursor, file: LogFile, beginning: bytes, end: int, after: int) -> Iterator[Entry]:
        """The entry of which `beginning` is kept, from where `head` stands up to `end`; `head` goes on at `after`."""
        if cursor.offset == 0:
            self._begin(cursor, file, beginning)
        start, file.looked = cursor.offset, None
        self._moved(cursor, file, after, b"")
        return cursor.assembler.overlong(beginning, start, end - start)

    # --- from file to file ------------------------------------------------------------------------

    def _leaves(self, cursor: Cursor, file: LogFile, now: float) -> bool:
        """Whether `head`, at the end of `file`, has nothing more to expect there."""
        if cursor is self.shipped and cursor.file is self.counted.file:
            return False
        if file.rotated_at is None or self.log.after(file.key) is None:
            return False
        return now - file.rotated_at >= SETTLING.get(self.kind, self.limits.rotate_wait)

    def _rest(self, cursor: Cursor, file: LogFile) -> Iterator[Entry | FastBatch] | None:
        """The last line of a finished file where it has no newline."""
        assert file.handle is not None  # noqa: S101
        bound, looked = self.limits.line_bytes, file.looked
        known = looked is not None and looked.begin == cursor.offset and looked.beginning
        rest = known + b"+" if known else file.handle.read(cursor.offset, bound + 1)
        if getattr(file.handle, "damage", None) and cursor is self.counted:
            self.log.incidents.damaged += 1
        if len(rest) > bound:
            return self._cut_at_end(cursor, file, rest[:bound])
        return self._unterminated(cursor, file, rest) if rest else None

    def _cut_at_end(self, cursor: Cursor, file: LogFile, beginning: bytes) -> Iterator[Entry]:
        """The entry of a last line without its end that is too long to be read whole."""
        assert file.handle is not None  # noqa: S101
        end = self._looked_until(cursor, file, len(beginning))
        while piece := file.handle.read(end, self.limits.chunk_bytes):
            end += len(piece)
        return self._overlong(cursor, file, beginning, end, end)

    @staticmethod
    def _looked_until(cursor: Cursor, file: LogFile, least: int) -> int:
        return file.looked.until if file.looked and file.looked.begin == cursor.offset else cursor.offset + least

    def _unterminated(self, cursor: Cursor, file: LogFile, rest: bytes) -> Iterator[Entry | FastBatch]:
        """The entries of a last line that will get no newline any more."""
        start = cursor.offset
        if start == 0:
            self._begin(cursor, file, rest)
        self._moved(cursor, file, start + len(rest), rest)
        return cursor.assembler.feed(rest + b"\n", start)

    def _enter(self, cursor: Cursor, file: LogFile | None) -> None:
        if cursor is self.shipped and cursor.file is not None and cursor.offset < cursor.file.identity.offset:
            self.log.incidents.lost += 1
        cursor.past, cursor.file, cursor.offset = cursor.key, file, 0

    def release(self) -> None:
        """Let go of the files that both heads are beyond and that are acknowledged; called at each commit."""
        first = min(cursor.next_key for cursor in self._cursors())
        if self.sent_from is not None:
            first = min(first, self.sent_from.file)
        self.log.release(first)

    def finished(self, now: float) -> bool:
        """Whether the log was removed, and everything that could be read of it was."""
        if self.gone_at is None or now - self.gone_at < self.limits.rotate_wait or self.shipped is not None:
            return False
        if self.sent_from is not None or not (self.at_end or self.withheld):
            return False
        file = self.counted.file
        return (file is None or self.log.after(file.key) is None) and self.log.vanished()

    def last_words(self) -> Iterator[Entry | FastBatch]:
        """All that a removed log still holds back. Raises OSError where the end of its file cannot be read."""
        cursor, file = self.counted, self.counted.file
        rest = None
        if file is not None and file.handle is not None:
            rest = self._chunk(cursor, file, None) or self._rest(cursor, file)
            self.withheld = False
        return chain(rest or (), cursor.assembler.flush())

    def farewell(self) -> Iterator[Entry | FastBatch]:
        """The last words without what cannot be read any more, which is counted as lost."""
        try:
            return self.last_words()
        except OSError:
            self.log.incidents.lost += 1
            return self.counted.assembler.flush()

    # --- the two heads ----------------------------------------------------------------------------

    def position(self, cursor: Cursor) -> Position:
        """Where `head` stands, as it is saved."""
        return Position(cursor.next_key, cursor.offset, cursor.assembler.residue())

    def head_at(self, position: Position) -> Cursor:
        """A head at a saved position; one whose file is gone goes on with the next. Raises on a damaged residue."""
        assembler = self.new_assembler()
        assembler.restore(position.residue)
        file = next((file for file in self.log.files if file.key >= position.file and not file.passed), None)
        exact = file is not None and file.key == position.file
        return Cursor(file, position.offset if exact else 0, assembler, max(0, position.file - 1))

    def part(self, position: Position) -> None:
        """The output failed, or has no room: shipping will go on by itself from `position`."""
        self.shipped = self.head_at(position)

    def unshipped_from(self) -> Position | None:
        """Where shipping goes on after a crash; None where that is where counting goes on."""
        if self.sent_from is not None:
            return self.sent_from
        return None if self.shipped is None else self.position(self.shipped)

    def rejoin(self) -> bool:
        """Make both heads one again where they stand level and carry the same; whether they are one now."""
        if self.shipped is not None and self._level():
            mine, other = self.shipped.assembler, self.counted.assembler
            if not (mine.waiting or other.waiting) or mine.residue() == other.residue():
                self.shipped = None
        return self.shipped is None

    def whereabouts(self) -> tuple[object, ...]:
        """Where both heads stand, to tell whether one moved: a file of which nothing was read gets another key anew."""
        files = ((cursor.file, cursor.offset) for cursor in self._cursors())
        return tuple(
            (file and file.identity.inode, offset, file and file.looked and file.looked.until) for file, offset in files
        )  # fmt: skip

    def lag_bytes(self) -> int:
        """Bytes on disk that are not acknowledged yet, as far as sizes are known."""
        cursor, live = self.shipped or self.counted, self.log.live()
        if cursor.file is None and self.sent_from is None:
            return self.size
        key, offset = (0 if cursor.file is None else cursor.file.key), cursor.offset
        if self.sent_from is not None:
            key, offset = self.sent_from.file, self.sent_from.offset
        if live is not None and key == live.key:
            return max(0, self.size - offset)
        sizes = [(file.handle.size() if file.handle else None) or 0 for file in self.log.files if file.key >= key]
        return max(0, sum(sizes) - offset)

    def _level(self) -> bool:
        cursor = self.shipped
        return cursor is not None and cursor.file is self.counted.file and cursor.offset == self.counted.offset
