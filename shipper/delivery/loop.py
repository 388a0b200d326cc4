"""Pace, batches in flight and the state of the output."""

import random
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass

from shipper.model.batch import Written
from shipper.state.checkpoint import Position
from shipper.system.clock import Clock
from shipper.system.errors import ShipperError, asking_again


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how much: seconds between polls and scans, bytes of documents a batch, its age in seconds."""

    poll: float = 0.25
    scan: float = 1.0
    batch_bytes: int = 4 * 1024 * 1024
    batch_lines: int = 50_000
    batch_age: float = 1.0
    upkeep: float = 600.0
    backoff_first: float = 0.5
    backoff_most: float = 30.0
    patience: float = 1.0
    """How long reading may wait for an output that has no room, before it goes on for the counters alone."""
    quiet: float = 5.0
    commit: float = 0.2
    """How long, at most, acknowledged batches wait to be committed while there is more to read."""
    grace: float = 20.0
    """How long a stop waits for what is on its way."""


@dataclass(slots=True)
class Arrival:
    """When an answer came (monotonic seconds); None until then.

    It knows nothing of the answer, which knows it: a circle would keep each batch until the collector comes by, and
    under load memory would creep.
    """

    clock: Clock
    at: float | None = None

    def note(self, _answer: Future[Written]) -> None:
        """The answer is there."""
        self.at = self.clock.monotonic()


@dataclass(slots=True)
class Sent:
    """A batch on its way to the output."""

    answer: Future[Written]
    events: Counter[str]
    lines: Counter[str]
    marks: dict[str, Position]
    """Where its logs stood before it, by path."""
    sent_at: float
    arrival: Arrival


@dataclass(slots=True)
class OutputState:
    """Whether the output takes events, and since when it does not (monotonic seconds)."""

    error: str | None = None
    away_since: float | None = None
    retry_at: float = 0.0
    failures: int = 0
    hint: str = ""
    resumes: bool = False
    """As in ShipperError."""

    def asking_again(self) -> str:
        """The hint for somebody who has to start the shipper again, since it does not wait."""
        return asking_again(self)


def after_failure(
    before: OutputState, error: ShipperError, now: float, pace: Pace, jitter: random.Random
) -> OutputState:
    """The state after one failure more: the next try comes after an exponential time with full jitter."""
    longest = min(pace.backoff_most, pace.backoff_first * 2.0**before.failures)
    return OutputState(
        error.what,
        now if before.away_since is None else before.away_since,
        now + max(jitter.uniform(0, longest), getattr(error, "retry_after", 0.0)),
        min(before.failures + 1, 32),
        error.hint,
        error.resumes,
    )
