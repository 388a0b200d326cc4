"""Records of requests: an application's count by default, a proxy's with `http_source: access`, none counts twice."""

from typing import Any

import pytest

from shipper_processors.count import Counting
from shipper_processors.request_records import request_record
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import HttpSource

LOGIN: dict[str, Any] = {"method": "POST", "path": "/api/v1/auth/login", "status_code": 401}
FAILED = {("failed_login_attempts_total", ("b",)), ("login_attempts_total", ("b", "failure"))}


def counted(event: dict[str, Any], source: HttpSource = "structured", stream: str = "stdout") -> list[Any]:
    """Return the increments of the built-in rules."""
    counting = Counting(builtin_rules(["patient_created", "request_finished"]))
    return [(added.metric, added.labels) for added in counting.increments(event, stream, "b", source)]


APPLICATIONS = [
    {"event": "request_complete"}, {"event": "request_finished"}, {"event": "POST /api/v1/auth/login 401"},
    {"message": "request completed"}, {"message": "", "logger": "app.http"}, {"event": 5, "message": "done"},
    {"extra": {"controller": "SessionsController", "action": "create"}}, {"extra": {"latency_human": "1ms"}},
    {"message": "request completed", "extra": {"responseTime": 12}},
]  # fmt: skip
PROXIES = [
    {}, {"message": ""}, {"message": "-"}, {"event": ""}, {"level": "info", "correlation_id": "abc-1"},
    {"extra": {"upstream_addr": "10.0.0.1:80", "body_bytes_sent": 120}, "message": "request"},  # nginx
    {"extra": {"response_flags": "-", "upstream_cluster": "backend"}},  # Envoy
    {"extra": {"DownstreamStatus": 401, "RouterName": "web"}, "message": ""},  # Traefik
    {"extra": {"frontend_name": "http", "termination_state": "----"}},  # HAProxy
    {"logger": "http.log.access.log0", "message": "handled request"},  # Caddy
    {"logger": "uvicorn.access", "message": '1.2.3.4:5 - "POST /api/v1/auth/login HTTP/1.1" 401'},
]  # fmt: skip


@pytest.mark.parametrize("fields", APPLICATIONS)
def test_a_request_counts_whatever_its_event_is_called(fields: dict[str, Any]) -> None:
    """Once, from the default source."""
    event = LOGIN | fields
    assert request_record(event) == "structured"
    logins = [added for added in counted(event) if added[0] != "business_events_total"]
    assert sorted(logins) == sorted(FAILED)
    assert [added for added in counted(event, "access") if added[0] != "business_events_total"] == []
    assert [added for added in counted(event, "off") if added[0] != "business_events_total"] == []


@pytest.mark.parametrize("fields", PROXIES)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_proxys_record_is_an_access_line_in_json(fields: dict[str, Any], stream: str) -> None:
    """It counts with `http_source: access` alone: the application logs the same request. JSON cannot be forged."""
    event = LOGIN | fields
    assert request_record(event) == "access"
    assert counted(event, "structured", stream) == []
    assert sorted(counted(event, "access", stream)) == sorted(FAILED)


@pytest.mark.parametrize(
    "event",
    [
        {**LOGIN, "event": "unstructured"},
        {**LOGIN, "event": "x", "method": 5},
        {**LOGIN, "event": "x", "path": None},
        {**LOGIN, "event": "x", "status_code": None},
        {"event": "x", "extra": LOGIN},
        {"event": "x", "method": "POST", "extra": "y"},
        {},
    ],
)
def test_anything_less_is_no_request(event: dict[str, Any]) -> None:
    """Text is none, whatever is recognised in it; neither is an entry without one of the three."""
    assert request_record(event) is None
    assert counted(event) == counted(event, "access") == []


def test_an_event_that_a_rule_names_is_that_event_alone() -> None:
    """A failed login with the parts of its request counts once; another event of a rule is no login."""
    assert sorted(counted(LOGIN | {"event": "login_failed"})) == sorted(FAILED)
    created = counted(LOGIN | {"event": "patient_created"})
    assert {name for name, _ in created} == {"patient_operations_total", "business_events_total"}


@pytest.mark.parametrize("status", ["401", 401.0, " 401 ", "401 Unauthorized", "401.0"])
@pytest.mark.parametrize("method", ["POST", "post", "Post"])
@pytest.mark.parametrize("extra", [False, True])
def test_values_of_a_neighbouring_type_hide_no_login(status: object, method: str, *, extra: bool) -> None:
    """As applications log them, and as the schema moves them to `extra`."""
    event: dict[str, Any] = {"event": "request_complete", "method": method, "path": LOGIN["path"]}
    event |= {"extra": {"status_code": status}} if extra else {"status_code": status}
    assert sorted(counted(event)) == sorted(FAILED)


@pytest.mark.parametrize("status", ["4010", "40", "x401", True, "401x", ["401"], "", "٤٠١"])
def test_other_values_are_no_status(status: object) -> None:
    """Nothing is guessed."""
    assert counted(LOGIN | {"event": "request_complete", "status_code": status}) == []


def test_paths_are_compared_as_the_log_says() -> None:
    """Tolerant by default, strict where the setting says so."""
    counting = Counting(builtin_rules([]))
    event = LOGIN | {"event": "request_complete", "path": "/api/v1/auth/%6cogin"}
    assert len(counting.increments(event, "stdout", "b", "structured", "c")) == 2
    assert counting.increments(event, "stdout", "b", "structured", "c", "strict") == []
    event["path"] += "?x"
    assert len(counting.increments(event, "stdout", "b", "structured", "c")) == 2
