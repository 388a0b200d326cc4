"""Limits of reading files, and the time that rotated files stay open."""

from dataclasses import dataclass

SETTLING = {"docker": 0.0, "cri": 1.0}
"""Seconds in which a runtime may still write to a file that it has rotated; for other writers, `rotate_wait`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of reading: bytes per read and per line, seconds to wait for late lines and for the rest of an entry."""

    chunk_bytes: int = 256 * 1024
    line_bytes: int = 1024 * 1024
    rotate_wait: float = 5.0
    late_wait: float = 60.0
    join_wait: float = 1.0

    def settling(self, kind: str) -> float:
        """Return the seconds after its rotation in which a file of this input type may still grow."""
        return SETTLING.get(kind, self.rotate_wait)

    def quiet(self, kind: str) -> float:
        """Return the seconds in which a rotated file of this input type must not have grown before it is closed."""
        return 0.0 if kind in SETTLING else self.late_wait

    def within_chunk(self, size: int) -> int:
        """Return `size`, at most the size of a chunk."""
        return min(self.chunk_bytes, size)
