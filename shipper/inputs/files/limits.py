"""Limits of reading files, and how long finished files are waited for."""

from dataclasses import dataclass

SETTLING = {"docker": 0.0, "cri": 1.0}
"""Seconds in which a runtime may still write into a file it has rotated; other writers get `rotate_wait`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of reading: bytes a read, bytes a line, seconds to wait for late lines and for the rest of an entry."""

    chunk_bytes: int = 256 * 1024
    line_bytes: int = 1024 * 1024
    rotate_wait: float = 5.0
    join_wait: float = 1.0

    def settling(self, kind: str) -> float:
        """Seconds after its rotation in which a file of this input type may still grow."""
        return SETTLING.get(kind, self.rotate_wait)

    def within_chunk(self, size: int) -> int:
        """Return `size`, or the size of a chunk where that is less."""
        return min(self.chunk_bytes, size)
