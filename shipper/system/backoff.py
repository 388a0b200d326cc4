"""Exponential backoff between attempts."""

import random
from dataclasses import dataclass

MAX_FAILURES = 32
"""Upper bound of the failure count: more would not lengthen a delay, and 2 to this power has to fit a float."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Bounds of the delay before the next attempt, in seconds."""

    first: float = 0.5
    """Longest delay after the first failure; each further failure multiplies it by two."""
    most: float = 30.0

    def delay(self, failures: int, jitter: random.Random, retry_after: float = 0.0) -> float:
        """Return the seconds to wait after `failures` earlier failures: full jitter, at least `retry_after`."""
        longest = min(self.most, self.first * 2.0 ** min(failures, MAX_FAILURES))
        return max(jitter.uniform(0, longest), retry_after)
