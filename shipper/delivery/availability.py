"""Availability of an output or an input, and the exponential backoff between attempts. All of it is pure."""

import random
from dataclasses import dataclass

from shipper.system.errors import ShipperError, hint_to_rerun

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


@dataclass(frozen=True, slots=True)
class Availability:
    """The last error while something is unavailable, and when to try again (monotonic seconds)."""

    error: str | None = None
    """None while it is available."""
    unavailable_since: float | None = None
    retry_at: float = 0.0
    failures: int = 0
    hint: str = ""
    resumes: bool = False
    """True if work resumes automatically, as in ShipperError."""

    def hint_to_rerun(self) -> str:
        """Return the hint for a command that ends now and has to be run again."""
        return hint_to_rerun(self)


def after_failure(
    before: Availability, error: ShipperError, now: float, backoff: Backoff, jitter: random.Random
) -> Availability:
    """Return the availability after one more failure."""
    return Availability(
        error.what,
        now if before.unavailable_since is None else before.unavailable_since,
        now + backoff.delay(before.failures, jitter, getattr(error, "retry_after", 0.0)),
        min(before.failures + 1, MAX_FAILURES),
        error.hint,
        error.resumes,
    )
