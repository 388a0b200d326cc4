"""Read times in the many notations of loggers: text, objects and lists.

Sources: ISO 8601; RFC 2822 section 3.3; RFC 3164 section 4.1.2; RFC 9110 section 5.6.7; the documentation of nginx,
klog, Log4j, java.util.logging, MongoDB's Extended JSON, Monolog, Jackson and .NET. A notation is a regular expression
with named parts and bounded repetitions. What a text does not name comes from a reference: the year is the latest in
which the time is at most a day after it, since logs are read late and not early; the day is the nearest.
"""

from calendar import isleap
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, tzinfo

from shipper_processors.time_zones import Instant, instant
from shipper_schemas import lazy_re as re

MS_PER_DAY = 86_400_000
LONGEST = 96
"""Characters of the longest notation: JavaScript's, with the name of the zone in words."""
NEAR_MS = 36 * 3_600_000
"""A live event's time is this close to the reference, in whatever zone it was written."""
SPACES = {0xA0: " ", 0x202F: " ", 0x2009: " ", 0x2212: "-"}
"""Typographic spaces, which Java writes before AM and PM, and the minus of ISO 8601."""
_NAMES = ("january", "february", "march", "april", "may", "june",
          "july", "august", "september", "october", "november", "december")  # fmt: skip
MONTHS = {spelling: place for place, name in enumerate(_NAMES, 1) for spelling in (name, name[:3])} | {"sept": 9}
_REST = r"(?P<rest>.{0,80})"
_CLOCK = (
    r"(?P<hour>[ \d]?\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,:](?P<fraction>\d{1,30}))?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\b\.?)?"
)
_FRACTION = r"(?:[.,]?(?P<fraction>\d{1,30}))?"
_DIGITAL_CLOCK = rf"(?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d){_FRACTION})?"
_MONTH = r"(?P<month>[A-Za-z]{3,9})\.?"
WEEKDAY = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}\.?,? {1,2}", re.ASCII)
YEAR_AFTER = re.compile(r"(?P<zone>.{0,40}?) (?P<year>\d{4})", re.ASCII)
DOTNET = re.compile(r"\\?/Date\((?P<ms>\d{1,15})(?:[+-]\d{4})?\)\\?/", re.ASCII)
NOTATIONS = {
    name: re.compile(date + clock, re.ASCII)
    for name, date, clock in (
        (  # 2026-11-30 11:37:18.721 +01:00, 2026/11/30 11:37:18, 2026-Nov-30 11:37:18
            "extended",
            r"(?P<year>\d{4})(?P<sep>[-/. ])(?P<month>\d{1,2}|[A-Za-z]{3})(?P=sep)(?P<day>\d{1,2})",
            rf"(?:(?:[Tt_:]| {{1,2}}|, ){_CLOCK}{_REST})?",
        ),
        (  # 2026-11-30T1137Z, 2026-11-30T11
            "mixed",
            r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)",
            rf"[Tt](?P<hour>\d\d)(?:(?P<minute>\d\d)(?:(?P<second>\d\d){_FRACTION})?)?{_REST}",
        ),
        (  # 20261130T113718Z, 20261130-11:37:18.721
            "compact",
            r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
            rf"(?:[Tt _-]?{_DIGITAL_CLOCK}{_REST})?",
        ),
        (  # 2026-W49-1T11:37:18Z
            "week",
            r"(?P<year>\d{4})-?W(?P<week>\d\d)(?:-?(?P<weekday>[1-7]))?",
            rf"(?:[Tt ]{_DIGITAL_CLOCK}{_REST})?",
        ),
        (  # 2026-334T11:37:18Z
            "ordinal",
            r"(?P<year>\d{4})-?(?P<ordinal>\d{3})",
            rf"(?:[Tt ]{_DIGITAL_CLOCK}{_REST})?",
        ),
        (  # 30 Nov 2026 11:37:18 +0000, 30/Nov/2026:11:37:18 +0000, 30-Nov-26 11:37:18 GMT, 30 Nov 11:37:18
            "day first",
            rf"(?P<day>\d{{1,2}})[ /-]{_MONTH}(?:[ /-](?P<year>\d{{4}}|\d\d(?=[ ,])))?",
            rf"(?::|,? {{1,2}}){_CLOCK}{_REST}",
        ),
        (  # Nov 30 11:37:18, Nov 30, 2026 11:37:18 AM, Nov 30 11:37:18 UTC 2026
            "month first",
            rf"{_MONTH} {{1,2}}(?P<day>\d{{1,2}})(?:,? (?P<year>\d{{4}}))?",
            rf"(?:,| @| at)? {{1,2}}{_CLOCK}{_REST}",
        ),
        (  # 11/30/2026, 11:37:18 AM, 30.11.2026 11:37:18, 26/11/30 11:37:18
            "numeric",
            r"(?P<first>\d{1,2})(?P<sep>[-/.])(?P<middle>\d{1,2})(?P=sep)(?P<last>\d{4}|\d\d)",
            rf"(?:,? {{1,2}}|:|T){_CLOCK}{_REST}",
        ),
        (  # 261130 11:37:18
            "short",
            r"(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)",
            rf" {{1,2}}{_CLOCK}",
        ),
        (  # I1130 11:37:18.721456, 11-30 11:37:18.721
            "month and day",
            r"[IWEFD]?(?P<month>\d\d)[-/]?(?P<day>\d\d)",
            rf" {{1,2}}{_CLOCK}{_REST}",
        ),
        ("clock", "", f"{_CLOCK}{_REST}"),  # 11:37:18.721
    )
}
"""Expressions by name, with an example of what each reads."""
Parts = Mapping[str, str | None]
Reader = Callable[[Parts, tzinfo, int | None], Instant | None]


def read_text(text: str, zone: tzinfo, reference_ms: int | None) -> Instant | None:
    """Return the instant of a time in any notation but RFC 3339 and numbers; None if it is not a time."""
    if not text.isascii():
        text = text.translate(SPACES)
    if text[:1] == "[" and text[-1:] == "]":
        text = text[1:-1]
    weekday = WEEKDAY.match(text)
    if weekday is not None:
        text = text[weekday.end() :]
    for pattern, read in _AFTER_LETTER if text[:1].isalpha() else _AFTER_DIGIT:
        match = pattern.fullmatch(text)
        if match is not None:
            moment = read(match.groupdict(), zone, reference_ms)
            if moment is not None:
                return moment
    match = DOTNET.fullmatch(text)
    return None if match is None else (int(match["ms"]), True)


def read_compact(text: str, zone: tzinfo, reference_ms: int | None) -> Instant | None:
    """Return the instant of a date, or of a date and a time, in digits alone: `20261130113718`; None if it is not."""
    match = NOTATIONS["compact"].fullmatch(text) if len(text) in (8, 12, 14, 17, 20, 23) else None
    return None if match is None or not "1970" <= text[:4] <= "2100" else _dated(match.groupdict(), zone, reference_ms)


def day_start_ms(year: int, month: int, day: int) -> int | None:
    """Return the beginning of a date in milliseconds since the epoch; None if it is not in the calendar."""
    try:
        return (date(year, month, day).toordinal() - _EPOCH_DAY) * MS_PER_DAY
    except (ValueError, OverflowError):
        return None


_EPOCH_DAY = date(1970, 1, 1).toordinal()


# --- parts of a text --------------------------------------------------------------------------------


def _clock_ms(parts: Parts) -> int | None:
    """Return the milliseconds since midnight; None if there is no such time.

    Second 60, a leap second, is the beginning of the next minute, as POSIX counts; 24:00:00 is the next midnight.
    """
    hour, minute, second = int(parts.get("hour") or 0), int(parts.get("minute") or 0), int(parts.get("second") or 0)
    half = parts.get("half")
    if half is not None:
        if not 1 <= hour <= 12:  # noqa: PLR2004 -- hours of half a day
            return None
        hour = hour % 12 + (12 if half in "Pp" else 0)
    ms = int(f"{parts.get('fraction') or '0'}00"[:3])
    within = hour < 24 and minute < 60 and second <= 60  # noqa: PLR2004 -- the clock
    if not within and (hour, minute, second, ms) != (24, 0, 0, 0):
        return None
    return (hour * 3600 + minute * 60 + second) * 1000 + ms


def _at(day_ms: int | None, parts: Parts, zone: tzinfo, reference_ms: int | None) -> Instant | None:
    """Return the instant of a day's beginning with the clock and zone of `parts`."""
    clock_ms = _clock_ms(parts)
    if day_ms is None or clock_ms is None:
        return None
    return instant(day_ms + clock_ms, (parts.get("rest") or "").strip(), zone, reference_ms)


def _year(text: str) -> int:
    """Return the year of four digits, or of two as POSIX reads them: 1969 to 2068."""
    year = int(text)
    return year if len(text) > 2 else year + (1900 if year > 68 else 2000)  # noqa: PLR2004


def _month(text: str) -> int | None:
    return int(text) if text.isdigit() else MONTHS.get(text.lower())


# --- notations --------------------------------------------------------------------------------------


def _dated(parts: Parts, zone: tzinfo, reference_ms: int | None) -> Instant | None:
    month, year, written = _month(parts["month"] or ""), parts.get("year"), parts
    if month is None:
        return None
    if year is None:  # ctime writes it last, after the zone if there is one
        after = YEAR_AFTER.fullmatch(parts.get("rest") or "")
        if after is not None:
            year, written = after["year"], {**parts, "rest": after["zone"]}
    day = int(parts["day"] or 0)
    if year is not None:
        return _at(day_start_ms(_year(year), month, day), written, zone, reference_ms)
    return None if reference_ms is None else _in_latest_year(month, day, parts, zone, reference_ms)


def _in_latest_year(month: int, day: int, parts: Parts, zone: tzinfo, reference_ms: int) -> Instant | None:
    this_year = (datetime(1970, 1, 1) + timedelta(milliseconds=reference_ms)).year  # noqa: DTZ001 -- in UTC
    for year in range(min(this_year + 1, 9999), max(this_year - 9, 1), -1):  # 29 February may be eight years ago
        moment = _at(day_start_ms(year, month, day), parts, zone, reference_ms)
        if moment is not None and moment[0] <= reference_ms + MS_PER_DAY:
            return moment
    return None


def _week(parts: Parts, zone: tzinfo, reference_ms: int | None) -> Instant | None:
    try:
        day = date.fromisocalendar(int(parts["year"] or 0), int(parts["week"] or 0), int(parts["weekday"] or 1))
    except ValueError:
        return None
    return _at(day_start_ms(day.year, day.month, day.day), parts, zone, reference_ms)


def _ordinal(parts: Parts, zone: tzinfo, reference_ms: int | None) -> Instant | None:
    year, day = int(parts["year"] or 0), int(parts["ordinal"] or 0)
    begin = day_start_ms(year, 1, 1)
    if begin is None or not 1 <= day <= 365 + isleap(year):
        return None
    return _at(begin + (day - 1) * MS_PER_DAY, parts, zone, reference_ms)


def _numeric(parts: Parts, zone: tzinfo, reference_ms: int | None) -> Instant | None:
    """Return the instant of a date in numbers that does not say which of them is the month: `11/30/2026`, `26/11/30`.

    The order is the only one that is a date, or the only one that puts the time near the reference. Points mean that
    the day is first; if nothing else decides, AM and PM mean that the month is.
    """
    first, middle, last = parts["first"] or "", parts["middle"] or "", parts["last"] or ""
    orders = [(last, first, middle), (last, middle, first)]  # year, month, day: the month first, then the day
    if parts["sep"] == ".":
        del orders[0]
    elif len(last) == 2:  # noqa: PLR2004 -- digits
        orders.append((first, middle, last))
    days = (day_start_ms(_year(year), int(month), int(day)) for year, month, day in orders)
    readings = [_at(day, parts, zone, reference_ms) for day in days]
    instants = dict.fromkeys(reading for reading in readings if reading is not None)
    if len(instants) > 1 and reference_ms is not None:
        near = [reading for reading in instants if abs(reading[0] - reference_ms) <= NEAR_MS]
        if len(near) == 1:
            return near[0]
    return next(iter(instants)) if len(instants) == 1 or (instants and parts["half"] is not None) else None


def _clock(parts: Parts, zone: tzinfo, reference_ms: int | None) -> Instant | None:
    """Return the instant of a clock alone, on the day that puts it nearest to the reference."""
    if reference_ms is None or parts["second"] is None:
        return None
    day_ms = reference_ms // MS_PER_DAY * MS_PER_DAY
    today = _at(day_ms, parts, zone, reference_ms)
    if today is None:
        return None
    distance = round((reference_ms - today[0]) / MS_PER_DAY)
    return _at(day_ms + distance * MS_PER_DAY, parts, zone, reference_ms) if distance else today


_READERS: dict[str, Reader] = {"week": _week, "ordinal": _ordinal, "numeric": _numeric, "clock": _clock}
_AFTER_LETTER, _AFTER_DIGIT = (
    tuple((NOTATIONS[name], _READERS.get(name, _dated)) for name in names)
    for names in (
        ("month first", "month and day"),
        ("extended", "day first", "clock", "compact", "mixed", "numeric", "month and day", "short", "ordinal", "week"),
    )
)
"""What is tried for a text that begins with a letter, or with another character, most frequent first."""
