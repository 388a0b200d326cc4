"""One file of a log: its fingerprint, its number and its state of reading."""

import os
from dataclasses import dataclass
from typing import Annotated

import msgspec

from shipper.inputs.files.compression import SUFFIXES
from shipper.inputs.files.fingerprint import Fingerprint
from shipper.inputs.files.handles import Handle, inode_of
from shipper.state.checkpoint import SavedFile

Landmarks = list[tuple[Annotated[int, msgspec.Meta(ge=0)], bytes]]
Signature = tuple[int, int, int, int]


@dataclass(slots=True)
class LongLine:
    """A line that is too long to be read as a whole, and the progress of the search for its end."""

    begin: int
    searched: int
    """Offset up to which there is no newline."""
    beginning: bytes = b""
    """Its first bytes, kept if reading them again is expensive."""
    hole: bool = False
    """True while only NULs were found: a writer without append leaves them in a file truncated under it."""
    hole_end: int = 0
    """Offset after its last NUL; 0 if it has none."""


@dataclass(slots=True)
class LogFile:
    """One file of a log. `fingerprint` holds the offset of the count cursor."""

    key: int
    """Number of the file within its log; later files have higher numbers."""
    fingerprint: Fingerprint
    path: str
    repeat: int = 0
    """Number of earlier files of the log with the same first line (plain files)."""
    begun: bool = False
    """True once the first line was read and `repeat` is set."""
    passed: bool = False
    """True once both cursors have read it; it is kept while it is on disk, so that it is not read again."""
    gone: bool = False
    """True if it had no name at the last scan; it is dropped once both cursors have read it."""
    handle: Handle | None = None
    rotated_at: float | None = None
    """Time at which its rotation was detected (monotonic seconds); None while it is live."""
    verified: Signature | None = None
    """Device, inode, size and modification time at the last comparison of its content."""
    long_line: LongLine | None = None
    copy: int | None = None
    """Inode of its copy at the live path, which is read once the file itself is read to its end."""
    quiet_since: float | None = None
    """Time at which the count cursor left it or it grew last (monotonic seconds); None if it is not held open."""
    has_late_reader: bool = False
    """True while a `LateReader` reads the lines that were written after the count cursor had left it."""
    grown: bool = False
    """True if it is longer than what the count cursor has read, and no late reader reads it yet."""
    last_digest: bytes = b""
    """Digest of the last line of a plain file when the count cursor left it; empty if unknown."""

    spooled: bool = False
    """True if its unshipped rest is in the spool, from which it is read."""
    lost: bool = False
    """True once it is counted as lost."""

    @property
    def is_held(self) -> bool:
        """True while it may still get late lines that can be read."""
        return self.quiet_since is not None or self.has_late_reader or self.grown

    @classmethod
    def restored(cls, row: SavedFile) -> "LogFile":
        """Return a saved file, not opened. Raises msgspec.MsgspecError if the row is damaged."""
        landmarks = msgspec.msgpack.decode(row.landmarks, type=Landmarks) if row.landmarks else []
        fingerprint = Fingerprint(
            row.device, row.inode, row.prefix_size, row.prefix_hash, row.offset, row.tail_hash,
            landmarks, row.time,
        )  # fmt: skip
        return cls(row.key, fingerprint, row.path, row.repeat, bool(row.begun), bool(row.passed))

    def saved(self, kind: str) -> SavedFile:
        """Return its row in the state; its log is of input type `kind`."""
        known = self.fingerprint
        return SavedFile(
            self.key, self.path, known.device, known.inode, known.prefix_size, known.prefix_hash, known.offset,
            known.tail_hash, self.repeat, self.begun, self.passed, msgspec.msgpack.encode(known.landmarks),
            known.latest_time(kind),
        )  # fmt: skip

    def long_line_at(self, offset: int) -> LongLine | None:
        """Return the long line that starts at `offset`, or None."""
        line = self.long_line
        return line if line is not None and line.begin == offset else None

    def present_size(self) -> int | None:
        """Return the size of an uncompressed file; None if it is compressed, or not at its path."""
        if self.handle is not None and not self.spooled:
            return self.handle.size()
        if self.gone or self.path.endswith(SUFFIXES):
            return None
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return status.st_size if inode_of(status) == self.fingerprint.inode else None

    def has_late_lines(self) -> bool:
        """Return True if it is open, longer than what was read, and no late reader reads the rest."""
        if self.has_late_reader or self.spooled or self.handle is None:
            return False
        size = self.handle.size()
        return size is not None and size > self.fingerprint.offset

    def close(self) -> None:
        """Close the descriptor; the file can be opened again by its path."""
        if self.handle is not None:
            self.handle.close()
            self.handle = None
