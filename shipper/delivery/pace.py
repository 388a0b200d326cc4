"""Pace of a loop: intervals of polls and commits, and bounds of a batch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between polls and scans, the size of a batch (bytes of documents, lines) and its age in seconds."""

    poll: float = 0.25
    scan: float = 1.0
    batch_bytes: int = 4 * 1024 * 1024
    batch_lines: int = 50_000
    batch_age: float = 1.0
    maintenance: float = 600.0
    patience: float = 1.0
    """Longest wait of reading for room in a full window, before it goes on for the counters alone."""
    quiet: float = 5.0
    commit: float = 0.2
    """Longest delay of a commit of acknowledged batches while there is more to read."""
    grace: float = 20.0
    """Longest wait of a stop for the batches in flight."""
    idle: float = 1.0
    """Longest rest where changes are reported and nothing waits."""
    gather: float = 0.02
    """Seconds that a rest goes on after a report, so that the next turn reads more than one line."""
