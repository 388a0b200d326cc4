"""Fingerprint of a file: a hash of its content. Device and inode are only a hint, since inodes are reused.

A file is recognized by the hash of its first bytes, up to `PREFIX_BYTES` as the file is read, and by the *tail hash* of
the bytes just before the offset. The tail hash is checked at every read, which detects a file that was truncated and
filled again beyond the offset. *Landmarks* are hashes of the bytes before other ends of lines: at doubling distances
from the beginning, and from the offset. They show how much of a file that became shorter is what was read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from shipper.inputs.files.line_times import latest_time
from shipper.state.checkpoint import PREFIX_BYTES, TAIL_BYTES, hashed

LANDMARK_HASH_SIZE = 8
FIRST_LANDMARK = 256
"""Bytes from the beginning to a landmark, at the next end of a line; each further one is at twice the distance."""
MOST_LANDMARKS = 96
RECENT_BYTES = 2048
"""Bytes before the offset in which the time of the last line is looked for."""


class Readable(Protocol):
    """Bytes at offsets, decompressed if the file is compressed."""

    def read(self, offset: int, size: int) -> bytes:
        """Read up to `size` bytes from `offset`; fewer at the end of the file."""


def window(file: Readable, offset: int) -> bytes:
    """Return the bytes before `offset` that a hash covers."""
    size = min(TAIL_BYTES, offset)
    return file.read(offset - size, size)


@dataclass(slots=True)
class Fingerprint:
    """Device, inode and content hashes of a file that is read up to `offset`."""

    device: int
    inode: int
    prefix_size: int = 0
    prefix_hash: bytes = b""
    offset: int = 0
    tail_hash: bytes = b""
    landmarks: list[tuple[int, bytes]] = field(default_factory=list)
    """Offsets of ends of lines, rising, each with the beginning of the hash of the bytes before it."""
    time: bytes = b""
    """Result of the last `latest_time`."""
    recent: bytes = b""
    """Last bytes read, for `latest_time`."""

    def update(self, file: Readable, offset: int, before: bytes) -> None:
        """Follow a read to `offset`; `before` ends there and holds at least the last `TAIL_BYTES` bytes, if any."""
        if self.prefix_size < PREFIX_BYTES and offset > self.prefix_size:
            beginning = file.read(0, min(PREFIX_BYTES, offset))
            self.prefix_size, self.prefix_hash = len(beginning), hashed(beginning)
        self.tail_hash = hashed(before[-TAIL_BYTES:])
        if offset > self.offset:
            self._set_landmarks(offset, before)
            self.recent = before[-RECENT_BYTES:]  # the time in it is only read when it is needed
        self.offset = offset

    def _set_landmarks(self, offset: int, before: bytes) -> None:
        """Set the landmarks between the last one and `offset`, where the bytes before them are at hand."""
        landmarks, begin = self.landmarks, offset - len(before)
        for wanted in doublings(max(begin, landmarks[-1][0] if landmarks else 0), offset):
            at = before.find(b"\n", wanted - begin) + 1
            if 0 < at < len(before) and (at >= TAIL_BYTES or not begin):
                place = begin + at
                if not landmarks or place > landmarks[-1][0]:
                    landmarks.append((place, hashed(before[max(0, at - TAIL_BYTES) : at])[:LANDMARK_HASH_SIZE]))
        landmarks.append((offset, self.tail_hash[:LANDMARK_HASH_SIZE]))
        if len(landmarks) > MOST_LANDMARKS:
            self.landmarks = thinned(landmarks)

    def latest_time(self, kind: str) -> bytes:
        """Return the time of the last line read that has one, as `line_times` writes it; empty if none has."""
        if self.recent:
            self.time, self.recent = latest_time(kind, self.recent) or self.time, b""
        return self.time

    def matches(self, file: Readable) -> bool:
        """Return True if `file` holds the bytes read so far; always True before the first read."""
        if self.offset == 0:
            return True
        if hashed(file.read(0, self.prefix_size)) != self.prefix_hash:
            return False
        return hashed(window(file, self.offset)) == self.tail_hash

    def agrees_up_to(self, file: Readable, size: int) -> int:
        """Return the end of the last landmark within `size` bytes that `file` has, too; 0 if there is none."""
        begins_alike = size >= self.prefix_size and hashed(file.read(0, self.prefix_size)) == self.prefix_hash
        most = size if begins_alike else min(size, self.prefix_size - 1)
        for place, known in reversed(self.landmarks):
            if place <= most and hashed(window(file, place))[:LANDMARK_HASH_SIZE] == known:
                return place
        return 0

    def last_landmark(self, size: int | None) -> int:
        """Return the last landmark within `size` bytes; 0 if there is none."""
        return max((place for place, _ in self.landmarks if size is not None and place <= size), default=0)

    def cut(self, file: Readable, offset: int) -> None:
        """Go back to `offset`, up to which `file` holds what was read."""
        self.landmarks = [
            (place, known)
            for place, known in self.landmarks
            if place <= offset and hashed(window(file, place))[:LANDMARK_HASH_SIZE] == known
        ]
        beginning = file.read(0, min(PREFIX_BYTES, offset))
        self.prefix_size, self.prefix_hash = len(beginning), hashed(beginning)
        self.offset, self.tail_hash, self.recent = offset, hashed(window(file, offset)), b""


def doublings(after: int, before: int) -> Iterator[int]:
    """Yield 1 and the doublings of `FIRST_LANDMARK` between two offsets, without these."""
    if after < 1 < before:
        yield 1
    wanted = FIRST_LANDMARK << (after // FIRST_LANDMARK).bit_length()
    while wanted < before:
        yield wanted
        wanted *= 2


def thinned(landmarks: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Return landmarks at distances that double, from the beginning and from the last one; about half of them."""
    end, kept, nearest, begin = landmarks[-1][0], [landmarks[-1]], 0, [landmarks[0]]
    for landmark in landmarks[1:-1]:
        if landmark[0] >= 2 * begin[-1][0]:
            begin.append(landmark)
    for landmark in reversed(landmarks[:-1]):
        if end - landmark[0] >= 2 * nearest:
            kept.append(landmark)
            nearest = end - landmark[0]
    return sorted({*kept, *begin})
