"""Convert times: RFC 3339 and similar formats to milliseconds since the epoch, and back.

Source of the format: RFC 3339 section 5.6; fractions of one to nine digits, zone `Z`, `±HH:MM`, `±HHMM` or none (UTC).
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOSE = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|z|UTC|[+-]\d\d:?\d\d)?", re.ASCII)
SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
STRICT_LENGTH = 20
LATEST_MS = 253402300799999  # 9999-12-31T23:59:59.999Z
MILLISECONDS_FROM, MICROSECONDS_FROM, NANOSECONDS_FROM, BEYOND = 1e11, 1e14, 1e17, 1e19


@lru_cache(maxsize=4096)
def _second(text: str) -> int | None:
    """Return milliseconds since the epoch of `YYYY-MM-DDTHH:MM:SS` in UTC; None if invalid."""
    if SECOND.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
    return (moment - EPOCH) // timedelta(milliseconds=1)


def parse_ms(text: str) -> int | None:
    """Return milliseconds since the epoch of an RFC 3339 time, or a similar one; None if invalid."""
    if len(text) > STRICT_LENGTH and text[-1] == "Z" and text[10] == "T" and text[19] == ".":
        second = _second(text[:19])
        fraction = text[20:-1]
        if second is not None and fraction.isdecimal():
            return second + int(fraction[:3] if len(fraction) > 2 else f"{fraction}00"[:3])  # noqa: PLR2004
    return _parse_loosely(text)


def _parse_loosely(text: str) -> int | None:
    match = LOOSE.fullmatch(text.strip()[:64])
    if match is None:
        return None
    date, clock, fraction, zone = match.groups()
    second = _second(f"{date}T{clock}")
    if second is None:
        return None
    ms = second + int(f"{fraction or '0'}00"[:3])
    if zone and zone not in "ZzUTC":
        offset = int(zone[1:3]) * 60 + int(zone[-2:])
        ms -= (offset if zone[0] == "+" else -offset) * 60_000
    return ms


def from_number(value: float) -> int | None:
    """Return milliseconds since the epoch of a number of seconds, milli-, micro- or nanoseconds, by its magnitude."""
    if not 0 < value < BEYOND:  # also false for NaN
        return None
    if value < MILLISECONDS_FROM:
        value *= 1000
    elif value >= NANOSECONDS_FROM:
        value /= 1e6
    elif value >= MICROSECONDS_FROM:
        value /= 1000
    return min(int(value), LATEST_MS)


@lru_cache(maxsize=4096)
def _stem(second: int) -> str:
    return (EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def format_ms(ms: int) -> str:
    """Return RFC 3339 in UTC with three fractional digits, the form of `@timestamp`."""
    second, fraction = divmod(max(0, min(ms, LATEST_MS)), 1000)
    return f"{_stem(second)}.{fraction:03d}Z"


@lru_cache(maxsize=256)
def day(ms_per_day: int) -> str:
    """Return `YYYY.MM.dd` of a day, counted from the epoch."""
    return (EPOCH + timedelta(days=ms_per_day)).strftime("%Y.%m.%d")
