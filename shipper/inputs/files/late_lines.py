"""Late lines: those that a writer adds to a rotated file after the log has gone on to its next file.

Rotated files stay open until they have not grown for a while, and are checked by stat for as long as they exist. One
that grew gets a reader of its own, with its own checkpoint, so that the live file does not wait for it.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec

from shipper.inputs.files.chunks import read_chunk
from shipper.inputs.files.cursor import Cursor
from shipper.inputs.files.handles import PlainHandle, open_handle
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.read_batch import ReadBatch
from shipper.inputs.files.rotated_log import NEVER, LogFiles
from shipper.state.checkpoint import SavedLog, late_path
from shipper_processors.assemble import PlainAssembler
from shipper_processors.partial_state import PartialState

CHUNKS_PER_TURN = 16
"""Chunks of a plain file that are read again in one turn, for the running digest of its lines."""


@dataclass(slots=True, kw_only=True)
class LateReader(LogReader):
    """Reads the late lines of one rotated file, until it has not grown for a while."""

    parent: LogReader
    original: LogFile
    """The file as its log knows it."""
    rereading: Cursor | None = None
    """Cursor that reads a plain file again up to the late lines: the digest of a line covers all lines before it."""

    # --- the file ---------------------------------------------------------------------------------

    @property
    def file(self) -> LogFile | None:
        """The rotated file; None if it cannot be read any more."""
        return self.log.files[0] if self.log.files else None

    def poll(self, now: float) -> bool:
        """Return True if there may be something to read. Raises OSError if the file exists and cannot be opened."""
        if self.moving or self.parent.log.fresh:  # after a restart: the log finds the present name first
            return False
        if self.read_at == NEVER:
            self.read_at = now
        file = self.file
        if file is None:
            self.at_end = True
            return self._is_behind()
        file.gone = self.original.gone or not self._is_known()
        if file.handle is None:
            self._discover(now)
            if file.handle is None:
                return self._is_behind()
        size = file.handle.size()
        if size is None:
            return not self.at_end or self._is_behind()
        self.size = size
        self.at_end = self.rereading is None and size <= file.fingerprint.offset and not self._is_behind()
        return not self.at_end

    def _is_known(self) -> bool:
        """Return True while the log has the file, as it is to be shipped or on disk."""
        return any(file is self.original for file in self.parent.log.files)

    def is_quiet(self) -> bool:
        """Return False: the wait for late lines ends by itself."""
        return False

    def _discover(self, now: float) -> None:  # noqa: ARG002 -- overrides
        """Open the file again under its present name, or give it up."""
        file = self.file
        if file is None:
            return
        file.close()
        self.log.open_spooled(file)
        if file.handle is not None and file.fingerprint.matches(file.handle):
            return
        with suppress(FileNotFoundError):
            handle = open_handle(self.original.path)
            if file.fingerprint.matches(handle):
                file.handle, file.path = handle, self.original.path
                return
            handle.close()
            self.original.gone = True  # another file has its name
        self.log.files.clear()
        self.rereading, self.at_end = None, True
        for cursor in self._cursors():
            cursor.enter_next()

    # --- reading ----------------------------------------------------------------------------------

    def restore(self, saved: SavedLog) -> None:
        """Go to a checkpoint. Raises msgspec.MsgspecError or UnicodeDecodeError if it is damaged."""
        LogReader.restore(self, saved)
        self._reread_if_needed()

    def _reread_if_needed(self) -> None:
        file, cursor = self.file, self.count_cursor
        if file is None or not isinstance(cursor.assembler, PlainAssembler) or cursor.assembler.partials().last:
            return
        if cursor.offset:
            self.rereading = Cursor(self.log, file, 0, self.new_assembler(), counts=False)

    def read(self, now: float, wall_ms: int, *, may_ship: bool = True) -> Iterator[ReadBatch]:
        """Yield the entries of one read; none while the lines before them are read again for the running digest."""
        if self.rereading is not None:
            self._require_consumed()
            self._reread(self.rereading)
        if self.rereading is None:
            yield from LogReader.read(self, now, wall_ms, may_ship=may_ship)

    def _reread(self, cursor: Cursor) -> None:
        """Read the file again for a while; at the late lines, continue with the digest."""
        end = self.count_cursor.offset
        for _ in range(CHUNKS_PER_TURN):
            entries = None if self.file is None or self.file.handle is None else read_chunk(cursor, self.limits, end)
            if entries is None:
                break
            for _entry in entries:
                pass
        else:
            return
        last = PartialState(last=cursor.assembler.partials().last)
        self.count_cursor.assembler.restore(msgspec.msgpack.encode(last))
        self.rereading = None

    def progress_token(self) -> tuple[object, ...]:
        """Return a value that changes with each movement of a cursor."""
        token = LogReader.progress_token(self)
        return token if self.rereading is None else (*token, self.rereading.offset)

    def has_ended(self, file: LogFile, now: float) -> bool:  # noqa: ARG002 -- overrides
        """Return True if the file has not grown for a while."""
        return now - self.read_at >= self.limits.quiet(self.kind)

    # --- the end ----------------------------------------------------------------------------------

    def finished(self, now: float) -> bool:
        """Return True once everything was read and acknowledged, and the file has not grown for a while."""
        if self.ship_cursor is not None or self.sent_from is not None or self.rereading is not None:
            return False
        if not (self.at_end or self.read_failed) or self.read_at == NEVER:
            return False
        if self.file is not None and self.file.has_late_lines():
            return False
        return (self.original.passed or not self._is_known()) and now - self.read_at >= self.limits.quiet(self.kind)

    def hand_over(self) -> LogReader:
        """Let the log know how far the file was read, and return it: both have to be committed at once."""
        if self.file is not None:
            self.original.fingerprint = self.file.fingerprint
        return self.parent

    def close(self) -> None:
        """Close the file; the log checks it again."""
        self.log.close()
        self.original.has_late_reader = False


def new_late_reader(parent: LogReader, original: LogFile, *, saved: SavedLog | None = None) -> LateReader:
    """Return a reader of the late lines of a log's file, from a checkpoint or from where the log has left it."""
    key, incidents = original.key, parent.log.incidents
    path = late_path(parent.path, key)
    log = LogFiles(
        path,
        parent.log.folders,
        next_key=key + 1,
        incidents=incidents,
        fresh=False,
        kind=parent.kind,
        spool=parent.log.spool,
    )
    reader = LateReader(
        path, parent.kind, parent.source, parent.new_assembler, parent.limits, log,
        Cursor(log, None, 0, parent.new_assembler()), parent.attention, boot=parent.boot,
        parent=parent, original=original,
    )  # fmt: skip
    original.grown, original.has_late_reader = False, True
    if saved is not None:
        reader.restore(saved)
        for file in log.files:
            file.rotated_at = NEVER
        return reader
    known = original.fingerprint
    file = LogFile(
        key, replace(known, landmarks=list(known.landmarks)), original.path, original.repeat, begun=original.begun,
        handle=original.handle, rotated_at=NEVER,
    )  # fmt: skip
    if original.passed:
        original.handle = None
    else:
        file.handle = original.handle.duplicate() if isinstance(original.handle, PlainHandle) else None
    log.files.append(file)
    cursor = reader.count_cursor
    cursor.file, cursor.offset = file, file.fingerprint.offset
    if original.last_digest:
        cursor.assembler.restore(msgspec.msgpack.encode(PartialState(last=original.last_digest)))
    reader._reread_if_needed()  # noqa: SLF001 -- the two are one unit
    return reader
