"""Routing: the event's time, the index of its day, an id that rises with time."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.route import Skew, document_id, event_time, index_name
from shipper_schemas.violation import Kind

RUNTIME = 1_795_428_000_000
HOUR = 3_600_000


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-23T09:59:59.000Z",
        "2026-11-23T10:59:59+01:00",
        RUNTIME - 1000,
        (RUNTIME - 1000) / 1000,
        str(RUNTIME - 1000),
        "2026-11-23 09:59:59",
        "23/Nov/2026:10:59:59 +0100",
        "Nov 23 09:59:59",
        "09:59:59.000",
        {"$date": "2026-11-23T09:59:59.000Z"},
        {"epochSecond": RUNTIME // 1000 - 1, "nanoOfSecond": 0},
        [2026, 11, 23, 9, 59, 59],
    ],
)
def test_the_applications_time_is_accepted(timestamp: object) -> None:
    """In every notation that `read_time` knows; the runtime's time completes it."""
    assert event_time(timestamp, RUNTIME, 0, Skew()) == (RUNTIME - 1000, None)


@pytest.mark.parametrize("timestamp", ["soon", "", "²", "1³.5", [], {}, True, float("nan"), -5, "9" * 400])
def test_an_invalid_time_is_replaced_and_reported(timestamp: object) -> None:
    """The runtime's time replaces it."""
    ms, violation = event_time(timestamp, RUNTIME, 0, Skew())
    assert ms == RUNTIME
    assert violation is not None
    assert violation.kind == Kind.TIMESTAMP_INVALID


@pytest.mark.parametrize("distance", [HOUR + 1, -(7 * 24 * HOUR) - 1])
def test_a_time_too_far_from_the_runtimes_is_replaced_and_reported(distance: int) -> None:
    """A wrong clock in an application does not scatter its events over many indices."""
    ms, violation = event_time(RUNTIME + distance, RUNTIME, 0, Skew())
    assert ms == RUNTIME
    assert violation is not None
    assert violation.kind == Kind.TIMESTAMP_SKEWED


@pytest.mark.parametrize(
    ("timestamp", "said"),
    [
        ("2026-11-23 11:00:00", "read as UTC, is 1 h after the runtime's"),
        ("2026-11-23T15:30:00.5", "5.5 h after"),
        ("2026-11-23 05:01:29", "5 h before"),
        ("2026-11-24 00:00:00", "14 h after"),
        ([2026, 11, 23, 10, 30], "0.5 h after"),
        ("19:00:00.123", "9 h after"),
        ("Mon Nov 23 02:00:00 2026", "8 h before"),
        ("2026-11-23 18:00:00 CST", "8 h after"),
    ],
)
def test_a_time_of_another_zone_is_replaced_and_reported(timestamp: object, said: str) -> None:
    """Whole half hours from the runtime's time: the note names the setting that fixes it."""
    ms, violation = event_time(timestamp, RUNTIME, 0, Skew())
    assert ms == RUNTIME
    assert violation is not None
    assert violation.kind == Kind.TIMESTAMP_ZONE
    assert said in violation.detail
    assert "set schema.timezone" in violation.detail


@pytest.mark.parametrize(
    ("timestamp", "distance"),
    [
        ("2026-11-23T09:00:00Z", -HOUR),
        (RUNTIME - 2 * HOUR, -2 * HOUR),
        ("2026-11-23T10:00:00-01:00", HOUR),
        ("2026-11-23 09:15:00", -45 * 60_000),
        ("2026-11-23 08:58:20", -HOUR - 100_000),
        ("2026-11-22 19:30:00", -14 * HOUR - HOUR // 2),
        ("2026-11-23 10:01:00", 60_000),
    ],
)
def test_a_late_line_is_not_taken_for_one_of_another_zone(timestamp: object, distance: int) -> None:
    """A time that names its zone, or is another distance away, is that of the event."""
    assert event_time(timestamp, RUNTIME, 0, Skew()) == (RUNTIME + distance, None)


def test_the_zone_of_times_without_one_is_configured() -> None:
    """In winter and in summer; also in logs without runtime times, where nothing can be compared."""
    paris = Skew(zone=ZoneInfo("Europe/Paris"))
    assert event_time("2026-11-23 11:00:00", RUNTIME, 0, paris) == (RUNTIME, None)
    assert event_time("2026-11-23T10:00:00Z", RUNTIME, 0, paris) == (RUNTIME, None)
    assert event_time("2026-07-01 12:00:00", None, RUNTIME, paris) == (1_782_900_000_000, None)
    assert event_time("2026-11-23 05:00:00", None, RUNTIME, Skew()) == (RUNTIME - 5 * HOUR, None)
    _, violation = event_time("2026-11-23 10:00:00", RUNTIME, 0, paris)
    assert violation is not None
    assert "read as Europe/Paris, is 1 h before" in violation.detail


def test_a_date_alone_does_not_replace_the_runtimes_time() -> None:
    """It says less, and is often a date of the application's business; in a plain file it is better than none."""
    assert event_time("2026-11-23", RUNTIME, 0, Skew()) == (RUNTIME, None)
    assert event_time("2027-01-31", RUNTIME, 0, Skew()) == (RUNTIME, None)
    assert event_time("2026-11-23", None, RUNTIME, Skew()) == (RUNTIME - 10 * HOUR, None)


def test_a_log_without_times_takes_the_lines_own_or_now() -> None:
    """Plain files use the line's own time, also of last year, else the time of reading."""
    assert event_time("2025-11-24T00:00:00Z", None, RUNTIME, Skew()) == (1_763_942_400_000, None)
    assert event_time(None, None, RUNTIME, Skew()) == (RUNTIME, None)
    assert event_time("2001-01-01T00:00:00Z", None, RUNTIME, Skew().of_any_age()) == (978_307_200_000, None)


@pytest.mark.parametrize(
    ("skew", "distance"),
    [(Skew(), HOUR + 1), (Skew(), -(366 * 24 * HOUR) - 1), (Skew().of_any_age(), HOUR + 1), (Skew(age_ms=5), -6)],
)
def test_a_log_without_times_does_not_choose_any_day(skew: Skew, distance: int) -> None:
    """A line that could choose any day from 1970 to 9999 would create an index for each."""
    ms, violation = event_time(RUNTIME + distance, None, RUNTIME, skew)
    assert ms == RUNTIME
    assert violation is not None
    assert violation.kind == Kind.TIMESTAMP_SKEWED
    assert "the time of reading, which is used" in violation.detail


def test_accepted_times_fit_into_an_index() -> None:
    """This holds for any limits."""
    assert Skew().accepted_times(0) == range(HOUR + 1)
    assert Skew().of_any_age().accepted_times(RUNTIME) == range(RUNTIME + HOUR + 1)
    assert Skew(future_ms=1 << 60).accepted_times(RUNTIME).stop == 253402300799999 + 1


def test_index_is_the_day_in_utc() -> None:
    """A millisecond before midnight and midnight are in different indices."""
    midnight = 1_795_478_400_000
    assert index_name("keneyapp-logs", midnight - 1) == "keneyapp-logs-2026.11.23"
    assert index_name("keneyapp-logs", midnight) == "keneyapp-logs-2026.11.24"


@given(st.integers(0, 253402300799999), st.integers(0, 253402300799999), st.binary(min_size=14, max_size=14))
def test_ids_rise_with_time(first: int, second: int, digest: bytes) -> None:
    """Sorting by id sorts by time, so that indices over ids grow at their end."""
    assert (document_id(first, digest) < document_id(second, digest)) == (first < second)
    assert len(document_id(first, digest)) == 20
