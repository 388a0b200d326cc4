"""Tests of single values as text."""

import pytest

from shipper.presentation.format import Body, named_summary, summary


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"event": "login_failed", "message": "login_failed"}, ""),
        ({"event": "query failed", "message": "query failed"}, "query failed"),
        ({"event": "paid", "message": "Invoice paid"}, "Invoice paid"),
        ({"error_type": "Error", "error_message": "no stock", "message": "no stock"}, "Error: no stock"),
        ({"error_type": "KeyError", "error_message": "1", "message": "chart missing"}, "KeyError: 1  chart missing"),
        (
            {"error_type": "a.Gone", "error_message": "x", "message": 'Exception in thread "t" a.Gone: x'},
            'Exception in thread "t" a.Gone: x',
        ),
        ({"method": "GET", "path": "/a", "message": "request completed"}, "GET /a  request completed"),
    ],
)
def test_a_summary_says_nothing_twice(entry: Body, line: str) -> None:
    """The message is shown where it adds to the event and to the error."""
    assert summary(entry) == line


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"event": "index_failed", "message": "No room"}, "index_failed (No room)"),
        ({"event": "index_failed"}, "index_failed"),
        ({"message": "Payload rejected"}, "Payload rejected"),
        ({"event": "query failed", "error_message": "gone", "message": "query failed"}, "gone  query failed"),
    ],
)
def test_a_named_summary_has_parentheses_only_around_what_the_event_does_not_say(entry: Body, line: str) -> None:
    """An entry without an event is its message alone."""
    assert named_summary(entry) == line
