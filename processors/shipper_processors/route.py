"""Determine an event's time, its daily index, and its id."""

from datetime import UTC, tzinfo
from typing import NamedTuple

from shipper_processors.time_zones import named_zone
from shipper_processors.times import LATEST_MS, day, format_ms, from_number, names_a_date, parse_ms, read_time
from shipper_schemas.violation import Kind, Violation

MS_PER_DAY = 86_400_000
ID_TIME_BYTES = 6
HALF_HOUR_MS = 1_800_000
MOST_HALF_HOURS = 28
"""No zone is more than fourteen hours from UTC."""
ZONE_TOLERANCE_MS = 90_000
"""Between the clock of a log entry and the runtime's time of it, beside a zone's whole half hours."""


class Skew(NamedTuple):
    """Largest accepted distances, in milliseconds, between an application's time and a time that it cannot choose."""

    future_ms: int = 3_600_000
    """After the runtime's time, or after the time of reading if there is none."""
    past_ms: int = 7 * MS_PER_DAY
    """Before the runtime's time."""
    age_ms: int = 366 * MS_PER_DAY
    """Before the time of reading if there is no runtime's time: old logs are read late, and contain many days."""
    zone: tzinfo = UTC
    """The zone of times that do not name theirs."""

    def of_any_age(self) -> "Skew":
        """Return the same without a largest age, for logs that are read on request."""
        return self._replace(age_ms=LATEST_MS)

    def in_zone(self, name: str) -> "Skew":
        """Return the same with another zone, by its name; an unknown name changes nothing."""
        return self._replace(zone=named_zone(name) or self.zone)

    def accepted_times(self, now_ms: int) -> range:
        """Return the range of accepted times if only the time of reading is known."""
        return range(max(0, now_ms - self.age_ms), min(LATEST_MS, now_ms + self.future_ms) + 1)


EventTime = tuple[int, Violation | None]
"""Time of an event in milliseconds since the epoch, and the violation if the application's own time was not used."""


def event_time(timestamp: object, runtime_ms: int | None, now_ms: int, skew: Skew) -> EventTime:
    """Return the application's `timestamp` if it is a time near the runtime's, else the runtime's time and a violation.

    In a log without runtime times (None) `now_ms` replaces them, and times may be much older: a line may choose its
    day, but not a future one, nor an arbitrarily old one. A time without zone that is whole half hours from the
    runtime's was written in another zone than `skew.zone`. A date alone is less exact than the runtime's time.
    """
    fallback = now_ms if runtime_ms is None else runtime_ms
    if timestamp is None:
        return fallback, None
    ms, zoned = None, True
    if type(timestamp) is str:
        if timestamp[-1:] == "Z":
            ms = parse_ms(timestamp)
    elif type(timestamp) is int or type(timestamp) is float:
        ms = from_number(timestamp)
    if ms is None or not 0 <= ms <= LATEST_MS:
        read = read_time(timestamp, zone=skew.zone, reference_ms=fallback)
        if read is None:
            return fallback, Violation(Kind.TIMESTAMP_INVALID, "timestamp", INVALID_TIME)
        ms, zoned = read
    if not zoned and runtime_ms is not None:
        half_hours = _half_hours(ms - runtime_ms)
        if half_hours or names_a_date(timestamp):
            return fallback, None if names_a_date(timestamp) else _in_another_zone(half_hours, skew.zone)
    past_ms = skew.age_ms if runtime_ms is None else skew.past_ms
    if -past_ms <= ms - fallback <= skew.future_ms:
        return ms, None
    return fallback, skewed("timestamp", ms, fallback, "the time of reading" if runtime_ms is None else "the runtime's")


INVALID_TIME = (
    "invalid `timestamp`; expected ISO 8601, a number of seconds or milliseconds, or another notation of loggers; used "
    "the runtime's time"
)


def _half_hours(distance_ms: int) -> int:
    """Return a distance in half hours if it is one between two zones; else 0."""
    half_hours = round(distance_ms / HALF_HOUR_MS)
    rest_ms = abs(distance_ms - half_hours * HALF_HOUR_MS)
    return half_hours if abs(half_hours) <= MOST_HALF_HOURS and rest_ms <= ZONE_TOLERANCE_MS else 0


def _in_another_zone(half_hours: int, zone: tzinfo) -> Violation:
    hours = f"{abs(half_hours) / 2:g} h {'after' if half_hours > 0 else 'before'}"
    detail = (
        f"`timestamp` names no zone and, read as {zone}, is {hours} the runtime's, which is used; set schema.timezone "
        "to the application's zone, or log times with their zone"
    )
    return Violation(Kind.TIMESTAMP_ZONE, "timestamp", detail)


def skewed(field: str, ms: int, used_ms: int, used: str) -> Violation:
    """Return the violation of a time that is replaced by another."""
    detail = f"`{field}` is {abs(ms - used_ms) // 1000} s {'after' if ms > used_ms else 'before'} {used}"
    return Violation(Kind.TIMESTAMP_SKEWED, field, f"{detail}, which is used")


def index_name(prefix: str, ms: int) -> str:
    """Return `PREFIX-YYYY.MM.dd`, the day in UTC."""
    return f"{prefix}-{day(ms // MS_PER_DAY)}"


def is_daily(index: str, prefix: str) -> bool:
    """True if `index` is `PREFIX-YYYY.MM.dd`. The length is compared too: one prefix may begin with the other."""
    return len(index) == len(prefix) + len("-YYYY.MM.dd") and index.startswith(f"{prefix}-")


def document_id(runtime_ms: int, digest: bytes) -> bytes:
    """Return twenty bytes: six of the runtime's time in milliseconds, so that ids rise, and fourteen of the digest.

    If the log has no times, `runtime_ms` is 0: an id must not depend on when a line was read.
    """
    return runtime_ms.to_bytes(ID_TIME_BYTES, "big") + digest


__all__ = ["EventTime", "Skew", "document_id", "event_time", "format_ms", "index_name", "is_daily", "skewed"]
