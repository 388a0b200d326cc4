"""The rule language: what it refuses, and that it says why."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.rules import Rule, one_metric_each

GOOD: dict[str, Any] = {
    "name": "no_shows_total",
    "help": "h",
    "when": {"event": "appointment_missed"},
    "labels": {"department": "department"},
}


def test_a_rule_of_the_documentation_is_accepted() -> None:
    """Field, map, default and declared values."""
    labels = {"department": {"field": "department", "map": {"cardio": "cardiology"}, "default": "unknown"}}
    rule = Rule.model_validate(GOOD | {"labels": labels, "declare": {"department": ["cardiology"]}})
    assert rule.label_names() == ("department",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "no_shows"}, "ends in _total"),
        ({"name": "shipper_x_total"}, "own"),
        ({"name": "1_total"}, "pattern"),
        ({"when": {}}, "asks for something"),
        ({"when": None}, "either `when` or `cases`"),
        ({"when": {"event": {}}}, "a matcher asks for"),
        ({"labels": {"who": "user_id"}}, "personal data"),
        ({"labels": {"who": "patient_id"}}, "personal data"),
        ({"labels": {"who": "correlation_id"}}, "personal data"),
        ({"labels": {"who": "client_ip"}}, "personal data"),
        ({"labels": {"who": "contact_email"}}, "personal data"),
        ({"labels": {"who": "session_id"}}, "personal data"),
        ({"labels": {"path": "path"}}, "personal data"),
        ({"labels": {"__x": "event"}}, "no name for a label"),
        ({"labels": {"a": {"field": "x", "value": "y"}}}, "either `field` or `value`"),
        ({"declare": {"ward": ["x"]}}, "no label of it"),
        ({"buckets": [1, 2]}, "belong to a histogram"),
        ({"type": "histogram", "name": "x"}, "has `field` and `buckets`"),
        ({"type": "histogram", "name": "x", "field": "duration_ms", "buckets": [2, 1]}, "buckets rise"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_the_reason(change: dict[str, Any], said: str) -> None:
    """Each refusal names what is wrong."""
    with pytest.raises(ValidationError, match=said):
        Rule.model_validate(GOOD | change)


def test_two_rules_of_one_name_are_refused() -> None:
    """A metric has one declaration."""
    rule = Rule.model_validate(GOOD)
    with pytest.raises(ValueError, match="two rules are called no_shows_total"):
        one_metric_each([rule, rule])
