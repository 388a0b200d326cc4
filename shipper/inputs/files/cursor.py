"""Cursors: read positions in the files of a log. The count cursor feeds the counters, the ship cursor the output."""

from collections.abc import Iterator
from dataclasses import dataclass

from shipper.inputs.files.handles import Handle
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.rotated_log import NEVER, LogFiles
from shipper.state.checkpoint import TAIL_BYTES, Position
from shipper_processors.assemble import Assembler, PlainAssembler
from shipper_processors.fast_path import FastBatch
from shipper_schemas.entry import Entry


@dataclass(slots=True)
class Cursor:
    """A read position with the partial state of its assembler."""

    log: LogFiles
    file: LogFile | None
    offset: int
    assembler: Assembler
    counts: bool = True
    """True for the count cursor, whose position a file's fingerprint follows."""
    last_key: int = 0
    """Number of the file before the present one."""
    bytes_read: int = 0
    """Bytes read since this was last set to 0."""
    overdue_at: float = NEVER
    """Time at which partial entries are flushed (monotonic seconds)."""
    _waiting_since: float | None = None

    # --- position ---------------------------------------------------------------------------------

    @property
    def key(self) -> int:
        """Number of its file; of its last file if it has none now."""
        return self.last_key if self.file is None else self.file.key

    @property
    def next_key(self) -> int:
        """Number of the file that it reads now, or of the next one if it has none."""
        return self.last_key + 1 if self.file is None else self.file.key

    @property
    def handle(self) -> Handle:
        """Handle of its file, which must be open."""
        file = self.file
        assert file is not None  # noqa: S101 -- `LogReader` reads from open files only
        assert file.handle is not None  # noqa: S101
        return file.handle

    def position(self) -> Position:
        """Return the position with its partial state, as saved in a checkpoint."""
        return Position(self.next_key, self.offset, self.assembler.partial_state())

    def progress_token(self) -> tuple[object, ...]:
        """Return a value that changes with each movement. A reopened unread file keeps its inode, but not its key."""
        file = self.file
        return file and file.fingerprint.inode, self.offset, file and file.long_line and file.long_line.searched

    def is_at(self, other: "Cursor") -> bool:
        """Return True if both read the same byte next."""
        return self.file is other.file and self.offset == other.offset

    # --- movement ---------------------------------------------------------------------------------

    def enter(self, file_to_read: LogFile | None) -> None:
        """Go to the start of `file_to_read`; count a file that the ship cursor leaves before its end as lost."""
        file = self.file
        if not self.counts and file is not None and self.offset < file.fingerprint.offset and not file.lost:
            number, why = (
                file.fingerprint.offset - self.offset,
                "counted, and cannot be read again for the output",
            )
            self.log.incidents.lose(file.path, self.offset, number, why)
            file.lost = True
        self.last_key, self.file, self.offset = self.key, file_to_read, 0

    def enter_next(self) -> None:
        """Go to the next file."""
        self.enter(self.log.after(self.key))

    def advance(self, offset: int, before: bytes) -> None:
        """Go to `offset` in the same file; `before` holds the available bytes that end there."""
        if self.counts:
            if self.file is not None and self.file.handle is not None:
                if len(before) < min(TAIL_BYTES, offset):
                    before = self.file.handle.read(max(0, offset - TAIL_BYTES), min(TAIL_BYTES, offset))
                self.file.fingerprint.update(self.file.handle, offset, before)
            self.bytes_read += offset - self.offset
        self.offset = offset

    def feed(self, lines: bytes) -> Iterator[Entry | FastBatch]:
        """Move past complete lines read from the present offset, and return their entries."""
        start = self.offset
        if start == 0:
            self._begin(lines[: lines.index(b"\n")])
        self.advance(start + len(lines), lines)
        return self.assembler.feed(lines, start)

    def feed_unterminated(self, rest: bytes) -> Iterator[Entry | FastBatch]:
        """Move past a last line that gets no newline, and return its entries."""
        start = self.offset
        if start == 0:
            self._begin(rest)
        self.advance(start + len(rest), rest)
        return self.assembler.feed(rest + b"\n", start)

    def skip_hole(self, offset: int) -> None:
        """Go to `offset`, where the line after a run of NULs begins."""
        if self.offset == 0:
            self._begin(b"\0")
        if self.file is not None:
            self.file.long_line = None
        self.advance(offset, b"")

    def feed_cut(self, beginning: bytes, end: int, following: int, ending: bytes) -> Iterator[Entry]:
        """Go to `following`, and return the entry of a line that ends at `end` with `ending`, cut to `beginning`."""
        start, file = self.offset, self.file
        if start == 0:
            self._begin(beginning)
        if file is not None:
            file.long_line = None
        self.advance(following, b"")
        return self.assembler.overlong(beginning, start, end - start, ending)

    def _begin(self, first_line: bytes) -> None:
        """Start a file; number plain files that start with the same line, so that their ids differ."""
        if self.file is not None and isinstance(self.assembler, PlainAssembler):
            self.assembler.begin_file(self.log.begin(self.file, first_line))

    # --- waiting ----------------------------------------------------------------------------------

    def set_overdue(self, read_at: float, now: float, wall_ms: int, patience: float) -> None:
        """Set `overdue_at` to `patience` seconds after the time in the last line, or after `read_at` if it has none.

        Set once per line, so that a step of the wall clock does not shorten the wait.
        """
        latest = self.assembler.latest_ms()
        since = read_at if latest is None else latest
        if since != self._waiting_since:
            self._waiting_since = since
            begun = read_at if latest is None else now - max(0, wall_ms - latest) / 1000
            self.overdue_at = begun + patience
