"""Time as an argument: the one place that reads the machine's clocks."""

import time


class Clock:
    """The machine's clocks; tests pass one of their own."""

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary beginning."""
        return time.monotonic()

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()

    def wall_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self.wall_ns() // 1_000_000
