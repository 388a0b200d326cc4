"""Counters: every built-in from every source, once; labels bounded; the compiled rules agree with a plain reading."""

from fnmatch import fnmatchcase
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.count import OTHER, CountEvents, Counting
from processors.enforce import Enforce
from schemas.builtin_rules import FAILED_LOGINS, SUCCESSFUL_LOGINS, builtin_rules
from schemas.entry import HttpSource
from schemas.metrics import Increment
from schemas.rules import Condition, Matcher, Rule

LOGIN = "/api/v1/auth/login"


def counted(
    event: dict[str, Any], source: HttpSource = "structured", stream: str = "stdout"
) -> dict[tuple[str, ...], float]:
    """What the built-in rules add for an event."""
    counting = Counting(builtin_rules(["patient_created"]))
    return {
        (found.metric, *found.labels): found.amount for found in counting.increments(event, stream, "backend", source)
    }


def request(method: str, path: str, status: int, event: str = "request_complete") -> dict[str, Any]:
    """The record of a request."""
    return {"event": event, "method": method, "path": path, "status_code": status}


REQUESTS = {
    ("POST", LOGIN, 401): {("failed_login_attempts_total", "backend"), ("login_attempts_total", "backend", "failure")},
    ("POST", f"{LOGIN}/", 401): {("failed_login_attempts_total", "backend"), ("login_attempts_total", "backend", "failure")},
    ("POST", LOGIN, 200): {("login_attempts_total", "backend", "success")},
    ("POST", LOGIN, 403): {("login_attempts_total", "backend", "locked")},
    ("POST", LOGIN, 429): {("login_attempts_total", "backend", "limited")},
    ("GET", LOGIN, 401): set(),
    ("POST", "/api/v1/patients/", 201): {("patient_operations_total", "create")},
    ("POST", "/api/v1/patients", 422): set(),
    ("PUT", "/api/v1/patients/7", 200): {("patient_operations_total", "update")},
    ("PATCH", "/api/v1/patients/7/", 200): {("patient_operations_total", "update")},
    ("DELETE", "/api/v1/patients/7", 204): {("patient_operations_total", "delete")},
    ("DELETE", "/api/v1/patients/7/notes/1", 204): set(),
    ("GET", "/api/v1/patients/7", 200): set(),
    ("POST", "/api/v1/appointments", 201): {("appointment_bookings_total", "scheduled")},
    ("DELETE", "/api/v1/appointments/3", 204): {("appointment_bookings_total", "cancelled")},
    ("POST", "/api/v1/prescriptions/", 201): {("prescription_created_total", "unknown")},
}  # fmt: skip


@pytest.mark.parametrize(("asked", "expected"), REQUESTS.items())
def test_requests_count_from_their_source_alone(asked: tuple[str, str, int], expected: set[tuple[str, ...]]) -> None:
    """Logged as JSON and as an access line, a request counts once under each setting, and never when it is off."""
    structured, access = request(*asked), request(*asked, "http_access")
    for source in get_args(HttpSource):
        both = [*counted(structured, source), *counted(access, source)]
        assert sorted(both) == sorted(expected if source != "off" else set())


@pytest.mark.parametrize("name", FAILED_LOGINS)
def test_failed_logins_count_by_their_events(name: str) -> None:
    """Each of the names that applications use."""
    assert counted({"event": name}) == {
        ("failed_login_attempts_total", "backend"): 1,
        ("login_attempts_total", "backend", "failure"): 1,
    }


@pytest.mark.parametrize("name", SUCCESSFUL_LOGINS)
def test_successful_logins_count_by_their_events(name: str) -> None:
    """Each of the names that applications use."""
    assert counted({"event": name}) == {("login_attempts_total", "backend", "success"): 1}


@pytest.mark.parametrize(
    ("event", "key"),
    [
        ({"event": "patient_updated"}, ("patient_operations_total", "update")),
        ({"event": "patient_deleted"}, ("patient_operations_total", "delete")),
        ({"event": "appointment_scheduled"}, ("appointment_bookings_total", "scheduled")),
        ({"event": "appointment_completed"}, ("appointment_bookings_total", "completed")),
        ({"event": "appointment_cancelled"}, ("appointment_bookings_total", "cancelled")),
        (
            {"event": "prescription_created", "extra": {"medication": "aspirin"}},
            ("prescription_created_total", "aspirin"),
        ),
    ],
)
def test_domain_events_count(event: dict[str, Any], key: tuple[str, ...]) -> None:
    """The guide's events, wherever the schema put their fields."""
    assert counted(event) == {key: 1}


def test_declared_business_events_count() -> None:
    """An event may add to several metrics, to each once."""
    assert counted({"event": "patient_created"}) == {
        ("patient_operations_total", "create"): 1,
        ("business_events_total", "patient_created"): 1,
    }


def test_a_failed_login_as_event_and_request_in_one_entry_counts_once() -> None:
    """Both alternatives of a rule hold for one entry; it adds one."""
    assert (
        counted({**request("POST", LOGIN, 401), "event": "login_failed"})["failed_login_attempts_total", "backend"] == 1
    )


@pytest.mark.parametrize("correlation_id", ["", "x" * 50_000, "\x1b[31m", ["a"], None])
def test_a_failed_login_with_an_unusable_correlation_id_counts(correlation_id: object) -> None:
    """Nobody can try passwords unseen by sending a bad correlation id."""
    event, violations = Enforce().enforce({"correlation_id": correlation_id, "event": "login_failed"})
    assert violations
    assert ("failed_login_attempts_total", "backend") in counted(event)


def test_an_access_line_on_stderr_does_not_count() -> None:
    """A decoded query string can forge lines there."""
    assert counted(request("POST", LOGIN, 401, "http_access"), "access", "stderr") == {}


def test_declared_series_start_at_zero() -> None:
    """`increase()` sees the first event: fixed labels at once, a service's when it is first seen, never twice."""
    counting = Counting(builtin_rules(["patient_created"]), services=["backend"])
    assert ("patient_operations_total", ("delete",)) in counting.declared()
    assert ("failed_login_attempts_total", ("backend",)) in counting.declared()
    assert ("failed_login_attempts_total", ("worker",)) in counting.admit_service("worker")
    assert counting.admit_service("worker") == []
    assert counting.admit_service("backend") == []


def test_label_values_are_bounded_and_the_rest_is_other() -> None:
    """A client that can choose a label cannot fill Prometheus; overflow is counted; restored series keep their place."""
    known = [("prescription_created_total", ("aspirin",))]
    counting = Counting(builtin_rules([]), max_label_values=3, known=known)
    event = {"event": "prescription_created"}
    seen = {
        counting.increments({**event, "medication": name}, "stdout", "b", "structured")[0].labels
        for name in ("m1", "m2", "m3", "m4", "aspirin", "x" * 500, "bell\x07")
    }
    assert seen == {("m1",), ("aspirin",), (OTHER,)}
    assert counting.take_overflows() == {"prescription_created_total": 5}
    assert counting.take_overflows() == {}


def test_a_histogram_observes_a_scaled_field() -> None:
    """From configuration alone; what is no finite number is not observed."""
    rule = Rule(
        name="seconds",
        type="histogram",
        help="h",
        when={"request": True},
        field="duration_ms",
        scale=0.001,
        buckets=(0.1, 1),
    )  # type: ignore[arg-type]
    counting = Counting([rule])
    event = request("GET", "/", 200)
    assert counting.increments({**event, "duration_ms": 250}, "stdout", "b", "structured") == [
        Increment("seconds", (), 0.25)
    ]
    for odd in (None, "250", True, float("nan"), [1]):
        assert counting.increments({**event, "duration_ms": odd}, "stdout", "b", "structured") == []


def test_an_application_can_count_by_the_same_rules() -> None:
    """As a structlog processor: increments go to a callback, the event passes unchanged."""
    found: list[Increment] = []
    step = CountEvents(Counting(builtin_rules([])), found.extend, "backend")
    assert step(None, "info", {"event": "login_failed"}) == {"event": "login_failed"}
    assert step(None, "info", {"event": "x"}) == {"event": "x"}
    assert len(found) == 2


# --- the oracle: rules read plainly ---------------------------------------------------------------


def value_of(event: dict[str, Any], stream: str, name: str) -> Any:
    """A field as a rule means it."""
    if name in ("service", "stream"):
        return {"service": "backend", "stream": stream}[name]
    return event[name] if name in event else event.get("extra", {}).get(name)


def matches(matcher: Matcher, value: Any) -> bool:
    """Each part of a matcher, one after another."""
    same = [type(value) is type(matcher.equals) and value == matcher.equals] if matcher.equals is not None else []
    if matcher.one_of is not None:
        same.append(any(type(value) is type(wanted) and value == wanted for wanted in matcher.one_of))
    if matcher.prefix is not None:
        same.append(isinstance(value, str) and value.startswith(matcher.prefix))
    if matcher.glob is not None:
        same.append(isinstance(value, str) and fnmatchcase(value, matcher.glob))
    if matcher.route is not None:
        same.append(isinstance(value, str) and routed(matcher.route, value))
    for bound, above in ((matcher.min, True), (matcher.max, False)):
        if bound is not None:
            same.append(type(value) in (int, float) and (value >= bound if above else value <= bound))
    return all(same)


def routed(route: str, path: str) -> bool:
    """A template against a path, part by part."""
    bare = path.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0]
    wanted, given = route.rstrip("/").split("/"), bare.removesuffix("/").split("/")
    return len(wanted) == len(given) and all(
        part if want.startswith("{") else want == part for want, part in zip(wanted, given, strict=True)
    )


def holds(condition: Condition, event: dict[str, Any], stream: str, source: str) -> bool:
    """A condition, read as it is written."""
    wanted = {"structured": "request_complete", "access": "http_access"}.get(source)
    if condition.request and (event.get("event") != wanted or (source == "access" and stream != "stdout")):
        return False
    fields = all(matches(matcher, value_of(event, stream, name)) for name, matcher in condition.fields.items())
    every = all(holds(part, event, stream, source) for part in condition.all)
    return fields and every and (not condition.any or any(holds(part, event, stream, source) for part in condition.any))


MATCHERS = st.one_of(
    st.sampled_from(
        [
            {"equals": "a"},
            {"equals": 1},
            {"one_of": ["a", "b", 1]},
            {"prefix": "/a"},
            {"glob": "*a*"},
            {"route": "/a/{id}"},
        ]
    ),
    st.builds(lambda low, high: {"min": low, "max": high}, st.integers(0, 3), st.integers(2, 5)),
)
FIELDS = st.dictionaries(
    st.sampled_from(["event", "method", "path", "status_code", "stream", "x"]), MATCHERS, min_size=1, max_size=3
)
CONDITIONS = st.recursive(
    st.builds(lambda fields, asked: {"fields": fields, "request": asked}, FIELDS, st.booleans()),
    lambda inner: st.builds(
        lambda parts, key: {key: parts}, st.lists(inner, min_size=1, max_size=3), st.sampled_from(["all", "any"])
    ),
    max_leaves=5,
)
VALUES = st.sampled_from(
    ["a", "b", "request_complete", "http_access", "/a/1", "/a/1/", "/ab", 1, 3, 4.5, None, True, ["a"]]
)
EVENTS = st.dictionaries(st.sampled_from(["event", "method", "path", "status_code", "x"]), VALUES)


@given(
    CONDITIONS,
    st.lists(EVENTS, min_size=1, max_size=4),
    st.sampled_from(["stdout", "stderr"]),
    st.sampled_from(get_args(HttpSource)),
)
def test_compiled_rules_agree_with_a_plain_reading(
    condition: dict[str, Any], events: list[dict[str, Any]], stream: str, source: HttpSource
) -> None:
    """Whatever the rule and the event, compiling changes nothing."""
    rule = Rule(name="x_total", help="h", when=condition)  # type: ignore[arg-type]
    counting = Counting([rule])
    for event in events:
        expected = holds(rule.all_cases()[0].when, event, stream, source)
        assert bool(counting.increments(event, stream, "backend", source)) == expected
