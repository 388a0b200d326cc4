"""Time as an argument: only this module reads the machine's clocks."""

import time


class Clock:
    """The machine's clocks; tests pass one of their own."""

    def monotonic(self) -> float:
        """Return seconds that never decrease, from an arbitrary start."""
        return time.monotonic()

    def wall_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        return time.time_ns()

    def wall_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return self.wall_ns() // 1_000_000
