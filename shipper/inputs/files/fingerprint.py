"""Fingerprint of a file: a hash of its content. Device and inode are only a hint, since inodes are reused.

A file is recognized by the hash of its first bytes, up to `PREFIX_BYTES` as the file is read, and by the *tail hash* of
the bytes just before the offset. The tail hash is checked at every read, which detects a file that was truncated and
filled again beyond the offset.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

PREFIX_BYTES = 1024
TAIL_BYTES = 128
HASH_SIZE = 16


class Readable(Protocol):
    """Bytes at offsets, decompressed if the file is compressed."""

    def read(self, offset: int, size: int) -> bytes:
        """Read up to `size` bytes from `offset`; fewer at the end of the file."""


def hashed(data: bytes) -> bytes:
    """Return the hash that fingerprints use."""
    return blake2b(data, digest_size=HASH_SIZE).digest()


@dataclass(slots=True)
class Fingerprint:
    """Device, inode and content hashes of a file that is read up to `offset`."""

    device: int
    inode: int
    prefix_size: int = 0
    prefix_hash: bytes = b""
    offset: int = 0
    tail_hash: bytes = b""

    def update(self, file: Readable, offset: int, before: bytes) -> None:
        """Follow a read to `offset`; `before` ends there and holds at least the last `TAIL_BYTES` bytes, if any."""
        if self.prefix_size < PREFIX_BYTES and offset > self.prefix_size:
            beginning = file.read(0, min(PREFIX_BYTES, offset))
            self.prefix_size, self.prefix_hash = len(beginning), hashed(beginning)
        self.offset = offset
        self.tail_hash = hashed(before[-TAIL_BYTES:])

    def matches(self, file: Readable) -> bool:
        """Return True if `file` holds the bytes read so far; always True before the first read."""
        if self.offset == 0:
            return True
        if hashed(file.read(0, self.prefix_size)) != self.prefix_hash:
            return False
        size = min(TAIL_BYTES, self.offset)
        return hashed(file.read(self.offset - size, size)) == self.tail_hash
