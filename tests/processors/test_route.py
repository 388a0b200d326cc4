"""Route: the event's own time, the index of its day, an id that rises with time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.route import Skew, document_id, index_name, moment
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
    ],
)
def test_the_applications_time_is_believed(timestamp: object) -> None:
    """ISO 8601, seconds or milliseconds, as numbers or digits."""
    assert moment(timestamp, RUNTIME, 0, Skew()) == (RUNTIME - 1000, None)


@pytest.mark.parametrize("timestamp", ["soon", "", "²", "1³.5", [], {}, True, float("nan"), -5, "9" * 400])
def test_what_is_no_time_is_replaced_and_noted(timestamp: object) -> None:
    """The runtime's time stands in."""
    ms, violation = moment(timestamp, RUNTIME, 0, Skew())
    assert ms == RUNTIME
    assert violation is not None
    assert violation.kind == Kind.TIMESTAMP_INVALID


@pytest.mark.parametrize("away", [HOUR + 1, -(7 * 24 * HOUR) - 1])
def test_a_time_too_far_from_the_runtimes_is_replaced_and_noted(away: int) -> None:
    """A clock that is wrong in the application does not scatter its events over the indices."""
    ms, violation = moment(RUNTIME + away, RUNTIME, 0, Skew())
    assert ms == RUNTIME
    assert violation is not None
    assert violation.kind == Kind.TIMESTAMP_SKEWED


def test_a_log_without_times_takes_the_lines_own_or_now() -> None:
    """Plain files: the line's own time, also of last year, else the time of reading."""
    assert moment("2025-11-24T00:00:00Z", None, RUNTIME, Skew()) == (1_763_942_400_000, None)
    assert moment(None, None, RUNTIME, Skew()) == (RUNTIME, None)
    assert moment("2001-01-01T00:00:00Z", None, RUNTIME, Skew().of_any_age()) == (978_307_200_000, None)


@pytest.mark.parametrize(
    ("skew", "away"),
    [(Skew(), HOUR + 1), (Skew(), -(366 * 24 * HOUR) - 1), (Skew().of_any_age(), HOUR + 1), (Skew(age_ms=5), -6)],
)
def test_a_log_without_times_does_not_choose_any_day(skew: Skew, away: int) -> None:
    """A line that could name each day from 1970 to 9999 would make an index of each."""
    ms, violation = moment(RUNTIME + away, None, RUNTIME, skew)
    assert ms == RUNTIME
    assert violation is not None
    assert violation.kind == Kind.TIMESTAMP_SKEWED
    assert "the time of reading, which is used" in violation.detail


def test_what_is_believed_are_times_that_an_index_can_hold() -> None:
    """Whatever the bounds."""
    assert Skew().believed(0) == range(HOUR + 1)
    assert Skew().of_any_age().believed(RUNTIME) == range(RUNTIME + HOUR + 1)
    assert Skew(future_ms=1 << 60).believed(RUNTIME).stop == 253402300799999 + 1


def test_index_is_the_day_in_utc() -> None:
    """A second before midnight and midnight itself are in different indices."""
    midnight = 1_795_478_400_000
    assert index_name("keneyapp-logs", midnight - 1) == "keneyapp-logs-2026.11.23"
    assert index_name("keneyapp-logs", midnight) == "keneyapp-logs-2026.11.24"


@given(st.integers(0, 253402300799999), st.integers(0, 253402300799999), st.binary(min_size=14, max_size=14))
def test_ids_rise_with_time(first: int, second: int, digest: bytes) -> None:
    """Sorting by id is sorting by time: indices over ids grow at their end."""
    assert (document_id(first, digest) < document_id(second, digest)) == (first < second)
    assert len(document_id(first, digest)) == 20
