"""Open files, plain and compressed, read at offsets."""

import errno
import gzip
import os
import stat
import zlib
from typing import Protocol


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
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(self._fd)
            raise OSError(errno.EINVAL, "not a regular file", path)
        self.device, self.inode = found.st_dev, found.st_ino

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
    """A compressed file, read forward; a step back beyond what was read last starts from its beginning."""

    __slots__ = ("_at", "_file", "_last", "_raw", "damage", "device", "inode")

    def __init__(self, path: str) -> None:
        """Open for reading. Raises OSError."""
        self._raw = open(path, "rb")  # noqa: SIM115 -- closed by `close`
        found = os.fstat(self._raw.fileno())
        self.device, self.inode = found.st_dev, found.st_ino
        self._file = gzip.GzipFile(fileobj=self._raw, mode="rb")
        self.damage: str | None = None
        self._at, self._last = 0, b""

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
        try:
            if size > 0:
                self._file.seek(offset)
            while size > 0 and (piece := self._file.read1(size)):
                pieces.append(piece)
                size -= len(piece)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            self.damage = str(error)
        data = b"".join(pieces)
        if data:
            self._at, self._last = begin, data
        return data

    def close(self) -> None:
        """Give the descriptor back."""
        self._file.close()
        self._raw.close()


def open_handle(path: str) -> Handle:
    """Open a log file, by its name compressed or not. Raises OSError."""
    return GzipHandle(path) if path.endswith(".gz") else PlainHandle(path)
