"""Identity of a file: by what it holds. Device and inode are a hint, since inodes are used again at once.

A file is recognised by the hash of its beginning, which grows up to `PREFIX` bytes as the file is read, and by the
*seam*: the hash of the bytes just before the position. The seam is checked at every read, so that a file truncated
and filled again beyond the position is noticed.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

PREFIX = 1024
SEAM = 128
HASH_SIZE = 16


class Readable(Protocol):
    """Bytes at offsets, decompressed where the file is compressed."""

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer at the end of the file."""


def hashed(data: bytes) -> bytes:
    """The hash that identities are made of."""
    return blake2b(data, digest_size=HASH_SIZE).digest()


@dataclass(slots=True)
class Identity:
    """What is remembered of a file: where it was, how it begins, and what stands before the position `offset`."""

    device: int
    inode: int
    prefix_size: int = 0
    prefix: bytes = b""
    offset: int = 0
    seam: bytes = b""

    def grow(self, file: Readable, offset: int, before: bytes) -> None:
        """The position moved to `offset`; `before` ends there and holds at least the last `SEAM` bytes, if any."""
        if self.prefix_size < PREFIX and offset > self.prefix_size:
            beginning = file.read(0, min(PREFIX, offset))
            self.prefix_size, self.prefix = len(beginning), hashed(beginning)
        self.offset = offset
        self.seam = hashed(before[-SEAM:])

    def describes(self, file: Readable) -> bool:
        """Whether `file` holds what was read so far. True for every file while nothing was read."""
        if self.offset == 0:
            return True
        if hashed(file.read(0, self.prefix_size)) != self.prefix:
            return False
        size = min(SEAM, self.offset)
        return hashed(file.read(self.offset - size, size)) == self.seam
