"""A search form as a query: what people type, and what is wrong with it."""

from urllib.parse import parse_qs, urlsplit

import pytest

from shipper.model.query import Query
from shipper.web.pages.search_form import asked, link
from tests.web.pages.rig import NOW_MS


def test_every_field_narrows_the_query() -> None:
    """As `shipper search` understands them; times are seen from now."""
    found = asked(
        {"id": " visit-1 ", "event": "x", "level": "WARN", "container": "backend", "text": '"no answer"', "since": "15m",
         "until": "2026-11-23T10:00:00Z", "limit": "250"},
        NOW_MS,
    )  # fmt: skip
    assert found.query == Query(
        "visit-1", "x", "warn", "backend", '"no answer"', NOW_MS - 900_000, NOW_MS, 250, newest_first=True
    )
    assert found.anything
    assert found.problem is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"level": "loud"}, "no level"),
        ({"since": "yesterday"}, "no time"),
        ({"since": "1h", "until": "2h"}, "not after"),
        ({"text": "x" * 1001}, "longer than"),
        ({"text": "%"}, "holds no word"),
    ],
)
def test_what_cannot_be_asked_is_told(fields: dict[str, str], problem: str) -> None:
    """And nothing is searched; the fields stay as they were typed."""
    found = asked(fields, NOW_MS)
    assert found.query is None
    assert problem in str(found.problem)
    assert all(found.values[name] == value for name, value in fields.items())


@pytest.mark.parametrize("limit", ["0", "-1", "100000", "abc", "", "1e9"])
def test_a_limit_is_one_of_those_that_are_offered(limit: str) -> None:
    """A page asks for no more than it can show."""
    assert asked({"limit": limit}, NOW_MS).query == Query(limit=100, newest_first=True)


def test_links_carry_any_text_as_one_value() -> None:
    """Percent-encoded, so that nothing in it is a part of the address; empty fields are left out."""
    odd = "a&b=c?#/+\"'><\u202e\x1b\ud800 d"
    made = link("timeline", id=odd, event="")
    assert made.isascii()
    assert not set(made) & set("\"'<> ")
    assert parse_qs(urlsplit(made).query, strict_parsing=True) == {"id": [odd.replace("\ud800", "?")]}
    assert asked({"event": "x", "since": "1h"}, NOW_MS).link("search", since="2h") == "search?event=x&since=2h"
