"""Times: every spelling that runtimes and applications use."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.times import EPOCH, LATEST_MS, day, format_ms, from_number, parse_ms

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


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 0, 1e300])
def test_numbers_that_are_not_times_are_none(value: float) -> None:
    """NaN, infinities, times before the epoch and times beyond the calendar are invalid."""
    assert from_number(value) is None


def test_days_are_utc() -> None:
    """The index day is counted in UTC."""
    assert day(MOMENT // 86_400_000) == datetime.fromtimestamp(MOMENT / 1000, UTC).strftime("%Y.%m.%d")
