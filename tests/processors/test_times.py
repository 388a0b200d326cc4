"""Times: every spelling that runtimes and applications use."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.times import (
    EPOCH,
    LATEST_MS,
    TimeRead,
    day,
    format_ms,
    from_number,
    names_a_date,
    parse_ms,
    read_time,
)

MOMENT = 1_795_428_000_123


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T10:00:00.123Z",
        "2026-11-23T10:00:00.123456789Z",
        "2026-11-23T10:00:00.1239Z",
        "2026-11-23T12:00:00.123+02:00",
        "2026-11-23T05:30:00.123-0430",
        "2026-11-23 10:00:00,123",
        "2026-11-23 10:00:00.123 UTC",
        "  2026-11-23T10:00:00.123z ",
    ],
)
def test_spellings_of_one_moment_agree(text: str) -> None:
    """RFC 3339 in all precisions, other zones, and similar formats of loggers give the same time."""
    assert parse_ms(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-13-01T00:00:00Z", "2026-11-23T10:00:00.-12Z", "2026-11-23T10:00:00. 12Z", "2026-11-23T25:00:00Z",
     "2026-11-23", "٢٠٢٦-11-23T10:00:00Z", "x" * 100_000],
)  # fmt: skip
def test_an_invalid_time_is_none(text: str) -> None:
    """Nothing is guessed, and long texts are not searched."""
    assert parse_ms(text) is None


@pytest.mark.parametrize(
    ("text", "fraction"),
    [("2026-11-23T10:00:00Z", 0), ("2026-11-23T10:00:00.1Z", 100), ("2026-11-23T10:00:00.12Z", 120)],
)
def test_trimmed_fractions_keep_their_place(text: str, fraction: int) -> None:
    """Docker trims trailing zeros: `.1` is a tenth of a second."""
    assert parse_ms(text) == MOMENT - 123 + fraction


@given(st.integers(0, LATEST_MS))
def test_format_and_parse_are_inverse(ms: int) -> None:
    """Every millisecond of the calendar survives the round trip, and agrees with datetime."""
    assert parse_ms(format_ms(ms)) == ms
    moment = datetime.fromisoformat(format_ms(ms))
    assert (moment - EPOCH) // timedelta(milliseconds=1) == ms


@pytest.mark.parametrize("value", [MOMENT / 1000, MOMENT, MOMENT * 1000, MOMENT * 1_000_000])
def test_the_magnitude_of_a_number_gives_its_unit(value: float) -> None:
    """Seconds, milli-, micro- and nanoseconds since the epoch are recognised."""
    ms = from_number(value)
    assert ms is not None
    assert abs(ms - MOMENT) <= 1


def test_decimals_of_seconds_are_not_rounded_down() -> None:
    """`1796038638.721` is 720.99 ms as a float: the millisecond that was logged is read."""
    assert from_number(1796038638.721) == 1_796_038_638_721
    assert from_number(Decimal("1796038638.7219")) == 1_796_038_638_721


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 0, 1e300])
def test_numbers_that_are_not_times_are_none(value: float) -> None:
    """NaN, infinities, times before the epoch and times beyond the calendar are invalid."""
    assert from_number(value) is None


def test_days_are_utc() -> None:
    """The index day is counted in UTC."""
    assert day(MOMENT // 86_400_000) == datetime.fromtimestamp(MOMENT / 1000, UTC).strftime("%Y.%m.%d")


# --- read_time: numbers, objects and lists; the notations of text are in test_time_formats.py ----------

READ = 1_796_038_638_721
"""2026-11-30T11:37:18.721Z."""


@pytest.mark.parametrize(
    "value",
    [
        READ,
        READ / 1000,
        READ * 1000 + 5,
        READ * 1_000_000 + 999_999,
        str(READ),
        "1796038638.721",
        "1796038638.721999999",
        "1796038638721.5",
        "1.796038638721E9",
        "1.796038638721e+12",
        {"$date": READ},
        {"$date": "2026-11-30T11:37:18.721Z"},
        {"$date": "2026-11-30T12:37:18.721+0100"},
        {"$date": {"$numberLong": str(READ)}},
        {"$numberLong": str(READ)},
        {"epochSecond": READ // 1000, "nanoOfSecond": 721_000_000},
        {"seconds": str(READ // 1000), "nanos": 721_999_999},
        {"_seconds": READ // 1000, "_nanoseconds": 721_000_000},
        {"secs_since_epoch": READ // 1000, "nanos_since_epoch": 721_000_000},
        {"tv_sec": READ // 1000, "tv_usec": 721_000},
        {"date": "2026-11-30 11:37:18.721000", "timezone_type": 3, "timezone": "UTC"},
        {"date": "2026-11-30 12:37:18.721000", "timezone_type": 3, "timezone": "Europe/Paris"},
        {"date": "2026-11-30 12:37:18.721000", "timezone_type": 1, "timezone": "+01:00"},
        [READ // 1000, 721_000_000],
    ],
)
def test_numbers_and_objects_of_one_moment_agree(value: object) -> None:
    """Epochs in every unit, and the objects in which MongoDB, Monolog, Log4j, protobuf and Rust write times."""
    assert read_time(value) == TimeRead(READ, True)


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ([2026, 11, 30, 11, 37, 18, 721_000_000], READ),
        ([2026, 11, 30, 11, 37, 18], READ - 721),
        ([2026, 11, 30, 11, 37], READ - 18_721),
        ([2026, 11, 30], READ // 86_400_000 * 86_400_000),
    ],
)
def test_a_list_is_a_local_time_of_java(value: object, ms: int) -> None:
    """Jackson omits seconds and nanoseconds that are zero."""
    assert read_time(value) == TimeRead(ms, False)
    paris = read_time(value, zone=ZoneInfo("Europe/Paris"))
    assert paris == TimeRead(ms - 3_600_000, False)


@pytest.mark.parametrize(
    "value",
    [
        None, True, b"2026-11-30", object(), {}, [], {"$date": None}, {"$date": {}}, {"$date": -5}, {"$date": "soon"},
        {"$date": {"$date": READ}}, {"date": 5}, {"seconds": READ}, {"seconds": 1, "nanos": 10**9}, {"seconds": "x", "nanos": 0},
        {"epochSecond": 1.5, "nanoOfSecond": 0}, [1], [2026, 13, 30], [2026, 11, 30, 24], [2026, 11, 30, 11, 60],
        [2026, 11, 30, 11, 37, 18, 10**9], [2026, 11, 30, 11, 37, 18, 0, 0], [2026, 11, None], ["a", "b", "c"], [[2026], 11, 30],
        [10**20, 0], [10**17, 11, 30], [2026, 10**17, 30], 10**400, -1, float("nan"), float("-inf"), "1e99", "9" * 21, "1796038638721e", "0", "-1796038638",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "2026-11-30T11:37:18+24:00", "2026-11-30T11:37:18+01:60",
    ],
)  # fmt: skip
def test_other_values_are_no_time(value: object) -> None:
    """Nothing is guessed; a time outside 1970 to 9999 is none, as .NET and Go write one that is not set."""
    assert read_time(value, reference_ms=READ) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2026-11-30", True), ("20261130", True), ("2026-334", True), ("2026-W49-1", True), ([2026, 11, 30], True),
     ("2026-11-30T11:37Z", False), ("11:37:18", False), ("1796038638", False), (20261130, False), (None, False)],
)  # fmt: skip
def test_a_date_alone_is_known_as_such(value: object, expected: bool) -> None:
    """It says less than the runtime's time."""
    assert names_a_date(value) is expected


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.integers(0, 10**19)
    | st.sampled_from(["2026-11-30", "+01:00"]),
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(
            st.sampled_from(
                [
                    "$date",
                    "$numberLong",
                    "date",
                    "timezone",
                    "seconds",
                    "nanos",
                    "epochSecond",
                    "nanoOfSecond",
                    "sec",
                    "usec",
                    "x",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(
    json_values,
    st.sampled_from(["UTC", "Europe/Paris", "America/St_Johns", "Pacific/Apia"]),
    st.none() | st.integers(0, LATEST_MS),
)
def test_any_value_is_a_time_or_none(value: Any, zone: str, reference_ms: int | None) -> None:
    """Whatever JSON a line contains, reading its time does not raise."""
    read = read_time(value, zone=ZoneInfo(zone), reference_ms=reference_ms)
    assert read is None or 0 <= read.ms <= LATEST_MS
    names_a_date(value)


@given(st.integers(0, LATEST_MS))
def test_times_of_the_shipper_are_read_like_those_of_applications(ms: int) -> None:
    """`read_time` and `parse_ms` agree on `@timestamp`."""
    assert read_time(format_ms(ms)) == TimeRead(ms, True)
    assert read_time(json.loads(json.dumps({"$date": format_ms(ms)}))) == TimeRead(ms, True)
