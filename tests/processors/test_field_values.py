"""Values of known fields in the forms that loggers write."""

import pytest

from shipper_processors.field_values import address_of, milliseconds, path_of, request_line, status_of


@pytest.mark.parametrize(
    ("value", "per_unit", "expected"),
    [
        (45.2, 1.0, 45.2), (45, 1.0, 45), ("45.2", 1.0, 45.2), ("45", 1.0, 45), (0.045, 1000.0, 45.0), ("0.045", 1000.0, 45.0),
        (45_000_000, 1e-6, 45.0), ("12ms", None, 12.0), ("1.5s", None, 1500.0), ("45.2µs", None, 0.0452),
        ("45.2μs", 1.0, 0.0452), ("0.045s", 1000.0, 45.0), ("1m2.5s", None, 62_500.0), ("1h", None, 3_600_000.0),
        ("12 ms", None, 12.0), ("2 minutes", None, 120_000.0), ("PT0.045S", None, 45.0), ("PT1M2S", None, 62_000.0),
        ("00:00:00.0450000", None, 45.0), (12, None, None), ("12", None, None), ("ms", None, None), ("12 parsecs", None, None),
        (-1, 1.0, None), (True, 1.0, None), (float("nan"), 1.0, None), ("P", None, None), ("PT", None, None), ([1], 1.0, None),
        (10**400, 1000.0, None), ("1" * 60, None, None),
    ],
)  # fmt: skip
def test_durations_become_milliseconds(value: object, per_unit: float | None, expected: float | None) -> None:
    """By the unit in the text, else by that of the field."""
    assert milliseconds(value, per_unit) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (401, 401),
        ("401", 401),
        (401.0, 401),
        ("404 Not Found", 404),
        (99, None),
        ("600", None),
        ("ok", None),
        (True, None),
        (None, None),
    ],
)
def test_statuses_are_whole_numbers_in_their_range(value: object, expected: int | None) -> None:
    """Also as text."""
    assert status_of(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("/a", "/a"), ("/a?b=/c", "/a"), ("/a#b", "/a"), ("https://a.b/c?d", "/c"), ("http://a.b", "/"), ("HTTP://a.b?c", "/"),
     ("/http://a/b", "/http://a/b"), ("a/b", "a/b"), ("//a/b", "//a/b")],
)  # fmt: skip
def test_paths_lose_origin_and_query(value: str, expected: str) -> None:
    """And nothing else."""
    assert path_of(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.2.3.4", "1.2.3.4"), ("1.2.3.4:80", "1.2.3.4"), ("[::1]:80", "::1"), ("fe80::1", "fe80::1"), ("1.2.3.4, 5.6.7.8", "1.2.3.4"),
     ("unknown", None), ("host", None), ("", None), ("999.1.1.1", None)],
)  # fmt: skip
def test_the_first_address_is_taken(value: str, expected: str | None) -> None:
    """Without its port."""
    assert address_of(value) == expected


def test_a_request_line_has_method_and_path() -> None:
    """As proxies log it."""
    assert request_line("POST /a?b HTTP/1.1") == ("POST", "/a")
    assert request_line("hello there") is None
    assert request_line(7) is None
