"""Availability of an output or an input, and when to try again. All of it is pure."""

import random
from dataclasses import dataclass

from shipper.system.backoff import MAX_FAILURES, Backoff
from shipper.system.errors import ShipperError, hint_to_rerun


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
