"""Reading a log: two cursors over its files, each turning bytes into entries from its own position.

The count cursor goes on whether or not the output is available. The ship cursor is the same one while the output keeps
up, and is detached, with a position of its own, after the output was unavailable.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from shipper.inputs.files.chunks import read_chunk, skip_to_end
from shipper.inputs.files.cursor import Cursor
from shipper.inputs.files.handles import inode_of
from shipper.inputs.files.log_cursors import LogCursors
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.long_lines import read_last_line
from shipper.inputs.files.read_batch import ReadBatch
from shipper.inputs.files.rotated_log import NEVER
from shipper.inputs.files.rotated_names import GZIP
from shipper_processors.fast_path import FastBatch
from shipper_schemas.entry import Entry


@dataclass(slots=True)
class LogReader(LogCursors):
    """One followed log. All times are monotonic seconds unless they end in `_ms`."""

    gone_at: float | None = None
    read_at: float = NEVER
    at_end: bool = False
    """The last read of the count cursor gave nothing."""
    withheld: bool = False
    """The last read of the count cursor ended in an error."""
    changed_ns: int = 0

    # --- looking ----------------------------------------------------------------------------------

    def look(self, now: float) -> bool:
        """Stat the live path, notice rotation, truncation and removal; return True where a read may give something.

        A file that changed without growing, or before anything of it was read, may have been copied away and
        truncated meanwhile; its content then decides.

        Raises OSError where the file is there and cannot be opened.
        """
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            if self.log.live() is not None or self.log.moved():
                self._discover(now)
            self.gone_at = now if self.gone_at is None else self.gone_at
            return self._behind()
        self.gone_at = None
        changed, live = stat.st_mtime_ns != self.changed_ns, self.log.live()
        self.size, self.changed_ns = stat.st_size, stat.st_mtime_ns
        packed = self.path.endswith(GZIP)  # its size says nothing of how far it is read
        if live is None or self.log.fresh or self._replaced(live, stat, changed=changed, packed=packed):
            self._discover(now)
            return True
        if packed:
            return not self.at_end or self._behind()
        if changed and stat.st_size == live.identity.offset:
            self._usable(live, now)
        self.at_end = stat.st_size <= live.identity.offset and not self._behind()
        return not self.at_end

    @staticmethod
    def _replaced(live: LogFile, stat: os.stat_result, *, changed: bool, packed: bool) -> bool:
        """Return True where the live path may hold another file than the known one, or the same one truncated."""
        known = live.identity
        if inode_of(stat) != known.inode or (stat.st_size < known.offset and not packed):
            return True
        return changed and (known.offset == 0 or packed)

    def _behind(self) -> bool:
        if self.ship_cursor is not None or self.gone_at is not None:
            return True
        return self.log.after(self.count_cursor.key) is not None

    def _discover(self, now: float) -> None:
        self.log.discover(now)
        for cursor in self._cursors():
            if cursor.file is None or not any(file is cursor.file for file in self.log.files):
                cursor.enter_next()

    def start_at_end(self) -> None:
        """Skip everything that is there now, except for a line that has no end yet."""
        skip_to_end(self.count_cursor, self.limits)

    # --- reading ----------------------------------------------------------------------------------

    def read(self, now: float, wall_ms: int, *, may_ship: bool = True) -> Iterator[ReadBatch]:
        """Generate what one read gives: entries of the count cursor, and those of a detached ship cursor.

        Raises OSError where a file cannot be read; what was generated before stays valid. Where the output is not
        available (`may_ship`), entries are only counted.
        """
        with self._checkpointed(may_ship=may_ship) as before:
            entries = self._read_count(now)
            if entries is not None:
                yield self._batch(entries, before)
            if self.ship_cursor is not None and may_ship:
                yield from self._read_ship(self.ship_cursor, now, wall_ms)

    def _read_count(self, now: float) -> Iterator[Entry | FastBatch] | None:
        self.withheld = True
        entries = self._read(self.count_cursor, now, None)
        self.at_end, self.withheld = entries is None, False
        if entries is not None:
            self.read_at = now
        return entries

    def _read_ship(self, cursor: Cursor, now: float, wall_ms: int) -> Iterator[ReadBatch]:
        """Read on with a detached ship cursor, never beyond the count cursor."""
        before = cursor.position()
        until = self.count_cursor.offset if cursor.file is self.count_cursor.file else None
        entries = self._read(cursor, now, until)
        if entries is not None:
            yield self._batch(entries, before, count=False)
        if self.count_cursor.assembler.waiting or not cursor.is_level_with(self.count_cursor):
            return
        if self._is_overdue(cursor, now, wall_ms):
            yield self._batch(cursor.assembler.flush(), cursor.position(), count=False)

    def overdue(self, now: float, wall_ms: int, *, may_ship: bool = True) -> Iterator[ReadBatch]:
        """Generate the entries that waited long enough for a continuation, at the end of what is there."""
        if self.at_end and self._is_overdue(self.count_cursor, now, wall_ms):
            with self._checkpointed(may_ship=may_ship) as before:
                yield self._batch(self.count_cursor.assembler.flush(), before)

    def _is_overdue(self, cursor: Cursor, now: float, wall_ms: int) -> bool:
        if not cursor.assembler.waiting:
            return False
        if self.read_at == NEVER:  # restored from the state: the continuation may have been written meanwhile
            self.read_at = now
        cursor.wait(self.read_at, now, wall_ms, self.limits.join_wait + 1)
        return now >= cursor.overdue_at

    # --- the end of a log -------------------------------------------------------------------------

    def last_words(self) -> Iterator[ReadBatch]:
        """Read the rest of a log that ends, and flush partial entries. Raises OSError where it cannot be read."""
        return self._last_words(self._rest, may_ship=True)

    def farewell(self, *, may_ship: bool = True) -> Iterator[ReadBatch]:
        """Read the rest of a deleted log, and flush partial entries; what cannot be read any more counts as lost."""

        def readable_rest() -> Iterator[Entry | FastBatch] | None:
            try:
                return self._rest()
            except OSError:
                self.log.incidents.lost += 1
                return None

        return self._last_words(readable_rest, may_ship=may_ship)

    def _last_words(
        self, rest_of: Callable[[], Iterator[Entry | FastBatch] | None], *, may_ship: bool
    ) -> Iterator[ReadBatch]:
        assembler = self.count_cursor.assembler
        with self._checkpointed(may_ship=may_ship) as before:
            rest = rest_of()
            if rest is not None or assembler.waiting:
                yield self._batch(chain(rest or (), assembler.flush()), before)

    def _rest(self) -> Iterator[Entry | FastBatch] | None:
        """Return the last lines of the count cursor's file, the end of which need not be complete."""
        cursor = self.count_cursor
        if cursor.file is None or cursor.file.handle is None:
            return None
        rest = read_chunk(cursor, self.limits) or read_last_line(cursor, self.limits)
        self.withheld = False
        return rest

    def finished(self, now: float) -> bool:
        """Return True once the log was removed, and everything that could be read of it was read and acknowledged."""
        if self.gone_at is None or now - self.gone_at < self.limits.rotate_wait or self.ship_cursor is not None:
            return False
        if self.sent_from is not None or not (self.at_end or self.withheld):
            return False
        file = self.count_cursor.file
        return (file is None or self.log.after(file.key) is None) and self.log.vanished()

    # --- from file to file ------------------------------------------------------------------------

    def _read(self, cursor: Cursor, now: float, until: int | None) -> Iterator[Entry | FastBatch] | None:
        """Read once, going on to the next file where one is finished; None where there is nothing to be had now."""
        while (file := cursor.file) is not None:
            try:
                if not self._usable(file, now):
                    if cursor.file is file:
                        cursor.enter_next()
                    continue
                entries = read_chunk(cursor, self.limits, until)
                if entries is not None or not self._leaves(cursor, file, now):
                    return entries
                last = read_last_line(cursor, self.limits)
            except OSError:
                if not self._lost(file, now):
                    raise
                file.close()  # without a name it cannot be opened again
                self._discover(now)
                continue
            cursor.enter_next()
            if last is not None:
                return last
        return None

    def _lost(self, file: LogFile, now: float) -> bool:
        """Return True where an unreadable file is not waited for any more: it has no name, and another one follows."""
        if not file.gone or file.rotated_at is None or self.log.after(file.key) is None:
            return False
        return now - file.rotated_at >= self.limits.rotate_wait

    def _usable(self, file: LogFile, now: float) -> bool:
        """Return True where the file is open and still holds what was read of it; discover anew where it does not."""
        if file.handle is None or (file.handle.size() is not None and not file.identity.describes(file.handle)):
            self._discover(now)
        return file.handle is not None and any(file is known for known in self.log.files)

    def _leaves(self, cursor: Cursor, file: LogFile, now: float) -> bool:
        """Return True where a cursor at the end of `file` has nothing more to expect there."""
        if cursor is self.ship_cursor and cursor.file is self.count_cursor.file:
            return False
        if file.rotated_at is None or self.log.after(file.key) is None:
            return False
        return now - file.rotated_at >= self.limits.settling(self.kind)
