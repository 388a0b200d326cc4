"""Route: the event's own time, the daily index it belongs to, and its id."""

from typing import NamedTuple

from shipper_processors.times import LATEST_MS, day, format_ms, from_number, parse_ms
from shipper_schemas.violation import Kind, Violation

MS_PER_DAY = 86_400_000
ID_TIME_BYTES = 6


class Skew(NamedTuple):
    """How far an application's time may be from one that it cannot choose, in milliseconds."""

    future_ms: int = 3_600_000
    """After the runtime's; after the time of reading where there is no runtime's."""
    past_ms: int = 7 * MS_PER_DAY
    """Before the runtime's."""
    age_ms: int = 366 * MS_PER_DAY
    """Before the time of reading where there is no runtime's: old logs are read late, and hold many days."""

    def of_any_age(self) -> "Skew":
        """The same, for logs that somebody chose to read however old they are."""
        return self._replace(age_ms=LATEST_MS)

    def believed(self, now_ms: int) -> range:
        """The times that are believed where nothing but the time of reading can be compared."""
        return range(max(0, now_ms - self.age_ms), min(LATEST_MS, now_ms + self.future_ms) + 1)


Moment = tuple[int, Violation | None]
"""When an event happened, in milliseconds since the epoch, and what was wrong with the application's own word."""


def moment(timestamp: object, runtime_ms: int | None, now_ms: int, skew: Skew) -> Moment:
    """The application's `timestamp` where it is a time near the runtime's, else the runtime's time and why.

    In a log without runtime times (None) `now_ms` takes their place, and times may be much older: a line chooses its
    day, but neither a day to come nor one of any number of years.
    """
    fallback = now_ms if runtime_ms is None else runtime_ms
    if timestamp is None:
        return fallback, None
    ms = (parse_ms(timestamp) if type(timestamp) is str else None) or _read(timestamp)
    if ms is None or not 0 <= ms <= LATEST_MS:
        detail = "`timestamp` is no time (ISO 8601, or a number of seconds or milliseconds); the runtime's is used"
        return fallback, Violation(Kind.TIMESTAMP_INVALID, "timestamp", detail)
    past_ms = skew.age_ms if runtime_ms is None else skew.past_ms
    if -past_ms <= ms - fallback <= skew.future_ms:
        return ms, None
    return fallback, skewed("timestamp", ms, fallback, "the time of reading" if runtime_ms is None else "the runtime's")


def skewed(field: str, ms: int, used_ms: int, used: str) -> Violation:
    """The note on a time that another takes the place of."""
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
    """`PREFIX-YYYY.MM.dd`, the day in UTC."""
    return f"{prefix}-{day(ms // MS_PER_DAY)}"


def is_daily(index: str, prefix: str) -> bool:
    """Whether `index` is `PREFIX-YYYY.MM.dd`, by its length too: one prefix may begin with the other."""
    return len(index) == len(prefix) + len("-YYYY.MM.dd") and index.startswith(f"{prefix}-")


def document_id(runtime_ms: int, digest: bytes) -> bytes:
    """Twenty bytes: six of the runtime's time in milliseconds, so that ids rise, and fourteen of the digest.

    Where the log has no times, `runtime_ms` is 0: an id must not depend on when a line was read.
    """
    return runtime_ms.to_bytes(ID_TIME_BYTES, "big") + digest


__all__ = ["Moment", "Skew", "document_id", "format_ms", "index_name", "is_daily", "moment", "skewed"]
