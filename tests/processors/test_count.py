"""Counters: built-in rules count each source once; labels are bounded; compiled rules agree with a direct evaluation."""

from fnmatch import fnmatchcase
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper_processors.count import OTHER, CountEvents, Counting
from shipper_processors.enforce import Enforce
from shipper_schemas.builtin_rules import FAILED_LOGINS, SUCCESSFUL_LOGINS, builtin_rules
from shipper_schemas.entry import HttpSource
from shipper_schemas.metrics import Increment, Metric
from shipper_schemas.rules import Condition, Label, Matcher, Rule

LOGIN = "/api/v1/auth/login"


def counted(
    event: dict[str, Any], source: HttpSource = "structured", stream: str = "stdout"
) -> dict[tuple[str, ...], float]:
    """Return the additions of the built-in rules for an event."""
    counting = Counting(builtin_rules(["patient_created"]))
    return {
        (increment.metric, *increment.labels): increment.amount
        for increment in counting.increments(event, stream, "backend", source)
    }


def request(method: str, path: str, status: int, event: str = "request_complete") -> dict[str, Any]:
    """Return the entry of a request."""
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


@pytest.mark.parametrize(("parts", "expected"), REQUESTS.items())
def test_requests_count_from_their_source_only(parts: tuple[str, str, int], expected: set[tuple[str, ...]]) -> None:
    """Logged as JSON and as an access line, a request counts once under each setting, and never when it is off."""
    structured, access = request(*parts), request(*parts, "http_access")
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
        ({"event": "appointment_canceled"}, ("appointment_bookings_total", "cancelled")),
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
    """Nobody can try passwords uncounted by sending an invalid correlation id."""
    enforce = Enforce(requiring_events=["login_failed"])
    event, violations = enforce.enforce({"correlation_id": correlation_id, "event": "login_failed"})
    assert violations
    assert ("failed_login_attempts_total", "backend") in counted(event)


def test_an_access_line_on_stderr_does_not_count() -> None:
    """A decoded query string can forge lines there."""
    assert counted(request("POST", LOGIN, 401, "http_access"), "access", "stderr") == {}


def test_declared_series_start_at_zero() -> None:
    """`increase()` includes the first event: fixed labels start immediately, a service's at its first entry, once."""
    counting = Counting(builtin_rules(["patient_created"]), services=["backend"])
    assert ("patient_operations_total", ("delete",)) in counting.declared()
    assert ("failed_login_attempts_total", ("backend",)) in counting.declared()
    assert ("failed_login_attempts_total", ("worker",)) in counting.admit_service("worker")
    assert counting.admit_service("worker") == []
    assert counting.admit_service("backend") == []


def test_label_values_are_bounded_and_the_rest_is_other() -> None:
    """A client that can choose a label cannot fill Prometheus; overflow is counted; restored series stay admitted."""
    known = [("prescription_created_total", ("aspirin",))]
    counting = Counting(builtin_rules([]), max_label_values=3, known=known)
    event = {"event": "prescription_created"}
    seen = {
        counting.increments({**event, "medication": name}, "stdout", "b", "structured")[0].labels
        for name in ("m1", "m2", "m3", "m4", "aspirin", "x" * 500, "bell\x07")
    }
    assert seen == {("m1",), ("m2",), ("aspirin",), (OTHER,)}
    assert counting.take_overflows() == {"prescription_created_total": 4}
    assert counting.take_overflows() == {}


def test_a_histogram_observes_a_scaled_field() -> None:
    """Configuration alone suffices; anything but a finite number is not observed."""
    rule = Rule(
        name="seconds",
        type="histogram",
        help="h",
        when={"request": True},
        field="duration_ms",
        scale=0.001,
        buckets=(0.1, 1),
    )
    counting = Counting([rule])
    event = request("GET", "/", 200)
    assert counting.increments({**event, "duration_ms": 250}, "stdout", "b", "structured") == [
        Increment("seconds", (), 0.25)
    ]
    for odd in (None, "250", True, float("nan"), [1]):
        assert counting.increments({**event, "duration_ms": odd}, "stdout", "b", "structured") == []


def test_an_application_can_count_by_the_same_rules() -> None:
    """As a structlog processor: increments go to a callback, the event passes unchanged."""
    increments: list[Increment] = []
    step = CountEvents(Counting(builtin_rules([])), increments.extend, "backend")
    assert step(None, "info", {"event": "login_failed"}) == {"event": "login_failed"}
    assert step(None, "info", {"event": "x"}) == {"event": "x"}
    assert len(increments) == 2
    raw = {"event": "POST /api/v1/auth/login", "method": "post", "path": f"/{LOGIN}?next=%2F", "status_code": "401"}
    assert step(None, "info", dict(raw)) == raw
    assert len(increments) == 4, "values as an application logs them"


def only(counting: Counting, event: dict[str, Any], *, container: str = "") -> tuple[str, ...]:
    """Return the labels of an event's only increment."""
    (increment,) = counting.increments(event, "stdout", "backend", "structured", container)
    return increment.labels


def rule_of(**changes: Any) -> Rule:
    """Return a counter rule for the event `e`."""
    return Rule.model_validate({"name": "x_total", "help": "h", "when": {"event": "e"}, **changes})


def test_configured_values_do_not_count_towards_the_bound() -> None:
    """Declared, mapped and default values are always kept; only values from logs are bounded."""
    label = {"field": "kind", "default": "none"}
    counting = Counting([rule_of(labels={"kind": label}, declare={"kind": ["a", "b"]})], max_label_values=1)
    values = [only(counting, {"event": "e", "kind": kind}) for kind in ("new", "a", "b", None, "late")]
    assert values == [("new",), ("a",), ("b",), ("none",), (OTHER,)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"), (True, "true"), (1.5, "1.5"), ("", "none"), (None, "none"), (["a"], "none"), ({"a": 1}, "none"),
        ("x" * 120, "x" * 120), ("x" * 121, OTHER), ("x" * 1_000_000, OTHER), ("a\nb", OTHER), ("\x9b", OTHER),
        ("\ud800", OTHER), ("\u2028", OTHER), (10**5000, OTHER), (-(10**200), OTHER),
    ],
    ids=lambda value: repr(value)[:20] if not isinstance(value, int) else "number",
)  # fmt: skip
def test_any_value_becomes_a_harmless_label(value: object, text: str) -> None:
    """Scalars become text, absent values the default, and unprintable values `other`."""
    counting = Counting([rule_of(labels={"kind": {"field": "kind", "default": "none"}})])
    assert only(counting, {"event": "e", "kind": value}) == (text,)


@pytest.mark.parametrize("name", [None, 5, True, ["login_failed"], {"a": 1}, "x" * 1_000_000, "\ud800", float("nan")])
@pytest.mark.parametrize("field", ["event", "method", "status_code", "path"])
def test_hostile_values_add_nothing_and_stop_nothing(name: object, field: str) -> None:
    """Fields may have any type; a request with an invalid field changes no patient counter. Its name may be any text."""
    expected = {("patient_operations_total", "create"): 1} if field == "event" and isinstance(name, str) else {}
    assert counted({**request("POST", "/api/v1/patients", 201), field: name}) == expected


def test_values_of_logs_do_not_accumulate() -> None:
    """Names, methods and statuses that no rule lists use no memory, however many there are."""
    counting = Counting(builtin_rules([]))
    sizes = set()
    for number in range(3):
        for part in range(1000):
            text = f"{number}-{part}"
            counting.increments({"event": text}, "stdout", "b", "structured")
            counting.increments(request(text, "/", number * 1000 + part + 600), "stdout", "b", "structured")
        sizes.add(len(counting._plans))
    assert len(sizes) == 1


def test_an_event_hidden_under_extra_is_no_event() -> None:
    """Only an event name at the top of an entry selects rules."""
    assert counted({"extra": {"event": "login_failed"}}) == {}
    counting = Counting([rule_of(when={"event": {"prefix": "login_"}})])
    assert counting.increments({"extra": {"event": "login_failed"}}, "stdout", "b", "structured") == []


def test_service_stream_and_container_come_from_the_runtime() -> None:
    """An application that logs such fields cannot count for another service."""
    counting = Counting([rule_of(labels={name: name for name in ("service", "stream", "container")})])
    forged = {"event": "e", "service": "x", "stream": "x", "container": "x", "extra": {"container": "y"}}
    assert only(counting, forged, container="web-1") == ("backend", "stdout", "web-1")


@pytest.mark.parametrize("path", ["/api/v1/patients", "/api/v1/patients/", "/api/v1/patients?page=2"])
def test_a_path_as_text_ignores_the_trailing_slash(path: str) -> None:
    """Clients end paths with or without a slash."""
    counting = Counting([rule_of(when={"path": "/api/v1/patients/"})])
    assert only(counting, {"path": path}) == ()
    assert counting.increments({"path": "/api/v1/patients/7"}, "stdout", "b", "structured") == []


@pytest.mark.parametrize("path", ["/api/v1/patients/7", "/api/v1/patients/7/", "/api/v1/patients/{patient_id}"])
def test_a_template_matches_one_part(path: str) -> None:
    """A path matches whether the application logs the path or its template."""
    counting = Counting([rule_of(when={"path": "/api/v1/patients/{id}"})])
    assert only(counting, {"path": path}) == ()
    assert counting.increments({"path": f"{path.rstrip('/')}/notes"}, "stdout", "b", "structured") == []


def test_an_integer_equals_its_float_but_not_true() -> None:
    """JSON writers differ in 1 and 1.0; true equals neither."""
    counting = Counting([rule_of(when={"n": 1})])
    assert [bool(counting.increments({"n": value}, "stdout", "b", "off")) for value in (1, 1.0, True, "1")] == [
        True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("odd", [10**400, 1e308, 2**54, -1, float("inf"), float("nan"), True, "5"])
def test_a_histogram_takes_no_number_that_would_spoil_its_sum(odd: object) -> None:
    """No error, no falling sum, which Prometheus takes for a restart, no infinite sum, and no new series."""
    rule = {"name": "h", "type": "histogram", "field": "n", "buckets": [1], "labels": {"kind": "kind"}}
    counting = Counting([rule_of(**rule)], max_label_values=1)
    assert counting.increments({"event": "e", "n": odd, "kind": "a"}, "stdout", "b", "off") == []
    assert only(counting, {"event": "e", "n": 1, "kind": "b"}) == ("b",)


def test_two_rules_of_one_metric_are_an_error() -> None:
    """The second would silently replace the first."""
    with pytest.raises(ValueError, match="two rules have the name x_total"):
        Counting([rule_of(), rule_of()])


def test_declared_series_are_the_product_and_each_once() -> None:
    """Two labels of two values create four series; a duplicate value counts once."""
    rule = rule_of(labels={"a": "a", "b": "b"}, declare={"a": ["1", "2", "1"], "b": ["x", "y"]})
    labels = [values for _, values in Counting([rule]).declared()]
    assert labels == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]


def test_services_past_the_bound_share_series_that_start_at_zero() -> None:
    """The series for the service's events is declared."""
    counting = Counting([rule_of(labels={"service": "service"})], max_label_values=1)
    assert counting.admit_service("first") == [("x_total", ("first",))]
    assert counting.admit_service("second") == [("x_total", (OTHER,))]
    assert counting.admit_service("third") == []
    assert counting.increments({"event": "e"}, "stdout", "third", "off")[0].labels == (OTHER,)
    assert counting.declared() == [("x_total", ("first",))]


def test_restored_series_of_changed_rules_are_ignored() -> None:
    """A removed metric, or one with other labels now, does not count towards the bound."""
    known = [("gone_total", ("a",)), ("x_total", ("a", "b"))]
    counting = Counting([rule_of(labels={"kind": "kind"})], max_label_values=1, known=known)
    assert only(counting, {"event": "e", "kind": "new"}) == ("new",)


def test_metrics_declare_names_labels_and_buckets() -> None:
    """The exposition gets everything that it needs."""
    histogram = {"name": "h", "type": "histogram", "field": "n", "buckets": [1, 2], "labels": {"kind": "kind"}}
    assert Counting([rule_of(), rule_of(**histogram)]).metrics() == [
        Metric("x_total", "counter", "h"),
        Metric("h", "histogram", "h", ("kind",), (1.0, 2.0)),
    ]


# --- the oracle: direct evaluation ----------------------------------------------------------------


def value_of(event: dict[str, Any], stream: str, name: str) -> Any:
    """Return a field's value as rules read it."""
    if name in ("service", "stream"):
        return {"service": "backend", "stream": stream}[name]
    if name in ("event", "method"):
        return event.get(name)
    extra = event.get("extra")
    return event.get(name, extra.get(name) if isinstance(extra, dict) else None)


READABLE_STATUS = {"200": 200, "401": 401, " 401 ": 401, "401.0": 401, "401 Unauthorized": 401}


def as_read(name: str, value: Any) -> Any:
    """Return a value as rules compare it for equality and by size."""
    if name == "method" and isinstance(value, str):
        return value.upper()
    return READABLE_STATUS.get(value, value) if name == "status_code" and isinstance(value, str) else value


def matches(name: str, matcher: Matcher, logged: Any) -> bool:
    """Return True if every part of a matcher holds."""
    value = logged
    if matcher.prefix is not None and not (isinstance(value, str) and value.startswith(matcher.prefix)):
        return False
    if matcher.contains is not None and not (isinstance(value, str) and matcher.contains in value):
        return False
    if matcher.glob is not None and not (isinstance(value, str) and fnmatchcase(value, matcher.glob)):
        return False
    if matcher.route is not None and not (isinstance(value, str) and routed(matcher.route, value)):
        return False
    value = as_read(name, logged)
    same = [] if matcher.equals is None else [equal(value, as_read(name, matcher.equals))]
    if matcher.one_of is not None:
        same.append(any(equal(value, as_read(name, wanted)) for wanted in matcher.one_of))
    for bound, above in ((matcher.min, True), (matcher.max, False)):
        if bound is not None:
            same.append(type(value) in (int, float) and (value >= bound if above else value <= bound))
    return all(same)


def equal(value: Any, wanted: Any) -> bool:
    """Return True for equal values; a boolean never equals a number."""
    return (isinstance(value, bool) == isinstance(wanted, bool)) and bool(value == wanted)


def routed(route: str, path: str) -> bool:
    """Match a path against a template, segment by segment; servers ignore letter case and decode."""
    path = {"/A/1": "/a/1", "/%61/1": "/a/1", "/x/../a//1;s=2/": "/a/1", "http://h/a/1?b": "/a/1"}.get(path, path)
    bare = path.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0]
    wanted, parts = route.rstrip("/").split("/"), bare.removesuffix("/").split("/")
    return len(wanted) == len(parts) and all(
        part if want.startswith("{") else want == part for want, part in zip(wanted, parts, strict=True)
    )


def named(condition: Condition) -> set[str]:
    """Return the events that a condition names."""
    own = condition.fields.get("event")
    names = {own.equals, *(own.one_of or ())} if own else set()
    return {name for name in names if isinstance(name, str)}.union(*map(named, (*condition.all, *condition.any)))


def requested(event: dict[str, Any], stream: str, source: str, names: set[str]) -> bool:
    """Decide directly whether an event is a request that counts."""
    name = event.get("event")
    if name == "request_complete":
        return source == "structured"
    if name == "http_access":
        return source == "access" and stream == "stdout"
    if name == "unstructured" or (isinstance(name, str) and name in names and not name.startswith("request")):
        return False
    status = value_of(event, stream, "status_code")
    if not isinstance(event.get("method"), str) or not isinstance(value_of(event, stream, "path"), str):
        return False
    if not isinstance(status, int | float | str):
        return False
    own = [name, event.get("message"), event.get("logger")]
    says = any(isinstance(text, str) and text for text in own)
    if event.get("logger") in ("uvicorn.access", "http.log.access.log0"):
        says = False
    return source == ("structured" if says else "access")


def holds(condition: Condition, event: dict[str, Any], stream: str, source: str, names: set[str]) -> bool:
    """Evaluate a condition directly."""
    if condition.request and not requested(event, stream, source, names):
        return False
    fields = all(matches(name, matcher, value_of(event, stream, name)) for name, matcher in condition.fields.items())
    every = all(holds(part, event, stream, source, names) for part in condition.all)
    some = not condition.any or any(holds(part, event, stream, source, names) for part in condition.any)
    return fields and every and some


MATCHERS = st.one_of(
    st.sampled_from(
        [
            {"equals": "a"},
            {"equals": "request_complete"},
            {"equals": 1},
            {"equals": True},
            {"equals": 200},
            {"prefix": "http_"},
            {"equals": "post"},
            {"one_of": ["POST", "GET"]},
            {"equals": 401},
            {"equals": "401"},
            {"contains": "a"},
            {"one_of": ["a", "b"]},
            {"one_of": ["a", "http_access", 1]},
            {"prefix": "/a"},
            {"glob": "*a*"},
            {"route": "/a/{id}"},
        ]
    ),
    st.builds(lambda low, high: {"min": low, "max": high}, st.integers(0, 2), st.integers(2, 300)),
)
FIELDS = st.dictionaries(
    st.sampled_from(["event", "method", "path", "status_code", "stream", "x"]), MATCHERS, min_size=1, max_size=3
)
CONDITIONS = st.recursive(
    st.builds(lambda fields, request: {"fields": fields, "request": request}, FIELDS, st.booleans()),
    lambda inner: st.builds(
        lambda parts, key: {key: parts}, st.lists(inner, min_size=1, max_size=3), st.sampled_from(["all", "any"])
    ),
    max_leaves=5,
)
VALUES = st.sampled_from(
    [
        "a",
        "b",
        "request_complete",
        "http_access",
        "/a/1",
        "/a/1/",
        "/A/1",
        "/%61/1",
        "/x/../a//1;s=2/",
        "http://h/a/1?b",
        "/b/%61/1",
        "POST",
        "post",
        *READABLE_STATUS,
        "402",
        "request_x",
        "unstructured",
        "hello",
        "app",
        "uvicorn.access",
        "http.log.access.log0",
        401,
        "/ab",
        "",
        1,
        1.0,
        3,
        4.5,
        200,
        200.0,
        600,
        None,
        True,
        ["a"],
        {"a": 1},
    ]
)
NAMES = ["event", "method", "path", "status_code", "x", "message", "logger"]
EVENTS = st.builds(
    lambda event, extra: event if extra is None else {**event, "extra": extra},
    st.one_of(
        st.dictionaries(st.sampled_from(NAMES), VALUES),
        st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3).map(
            lambda event: {"method": "post", "path": "/A/1", "status_code": "401", **event}
        ),
    ),
    st.none() | st.dictionaries(st.sampled_from(NAMES), VALUES) | st.just("a"),
)
CASES = st.lists(
    st.builds(
        lambda when, field, chosen: {"when": when, "labels": {"l": chosen | field}},
        CONDITIONS,
        st.sampled_from([{"field": "x"}, {"field": "service"}, {"field": "stream"}]),
        st.sampled_from([{}, {"default": "d"}, {"map": {"a": "A", "1": "one", "true": "yes"}, "default": "d"}]),
    ),
    min_size=1,
    max_size=3,
)


def label_of(label: Label, value: Any) -> str:
    """Return a label's value directly."""
    text = str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, str | int | float) else ""
    return label.map.get(text, label.default) if label.map else text or label.default


@given(
    st.lists(CASES, min_size=1, max_size=3),
    st.lists(EVENTS, min_size=1, max_size=4),
    st.sampled_from(["stdout", "stderr"]),
    st.sampled_from(get_args(HttpSource)),
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_compiled_rules_agree_with_a_direct_evaluation(
    cases: list[list[dict[str, Any]]], events: list[dict[str, Any]], stream: str, source: HttpSource
) -> None:
    """For any rules and events, compiled rules give the same metrics and labels, each at most once."""
    rules = [
        Rule.model_validate({"name": f"x{number}_total", "help": "h", "cases": own}) for number, own in enumerate(cases)
    ]
    counting = Counting(rules)
    names = set[str]().union(*(named(case.when) for rule in rules for case in rule.cases))
    for event in events:
        expected = []
        for rule in rules:
            case = next((case for case in rule.cases if holds(case.when, event, stream, source, names)), None)
            if case is not None:
                label = case.labels["l"]
                expected.append(Increment(rule.name, (label_of(label, value_of(event, stream, label.field or "")),)))
        assert counting.increments(event, stream, "backend", source) == expected
