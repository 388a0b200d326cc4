"""Cursors: reading positions over the files of a log. The count cursor counts, the ship cursor ships."""

from collections.abc import Iterator
from dataclasses import dataclass

from shipper.inputs.files.fingerprint import SEAM
from shipper.inputs.files.handles import Handle
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.rotated_log import NEVER, LogFiles
from shipper.state.checkpoint import Position
from shipper_processors.assemble import Assembler, PlainAssembler
from shipper_processors.fast_path import FastBatch
from shipper_schemas.entry import Entry


@dataclass(slots=True)
class Cursor:
    """A reading position with the unfinished entries that it carries."""

    log: LogFiles
    file: LogFile | None
    offset: int
    assembler: Assembler
    counts: bool = True
    """True for the count cursor, whose position the identity of a file follows."""
    past: int = 0
    """Number of the last file it was in."""
    bytes_read: int = 0
    """Bytes it moved over since this was last set to 0."""
    overdue_at: float = NEVER
    """When the unfinished entries have waited long enough."""
    _awaited: float | None = None

    # --- position ---------------------------------------------------------------------------------

    @property
    def key(self) -> int:
        """Number of the file it is in, or was in before there was none for it."""
        return self.past if self.file is None else self.file.key

    @property
    def next_key(self) -> int:
        """Number of the first file that it reads, now or when one comes."""
        return self.past + 1 if self.file is None else self.file.key

    @property
    def handle(self) -> Handle:
        """Handle of its file, which is open while it is read."""
        file = self.file
        assert file is not None  # noqa: S101 -- reading starts with a file that was checked to be open
        assert file.handle is not None  # noqa: S101
        return file.handle

    def position(self) -> Position:
        """Return the position with its partial entries, as it is saved."""
        return Position(self.next_key, self.offset, self.assembler.residue())

    def place(self) -> tuple[object, ...]:
        """Return a value that changes with each movement. An unread file that is reopened has another key."""
        file = self.file
        return file and file.identity.inode, self.offset, file and file.long_line and file.long_line.searched

    def is_level_with(self, other: "Cursor") -> bool:
        """Return True where both read the same byte next."""
        return self.file is other.file and self.offset == other.offset

    # --- movement ---------------------------------------------------------------------------------

    def enter(self, file: LogFile | None) -> None:
        """Go to the beginning of `file`; what the ship cursor leaves behind unread is counted as lost."""
        if not self.counts and self.file is not None and self.offset < self.file.identity.offset:
            self.log.incidents.lost += 1
        self.past, self.file, self.offset = self.key, file, 0

    def enter_next(self) -> None:
        """Go to the file after its own."""
        self.enter(self.log.after(self.key))

    def advance(self, offset: int, before: bytes) -> None:
        """Go to `offset` in the same file; `before` are bytes that end there, as many as are at hand."""
        if self.counts:
            if self.file is not None and self.file.handle is not None:
                if len(before) < min(SEAM, offset):
                    before = self.file.handle.read(max(0, offset - SEAM), min(SEAM, offset))
                self.file.identity.grow(self.file.handle, offset, before)
            self.bytes_read += offset - self.offset
        self.offset = offset

    def feed(self, lines: bytes) -> Iterator[Entry | FastBatch]:
        """Go beyond complete lines that were read from here, and return their entries."""
        start = self.offset
        if start == 0:
            self._begin(lines[: lines.index(b"\n")])
        self.advance(start + len(lines), lines)
        return self.assembler.feed(lines, start)

    def feed_unterminated(self, rest: bytes) -> Iterator[Entry | FastBatch]:
        """Go beyond a last line that will get no newline any more, and return its entries."""
        start = self.offset
        if start == 0:
            self._begin(rest)
        self.advance(start + len(rest), rest)
        return self.assembler.feed(rest + b"\n", start)

    def feed_cut(self, beginning: bytes, end: int, following: int) -> Iterator[Entry]:
        """Go to `following`, and return the entry of a line from here to `end` of which only `beginning` is kept."""
        start, file = self.offset, self.file
        if start == 0:
            self._begin(beginning)
        if file is not None:
            file.long_line = None
        self.advance(following, b"")
        return self.assembler.overlong(beginning, start, end - start)

    def _begin(self, first_line: bytes) -> None:
        """Start a file; a plain one is told apart from earlier files that began with the same line."""
        if self.file is not None and isinstance(self.assembler, PlainAssembler):
            self.assembler.begin(self.log.begin(self.file, first_line))

    # --- waiting ----------------------------------------------------------------------------------

    def wait(self, read_at: float, now: float, wall_ms: int, patience: float) -> None:
        """Set `overdue_at` for unfinished entries: from the time in the line, where it has one, else from `read_at`.

        Once for each line: a wall clock that steps meanwhile does not shorten the waiting.
        """
        latest = self.assembler.latest_ms()
        awaited = read_at if latest is None else latest
        if awaited != self._awaited:
            self._awaited = awaited
            begun = read_at if latest is None else now - max(0, wall_ms - latest) / 1000
            self.overdue_at = begun + patience
