"""Time zones as loggers write them: offsets, abbreviations, and names of the IANA database.

An abbreviation counts as a zone only where it has one meaning. Those with several (`CST` in Chicago, Shanghai and
Havana, `IST` in India, Ireland and Israel, `BST` in Britain and Bangladesh) are that of the configured zone if it uses
them; otherwise the time is read as if it named no zone. The American abbreviations are those of RFC 2822 section 4.3,
without `CST` and `CDT`.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from shipper_schemas import lazy_re as re

_HOURS: dict[float, str] = {
    -10: "HST", -9: "AKST", -8: "PST AKDT", -7: "MST PDT", -6: "MDT", -5: "EST", -4: "EDT", -3: "BRT ART",
    0: "UTC GMT UT UCT Z WET", 1: "CET WEST", 2: "CEST EET SAST", 3: "EEST MSK", 7: "WIB ICT", 8: "AWST HKT SGT",
    9: "JST KST", 9.5: "ACST", 10: "AEST", 10.5: "ACDT", 11: "AEDT", 12: "NZST", 13: "NZDT",
}  # fmt: skip
MINUTES = {name: int(hours * 60) for hours, names in _HOURS.items() for name in names.split()}
"""Abbreviations with one meaning, with their minutes east of Greenwich."""
AMBIGUOUS = frozenset(("CST", "CDT", "IST", "BST", "AST", "ADT", "GST", "WST", "SST", "PKT", "ECT", "AMT"))
OFFSET = re.compile(
    r"(?:(?:UTC|GMT)(?=[+-]))?(?P<sign>[+-])(?P<hours>[01]\d|2[0-3]|\d(?!\d))"
    r"(?::?(?P<minutes>[0-5]\d)(?::?(?P<seconds>[0-5]\d))?)?"
    r"(?: (?:[A-Za-z]{1,5}|[+-]\d{2,4}))?"  # Go writes the abbreviation after the offset
    r"(?: m=[+-]\d{1,20}\.\d{1,12})?"  # and its monotonic clock
    r"(?:\[[\w/+-]{1,64}\]| ?\([^()]{1,64}\))?",  # Java the name in brackets, JavaScript and mail in parentheses
    re.ASCII,
)
NAME = re.compile(
    r"(?P<open>[\[(])?(?P<name>[A-Za-z][\w/+-]{0,63})(?(open)[\])])(?:\[[\w/+-]{1,64}\])?(?: m=[+-][\d.]{1,32})?",
    re.ASCII,
)
EARLIEST_MS, LATEST_MS = -62135596800000, 253402300799999
"""The first and the last millisecond of the calendar, year 1 to 9999."""
Instant = tuple[int, bool]
"""Milliseconds since the epoch, and True if the text itself says in which zone it was written."""


@lru_cache(maxsize=1024)
def named_zone(name: str) -> tzinfo | None:
    """Return the zone of the IANA database with this name; None if there is none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # unknown; not a valid key; a folder of the database
        return None


@lru_cache(maxsize=512)
def fixed_offset_ms(written: str) -> int | None:
    """Return the milliseconds east of Greenwich of an offset such as `+01:00`; None if it is not one."""
    match = OFFSET.fullmatch(written)
    if match is None:
        return None
    seconds = int(match["hours"]) * 3600 + int(match["minutes"] or 0) * 60 + int(match["seconds"] or 0)
    return seconds * (1000 if match["sign"] == "+" else -1000)


@cache
def known_names() -> frozenset[str]:
    """Return all names of the database, read once: to look for a name that does not exist takes long."""
    return frozenset(available_timezones())


def instant(wall_ms: int, written: str, zone: tzinfo, reference_ms: int | None) -> Instant | None:
    """Return the instant of a wall clock with the zone written after it; without one the clock is in `zone`.

    `wall_ms` are milliseconds since the epoch as if the clock showed UTC. None if the zone is unknown.
    """
    if not written:
        return in_zone(wall_ms, zone, reference_ms), False
    if written in ("Z", "z"):
        return wall_ms, True
    offset_ms = fixed_offset_ms(written)
    if offset_ms is not None:
        return wall_ms - offset_ms, True
    match = NAME.fullmatch(written)
    return None if match is None else _in_named(wall_ms, match["name"], zone, reference_ms)


def _in_named(wall_ms: int, name: str, zone: tzinfo, reference_ms: int | None) -> Instant | None:
    if "/" in name:
        named = named_zone(name) if name in known_names() else None
        return None if named is None else (in_zone(wall_ms, named, reference_ms), True)
    abbreviation = name.upper()
    for clock in _clocks(wall_ms):
        if zone.tzname(clock) == abbreviation:
            return wall_ms - _offset_ms(clock, zone), True
    minutes = MINUTES.get(abbreviation)
    if minutes is not None:
        return wall_ms - minutes * 60_000, True
    return (in_zone(wall_ms, zone, reference_ms), False) if abbreviation in AMBIGUOUS else None


def in_zone(wall_ms: int, zone: tzinfo, reference_ms: int | None) -> int:
    """Return the instant of a wall clock in `zone`.

    An hour that the end of summer time repeats is the one nearer to the reference, or else the first; one that its
    beginning skips is read with the offset before it.
    """
    if zone is UTC:
        return wall_ms
    first, second = (wall_ms - _offset_ms(clock, zone) for clock in _clocks(wall_ms))
    if first >= second or reference_ms is None:
        return first
    return min(first, second, key=lambda ms: abs(ms - reference_ms))


def _clocks(wall_ms: int) -> tuple[datetime, datetime]:
    """Return a wall clock as the first and as the second of a repeated hour."""
    clock = datetime(1970, 1, 1) + timedelta(milliseconds=max(EARLIEST_MS, min(wall_ms, LATEST_MS)))  # noqa: DTZ001 -- a wall clock has no zone yet
    return clock, clock.replace(fold=1)


def _offset_ms(clock: datetime, zone: tzinfo) -> int:
    return (zone.utcoffset(clock) or timedelta()) // timedelta(milliseconds=1)
