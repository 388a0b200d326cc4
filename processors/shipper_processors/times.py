"""Convert times: RFC 3339 and similar formats to milliseconds since the epoch, and back.

`parse_ms` reads what runtimes and the shipper write: RFC 3339 section 5.6, with fractions of one to nine digits and the
zone `Z`, `±HH:MM`, `±HHMM` or none (UTC). `read_time` reads whatever an application writes: these first, then numbers,
objects and lists, and the notations of `time_formats`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from shipper_processors.time_formats import LONGEST, day_start_ms, read_compact, read_text
from shipper_processors.time_zones import in_zone, instant
from shipper_schemas import lazy_re as re

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOSE = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|z|UTC|[+-]\d\d:?\d\d)?", re.ASCII)
SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
DATE = re.compile(r"\d{4}([-/. ]?)(?:\d\d?|[A-Za-z]{3})\1\d\d?|\d{4}-?(?:W\d\d(?:-?\d)?|\d{3})", re.ASCII)
STRICT_LENGTH = 20
LATEST_MS = 253402300799999  # 9999-12-31T23:59:59.999Z
NUMERAL = re.compile(r"\d{1,20}(?:\.\d{0,40})?(?:[eE]\+?\d{1,2})?", re.ASCII)
DIGITS = 18
PAIRS = {
    ("epochSecond", "nanoOfSecond"): 1_000_000,
    ("seconds", "nanos"): 1_000_000,
    ("_seconds", "_nanoseconds"): 1_000_000,
    ("secs", "nanos"): 1_000_000,
    ("secs_since_epoch", "nanos_since_epoch"): 1_000_000,
    ("sec", "nsec"): 1_000_000,
    ("sec", "usec"): 1000,
    ("tv_sec", "tv_nsec"): 1_000_000,
    ("tv_sec", "tv_usec"): 1000,
}
"""Keys of whole seconds and of the rest of the second, with the units of the rest in a millisecond."""
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


def from_number(value: float | Decimal) -> int | None:
    """Return milliseconds since the epoch of a number of seconds, milli-, micro- or nanoseconds, by its magnitude.

    A float of seconds is rounded to microseconds, which it holds exactly, before it is cut to milliseconds.
    """
    if not 0 < value < BEYOND:  # also false for NaN
        return None
    if value < MILLISECONDS_FROM:
        ms = round(value * 1_000_000) // 1000 if isinstance(value, float) else int(value * 1000)
    elif value < MICROSECONDS_FROM:
        ms = int(value)
    else:
        ms = int(value) // (1000 if value < NANOSECONDS_FROM else 1_000_000)
    return min(ms, LATEST_MS)


# --- any value of an application --------------------------------------------------------------------


class TimeRead(NamedTuple):
    """A time as an application wrote it."""

    ms: int
    """Milliseconds since the epoch, from 0 to the end of the calendar."""
    zoned: bool
    """True if the value itself says which instant it is, False if it names no zone."""


def read_time(value: object, *, zone: tzinfo = UTC, reference_ms: int | None = None) -> TimeRead | None:
    """Return the time that a field's value holds, as text, number, object or list; None if it is not a time.

    A time without a zone is read in `zone`. `reference_ms`, the runtime's time or that of reading, completes a time
    that does not name its year or its day; without it such a time is None.
    """
    if isinstance(value, str):
        moment = _of_text(value, zone, reference_ms)
    elif isinstance(value, int | float):
        moment = None if isinstance(value, bool) else _exact(from_number(value))
    elif isinstance(value, Mapping):
        moment = _of_object(value, zone, reference_ms)
    elif isinstance(value, list | tuple):
        moment = _of_list(value, zone, reference_ms)
    else:
        return None
    return TimeRead(*moment) if moment is not None and 0 <= moment[0] <= LATEST_MS else None


def names_a_date(value: object) -> bool:
    """True if a value that `read_time` accepts is a date without a clock."""
    if isinstance(value, str):
        return ":" not in value and DATE.fullmatch(value.strip()) is not None
    return isinstance(value, list | tuple) and len(value) == 3  # noqa: PLR2004 -- year, month, day


def _exact(ms: int | None) -> tuple[int, bool] | None:
    return None if ms is None else (ms, True)


def _of_text(text: str, zone: tzinfo, reference_ms: int | None) -> tuple[int, bool] | None:
    if text[-1:] == "Z":
        ms = parse_ms(text)
        if ms is not None:
            return ms, True
    text = text.strip() if len(text) <= LONGEST else ""
    match = LOOSE.fullmatch(text)
    if match is not None:
        date, clock, fraction, written = match.groups()
        second = _second(f"{date}T{clock}")
        if second is not None:
            return instant(second + int(f"{fraction or '0'}00"[:3]), written or "", zone, reference_ms)
    elif NUMERAL.fullmatch(text):
        return read_compact(text, zone, reference_ms) or _exact(from_number(Decimal(text)))
    return read_text(text, zone, reference_ms) if text else None


def _of_object(value: Mapping[str, object], zone: tzinfo, reference_ms: int | None) -> tuple[int, bool] | None:
    """Return the time of MongoDB's `$date`, of Monolog's `date`, or of seconds with the rest of the second."""
    date = value.get("$date", value if "$numberLong" in value else None)
    if date is not None:
        ms = _integer(date.get("$numberLong") if isinstance(date, Mapping) else date)
        if ms is not None:
            return ms, True
        return _of_text(date, zone, reference_ms) if isinstance(date, str) else None
    if isinstance(value.get("date"), str):
        written = value.get("timezone")
        text = f"{value['date']} {written if isinstance(written, str) else ''}"
        return _of_text(text, zone, reference_ms)
    for (seconds_key, part_key), per_ms in PAIRS.items():
        if seconds_key in value and (part_key in value or len(value) == 1):
            return _of_pair(value[seconds_key], value.get(part_key, 0), per_ms)
    return None


def _of_pair(seconds: object, part: object, per_ms: int) -> tuple[int, bool] | None:
    whole, rest = _integer(seconds), _integer(part)
    if whole is None or rest is None or not 0 <= rest < 1000 * per_ms:
        return None
    return whole * 1000 + rest // per_ms, True


def _of_list(value: Sequence[object], zone: tzinfo, reference_ms: int | None) -> tuple[int, bool] | None:
    """Return the time of a list: year to nanoseconds, as Jackson writes a Java date, or seconds and nanoseconds."""
    numbers = [number for item in value[:8] if (number := _integer(item)) is not None]
    if len(numbers) != len(value):
        return None
    if len(numbers) == 2:  # noqa: PLR2004 -- a pair
        return _of_pair(numbers[0], numbers[1], 1_000_000)
    if not 3 <= len(numbers) <= 7:  # noqa: PLR2004 -- year, month, day … nanoseconds
        return None
    year, month, day_, hour, minute, second, nanoseconds = (*numbers, 0, 0, 0, 0)[:7]
    begin = day_start_ms(year, month, day_)
    if begin is None or hour > 23 or minute > 59 or second > 59 or nanoseconds >= 10**9:  # noqa: PLR2004 -- the clock
        return None
    wall_ms = begin + (hour * 3600 + minute * 60 + second) * 1000 + nanoseconds // 1_000_000
    return in_zone(wall_ms, zone, reference_ms), False


def _integer(value: object) -> int | None:
    """Return a natural number of at most eighteen digits, given as such or as text."""
    if isinstance(value, str) and len(value) <= DIGITS and value.isascii() and value.isdecimal():
        return int(value)
    return value if type(value) is int and 0 <= value < 10**DIGITS else None


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
