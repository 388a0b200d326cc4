"""Notations of times in text: each that a logger is known to write, and none that is not a time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.times import LATEST_MS, TimeRead, read_time

MS = 1_796_038_638_721
"""2026-11-30T11:37:18.721Z, a Monday."""
SECOND, MINUTE = MS // 1000 * 1000, MS // 60_000 * 60_000
DAY, HOUR = 86_400_000, 3_600_000
ZONED = {
    MS: [
        "2026-11-30T11:37:18.721Z", "2026-11-30t11:37:18.721z", "2026-11-30 11:37:18.721Z", "20261130T113718.721Z",
        "2026-11-30T12:37:18.721+01:00", "2026-11-30T12:37:18.721+0100", "2026-11-30T12:37:18,721999+01",
        "2026-11-30T11:37:18.721000000000Z", "2026-11-30T06:07:18.721-05:30", "2026-11-30T11:37:18.721+00",
        "2026-11-30T12:37:18.721+01:00[Europe/Paris]", "2026-11-30T12:37:18.721[Europe/Paris]", "2026-11-30T11:37:18.721Z[UTC]",
        "2026-11-30 11:37:18.721 UTC", "2026-11-30 11:37:18.721 GMT", "2026-11-30 12:37:18.721 CET", "2026-11-30 03:37:18.721 PST",
        "2026-11-30 06:37:18.721 EST", "2026-11-30 08:37:18.721 -03", "2026-11-30 11:37:18.721 +0000 UTC",
        "2026-11-30 12:37:18.721123456 +0100 CET m=+0.000012345", "2026-11-30 12:37:18.721 UTC+1", "2026-11-30 13:37:18.721 GMT+02:00",
        "2026-11-30T113718.721Z", "2026W491T113718.721Z", "2026334T113718.721Z", "2026-W49-1T11:37:18.721Z", "2026W491T11:37:18.721Z", "2026-334T11:37:18.721Z", "20261130113718.721Z",
        "/Date(1796038638721)/", "/Date(1796038638721+0100)/", "2026-11-30T11:37:18.721\u22120000",
    ],
    SECOND: [
        "20261130T113718Z", "20261130113718Z", "2026-11-30T11:37:18Z", "Mon, 30 Nov 2026 11:37:18 +0000", "30 Nov 2026 12:37:18 +0100",
        "Mon, 30 Nov 2026 11:37:18 GMT", "Monday, 30-Nov-26 11:37:18 GMT", "Mon, 30 Nov 26 06:37:18 EST",
        "Mon, 30 Nov 2026 11:37:18 +0000 (UTC)", "Mon Nov 30 11:37:18 UTC 2026", "Mon Nov 30 12:37:18 CET 2026",
        "Mon Nov 30 12:37:18 +0100 2026", "30/Nov/2026:11:37:18 +0000", "[30/Nov/2026:04:37:18 -0700]",
        "Mon Nov 30 2026 12:37:18 GMT+0100 (Central European Standard Time)", "30-Nov-2026 12:37:18 Europe/Paris",
        "30-Nov-2026 11:37:18 UTC", "2026-11-30 11:37:18 UTC", "2026-11-30 11:37:18 +0000",
    ],
    MINUTE: ["2026-11-30T11:37Z", "20261130T1137Z", "2026-11-30T1137Z", "2026-11-30T12:37+01:00"],
}  # fmt: skip
UNZONED = {
    MS: [
        "2026-11-30T11:37:18.721", "2026-11-30 11:37:18,721", "2026-11-30 11:37:18.721456", "2026-11-30  11:37:18.721",
        "2026/11/30 11:37:18.721", "2026.11.30 11:37:18.721456", "2026-Nov-30 11:37:18.721456", "[2026-11-30 11:37:18.721]",
        "20261130-11:37:18.721", "20261130113718721", "30-Nov-2026 11:37:18.721", "30.11.2026 11:37:18.721", "30/Nov/2026:11:37:18.721",
        "Mon Nov 30 11:37:18.721456 2026",
    ],
    SECOND: [
        "2026/11/30 11:37:18", "20261130T113718", "20261130113718", "Mon Nov 30 11:37:18 2026", "Nov 30, 2026 11:37:18 AM",
        "Nov 30, 2026, 11:37:18 AM", "Nov 30, 2026 11:37:18\u202fAM", "November 30, 2026 11:37:18 a.m.", "Nov 30 2026 11:37:18",
        "11/30/2026 11:37:18 AM", "11/30/2026, 11:37:18 AM", "11/30/2026 11:37:18", "30/11/2026 11:37:18", "30/11/2026, 11:37:18 am",
        "11-30-2026 11:37:18", "30-11-2026 11:37:18", "261130 11:37:18", "30 Nov 2026 11:37:18", "2026-11-30T11:37:18",
        "2026-11-30T11:37:18 CST", "2026-11-30 11:37:18 IST",
    ],
    MINUTE: ["2026-11-30T11:37", "2026-11-30 11:37"],
    MS // DAY * DAY: ["2026-11-30", "20261130", "2026/11/30", "2026-W49-1", "2026W491", "2026-334", "2026-11-30T00:00", "2026-11-30T00"],
}  # fmt: skip
COMPLETED = {
    MS: [
        "1130 11:37:18.721456",
        "I1130 11:37:18.721456",
        "11:37:18.721",
        "11:37:18,721",
        "11-30 11:37:18.721",
        "30 Nov 11:37:18.721",
    ],
    SECOND: ["Nov 30 11:37:18", "11:37:18", "11:37:18 AM"],
}


def cases(table: dict[int, list[str]]) -> list[tuple[str, int]]:
    """Return the texts with their times."""
    return [(text, ms) for ms, texts in table.items() for text in texts]


@pytest.mark.parametrize(("text", "ms"), cases(ZONED))
def test_a_time_with_its_zone_is_one_instant(text: str, ms: int) -> None:
    """Neither the configured zone nor the reference changes it."""
    assert read_time(text) == TimeRead(ms, True)
    assert read_time(f" {text} ", zone=ZoneInfo("Asia/Kolkata"), reference_ms=0) == TimeRead(ms, True)


@pytest.mark.parametrize(("text", "ms"), cases(UNZONED))
def test_a_time_without_zone_is_read_in_the_configured_one(text: str, ms: int) -> None:
    """UTC unless configured otherwise, and marked."""
    assert read_time(text) == TimeRead(ms, False)
    if not text.endswith("IST"):
        assert read_time(text, zone=ZoneInfo("Asia/Kolkata")) == TimeRead(ms - 19_800_000, False)


@pytest.mark.parametrize(("text", "ms"), cases(COMPLETED))
def test_what_a_time_does_not_name_comes_from_the_reference(text: str, ms: int) -> None:
    """Its year or its day; without a reference it is not a time."""
    assert read_time(text, reference_ms=MS + HOUR) == TimeRead(ms, False)
    assert read_time(text) is None


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("Dec 31 23:59:59", "2027-01-01T00:00:03Z", "2026-12-31T23:59:59Z"),
        ("Jan  1 00:00:01", "2026-12-31T23:59:58Z", "2027-01-01T00:00:01Z"),
        ("Dec  1 11:00:00", "2026-11-30T11:37:18Z", "2026-12-01T11:00:00Z"),
        ("Dec 10 06:55:48", "2026-11-30T11:37:18Z", "2025-12-10T06:55:48Z"),
        ("Mar  1 06:55:48", "2026-11-30T11:37:18Z", "2026-03-01T06:55:48Z"),
        ("Feb 29 06:55:48", "2026-11-30T11:37:18Z", "2024-02-29T06:55:48Z"),
        ("23:59:59.5", "2026-11-30T00:00:01Z", "2026-11-29T23:59:59.5Z"),
        ("00:00:01", "2026-11-30T23:59:59Z", "2026-12-01T00:00:01Z"),
        ("00:00:01+09:00", "2026-11-30T15:00:02Z", "2026-11-30T15:00:01Z"),
        ("05/11/2026 10:00:00", "2026-11-05T10:00:01Z", "2026-11-05T10:00:00Z"),
        ("05/11/2026 10:00:00", "2026-05-11T09:00:01Z", "2026-05-11T10:00:00Z"),
        ("05/11/2026, 10:00:00 am", "2026-11-05T10:00:01Z", "2026-11-05T10:00:00Z"),
        ("05/11/2026, 10:00:00 AM", "2030-11-05T10:00:01Z", "2026-05-11T10:00:00Z"),
        ("17/06/09 20:10:40", "2017-06-09T20:10:41Z", "2017-06-09T20:10:40Z"),
    ],
)  # fmt: skip
def test_the_reference_decides_what_several_dates_could_be(text: str, reference: str, expected: str) -> None:
    """The year is the latest that is not to come, the day the nearest, the order of a date the one near the reference."""
    ms = read_time(reference)
    moment = read_time(text, reference_ms=ms.ms if ms else None)
    assert moment is not None
    assert moment.ms == (read_time(expected) or TimeRead(0, True)).ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31 23:59:60.5", "2017-01-01T00:00:00.5Z"),
        ("20161231T235960Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31T24:00:00Z", "2017-01-01T00:00:00Z"),
        ("Nov 30, 2026 12:00:00 AM", "2026-11-30T00:00:00Z"),
        ("Nov 30, 2026 12:00:00 PM", "2026-11-30T12:00:00Z"),
        ("Nov 30, 2026 1:37:18 PM", "2026-11-30T13:37:18Z"),
        ("261130  1:37:18", "2026-11-30T01:37:18Z"),
        ("Mon, 30-Nov-69 11:37:18 GMT", "1969-11-30T11:37:18Z"),
    ],
)
def test_edges_of_the_clock(text: str, expected: str) -> None:
    """A leap second is the next minute's beginning, as POSIX counts; 24:00 is the next midnight."""
    assert (read_time(text) or TimeRead(0, True)).ms == (read_time(expected) or TimeRead(0, True)).ms


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "soon", "INFO", "May", "May 1", "Mon", "Monday", "-", "[]", "Z", "T", "+01:00", "11:37", "1:2", "11:37:18:", "v1.2.3",
        "2026-11-31", "2026-02-29T11:37:18", "2026-13-01T11:37:18Z", "2026-11-30T25:37:18Z", "2026-11-30T11:60:18Z", "2026-11-30T11:37:61Z",
        "2026-11-30T24:00:01Z", "2026-11-30 11:37:18 INFO", "2026-11-30 11:37:18 - started", "2026-11-30 13:37:18 PM", "2026-11-30 0:37:18 AM",
        "2026-11-30T11:37:18+123", "2026-11-30T11:37:18+25:00", "2026-11-30T11:37:18 Europe/Nowhere",
        "2026-11-30T11:37:18[../../etc/passwd]", "2026-11-30T11:37:18[Europe]", "2026-11-30T11:37:18 Europe/", "2026-W54-1", "2026-366",
        "Foo 30 11:37:18", "30/Foo/2026:11:37:18 +0000", "05/11/2026 10:00:00", "1.2.3.4:80:90", "Nov 31 11:37:18", "Feb 30 11:37:18",
        "12345678901 11:37:18", "٢٠٢٦-11-30T11:37:18Z", "2026-11-30T11:37:18Z\n2026", "x" * 100_000, "2026-11-30T11:37:18." + "1" * 100_000,
        "/Date(-5)/", "10.1.2.3", "2026-11-30T11:37:18 " + "A" * 60,
    ],
)  # fmt: skip
def test_other_texts_are_no_time(text: str) -> None:
    """What is not certainly a time is none, so that the runtime's is used and the entry is flagged."""
    reference = MS if text != "05/11/2026 10:00:00" else MS + 400 * DAY
    assert read_time(text, reference_ms=reference) is None


def test_an_abbreviation_with_several_meanings_is_that_of_the_configured_zone() -> None:
    """`CST` is Chicago's, Shanghai's or none; also in the hour that the end of summer time repeats."""
    text = "2026-11-30 11:37:18 CST"
    assert read_time(text) == TimeRead(SECOND, False)
    assert read_time(text, zone=ZoneInfo("America/Chicago")) == TimeRead(SECOND + 6 * HOUR, True)
    assert read_time(text, zone=ZoneInfo("Asia/Shanghai")) == TimeRead(SECOND - 8 * HOUR, True)
    chicago = ZoneInfo("America/Chicago")
    summer, winter = (read_time(f"2026-11-01 01:30:00 {name}", zone=chicago) for name in ("CDT", "CST"))
    assert summer is not None
    assert winter is not None
    assert winter.ms - summer.ms == HOUR


def test_a_repeated_hour_is_the_one_near_the_reference() -> None:
    """At the end of summer time the clock shows the same hour twice; without a reference it is the first."""
    paris = ZoneInfo("Europe/Paris")
    first = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()) * 1000
    for reference, expected in ((None, first), (first + 5, first), (first + HOUR + 5, first + HOUR)):
        assert read_time("2026-10-25 02:30:00", zone=paris, reference_ms=reference) == TimeRead(expected, False)


# --- every notation that can be written can be read ---------------------------------------------------

Writer = Callable[[datetime], str]


def _fraction(at: datetime) -> str:
    return f"{at.microsecond // 1000:03d}"


ZONED_WRITERS: list[tuple[Writer, int]] = [
    (lambda at: at.isoformat(), 1),
    (lambda at: at.isoformat(" "), 1),
    (lambda at: at.strftime("%Y%m%dT%H%M%S%z"), 1000),
    (lambda at: at.strftime("%Y%m%dT%H%M%S.") + _fraction(at) + at.strftime("%z"), 1),
    (lambda at: at.strftime("%d/%b/%Y:%H:%M:%S %z"), 1000),
    (lambda at: at.strftime("%a %b %d %Y %H:%M:%S GMT%z (Some Standard Time)"), 1000),
    (lambda at: at.strftime("%a %b %d %H:%M:%S %z %Y"), 1000),
    (lambda at: at.strftime("%Y-%m-%d %H:%M:%S.") + _fraction(at) + at.strftime(" %z"), 1),
    (lambda at: at.strftime("%G-W%V-%uT%H:%M:%S%z"), 1000),
    (lambda at: at.strftime("%Y-%jT%H:%M:%S%z"), 1000),
    (format_datetime, 1000),
    (lambda at: at.strftime("%Y-%m-%dT%H:%M%z"), 60_000),
]
UNZONED_WRITERS: list[tuple[Writer, int]] = [
    (lambda at: at.strftime("%Y-%m-%d %H:%M:%S,") + _fraction(at), 1),
    (lambda at: at.strftime("%Y/%m/%d %H:%M:%S"), 1000),
    (lambda at: at.strftime("%Y%m%d%H%M%S"), 1000),
    (lambda at: at.strftime("%Y%m%d-%H:%M:%S.") + _fraction(at), 1),
    (lambda at: at.strftime("%b %d, %Y %I:%M:%S %p"), 1000),
    (lambda at: at.strftime("%m/%d/%Y, %I:%M:%S %p"), 1000),
    (lambda at: at.strftime("%d.%m.%Y %H:%M:%S"), 1000),
    (lambda at: at.strftime("%d-%b-%Y %H:%M:%S.") + _fraction(at), 1),
    (lambda at: at.ctime(), 1000),
    (lambda at: at.strftime("%a %b %e %H:%M:%S %Y"), 1000),
]
PARTIAL_WRITERS: list[tuple[Writer, int]] = [
    (lambda at: at.strftime("%b %e %H:%M:%S"), 1000),
    (lambda at: at.strftime("%m%d %H:%M:%S.%f"), 1),
    (lambda at: at.strftime("%H:%M:%S,") + _fraction(at), 1),
    (lambda at: at.strftime("%m-%d %H:%M:%S.") + _fraction(at), 1),
]
UNORDERED_WRITERS: list[Writer] = [
    lambda at: at.strftime("%d/%m/%y %H:%M:%S"),
    lambda at: at.strftime("%y/%m/%d %H:%M:%S"),
    lambda at: at.strftime("%m/%d/%Y %H:%M:%S"),
    lambda at: at.strftime("%d-%m-%Y %H:%M:%S"),
]
moments = st.integers(0, 4_102_444_799_999)  # to 2099


def written(ms: int, zone: timezone | ZoneInfo) -> datetime:
    """Return the moment as a clock of `zone` shows it."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(zone)


@pytest.mark.parametrize(("write", "unit"), ZONED_WRITERS)
@given(moments, st.integers(-14 * 4, 14 * 4))
def test_every_zoned_notation_is_read_back(write: Writer, unit: int, ms: int, quarters: int) -> None:
    """At any time and any offset of quarter hours, to the precision that was written."""
    at = written(ms, timezone(timedelta(minutes=15 * quarters)))
    assert read_time(write(at)) == TimeRead(ms // unit * unit, True)


@pytest.mark.parametrize(("write", "unit"), UNZONED_WRITERS)
@given(moments)
def test_every_notation_without_zone_is_read_back(write: Writer, unit: int, ms: int) -> None:
    """The clock that was written is read, in UTC."""
    assert read_time(write(written(ms, UTC))) == TimeRead(ms // unit * unit, False)


@pytest.mark.parametrize(("write", "unit"), PARTIAL_WRITERS)
@given(st.integers(40 * DAY, 4_102_444_799_999), st.integers(-5 * HOUR, 5 * HOUR))
def test_every_partial_notation_is_completed(write: Writer, unit: int, ms: int, distance: int) -> None:
    """Hours from the reference, also over the end of a day, a month or a year."""
    assert read_time(write(written(ms, UTC)), reference_ms=ms + distance) == TimeRead(ms // unit * unit, False)


@pytest.mark.parametrize("write", UNORDERED_WRITERS)
@given(st.integers(40 * DAY, 3_100_000_000_000), st.integers(-5 * HOUR, 5 * HOUR))
def test_a_date_whose_order_is_open_is_never_read_wrongly(write: Writer, ms: int, distance: int) -> None:
    """The order that is near the reference is taken; if several are, the time is none."""
    assert read_time(write(written(ms, UTC)), reference_ms=ms + distance) in (None, TimeRead(ms // 1000 * 1000, False))


@given(st.text("0123456789:-/.,+TZWJanovMPGUC []()e", max_size=100), st.none() | st.integers(0, LATEST_MS))
def test_any_text_like_a_time_is_a_time_or_none(text: str, reference_ms: int | None) -> None:
    """Reading does not raise, and gives a time within the calendar."""
    read = read_time(text, zone=ZoneInfo("Pacific/Apia"), reference_ms=reference_ms)
    assert read is None or 0 <= read.ms <= LATEST_MS


@pytest.mark.parametrize(
    "text",
    [
        "1" * 96,
        ":" * 96,
        "1:" * 48,
        "Mon " * 24,
        "A" * 96,
        " " * 96,
        "2026-11-30T11:37:18" + " " * 77,
        "11:11:11" * 12,
        "+1" * 48,
    ],
)
def test_reading_takes_bounded_time(text: str) -> None:
    """No text takes long: a line could be made of them."""
    begin = time.process_time()
    for _ in range(100):
        read_time(text, reference_ms=MS)
    assert time.process_time() - begin < 1
