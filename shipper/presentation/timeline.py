"""The timeline of one request, for terminal and page: start, entries with their durations, gaps.

A log entry with a duration is written when the work is done, so its bar ends at the entry's time, and the request
starts at the earliest start of a bar.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shipper.model.document_fields import inner
from shipper.presentation.format import Body, duration_ms, failed, origin, text_of
from shipper_processors.times import parse_ms

LEAST_GAP = 0.1
"""Minimum share of the whole span for a shown gap; it must also exceed twice the mean distance of entries."""


LOCAL = "local"
"""Value of `correlation_scope` of an id that a process counts up."""
LOCAL_NOTICE = "This id is counted up by one process: it is unique only within one container and run."
GROUPED_NOTICE = f"{LOCAL_NOTICE} Each container and run is shown separately."
RUN_GAP_MS = 300_000
"""Time without an entry after which the same counted id is another run's; a duration counts as no gap."""


class Scope(NamedTuple):
    """Entries with the same id that may belong to one request."""

    container: str
    """The container in which the id is unique; empty if the id is unique everywhere."""
    entries: list[Body]


def scopes(entries: Iterable[Body]) -> list[Scope]:
    """Separate entries whose id is unique only within a container and run, in the order of their first entry."""
    groups: dict[tuple[str, str, str], Scope] = {}
    separate: list[Scope] = []
    for entry in entries:
        key, name = ("", "", ""), ""
        if entry.get("correlation_scope") == LOCAL:
            container = inner(entry, "container")
            name = text_of(container.get("name") or str(container.get("id", ""))[:12]) or origin(entry)
            host = str(inner(entry, "host").get("name", ""))
            key = (host, str(container.get("id", "")), name)
        scope = groups.get(key)
        if scope is None or (name and _is_of_another_run(scope.entries[-1], entry)):
            scope = groups[key] = Scope(name, [])
            separate.append(scope)
        scope.entries.append(entry)
    return separate


def _is_of_another_run(before: Body, entry: Body) -> bool:
    """Return True if a process with another id wrote the entry, or long after: no process counts to a number twice."""
    processes = [inner(body, "extra").get("pid") for body in (before, entry)]
    if None not in processes and processes[0] != processes[1]:
        return True
    earlier, later = sorted((before, entry), key=_time_of)
    return _time_of(later) - (duration_ms(later) or 0) - _time_of(earlier) > RUN_GAP_MS


def _time_of(body: Body) -> int:
    return parse_ms(str(body.get("@timestamp"))) or 0


def scope_notice(groups: Sequence[Scope]) -> str | None:
    """Return a sentence about an id that is unique only within a container; None if it is unique everywhere."""
    if not any(group.container for group in groups):
        return None
    return GROUPED_NOTICE if len(groups) > 1 else LOCAL_NOTICE


def common_id(entries: Sequence[Body]) -> tuple[str, str]:
    """Return the id that all entries share, as text, after its kind: `correlation id` or `trace id`."""
    names = ("correlation_id", "trace_id")
    shared = set.intersection(*({text_of(entry.get(name)) for name in names} for entry in entries)) - {""}
    for name in names:
        for entry in entries:
            if (value := text_of(entry.get(name))) in shared:
                return name.replace("_", " "), value
    return "correlation id", text_of(entries[0].get("correlation_id"))


class Step(NamedTuple):
    """One entry; times in milliseconds since the epoch."""

    entry: Body
    begin: float
    """Start of its bar: equal to `end` for an entry without a duration."""
    end: int
    origin: str
    failed: bool
    gap: float | None
    """Time without an entry before this one, in milliseconds; None if it is too short to show."""


class Timeline(NamedTuple):
    """The entries of one correlation id in time order."""

    steps: list[Step]
    begin: float
    end: int

    @classmethod
    def of(cls, entries: Iterable[Body]) -> "Timeline":
        """Build the timeline of entries; at least one."""
        listed = list(entries)
        times = [_time_of(entry) for entry in listed]
        begins = [at - (duration_ms(entry) or 0) for entry, at in zip(listed, times, strict=True)]
        begin, end = min(begins), max(times)
        least = max(LEAST_GAP, 2 / len(listed)) * (end - begin)
        steps = [
            Step(entry, since, at, origin(entry), failed(entry), at - before if at - before > least else None)
            for entry, since, at, before in zip(listed, begins, times, [times[0], *times], strict=False)
        ]
        return cls(steps, begin, end)

    @property
    def length(self) -> float:
        """Total span in milliseconds."""
        return self.end - self.begin

    @property
    def origins(self) -> list[str]:
        """Sources in the order of their first entry."""
        return list(dict.fromkeys(step.origin for step in self.steps))

    @property
    def wrong(self) -> list[Step]:
        """Steps that are errors."""
        return [step for step in self.steps if step.failed]

    def place(self, ms: float) -> float:
        """Return the position of a time in the whole span, from 0 to 1."""
        return (ms - self.begin) / self.length if self.length > 0 else 0.0

    def offset(self, step: Step) -> str:
        """Return the time from the start of the request to this entry."""
        return offset(step.end - self.begin)


def offset(ms: float) -> str:
    """Format the time since the start: `+0.045s`, from a minute on `+2m03.500s`, from an hour on `+20h02m03.500s`."""
    seconds, rest = divmod(round(max(0.0, ms)), 1000)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"+{hours}h{minutes:02d}m{seconds % 60:02d}.{rest:03d}s"
    return f"+{minutes}m{seconds % 60:02d}.{rest:03d}s" if minutes else f"+{seconds}.{rest:03d}s"
