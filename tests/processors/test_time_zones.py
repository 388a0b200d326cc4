"""Zones as loggers write them."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from shipper_processors.time_zones import AMBIGUOUS, MINUTES, fixed_offset_ms, in_zone, instant, named_zone

HOUR = 3_600_000


def test_names_of_the_database_are_zones() -> None:
    """Also where the system has none, by the package tzdata."""
    assert named_zone("UTC") is UTC
    assert named_zone("Europe/Paris") == ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    "name", ["", "Europe", "Europe/Nowhere", "../../etc/passwd", "/etc/localtime", "a\0b", "x" * 5000, "Europe/ Paris"]
)
def test_other_names_are_none(name: str) -> None:
    """A name in a log cannot read another file, and does not raise."""
    assert named_zone(name) is None


def test_names_that_do_not_exist_are_not_looked_for_on_disk() -> None:
    """A line could name another one each time."""
    before = named_zone.cache_info()
    assert instant(0, "Europe/Nowhere", UTC, None) is None
    assert named_zone.cache_info() == before
    assert instant(0, "Europe/Paris", UTC, None) == (-HOUR, True)


@pytest.mark.parametrize(
    ("written", "hours"),
    [("+01:00", 1), ("+0100", 1), ("+01", 1), ("-03:30", -3.5), ("+00:00", 0), ("-0000", 0), ("UTC+2", 2), ("GMT-05:00", -5),
     ("+05:53:28", 5 + 53 / 60 + 28 / 3600), ("+0545 +0545", 5.75), ("+0200 CEST m=-0.1", 2), ("+01:00[Europe/Paris]", 1),
     ("+0100 (Central European Time)", 1)],
)  # fmt: skip
def test_offsets_are_read(written: str, hours: float) -> None:
    """With and without the colon, and with the name that Go, Java and JavaScript write after them."""
    assert fixed_offset_ms(written) == round(hours * HOUR)


@pytest.mark.parametrize(
    "written", ["", "+", "+123", "+24:00", "+01:60", "01:00", "+01:00x", "Z", "+01:00[a b]", "+01:00 (a(b))"]
)
def test_other_texts_are_no_offset(written: str) -> None:
    """Nothing is guessed."""
    assert fixed_offset_ms(written) is None


def test_no_abbreviation_has_one_and_several_meanings() -> None:
    """The two tables do not overlap."""
    assert not AMBIGUOUS & MINUTES.keys()


def test_an_hour_that_is_skipped_is_read_with_the_offset_before_it() -> None:
    """02:30 does not exist at the beginning of summer time: 03:30 was meant, as every library reads it."""
    wall_ms = 1_774_751_400_000  # 2026-03-29T02:30
    assert in_zone(wall_ms, ZoneInfo("Europe/Paris"), None) == wall_ms - HOUR
    assert in_zone(wall_ms, ZoneInfo("Europe/Paris"), wall_ms) == wall_ms - HOUR


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/Los_Angeles", "UTC"])
@pytest.mark.parametrize("wall_ms", [-62135596800000, 253402300799999, 253402300860000, -(10**17), 10**17])
def test_the_ends_of_the_calendar_do_not_raise(zone: str, wall_ms: int) -> None:
    """The last minute of year 9999 has a leap second too."""
    assert abs(in_zone(wall_ms, ZoneInfo(zone), 0) - wall_ms) < 24 * HOUR
