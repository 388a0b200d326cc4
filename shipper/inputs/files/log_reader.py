"""Log reader: two cursors over the files of a log, each of which turns bytes into entries.

The count cursor also reads while the output is unavailable. Shipping follows the count cursor while the output keeps
up; if the output becomes unavailable, a separate ship cursor is detached, with its own position.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from shipper.inputs.files.chunks import read_chunk, skip_to_end
from shipper.inputs.files.compression import SUFFIXES
from shipper.inputs.files.cursor import Cursor
from shipper.inputs.files.handles import CompressedHandle, PlainHandle, inode_of
from shipper.inputs.files.log_cursors import LogCursors
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.long_lines import read_last_line
from shipper.inputs.files.read_batch import ReadBatch
from shipper.inputs.files.rotated_log import NEVER
from shipper_processors.assemble import PlainAssembler
from shipper_processors.fast_path import FastBatch
from shipper_schemas.entry import Entry

HELD_CHECK_S, ROTATED_CHECK_S = 1.0, 10.0
"""Seconds between checks of rotated files for late lines: while one is held open, and later."""


@dataclass(slots=True)
class LogReader(LogCursors):
    """One followed log. All times are monotonic seconds unless their name ends in `_ms`."""

    gone_at: float | None = None
    moving: bool = False
    """True while it waits to be followed at its new path; nothing is read then."""
    read_at: float = NEVER
    at_end: bool = False
    """True if the last read of the count cursor returned nothing."""
    read_failed: bool = False
    """True if the last read of the count cursor failed."""
    changed_ns: int = 0
    rotated_check_at: float = NEVER
    """Time of the next check of rotated files for late lines."""
    holds_rotated: bool = False
    """True while a rotated file is held open for late lines."""

    # --- polling ----------------------------------------------------------------------------------

    def poll(self, now: float) -> bool:
        """Check the rotated files if that is due, then the live path; return True if a read may return entries.

        Raises OSError if the file exists and cannot be opened.
        """
        if now >= self.rotated_check_at or self.path in self.attention.siblings:
            self.check_rotated(now)
        return self._poll_live(now)

    def check_rotated(self, now: float) -> None:
        """Note rotated files that have grown since the count cursor left them; close those that are quiet."""
        self.attention.siblings.discard(self.path)
        self.holds_rotated, quiet = False, self.limits.quiet(self.kind)
        for file in self.log.files:
            if file.has_late_reader or not self.has_left(file):
                continue
            size = file.present_size()
            if size is not None and size > file.fingerprint.offset:
                file.grown = True
            elif file.quiet_since is not None and now - file.quiet_since < quiet:
                self.holds_rotated = True
            elif file.quiet_since is not None:
                file.quiet_since = None
                if file.passed:
                    file.close()
        self.rotated_check_at = now + (HELD_CHECK_S if self.holds_rotated else ROTATED_CHECK_S)

    def has_left(self, file: LogFile) -> bool:
        """Return True if the count cursor has read a file and gone on."""
        at = self.count_cursor
        return file.passed or (file.key < at.key if at.file is not None else file.key <= at.last_key)

    def has_ended(self, file: LogFile, now: float) -> bool:  # noqa: ARG002 -- late lines need the time
        """Return True if a deleted file is not held for late lines any more."""
        return file.quiet_since is None and not file.grown

    def take_grown(self) -> list[LogFile]:
        """Return the rotated files that have grown; each has to get a late reader."""
        return [file for file in self.log.files if file.grown and self.has_left(file)]

    def _poll_live(self, now: float) -> bool:
        """Stat the live path, detect rotation, truncation and removal; return True if a read may return entries.

        A file that changed without growing, or before its first read, may have been copied and truncated in between;
        its content is compared then.

        Raises OSError if the file exists and cannot be opened.
        """
        if self.moving:
            return False
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            if self.log.live() is not None or self.log.moved():
                self._discover(now)
            self.gone_at = now if self.gone_at is None else self.gone_at
            return self._is_behind()
        self.gone_at = None
        changed, live = stat.st_mtime_ns != self.changed_ns, self.log.live()
        self.size, self.changed_ns = stat.st_size, stat.st_mtime_ns
        packed = self._is_packed(live)  # its size does not show how much is unread
        if live is None or self.log.fresh or self._replaced(live, stat, changed=changed, packed=packed):
            self._discover(now)
            return True
        if packed:
            return not self.at_end or self._is_behind()
        if changed and stat.st_size == live.fingerprint.offset:
            self._is_usable(live, now)
        self.at_end = stat.st_size <= live.fingerprint.offset and not self._is_behind()
        return not self.at_end

    def _is_packed(self, live: LogFile | None) -> bool:
        """Return True if the live file is compressed; by its name while it is closed."""
        if live is None or live.handle is None:
            return self.path.endswith(SUFFIXES)
        return isinstance(live.handle, CompressedHandle)

    @staticmethod
    def _replaced(live: LogFile, stat: os.stat_result, *, changed: bool, packed: bool) -> bool:
        """Return True if the live path may hold a different file, or the same file truncated."""
        known = live.fingerprint
        if inode_of(stat) != known.inode or (stat.st_size < known.offset and not packed):
            return True
        return changed and (known.offset == 0 or packed)

    def is_quiet(self) -> bool:
        """Return True if nothing happens in this log until its folder changes: no wait, no rest, no removal."""
        if self.gone_at is not None or self.holds_rotated:
            return False
        return not self._is_behind() and not self.count_cursor.assembler.has_waiting

    def _is_behind(self) -> bool:
        if self.ship_cursor is not None or self.gone_at is not None:
            return True
        return self.log.after(self.count_cursor.key) is not None

    def _discover(self, now: float) -> None:
        stopped = self.log.fresh
        self.log.discover(now)
        missing, self.log.missing = self.log.missing, []
        for file in missing:
            self._lose(file, stopped=stopped)
        for cursor in self._cursors():
            if cursor.file is None or not any(file is cursor.file for file in self.log.files):
                cursor.enter_next()
            elif cursor.counts:  # the file may have lost its end, or earlier lines
                cursor.offset = cursor.file.fingerprint.offset
            else:
                cursor.offset = min(cursor.offset, cursor.file.fingerprint.offset)
        self._cut_sent()

    def _lose(self, file: LogFile, *, stopped: bool) -> None:
        """Count a deleted file as lost, unless it was read and acknowledged to its end."""
        unshipped = self.unshipped_from() or self.count_cursor.position()
        if unshipped.file > file.key:
            return
        offset = unshipped.offset if unshipped.file == file.key else 0
        why = "deleted or emptied while the agent was stopped" if stopped else "deleted before it was read to its end"
        self.log.incidents.lose(file.path, offset, max(0, file.fingerprint.offset - offset), why)
        file.lost = True

    def let_go(self, file: LogFile, offset: int, why: str) -> None:
        """Give up what was not shipped of a file, from `offset` on: count it as lost, and go on with the next one."""
        self.log.incidents.lose(file.path, offset, max(0, file.fingerprint.offset - offset), why)
        file.lost = True
        file.close()
        self.log.forget(file)
        for cursor in self._cursors():
            if cursor.file is file:
                cursor.enter_next()
        self.attention.wake(self.path)

    def start_at_end(self) -> None:
        """Skip the present content, except for a last line without its newline."""
        skip_to_end(self.count_cursor, self.limits)

    # --- reading ----------------------------------------------------------------------------------

    def read(self, now: float, wall_ms: int, *, may_ship: bool = True) -> Iterator[ReadBatch]:
        """Yield the entries of one read by the count cursor, and by the ship cursor if it is detached.

        Raises OSError if a file cannot be read; batches yielded before stay valid. If the output is unavailable (not
        `may_ship`), entries are only counted.
        """
        with self._checkpointed(may_ship=may_ship) as before:
            entries = self._read_count(now)
            if entries is not None:
                yield self._batch(entries, before)
            if self.ship_cursor is not None and may_ship:
                yield from self._read_ship(self.ship_cursor, now, wall_ms)

    def _read_count(self, now: float) -> Iterator[Entry | FastBatch] | None:
        self.read_failed = True
        entries = self._read(self.count_cursor, now)
        self.at_end, self.read_failed = entries is None, False
        if entries is not None:
            self.read_at = now
        return entries

    def _read_ship(self, cursor: Cursor, now: float, wall_ms: int) -> Iterator[ReadBatch]:
        """Read with a detached ship cursor, up to the count cursor at most."""
        before = cursor.position()
        entries = self._read(cursor, now)
        if entries is not None:
            yield self._batch(entries, before, count=False)
        if self.count_cursor.assembler.has_waiting or not cursor.is_at(self.count_cursor):
            return
        if self._is_overdue(cursor, now, wall_ms):
            yield self._batch(cursor.assembler.flush_waiting(), cursor.position(), count=False)

    def overdue(self, now: float, wall_ms: int, *, may_ship: bool = True) -> Iterator[ReadBatch]:
        """At the end of the log, yield partial entries that have waited long enough for a continuation.

        A piece of a message whose end the runtime has still to write stays in the partial state.
        """
        if self.at_end and self._is_overdue(self.count_cursor, now, wall_ms):
            with self._checkpointed(may_ship=may_ship) as before:
                yield self._batch(self.count_cursor.assembler.flush_waiting(), before)

    def _is_overdue(self, cursor: Cursor, now: float, wall_ms: int) -> bool:
        if not cursor.assembler.has_waiting:
            return False
        if self.read_at == NEVER:  # restored from the state: the continuation may have been written since
            self.read_at = now
        cursor.set_overdue(self.read_at, now, wall_ms, self.limits.join_wait + 1)
        return now >= cursor.overdue_at

    # --- the end of a log -------------------------------------------------------------------------

    def read_to_end(self) -> Iterator[ReadBatch]:
        """Read the rest of a log that has ended, and flush partial entries. Raises OSError if it cannot be read."""
        return self._read_rest(self._rest, may_ship=True)

    def read_deleted(self, *, may_ship: bool = True) -> Iterator[ReadBatch]:
        """Read the rest of a deleted log, and flush partial entries; count an unreadable rest as lost."""

        def readable_rest() -> Iterator[Entry | FastBatch] | None:
            try:
                return self._rest()
            except OSError as error:
                offset, rest = self.count_cursor.offset, max(0, self.size - self.count_cursor.offset)
                self.log.incidents.lose(self.path, offset, rest, f"deleted, and its end cannot be read: {error}")
                return None

        return self._read_rest(readable_rest, may_ship=may_ship)

    def _read_rest(
        self, rest_of: Callable[[], Iterator[Entry | FastBatch] | None], *, may_ship: bool
    ) -> Iterator[ReadBatch]:
        assembler = self.count_cursor.assembler
        with self._checkpointed(may_ship=may_ship) as before:
            rest = rest_of()
            if rest is not None or assembler.has_partial:
                yield self._batch(chain(rest or (), assembler.flush()), before)

    def _rest(self) -> Iterator[Entry | FastBatch] | None:
        """Return the last lines of the count cursor's file; the last one may be incomplete."""
        cursor = self.count_cursor
        if cursor.file is None or cursor.file.handle is None:
            return None
        rest = read_chunk(cursor, self.limits) or read_last_line(cursor, self.limits)
        self.read_failed = False
        return rest

    def finished(self, now: float) -> bool:
        """Return True once the log was removed, and all that can be read of it was read and acknowledged."""
        if self.gone_at is None or now - self.gone_at < self.limits.rotate_wait or self.ship_cursor is not None:
            return False
        if self.sent_from is not None or not (self.at_end or self.read_failed):
            return False
        if any(file.is_held for file in self.log.files):
            return False
        file = self.count_cursor.file
        return (file is None or self.log.after(file.key) is None) and self.log.vanished()

    def hand_over(self) -> "LogReader | None":
        """Return the log that has to be committed together with the end of this one."""
        return None

    def close(self) -> None:
        """Close all files."""
        self.log.close()

    # --- from file to file ------------------------------------------------------------------------

    def _read(self, cursor: Cursor, now: float) -> Iterator[Entry | FastBatch] | None:
        """Read once, and go to the next file if one is finished; None if there is nothing to read now."""
        while (file := cursor.file) is not None:
            try:
                if not self._is_usable(file, now):
                    if cursor.file is file:
                        cursor.enter_next()
                    continue
                until = self._counted(file) if cursor is self.ship_cursor else None
                entries = read_chunk(cursor, self.limits, until)
                if entries is not None or not self._is_complete(cursor, file, now):
                    return entries
                last = read_last_line(cursor, self.limits) if until is None else None
            except OSError as error:
                if file.spooled:
                    self.let_go(file, cursor.offset, f"its rest in the spool cannot be read: {error}")
                    continue
                if not self._is_lost(file, now):
                    raise
                file.close()  # it has no name and cannot be opened again
                self._discover(now)
                continue
            cursor.enter_next()
            if cursor.counts:
                last = self._left(file, last, now)
            if last is not None:
                return last
        return None

    def _counted(self, file: LogFile) -> int:
        """Return the offset up to which a file was counted before the count cursor left it: late lines come later."""
        return self.count_cursor.offset if file is self.count_cursor.file else file.fingerprint.offset

    def _left(
        self, file: LogFile, last: Iterator[Entry | FastBatch] | None, now: float
    ) -> Iterator[Entry | FastBatch] | None:
        """Hold a file that was read for late lines; return the entries of its last line, if it has no newline."""
        if self.limits.quiet(self.kind) > 0 and isinstance(file.handle, PlainHandle):
            file.quiet_since, self.holds_rotated = now, True
        self.rotated_check_at = now + HELD_CHECK_S
        if not isinstance(self.count_cursor.assembler, PlainAssembler):
            return last
        if last is None:
            file.last_digest = self.count_cursor.assembler.partials().last
            return None
        return chain(last, self._note_digest(file))

    def _note_digest(self, file: LogFile) -> Iterator[Entry | FastBatch]:
        file.last_digest = self.count_cursor.assembler.partials().last
        yield from ()

    def _is_lost(self, file: LogFile, now: float) -> bool:
        """Return True if an unreadable file is given up: it has no name, and a later file exists."""
        if not file.gone or file.rotated_at is None or self.log.after(file.key) is None:
            return False
        return now - file.rotated_at >= self.limits.rotate_wait

    def _is_usable(self, file: LogFile, now: float) -> bool:
        """Return True if the file is open and still holds the bytes read from it; scan the folder if not."""
        if file.handle is None or (file.handle.size() is not None and not file.fingerprint.matches(file.handle)):
            self._discover(now)
        return file.handle is not None and any(file is known for known in self.log.files)

    def _is_complete(self, cursor: Cursor, file: LogFile, now: float) -> bool:
        """Return True if `file` cannot grow any more and a later one exists."""
        if cursor is self.ship_cursor:
            return file is not self.count_cursor.file and self.has_left(file)
        if file.rotated_at is None or self.log.after(file.key) is None:
            return False
        return now - file.rotated_at >= self.limits.settling(self.kind)
