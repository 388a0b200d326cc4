"""Pace: how often a loop polls and commits, and how much it puts into a batch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between polls and scans, the size of a batch (bytes of documents, lines) and its age in seconds."""

    poll: float = 0.25
    scan: float = 1.0
    batch_bytes: int = 4 * 1024 * 1024
    batch_lines: int = 50_000
    batch_age: float = 1.0
    upkeep: float = 600.0
    patience: float = 1.0
    """How long reading may wait for an output whose window is full, before it goes on for the counters alone."""
    quiet: float = 5.0
    commit: float = 0.2
    """How long, at most, acknowledged batches wait for their commit while there is more to read."""
    grace: float = 20.0
    """How long a stop waits for the batches in flight."""
