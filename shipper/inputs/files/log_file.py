"""One file of a log: its identity, its number, and how far its lines were searched."""

from dataclasses import dataclass

from shipper.inputs.files.fingerprint import Identity
from shipper.inputs.files.handles import Handle
from shipper.state.checkpoint import SavedFile

Signature = tuple[int, int, int, int]


@dataclass(slots=True)
class LongLine:
    """A line that is too long to be read whole, and how far it was searched for its end."""

    begin: int
    searched: int
    """Offset up to which there is no newline."""
    beginning: bytes = b""
    """Its first bytes, kept where reading them again would be expensive."""


@dataclass(slots=True)
class LogFile:
    """One file of a log. `identity` remembers how far the count cursor has read it."""

    key: int
    """Number of the file within its log, rising with time."""
    identity: Identity
    path: str
    repeat: int = 0
    """Number of earlier files of the log that began with the same line (plain files)."""
    begun: bool = False
    """True once `repeat` is known, because the first line was seen."""
    passed: bool = False
    """Both cursors are beyond it; it is known as long as it is on disk, so that it is not read again."""
    gone: bool = False
    """Without a name when it was last looked for: it is known only until both cursors are beyond it."""
    handle: Handle | None = None
    rotated_at: float | None = None
    """When it was seen not to be live any more (monotonic seconds); None while it is live."""
    verified: Signature | None = None
    """Device, inode, size and time of change when its content was last compared."""
    long_line: LongLine | None = None

    @classmethod
    def restored(cls, row: SavedFile) -> "LogFile":
        """Return a saved file, not opened."""
        identity = Identity(row.device, row.inode, row.prefix_size, row.prefix, row.offset, row.seam)
        return cls(row.key, identity, row.path, row.repeat, bool(row.begun), bool(row.passed))

    def saved(self) -> SavedFile:
        """Return its row of the state."""
        known = self.identity
        return SavedFile(
            self.key, self.path, known.device, known.inode, known.prefix_size, known.prefix, known.offset, known.seam,
            self.repeat, self.begun, self.passed,
        )  # fmt: skip

    def long_line_at(self, offset: int) -> LongLine | None:
        """Return the long line that begins at `offset`, None where none is known there."""
        line = self.long_line
        return line if line is not None and line.begin == offset else None

    def close(self) -> None:
        """Give the descriptor back; the file can be opened again by its path."""
        if self.handle is not None:
            self.handle.close()
            self.handle = None
