"""Open files, plain and compressed, read at offsets."""

import errno
import os
import stat
from typing import Protocol

from shipper.inputs.files.compression import LONGEST_MAGIC, Damaged, Decompressor, Method, method_of

CHUNK = 16 * 1024
"""Bytes decompressed at once; the last ones before corrupt data may be lost."""

INODE_BITS = (1 << 63) - 1
"""Bits of an inode number that the state stores; some network file systems use one bit more."""


class Handle(Protocol):
    """An open file: device, inode and content."""

    device: int
    inode: int

    def size(self) -> int | None:
        """Return the present size in bytes; None if unknown until read (compressed)."""

    def names(self) -> int:
        """Return the number of names that the file has; 0 once it is deleted."""

    def read(self, offset: int, size: int) -> bytes:
        """Read up to `size` bytes from `offset`; empty at the end."""

    def close(self) -> None:
        """Close the descriptor."""


class PlainHandle:
    """An uncompressed file."""

    __slots__ = ("_fd", "device", "inode")

    def __init__(self, path: str) -> None:
        """Open for reading. Raises OSError."""
        self._fd = _opened(path)
        stat_result = os.fstat(self._fd)
        self.device, self.inode = stat_result.st_dev, inode_of(stat_result)

    def duplicate(self) -> "PlainHandle":
        """Return another handle of the file, which need not have a name any more. Raises OSError."""
        other = PlainHandle.__new__(PlainHandle)
        other._fd = os.dup(self._fd)  # noqa: SLF001 -- of the same class; not inherited by other processes, as `os.open` has it
        other.device, other.inode = self.device, self.inode
        return other

    def size(self) -> int | None:
        """Return the present size in bytes."""
        return os.fstat(self._fd).st_size

    def names(self) -> int:
        """Return the number of names that the file has; 0 once it is deleted."""
        return os.fstat(self._fd).st_nlink

    def read(self, offset: int, size: int) -> bytes:
        """Read up to `size` bytes from `offset`."""
        return os.pread(self._fd, size, offset)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)


class CompressedHandle:
    """A compressed file, read forward; a read before the last one decompresses from the start again.

    It is always decompressed in the same chunks, so that a damaged file always ends at the same offset. Memory holds
    only the requested bytes and one chunk, since the decompressed size may be a thousand times the file size.
    """

    __slots__ = (
        "_at",
        "_chunk",
        "_damaged_size",
        "_file",
        "_last",
        "_method",
        "_raw",
        "_start",
        "damage",
        "device",
        "inode",
    )

    def __init__(self, path: str, method: Method) -> None:
        """Open for reading. Raises OSError."""
        self._raw, self._method = os.fdopen(_opened(path), "rb"), method
        stat_result = os.fstat(self._raw.fileno())
        self.device, self.inode = stat_result.st_dev, inode_of(stat_result)
        self.damage: str | None = None
        self._at, self._last = 0, b""
        self._rewind()

    def _rewind(self) -> None:
        self._raw.seek(0)
        self._file = Decompressor(self._raw, self._method)
        self._start, self._chunk = 0, b""
        self._damaged_size: int | None = None
        """Size of the file when its damage was detected; if the size changes, the file is read again."""

    @property
    def method(self) -> str:
        """Return the name of the method by which it is compressed."""
        return self._method.name

    def size(self) -> int | None:
        """Return None: the size is unknown until read."""
        return None

    def names(self) -> int:
        """Return the number of names that the file has; 0 once it is deleted."""
        return os.fstat(self._raw.fileno()).st_nlink

    def read(self, offset: int, size: int) -> bytes:
        """Read up to `size` decompressed bytes from `offset`; a damaged file ends where its damage starts."""
        begin = offset
        chunks: list[bytes] = []
        if self._at <= offset < self._at + len(self._last):  # the last read ended in the middle of this line
            chunks.append(self._last[offset - self._at :][:size])
            offset, size = offset + len(chunks[0]), size - len(chunks[0])
        while size > 0 and (chunk := self._from(offset, size)):
            chunks.append(chunk)
            offset, size = offset + len(chunk), size - len(chunk)
        data = b"".join(chunks)
        if data:
            self._at, self._last = begin, data
        return data

    def _from(self, offset: int, size: int) -> bytes:
        """Return the bytes from `offset` to the end of its chunk; empty at the end of the file."""
        if offset < self._start or (
            self._damaged_size is not None and os.fstat(self._raw.fileno()).st_size != self._damaged_size
        ):
            self._rewind()
        while offset >= self._start + len(self._chunk):
            following = b"" if self._damaged_size is not None else self._next()
            if not following:
                return b""
            self._start, self._chunk = self._start + len(self._chunk), following
        at = offset - self._start
        return self._chunk[at : at + size]

    def _next(self) -> bytes:
        try:
            return self._file.read(CHUNK)
        except Damaged as error:
            self.damage, self._damaged_size = str(error), os.fstat(self._raw.fileno()).st_size
            return b""

    def close(self) -> None:
        """Close the descriptor."""
        self._file.close()
        self._raw.close()


def _opened(path: str) -> int:
    """Open a regular file and return its descriptor; do not wait for the writer of a pipe. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def inode_of(stat_result: os.stat_result) -> int:
    """Return the inode number as the state stores it."""
    return stat_result.st_ino & INODE_BITS


def open_handle(path: str) -> Handle:
    """Open a log file, as compressed if its first bytes say so. Raises OSError."""
    plain = PlainHandle(path)
    method = method_of(plain.read(0, LONGEST_MAGIC))
    if method is None:
        return plain
    plain.close()
    return CompressedHandle(path, method)
