"""Determine an event's time, its daily index, and its id."""

from typing import NamedTuple

from shipper_processors.times import LATEST_MS, day, format_ms, from_number, parse_ms
from shipper_schemas.violation import Kind, Violation

MS_PER_DAY = 86_400_000
ID_TIME_BYTES = 6


class Skew(NamedTuple):
    """Largest accepted distances, in milliseconds, between an application's time and a time that it cannot choose."""

    future_ms: int = 3_600_000
    """After the runtime's time, or after the time of reading if there is none."""
    past_ms: int = 7 * MS_PER_DAY
    """Before the runtime's time."""
    age_ms: int = 366 * MS_PER_DAY
    """Before the time of reading if there is no runtime's time: old logs are read late, and contain many days."""

    def of_any_age(self) -> "Skew":
        """Return the same limits without a largest age, for logs that are read on request."""
        return self._replace(age_ms=LATEST_MS)

    def accepted_times(self, now_ms: int) -> range:
        """Return the range of accepted times if only the time of reading is known."""
        return range(max(0, now_ms - self.age_ms), min(LATEST_MS, now_ms + self.future_ms) + 1)


EventTime = tuple[int, Violation | None]
"""Time of an event in milliseconds since the epoch, and the violation if the application's own time was not used."""


def event_time(timestamp: object, runtime_ms: int | None, now_ms: int, skew: Skew) -> EventTime:
    """Return the application's `timestamp` if it is a time near the runtime's, else the runtime's time and a violation.

    In a log without runtime times (None) `now_ms` replaces them, and times may be much older: a line may choose its
    day, but not a future one, nor an arbitrarily old one.
    """
    fallback = now_ms if runtime_ms is None else runtime_ms
    if timestamp is None:
        return fallback, None
    ms = (parse_ms(timestamp) if type(timestamp) is str else None) or _read(timestamp)
    if ms is None or not 0 <= ms <= LATEST_MS:
        detail = (
            "invalid `timestamp`; expected ISO 8601, or a number of seconds or milliseconds; used the runtime's time"
        )
        return fallback, Violation(Kind.TIMESTAMP_INVALID, "timestamp", detail)
    past_ms = skew.age_ms if runtime_ms is None else skew.past_ms
    if -past_ms <= ms - fallback <= skew.future_ms:
        return ms, None
    return fallback, skewed("timestamp", ms, fallback, "the time of reading" if runtime_ms is None else "the runtime's")


def skewed(field: str, ms: int, used_ms: int, used: str) -> Violation:
    """Return the violation of a time that is replaced by another."""
    detail = f"`{field}` is {abs(ms - used_ms) // 1000} s {'after' if ms > used_ms else 'before'} {used}"
    return Violation(Kind.TIMESTAMP_SKEWED, field, f"{detail}, which is used")


def _read(timestamp: object) -> int | None:
    if isinstance(timestamp, str):
        ms = parse_ms(timestamp)
        if ms is None and timestamp[:20].replace(".", "", 1).isdecimal():
            return from_number(float(timestamp[:20]))
        return ms
    if isinstance(timestamp, int | float) and not isinstance(timestamp, bool):
        return from_number(timestamp)
    return None


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
