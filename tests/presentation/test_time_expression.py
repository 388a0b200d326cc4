"""Times as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.presentation.time_expression import parse_when
from shipper_processors.times import format_ms

NOW = 1_795_428_000_000  # 2026-11-23T10:00:00Z


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-22T08:30:00Z", "2026-11-22T08:30:00.000Z"),
        ("2026-11-22T08:30:00.125+02:00", "2026-11-22T06:30:00.125Z"),
        ("2026-11-22 08:30:00", "2026-11-22T08:30:00.000Z"),
        ("2026-11-22", "2026-11-22T00:00:00.000Z"),
        ("now", "2026-11-23T10:00:00.000Z"),
        ("15m", "2026-11-23T09:45:00.000Z"),
        (" 2H ", "2026-11-23T08:00:00.000Z"),
        ("3d", "2026-11-20T10:00:00.000Z"),
        ("1w", "2026-11-16T10:00:00.000Z"),
        ("1h30m", "2026-11-23T08:30:00.000Z"),
        ("45s", "2026-11-23T09:59:15.000Z"),
    ],
)
def test_times_dates_and_ages_are_parsed(text: str, shown: str) -> None:
    """A date is its start; an age is relative to now."""
    assert format_ms(parse_when(text, NOW)) == shown


@pytest.mark.parametrize(
    "text", ["", "yesterday-ish", "5", "-5m", "2026-13-01", "2026-02-30", "10:00", "3y", "m", "٣d"]
)
def test_an_invalid_time_is_an_error_with_the_accepted_forms(text: str) -> None:
    """The message has examples."""
    with pytest.raises(ValueError, match="15m, 2h, 3d"):
        parse_when(text, NOW)


@given(st.integers(0, 999_999_999), st.sampled_from("smhdw"))
def test_an_age_never_leads_before_the_epoch(number: int, unit: str) -> None:
    """Any age gives a time that a store can search for."""
    assert 0 <= parse_when(f"{number}{unit}", NOW) <= NOW
