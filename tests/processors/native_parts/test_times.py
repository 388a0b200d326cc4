"""Times in the extension against Python: the same instants, zones and doubts; only names of zones are declined."""

import json
import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper_processors.fast_path import native
from shipper_processors.route import Skew, event_time
from shipper_processors.time_plan import FROM, STEP, TIMES, TO, zone_plan
from shipper_processors.time_zones import AMBIGUOUS, MINUTES, named_zone
from shipper_processors.times import LATEST_MS, TimeRead, read_time
from tests.processors.test_time_formats import (
    COMPLETED,
    PARTIAL_WRITERS,
    UNORDERED_WRITERS,
    UNZONED,
    UNZONED_WRITERS,
    ZONED,
    ZONED_WRITERS,
    cases,
)
from tests.processors.test_times import json_values

if native is None and not os.environ.get("CI"):
    pytest.skip("the compiled extension is not installed: `make setup` builds it with cargo", allow_module_level=True)

REFERENCE = 1_796_038_638_721
SKEW = Skew(3_600_000, 7 * 86_400_000, 366 * 86_400_000)
ZONES = [
    "UTC",
    "Etc/UTC",
    "Europe/Paris",
    "America/St_Johns",
    "Asia/Tokyo",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Etc/GMT+5",
]
WRITTEN = [text for table in (ZONED, UNZONED, COMPLETED) for text, _ in cases(table)]
WRITERS = [write for write, _ in (*ZONED_WRITERS, *UNZONED_WRITERS, *PARTIAL_WRITERS)] + UNORDERED_WRITERS
PIECES = ["Z", "z", " ", "  ", "T", ":", "-", "/", ".", ",", "+01:00", "-0530", " CET", " CST", " UTC", " EST", " AM", " p.m.", "[", "]", "(CET)",
          "Mon, ", "Nov", "Sept.", "november", "2026", "26", "11", "1", "60", "24:00:00", "721", "W49", "334", "/Date(", ")/", "m=+0.1", "\u202f",
          "\u2212", "\u0665", "é", "\n", "\t", "\x1c", "@", " at", "I", "e9", "0"]  # fmt: skip
references = (
    st.none() | st.sampled_from([0, REFERENCE, LATEST_MS]) | st.integers(0, LATEST_MS) | st.integers(10**12, 2 * 10**12)
)


@cache
def times_of(zone: str) -> Any:
    """Return the extension's reader of times without a zone."""
    names = {
        "months": TIMES.months,
        "pairs": TIMES.pairs,
        "zones": TIMES.zones,
        "ambiguous_zones": TIMES.ambiguous_zones,
    }
    return native.parts.Times(json.dumps(names), zone_plan(_zone(zone)).to_json())


def _zone(name: str) -> Any:
    return named_zone(name) or UTC


@st.composite
def hostile_texts(draw: st.DrawFn) -> str:
    """A time in one of the notations, with a part removed, repeated or replaced; or pieces of times."""
    choice = draw(st.integers(0, 4))
    if choice == 0:
        return "".join(draw(st.lists(st.sampled_from(PIECES), max_size=12)))
    if choice == 1:
        return draw(st.text("0123456789:-/.,+TZWJanovMPGUC []()e", max_size=100))
    if choice == 2:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=draw(st.integers(0, 4_102_444_799_999)))
        text = draw(st.sampled_from(WRITERS))(at)
    else:
        text = draw(st.sampled_from(WRITTEN))
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        place, length = draw(st.integers(0, len(text))), draw(st.integers(0, 3))
        text = text[:place] + draw(st.sampled_from(["", text[place : place + 2], *PIECES])) + text[place + length :]
    return text


numerals = st.one_of(
    st.from_regex(r"\A\d{1,20}(\.\d{0,40})?([eE]\+?\d{1,2})?\Z"),
    st.integers(0, 10**20).map(str),
    st.floats(0, 1e20).map(repr),
    st.sampled_from(["99999999999.99999999999999999999", "9999999999.9995", "1" + "0" * 19, "99999999999999.9", "0." + "9" * 40, "2026113011", "20261130",
                     "1e11", "1e19", "1e18", "0e5", "00000000000000000001", "202611301137e5", "9" * 20 + "." + "9" * 40]),
)  # fmt: skip
values = st.one_of(hostile_texts(), hostile_texts(), numerals, st.floats(0, 1e20), st.integers(0, 10**20), json_values)


def _as_json(value: object) -> Any:
    """Return a value as the chain gets it from a line; None if no line can hold it."""
    try:
        return orjson.loads(json.dumps(value))
    except orjson.JSONDecodeError:
        return None


def same_time(value: object, zone: str, reference_ms: int | None) -> bool:
    """Require the same of both, except where the extension declines; return whether it did not."""
    value = _as_json(value)
    try:
        read = times_of(zone).read_time(orjson.dumps(value).decode(), reference_ms)
    except ValueError:
        return False
    expected = read_time(value, zone=_zone(zone), reference_ms=reference_ms)
    assert (read and TimeRead(*read)) == expected, value
    return True


@given(values, st.sampled_from(ZONES), references)
@example("2026-11-30T10:00:00.\u0665Z", "UTC", None)
@example({"$date": None, "$numberLong": "5"}, "UTC", None)
@example([10**17, 11, 30], "UTC", None)
@example("99999999999.99999999999999999999", "UTC", None)
def test_any_value_is_the_same_time(value: object, zone: str, reference_ms: int | None) -> None:
    """In any zone, with a reference or without."""
    same_time(value, zone, reference_ms)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
@pytest.mark.parametrize("text", WRITTEN)
def test_every_notation_is_read(text: str, zone: str) -> None:
    """Only a name of the IANA database, and digits of other scripts, are declined."""
    assert same_time(text, zone, REFERENCE) == ("Europe/" not in text or "+01:00[" in text)


@given(
    values,
    st.sampled_from(ZONES),
    st.none() | st.sampled_from([REFERENCE, REFERENCE + 1_800_000, 0, LATEST_MS]),
    st.integers(-40, 40).map(lambda half_hours: REFERENCE + 1_800_000 * half_hours),
    st.sampled_from([SKEW, Skew(0, 0, 0), SKEW.of_any_age()]),
)
@example("2026-11-30 12:37:18", "UTC", REFERENCE, REFERENCE, SKEW)
@example("2026-11-30", "UTC", REFERENCE, REFERENCE, SKEW)
@example(0, "UTC", None, REFERENCE, SKEW)
def test_the_time_of_an_event_is_the_same(
    value: object, zone: str, runtime_ms: int | None, now_ms: int, skew: Skew
) -> None:
    """With the doubts and their texts, with a runtime's time and without."""
    value = _as_json(value)
    read = times_of(zone).event_time(orjson.dumps(value).decode(), runtime_ms, now_ms, skew[:3])
    if read is not None:
        ms, doubt = event_time(value, runtime_ms, now_ms, skew._replace(zone=_zone(zone)))
        assert read == (ms, doubt and (doubt.kind.value, doubt.field, doubt.detail))


@given(st.integers(-5, 5), st.sampled_from(["UTC", "Europe/Paris"]), st.integers(-100_000, 100_000))
def test_a_time_of_another_zone_is_doubted_in_the_same_words(half_hours: int, zone: str, distance: int) -> None:
    """Half hours before and after the runtime's time, and the seconds around them."""
    at = datetime(1970, 1, 1) + timedelta(milliseconds=REFERENCE + half_hours * 1_800_000 + distance)
    value = at.isoformat(" ", "milliseconds")
    read = times_of(zone).event_time(json.dumps(value), REFERENCE, REFERENCE, SKEW[:3])
    ms, doubt = event_time(value, REFERENCE, REFERENCE, SKEW._replace(zone=_zone(zone)))
    assert read == (ms, doubt and (doubt.kind.value, doubt.field, doubt.detail))


@given(st.sampled_from(ZONES), st.integers(946_684_800_000 - 5 * 86_400_000, 2_556_144_000_000), references)
def test_the_table_of_a_zone_is_that_of_the_database(zone: str, wall_ms: int, reference_ms: int | None) -> None:
    """At any wall clock of its range, in the hours that occur twice or not at all too; outside it is declined."""
    at = datetime(1970, 1, 1) + timedelta(milliseconds=wall_ms)
    inside = FROM + 2 * STEP < at.replace(tzinfo=UTC) < TO - 2 * STEP
    assert same_time(at.isoformat(), zone, reference_ms) or (not inside and zone != "UTC")


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/St_Johns", "Africa/Casablanca", "Pacific/Apia"])
def test_hours_around_a_change_are_the_same(zone: str) -> None:
    """Each quarter of an hour around each change of a year with unusual ones."""
    for from_ms, offset_ms, _ in zone_plan(ZoneInfo(zone)).offsets[1:60]:
        for quarter in range(-12, 13):
            at = datetime(1970, 1, 1) + timedelta(milliseconds=from_ms + offset_ms + quarter * 900_000)
            for reference_ms in (None, from_ms - 1, from_ms + 3_600_000):
                assert same_time(at.isoformat(), zone, reference_ms)


def test_every_abbreviation_is_read() -> None:
    """With one meaning and with several."""
    for name in (*MINUTES, *AMBIGUOUS, "XYZ"):
        assert same_time(f"2026-11-30 11:37:18 {name}", "UTC", REFERENCE)
        assert same_time(f"2026-07-30 11:37:18 {name.lower()}", "Europe/Paris", REFERENCE)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 96,
        ":" * 96,
        "Mon " * 24,
        "2026-11-30T11:37:18" + " " * 77,
        "x" * 100_000,
        "5" * 99_999 + "Z",
        "2026-11-30T11:37:18." + "5" * 99_999 + "Z",
    ],
)
def test_long_texts_are_the_same(text: str) -> None:
    """Whatever their length."""
    assert same_time(text, "UTC", REFERENCE)
