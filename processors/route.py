"""Route: the event's own time, the daily index it belongs to, and its id."""

from typing import NamedTuple

from processors.times import LATEST_MS, day, format_ms, from_number, parse_ms
from schemas.violation import Kind, Violation

MS_PER_DAY = 86_400_000
ID_TIME_BYTES = 6


class Skew(NamedTuple):
    """How far an application's time may be from the runtime's, in milliseconds."""

    future_ms: int = 3_600_000
    past_ms: int = 7 * MS_PER_DAY


Moment = tuple[int, Violation | None]
"""When an event happened, in milliseconds since the epoch, and what was wrong with the application's own word."""


def moment(timestamp: object, runtime_ms: int | None, now_ms: int, skew: Skew) -> Moment:
    """The application's `timestamp` where it is a time near the runtime's, else the runtime's time and why.

    A log without runtime times (None) has its lines' own times believed, and `now_ms` where they have none.
    """
    fallback = now_ms if runtime_ms is None else runtime_ms
    if timestamp is None:
        return fallback, None
    ms = (parse_ms(timestamp) if type(timestamp) is str else None) or _read(timestamp)
    if ms is None or not 0 <= ms <= LATEST_MS:
        detail = "`timestamp` is no time (ISO 8601, or a number of seconds or milliseconds); the runtime's is used"
        return fallback, Violation(Kind.TIMESTAMP_INVALID, "timestamp", detail)
    if runtime_ms is None or -skew.past_ms <= ms - runtime_ms <= skew.future_ms:
        return ms, None
    detail = f"`timestamp` is {abs(ms - runtime_ms) // 1000} s {'after' if ms > runtime_ms else 'before'} the runtime's"
    return runtime_ms, Violation(Kind.TIMESTAMP_SKEWED, "timestamp", f"{detail}, which is used")


def _read(timestamp: object) -> int | None:
    if isinstance(timestamp, str):
        ms = parse_ms(timestamp)
        if ms is None and timestamp[:20].replace(".", "", 1).isdigit():
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


__all__ = ["Moment", "Skew", "document_id", "format_ms", "index_name", "is_daily", "moment"]
