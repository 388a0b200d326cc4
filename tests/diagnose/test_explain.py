"""Reasons: the explanations of `shipper explain` agree with the decisions of the chain."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.bootstrap.build_pipeline import counting_of, pipeline_of, redactor_of
from shipper.config.settings import Settings
from shipper.diagnose.explain import (
    Redaction,
    correlation_reason,
    redactions,
    rule_reasons,
    text_redactions,
    time_reason,
)
from shipper.pipeline.pipeline import runtime_ms_of
from shipper_processors.count import Counting
from shipper_processors.redact import Redactor
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import Entry, HttpSource, Paths
from shipper_schemas.presets import PRESETS
from shipper_schemas.rules import Rule

RULES = [
    *builtin_rules(["patient_created"], PRESETS),
    *(
        Rule.model_validate(rule)
        for rule in (
            {"name": "slow_total", "help": "h", "when": {"all": [{"request": True}, {"duration_ms": {"min": 100}}]}},
            {"name": "odd_total", "help": "h", "when": {"any": [{"event": {"glob": "od?"}}, {"medication": "x"}]}},
            {"name": "plain_total", "help": "h", "when": {"stream": "stderr", "service": {"prefix": "back"}}},
            {"name": "seconds", "type": "histogram", "help": "h", "when": {"event": "done"}, "field": "duration_ms",
             "buckets": [1]},
        )
    ),
]  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from(
            ["login_failed", "request_complete", "http_access", "patient_created", "odd", "done", "x", "unstructured"]
        )
        | st.integers(),
        "method": st.sampled_from(["GET", "POST", "PUT", "DELETE", "post"]) | st.none(),
        "message": st.sampled_from(["", "done", "Failed password for root from 1.2.3.4 port 22 ssh2"]),
        "logger": st.sampled_from(["uvicorn.access", "sshd"]),
        "path": st.sampled_from(
            ["/api/v1/auth/login", "/api/v1/patients/", "/api/v1/patients/7?x=1", "/", "/api//v1/auth/%6cogin"]
        ),
        "status_code": st.sampled_from([200, 201, 401, 403, 500, 7, "401"]) | st.booleans(),
        "duration_ms": st.sampled_from([-1, 0.5, 100, float("nan")]) | st.none(),
        "extra": st.sampled_from([{"medication": "x"}, {"medication": True}, {}]),
    },
)


@given(
    EVENTS,
    st.sampled_from(["stdout", "stderr"]),
    st.sampled_from(["structured", "access", "off"]),
    st.sampled_from(["tolerant", "strict"]),
)
def test_reasons_agree_with_the_rules(
    event: dict[str, Any], stream: str, http_source: HttpSource, paths: Paths
) -> None:
    """A rule is explained as counting exactly if it counts."""
    added = Counting(RULES).increments(event, stream, "backend", http_source, "web", paths)
    reasons = rule_reasons(RULES, event, (stream, "backend", "web"), http_source, added, paths=paths)
    assert {reason.metric for reason in reasons if reason.counted} == {increment.metric for increment in added}
    assert all(reason.why for reason in reasons)


@pytest.mark.parametrize(
    ("event", "metric", "why", "near"),
    [
        ({"event": "request_complete", "method": "POST", "path": "/api/v1/auth/login", "status_code": 500},
         "failed_login_attempts_total", "status_code is 500, not 401", True),
        ({"event": "done"}, "seconds", "event is done, but duration_ms is not a number of zero or more", True),
        ({"event": "odd"}, "odd_total", "event is odd", True),
        ({}, "plain_total", "stream is stdout, not stderr", True),
        ({}, "business_events_total", "event is absent, not one of patient_created", False),
    ],
)  # fmt: skip
def test_the_part_that_does_not_hold_is_named(event: dict[str, Any], metric: str, why: str, near: bool) -> None:
    """With the actual and the expected value."""
    added = Counting(RULES).increments(event, "stdout", "backend", "structured")
    reasons = {rule.metric: rule for rule in rule_reasons(RULES, event, ("stdout", "backend", ""), "structured", added)}
    assert (reasons[metric].why, reasons[metric].near) == (why, near)


def entry(text: str, time: str | None = "2024-10-31T22:00:00Z") -> Entry:
    """Return a line of a runtime, or of a log without times."""
    return Entry(text, "stdout", time, 0, 1, b"")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"correlation_id":"a"}', "a, from correlation_id"),
        ('{"correlation_id":"a b","request_id":"r"}', "r, from request_id (correlation_id is invalid)"),
        ('{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}',
         "0af7651916cd43dd8448eb211c80319c, from traceparent"),
        ('{"correlation_id":"a b"}', "none: correlation_id is invalid"),
        ('{"mdc":{"requestId":"r-7"}}', "r-7, from mdc.requestId"),
        ("{}", "none: no field has one"),
        ("started", "not required: the entry is not structured"),
    ],
)  # fmt: skip
def test_the_source_of_the_correlation_id_is_shown(text: str, said: str) -> None:
    """With the sources that were skipped before it."""
    settings = Settings()
    pipeline = pipeline_of(settings, counting_of(settings, ()), redactor_of(settings))
    decoded = entry(text)
    assert correlation_reason(decoded, pipeline.assess(decoded, 0), pipeline.enforce.normaliser) == said


@pytest.mark.parametrize(
    ("text", "time", "said"),
    [
        ('{"timestamp":"2024-10-31T21:59:59Z"}', "2024-10-31T22:00:00Z", "the application's `timestamp`"),
        ('{"time":"2024-10-31T21:59:59Z"}', "2024-10-31T22:00:00Z", "the application's `time`"),
        ("{}", "2024-10-31T22:00:00Z", "the runtime's: the entry has no `timestamp`"),
        (
            '{"timestamp":"2031-10-31T21:59:59Z"}',
            "2024-10-31T22:00:00Z",
            "the runtime's: `timestamp` is 220838399 s after",
        ),
        ('{"timestamp":"noon"}', "2024-10-31T22:00:00Z", "the runtime's: invalid `timestamp`"),
        ("2024-10-31 22:00:00 INFO started", None, "the time in the line"),
        ("started", None, "the time of reading"),
    ],
)
def test_the_source_of_the_time_is_shown(text: str, time: str | None, said: str) -> None:
    """With the reason."""
    settings = Settings()
    pipeline = pipeline_of(settings, counting_of(settings, ()), redactor_of(settings))
    decoded = entry(text, time)
    assessed = pipeline.assess(decoded, 1_730_412_000_000)
    assert time_reason(decoded, assessed, runtime_ms_of(decoded), pipeline.enforce.normaliser).startswith(said)


def test_what_is_masked_is_named_and_never_shown() -> None:
    """By field or pattern, also in lists and names of fields."""
    event = {"message": "a@b.org, c@d.org", "extra": {"password": "hunter2", "list": [{"x": "bearer abcdefgh1"}]}}
    assert redactions(Redactor(), event) == [
        Redaction("message", "email", 2),
        Redaction("extra.password", "field", 1),
        Redaction("extra.list.x", "bearer", 1),
    ]
    assert text_redactions(Redactor(), "mail a@b.org") == [Redaction("raw", "email", 1)]
    assert redactions(Redactor(), {"message": "[redacted:email]"}) == []
