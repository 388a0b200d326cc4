"""Search form: fields as a query, or the problem with them."""

from urllib.parse import parse_qs, urlsplit

import pytest

from shipper.model.query import Query
from shipper.web.pages.search_form import link, parse_form
from tests.web.pages.rig import NOW_MS


def test_every_field_narrows_the_query() -> None:
    """As in `shipper search`; times are relative to now."""
    form = parse_form(
        {"id": " visit-1 ", "event": "x", "level": "WARN", "container": "backend", "text": '"no answer"', "since": "15m",
         "until": "2026-11-23T10:00:00Z", "limit": "250"},
        NOW_MS,
    )  # fmt: skip
    assert form.query == Query(
        "visit-1", "x", "warn", "backend", '"no answer"', NOW_MS - 900_000, NOW_MS, 250, newest_first=True
    )
    assert form.is_narrowed
    assert form.problem is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"level": "loud"}, "invalid level"),
        ({"since": "yesterday"}, "invalid time"),
        ({"since": "1h", "until": "2h"}, "must be later"),
        ({"text": "x" * 1001}, "longer than"),
        ({"text": "%"}, "contains no word"),
    ],
)
def test_an_invalid_field_is_reported(fields: dict[str, str], problem: str) -> None:
    """Nothing is searched; the fields stay as typed."""
    form = parse_form(fields, NOW_MS)
    assert form.query is None
    assert problem in str(form.problem)
    assert all(form.values[name] == value for name, value in fields.items())


@pytest.mark.parametrize("limit", ["0", "-1", "100000", "abc", "", "1e9"])
def test_the_limit_is_one_of_the_offered_values(limit: str) -> None:
    """A page requests no more than it can show."""
    assert parse_form({"limit": limit}, NOW_MS).query == Query(limit=100, newest_first=True)


def test_links_carry_any_text_as_one_value() -> None:
    """Values are percent-encoded; empty fields are omitted."""
    odd = "a&b=c?#/+\"'><\u202e\x1b\ud800 d"
    made = link("timeline", id=odd, event="")
    assert made.isascii()
    assert not set(made) & set("\"'<> ")
    assert parse_qs(urlsplit(made).query, strict_parsing=True) == {"id": [odd.replace("\ud800", "?")]}
    assert parse_form({"event": "x", "since": "1h"}, NOW_MS).link("search", since="2h") == "search?event=x&since=2h"
