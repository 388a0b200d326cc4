"""The timeline of one request, for a terminal as for a page: when it began, what happened when, where nothing did.

A log entry with a duration is written when the work is done, so its bar ends at the entry's time and the request's
beginning is the earliest beginning of a bar.
"""

from collections.abc import Iterable
from typing import NamedTuple

from shipper.presentation.format import Body, duration_ms, failed, origin
from shipper_processors.times import parse_ms

LEAST_GAP = 0.1
"""A gap is shown from this part of the whole span, and from twice the mean distance of entries."""


class Step(NamedTuple):
    """One entry; times in milliseconds since the epoch."""

    entry: Body
    begin: float
    """Where its bar begins: at `end` for an entry that tells no duration."""
    end: int
    origin: str
    failed: bool
    gap: float | None
    """How long there was no entry before it, where that is worth showing."""


class Timeline(NamedTuple):
    """The entries of one correlation id, in the order of their time."""

    steps: list[Step]
    begin: float
    end: int

    @classmethod
    def of(cls, entries: Iterable[Body]) -> "Timeline":
        """Read off what the entries tell; at least one."""
        found = list(entries)
        times = [parse_ms(str(entry.get("@timestamp"))) or 0 for entry in found]
        begins = [at - (duration_ms(entry) or 0) for entry, at in zip(found, times, strict=True)]
        begin, end = min(begins), max(times)
        least = max(LEAST_GAP, 2 / len(found)) * (end - begin)
        steps = [
            Step(entry, since, at, origin(entry), failed(entry), at - before if at - before > least else None)
            for entry, since, at, before in zip(found, begins, times, [times[0], *times], strict=False)
        ]
        return cls(steps, begin, end)

    @property
    def length(self) -> float:
        """The whole span in milliseconds."""
        return self.end - self.begin

    @property
    def origins(self) -> list[str]:
        """Who wrote, in the order of their first entry."""
        return list(dict.fromkeys(step.origin for step in self.steps))

    @property
    def wrong(self) -> list[Step]:
        """The steps that tell of an error."""
        return [step for step in self.steps if step.failed]

    def place(self, ms: float) -> float:
        """Where a time lies in the whole span, from 0 to 1."""
        return (ms - self.begin) / self.length if self.length > 0 else 0.0

    def offset(self, step: Step) -> str:
        """How long after the beginning it was written."""
        return offset(step.end - self.begin)


def offset(ms: float) -> str:
    """Distance from the beginning: `+0.045s`, from a minute on `+2m03.500s`, from an hour on `+20h02m03.500s`."""
    seconds, rest = divmod(round(max(0.0, ms)), 1000)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"+{hours}h{minutes:02d}m{seconds % 60:02d}.{rest:03d}s"
    return f"+{minutes}m{seconds % 60:02d}.{rest:03d}s" if minutes else f"+{seconds}.{rest:03d}s"
