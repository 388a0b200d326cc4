"""Open files, plain and compressed, read at offsets."""

import errno
import gzip
import os
import stat
import zlib
from typing import Protocol

PIECE = 16 * 1024
"""Bytes that are unpacked at once; of these, the last before a damage may be lost."""

INODE_BITS = (1 << 63) - 1
"""What a state can keep of a file's number; some network file systems use one bit more."""


class Handle(Protocol):
    """An open file: its identity on the file system and its bytes."""

    device: int
    inode: int

    def size(self) -> int | None:
        """Bytes in the file now; None where only reading tells (compressed)."""

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; empty at the end."""

    def close(self) -> None:
        """Give the descriptor back."""


class PlainHandle:
    """A file as it is."""

    __slots__ = ("_fd", "device", "inode")

    def __init__(self, path: str) -> None:
        """Open for reading. Raises OSError."""
        self._fd = _opened(path)
        found = os.fstat(self._fd)
        self.device, self.inode = found.st_dev, inode_of(found)

    def size(self) -> int | None:
        """Bytes in the file now."""
        return os.fstat(self._fd).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`."""
        return os.pread(self._fd, size, offset)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)


class GzipHandle:
    """A compressed file, read forward; a step back beyond what was read last starts from its beginning.

    It is unpacked in the same pieces at each reading, so that a damaged file always ends at the same place. No more of
    it is in memory than what is asked for and one piece: what it unpacks to may be a thousand times as much.
    """

    __slots__ = ("_at", "_ended", "_file", "_last", "_piece", "_raw", "_start", "damage", "device", "inode")

    def __init__(self, path: str) -> None:
        """Open for reading. Raises OSError."""
        self._raw = os.fdopen(_opened(path), "rb")
        found = os.fstat(self._raw.fileno())
        self.device, self.inode = found.st_dev, inode_of(found)
        self.damage: str | None = None
        self._at, self._last = 0, b""
        self._rewind()

    def _rewind(self) -> None:
        self._raw.seek(0)
        self._file = gzip.GzipFile(fileobj=self._raw, mode="rb")
        self._start, self._piece = 0, b""
        self._ended: int | None = None
        """How large the file was when it ended in damage; what was written since is looked at anew."""

    def size(self) -> int | None:
        """Unknown until read."""
        return None

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` decompressed bytes from `offset`; a damaged file ends where its damage begins."""
        begin = offset
        pieces: list[bytes] = []
        if self._at <= offset < self._at + len(self._last):  # a line that the last read held the beginning of
            pieces.append(self._last[offset - self._at :][:size])
            offset, size = offset + len(pieces[0]), size - len(pieces[0])
        while size > 0 and (piece := self._from(offset, size)):
            pieces.append(piece)
            offset, size = offset + len(piece), size - len(piece)
        data = b"".join(pieces)
        if data:
            self._at, self._last = begin, data
        return data

    def _from(self, offset: int, size: int) -> bytes:
        """Bytes from `offset` on, as far as the piece goes that holds it; empty at the end."""
        if offset < self._start or (self._ended is not None and os.fstat(self._raw.fileno()).st_size != self._ended):
            self._rewind()
        while offset >= self._start + len(self._piece):
            following = b"" if self._ended is not None else self._next()
            if not following:
                return b""
            self._start, self._piece = self._start + len(self._piece), following
        at = offset - self._start
        return self._piece[at : at + size]

    def _next(self) -> bytes:
        try:
            return self._file.read1(PIECE)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            self.damage, self._ended = str(error), os.fstat(self._raw.fileno()).st_size
            return b""

    def close(self) -> None:
        """Give the descriptor back."""
        self._file.close()
        self._raw.close()


def _opened(path: str) -> int:
    """The descriptor of a regular file, whatever bears its name: a pipe would be waited for. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def inode_of(found: os.stat_result) -> int:
    """A file's number on its device, as it is remembered."""
    return found.st_ino & INODE_BITS


def open_handle(path: str) -> Handle:
    """Open a log file, by its name compressed or not. Raises OSError."""
    return GzipHandle(path) if path.endswith(".gz") else PlainHandle(path)
