"""Fields as loggers write them become the known fields; what was mapped or converted stays under `extra`."""

import json
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.enforce import Enforce
from shipper_processors.normalise import Normaliser, look_up
from shipper_schemas.event import EVENT_ADAPTER, LEVELS
from shipper_schemas.field_sources import FIELD_SOURCES

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PYTHON_TRACE = 'Traceback (most recent call last):\n  File "/a.py", line 3, in f\nValueError: no'
JAVA_TRACE = "java.lang.IllegalStateException: no\n\tat a.B.c(B.java:5)"


def event_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the event without its `extra`; nothing may be a violation."""
    event, violations = Enforce().enforce(json.loads(json.dumps(fields)))
    assert violations == []
    event.pop("extra", None)
    return event


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        # python-json-logger, structlog, loguru
        ({"levelname": "WARNING", "name": "shop", "message": "m", "asctime": "2026-11-30 11:37:19,075"},
         {"level": "warning", "logger": "shop", "timestamp": "2026-11-30 11:37:19,075"}),
        ({"text": f"x\n{PYTHON_TRACE}\n", "record": {
            "message": "m", "level": {"name": "ERROR", "no": 40}, "name": "app", "extra": {"request_id": "r-77"},
            "time": {"repr": "x", "timestamp": 1796038638.7}, "exception": {"type": "ValueError", "value": "no"}}},
         {"level": "error", "message": "m", "logger": "app", "correlation_id": "r-77", "exception": PYTHON_TRACE,
          "error_type": "ValueError", "error_message": "no", "timestamp": 1796038638.7}),
        # pino, bunyan, fastify
        ({"level": 30, "time": 1796038637920, "pid": 1, "hostname": "h", "reqId": "req-1", "res": {"statusCode": 401},
          "responseTime": 22.5, "msg": "request completed", "req": {"method": "post", "url": "/login?a=b"}},
         {"level": "info", "correlation_id": "req-1", "correlation_scope": "local", "status_code": 401, "duration_ms": 22.5,
          "message": "request completed", "method": "POST", "path": "/login", "timestamp": 1796038637920}),
        ({"level": 50, "msg": "m", "err": {"type": "Error", "message": "no", "stack": "Error: no\n    at f (/a.js:1:2)"}},
         {"level": "error", "error_type": "Error", "error_message": "no", "exception": "Error: no\n    at f (/a.js:1:2)"}),
        # zap, slog, zerolog
        ({"level": "dpanic", "ts": 1796038521.79, "msg": "m", "duration": 0.045, "stacktrace": "main.main\n\t/a.go:2"},
         {"level": "critical", "duration_ms": 45.0, "exception": "main.main\n\t/a.go:2"}),
        ({"time": "2026-11-30T11:35:21.792Z", "level": "DEBUG-4", "msg": "m", "duration": 45_000_000},
         {"level": "trace", "duration_ms": 45.0, "timestamp": "2026-11-30T11:35:21.792Z"}),
        # hclog, klog
        ({"@level": "error", "@message": "m", "@module": "vault", "@timestamp": "2026-11-30T11:35:21Z", "time": 4959141198},
         {"level": "error", "message": "m", "logger": "vault", "timestamp": "2026-11-30T11:35:21Z"}),
        ({"ts": 1580306777.04, "caller": "x.go:1", "msg": "m", "v": 0, "err": "bad"},
         {"level": "error", "error_message": "bad"}),
        # logback, log4j2, ECS, GELF, Quarkus
        ({"@timestamp": "2026-11-30T11:37:25Z", "level_value": 30000, "logger_name": "a.B", "message": "m", "stack_trace": JAVA_TRACE},
         {"level": "warning", "logger": "a.B", "exception": JAVA_TRACE, "error_type": "java.lang.IllegalStateException"}),
        ({"log.level": "ERROR", "message": "m", "log": {"logger": "a.B"}, "error": {"type": "E", "stack_trace": JAVA_TRACE},
          "event": {"dataset": "d", "action": "login"}, "trace": {"id": TRACE}},
         {"level": "error", "logger": "a.B", "error_type": "E", "exception": JAVA_TRACE, "event": "login", "trace_id": TRACE,
          "correlation_id": TRACE}),
        ({"version": "1.1", "short_message": "m", "full_message": JAVA_TRACE, "level": 3, "_logger": "a.B", "_requestId": "r-77"},
         {"message": "m", "level": "error", "logger": "a.B", "exception": JAVA_TRACE, "correlation_id": "r-77"}),
        ({"loggerName": "org.keycloak", "level": "WARN", "message": "m", "mdc": {"traceId": TRACE, "spanId": SPAN}},
         {"logger": "org.keycloak", "level": "warning", "trace_id": TRACE, "span_id": SPAN, "correlation_id": TRACE}),
        ({"instant": {"epochSecond": 1796038648}, "level": "ERROR", "message": "m", "contextMap": {"requestId": "r-77"},
          "thrown": {"name": "a.X", "message": "no", "extendedStackTrace": [{"class": "a.B", "method": "c", "file": "B.java", "line": 3}]}},
         {"level": "error", "correlation_id": "r-77", "error_type": "a.X", "exception": "a.X: no\n    at a.B.c(B.java:3)"}),
        # .NET
        ({"@t": "2026-11-30T11:37:18.7022300Z", "@mt": "m", "@tr": TRACE, "@sp": SPAN, "RequestMethod": "GET",
          "RequestPath": "/x", "StatusCode": 200, "Elapsed": 12.3, "SourceContext": "A.B"},
         {"level": "info", "message": "m", "trace_id": TRACE, "span_id": SPAN, "method": "GET", "path": "/x",
          "status_code": 200, "duration_ms": 12.3, "logger": "A.B"}),
        ({"LogLevel": "Critical", "Category": "A.B", "Message": "m", "Scopes": [{"SpanId": SPAN}, {"RequestId": "0HN4:01"}]},
         {"level": "critical", "logger": "A.B", "message": "m", "span_id": SPAN, "correlation_id": "0HN4:01"}),
        # Monolog, Rails, tracing
        ({"message": "m", "level": 400, "level_name": "ERROR", "channel": "app", "extra": {"request_id": "r-77"},
          "context": {"exception": {"class": "RuntimeException", "message": "no", "file": "/a.php:3", "trace": ["/a.php:9"]}}},
         {"level": "error", "logger": "app", "correlation_id": "r-77", "error_type": "RuntimeException",
          "exception": "RuntimeException: no\n/a.php:9"}),
        ({"method": "GET", "path": "/a", "format": "json", "controller": "C", "action": "a", "status": 200, "duration": 58.33},
         {"duration_ms": 58.33, "status_code": 200}),
        ({"timestamp": "2026-11-30T11:37:18Z", "level": "WARN", "fields": {"message": "m"}, "target": "app::pay",
          "span": {"request_id": "r-77"}},
         {"level": "warning", "message": "m", "logger": "app::pay", "correlation_id": "r-77"}),
        # clouds, OpenTelemetry
        ({"severity": "ERROR", "message": "m", "logging.googleapis.com/trace": f"projects/p/traces/{TRACE}",
          "httpRequest": {"requestMethod": "GET", "requestUrl": "https://a.b/c?d", "status": 500, "latency": "0.045s", "remoteIp": "1.2.3.4"}},
         {"level": "error", "trace_id": TRACE, "correlation_id": TRACE, "method": "GET", "path": "/c", "status_code": 500,
          "duration_ms": 45.0, "client_ip": "1.2.3.4"}),
        ({"Body": "m", "SeverityNumber": 17, "TraceId": TRACE, "Attributes": {"http.status_code": 500}},
         {"message": "m", "level": "error", "trace_id": TRACE, "status_code": 500}),
        ({"dd": {"trace_id": "123456789012345678"}, "message": "m"}, {"trace_id": "123456789012345678"}),
        # servers
        ({"t": {"$date": "2026-11-30T11:37:18.702+00:00"}, "s": "W", "c": "ACCESS", "ctx": "c1", "msg": "m",
          "attr": {"remote": "10.0.0.1:33", "durationMillis": 5}},
         {"level": "warning", "logger": "ACCESS", "client_ip": "10.0.0.1", "duration_ms": 5,
          "timestamp": "2026-11-30T11:37:18.702+00:00"}),
        ({"level": "info", "ts": 1796038521.7, "msg": "handled request", "duration": 0.0125, "status": 401,
          "request": {"client_ip": "10.0.0.9", "method": "POST", "uri": "/login?a"}},
         {"method": "POST", "path": "/login", "status_code": 401, "duration_ms": 12.5, "client_ip": "10.0.0.9"}),
        ({"ClientHost": "10.0.0.1", "DownstreamStatus": 401, "Duration": 45_000_000, "RequestMethod": "POST", "RequestPath": "/x?y"},
         {"method": "POST", "path": "/x", "status_code": 401, "duration_ms": 45.0, "client_ip": "10.0.0.1"}),
        ({"remote_addr": "-", "http_x_forwarded_for": "1.2.3.4, 5.6.7.8", "request": "POST /x?y HTTP/1.1", "status": "401",
          "request_time": "0.045"},
         {"method": "POST", "path": "/x", "status_code": 401, "duration_ms": 45.0, "client_ip": "1.2.3.4"}),
        ({"start_time": "2026-11-30T11:37:18Z", "method": "GET", "path": "/x", "response_code": 200, "duration": 45, "response_flags": "-"},
         {"status_code": 200, "duration_ms": 45, "timestamp": "2026-11-30T11:37:18Z"}),
        ({"type": "server", "level": "ERROR", "component": "o.e.b", "message": "m", "stacktrace": ["a.b.X: no", "at b.c(D.java:1)"]},
         {"logger": "o.e.b", "exception": "a.b.X: no\n\tat b.c(D.java:1)", "error_type": "a.b.X", "error_message": "no"}),
        ({"error_severity": "FATAL", "message": "m", "timestamp": "2026-11-30 11:37:18.702 UTC"}, {"level": "critical"}),
        ({"timestampSeconds": 1775541904, "timestampNanos": 321000000, "severity": "INFO", "message": "m"},
         {"timestamp": {"epochSecond": 1775541904, "nanoOfSecond": 321000000}}),
        ({"t": "2026-03-09T08:15:30.123Z", "level": "info", "msg": "m"}, {"timestamp": "2026-03-09T08:15:30.123Z"}),
        ({"date": 1773044130123, "status": "warn", "message": "m", "dd": {"service": "x"}}, {"level": "warning"}),
        ({"event": {"duration": 45_200_000}, "message": "m"}, {"duration_ms": 45.2}),
        # plain fields in other forms
        ({"level": "60", "message": "m", "status_code": "401", "duration_ms": "45.5", "method": "post", "path": "http://a.b/c?d#e"},
         {"level": "critical", "status_code": 401, "duration_ms": 45.5, "method": "POST", "path": "/c"}),
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, {"trace_id": TRACE, "span_id": SPAN, "correlation_id": TRACE}),
        ({"http": {"request": {"id": "r-77"}}}, {"correlation_id": "r-77"}),
        ({"http.request": {"id": "r-77"}}, {"correlation_id": "r-77"}),
        ({"client_ip": "1.2.3.4, 5.6.7.8"}, {"client_ip": "1.2.3.4"}),
    ],
)  # fmt: skip
def test_what_loggers_write_becomes_known_fields(logged: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each logger's own names, units and scales."""
    event = event_of(logged)
    assert {name: event.get(name) for name in expected} == expected


def test_originals_are_kept_under_their_own_names() -> None:
    """Whatever was mapped or converted; a mere spelling is not."""
    event, _ = Enforce().enforce({"level": 30, "msg": "m", "status_code": "401", "method": "post", "path": "/a?b=1"})
    assert event["extra"] == {"level": 30, "msg": "m", "status_code": "401", "path": "/a?b=1"}


@pytest.mark.parametrize("first", ["-", "null", "None", "undefined", "N/A", "nil", "0", 0, "", "00000000", None])
def test_the_next_candidate_is_tried_after_a_placeholder(first: object) -> None:
    """A middleware without an id logs such texts: strangers must not share one."""
    assert event_of({"correlation_id": first, "request_id": "r-77"})["correlation_id"] == "r-77"
    assert "correlation_id" not in event_of({"correlation_id": first, "message": "m"})


@pytest.mark.parametrize(
    ("identifier", "local"),
    [("req-1", True), ("req-a9", True), ("request_12", True), (42, True), ("1", True), ("r-77", False), ("7f3c-req-1", False),
     (TRACE, False), ("request-id-of-a-client", False), ("1796038637920", False)],
)  # fmt: skip
def test_ids_that_a_process_counts_up_are_local(identifier: object, local: bool) -> None:
    """Others count the same."""
    event = event_of({"correlation_id": identifier, "message": "m"})
    assert event["correlation_id"] == str(identifier)
    assert (event.get("correlation_scope") == "local") is local


@pytest.mark.parametrize("level", ["sometimes", "", "-", 8, 9999, "x" * 500])
def test_an_unknown_level_stays_in_extra(level: object) -> None:
    """Levels are a closed set, so that searches by level find all."""
    event, violations = Enforce().enforce({"level": level, "message": "m"})
    assert (event, violations) == ({"message": "m", "extra": {"level": level}}, [])
    assert event_of({"level": level, "severity": "error"})["level"] == "error"


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("level", {0: "critical", 3: "error", 4: "warning", 6: "info", 7: "debug", 10: "trace", 20: "debug", 30: "info",
                   40: "warning", 50: "error", 60: "critical", 100: "debug", 250: "notice", 300: "warning", 550: "critical"}),
        ("levelno", {5: "trace", 10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}),
        ("SeverityNumber", {1: "trace", 5: "debug", 9: "info", 13: "warning", 17: "error", 21: "critical", 24: "critical"}),
        ("severity", {200: "info", 400: "warning", 500: "error", 3: "error"}),
        ("LogLevel", {0: "trace", 2: "info", 3: "warning", 5: "critical"}),
        ("level_value", {5000: "trace", 20000: "info", 40000: "error"}),
    ],
)  # fmt: skip
def test_numbers_are_levels_on_the_scale_of_their_logger(name: str, numbers: dict[int, str]) -> None:
    """As number, or as text."""
    for number, level in numbers.items():
        assert event_of({name: number, "message": "m"})["level"] == level
        assert event_of({name: str(number), "message": "m"})["level"] == level


def test_ambiguous_values_are_not_mapped() -> None:
    """A person's name is no logger, a duration of unknown unit is none, a word is no status."""
    fields = {
        "name": "Maria",
        "event": "patient_created",
        "duration": 5,
        "status": "active",
        "id": "7",
        "s": "x",
        "error": ["a"],
    }
    assert event_of(fields) == {"event": "patient_created", "message": "patient_created"}


def test_configured_paths_are_tried_first() -> None:
    """Also for known fields, and for those that the table does not name."""
    enforce = Enforce((("message", ("note.text",)), ("user_id", ("who",)), ("logger", ("event",))))
    event, _ = enforce.enforce({"message": "m", "note": {"text": "n"}, "who": "u-1", "event": "e"})
    assert (event["message"], event["user_id"], event["logger"]) == ("n", "u-1", "e")
    assert event["extra"]["message"] == "m"


def test_the_sources_of_fields_are_named() -> None:
    """For people who ask where a value comes from."""
    fields = {"msg": "m", "level": 30, "mdc": {"traceId": TRACE}, "time": 1796038637920}
    assert Normaliser().sources(fields) == {
        "timestamp": "time", "correlation_id": "mdc.traceId", "trace_id": "mdc.traceId", "level": "level", "message": "msg",
    }  # fmt: skip


def test_an_unreadable_time_is_left_to_be_reported() -> None:
    """A readable one under another key is used instead."""
    assert Enforce().enforce({"timestamp": "noon"})[0]["timestamp"] == "noon"
    assert Enforce().enforce({"@timestamp": "noon"})[0]["timestamp"] == "noon"
    assert Enforce().enforce({"timestamp": "noon", "time": 1796038637920})[0]["timestamp"] == 1796038637920
    assert "timestamp" not in Enforce().enforce({"time": "noon", "ts": 12})[0]


def test_a_literal_key_comes_before_a_nested_one() -> None:
    """At each level."""
    assert look_up({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert look_up({"a": {"b.c": 1, "b": {"c": 2}}}, "a.b.c") == 1
    assert look_up({"a": [{"x": 0}, {"b": 3}]}, "a.b") == 3


NAMES = st.sampled_from(
    [
        *sorted({source.path for sources in FIELD_SOURCES.values() for source in sources}),
        "record",
        "extra",
        "context",
        "error",
        "err",
        "fields",
        "request",
        "req",
        "x",
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["-", "req-1", "error", "12ms"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, JSON, max_size=8))
def test_any_entry_is_mapped_without_error_and_loses_nothing(fields: dict[str, Any]) -> None:
    """The result conforms; each value except null is a known field or under `extra`; the same entry gives the same."""
    event, _ = Enforce().enforce(json.loads(json.dumps(fields)))
    assert json.dumps(Enforce().enforce(json.loads(json.dumps(fields)))[0]) == json.dumps(event)
    known = {name: value for name, value in event.items() if name not in {"extra", "timestamp"}}
    assert EVENT_ADAPTER.validator.isinstance_python(known)
    assert known.get("level") in {None, *LEVELS}
    kept = event.get("extra", {})
    for name, value in json.loads(json.dumps(fields)).items():
        if value is not None and name not in {"extra", "timestamp", "level", "method"}:
            assert name in event or name in kept


@pytest.mark.parametrize("carrier", ["fields", "context", "mdc", "properties", "attributes"])
def test_events_and_requests_that_an_application_binds_are_read(carrier: str) -> None:
    """Loggers nest what an application binds to an entry; a login must not hide there."""
    bound = {"event": "login_failed", "method": "POST", "path": "/a", "status_code": 401}
    event = event_of({"level": "info", "message": "m", carrier: dict(bound)})
    assert {name: event.get(name) for name in bound} == bound


@pytest.mark.parametrize("carrier", ["extra", "data", "body", "payload"])
def test_what_a_client_may_have_sent_names_no_event(carrier: str) -> None:
    """`extra` also holds pairs behind the message of a text."""
    assert "event" not in event_of({"level": "info", "message": "m", carrier: {"event": "login_failed"}})


def test_attributes_in_a_list_are_found_by_their_keys() -> None:
    """OTLP's JSON writes each attribute as an object with a key and a typed value."""
    attributes = [
        {"key": "http.request.method", "value": {"stringValue": "POST"}},
        {"key": "url.path", "value": {"stringValue": "/api"}},
        {"key": "http.response.status_code", "value": {"intValue": "401"}},
    ]
    fields = Normaliser().normalise({"message": "m", "attributes": attributes}).fields
    assert (fields["method"], fields["path"], fields["status_code"]) == ("POST", "/api", 401)


@pytest.mark.parametrize("word", ["\x1b[32minfo\x1b[39m", "\x1b[1;34mINFO\x1b[0m"])
def test_colours_around_a_level_are_dropped(word: str) -> None:
    """Winston with `colorize` before `json`."""
    assert event_of({"level": word, "message": "m"})["level"] == "info"


OWN_VALUES: dict[str, list[Any]] = {
    "correlation_id": [
        "abc-1",
        "0",
        "-",
        "req-1",
        "0af7651916cd43dd8448eb211c80319c",
        17,
        "ü",
        None,
        "--------0-------",
    ],
    "event": ["login", "", "-", {"action": "login"}, 3],
    "level": ["info", "INFO", "W", "30", 30, "", "odd", "error ", None],
    "method": ["GET", "get", "", "FOO", 1],
    "path": ["/", "/a", "/a?b", "/a#b", "http://h/a", "-", "a", None],
    "status_code": [200, "200", 99, 600, 200.0, True, "404 Not Found"],
    "duration_ms": [1, 0.5, -1, float("inf"), float("nan"), "12ms", True, 0],
    "message": ["m", "", "a\nb", 3, None, {"x": 1}],
    "logger": ["a.B", "-", "", 3],
    "error_type": ["E", "null", "", {"name": "E"}],
    "client_ip": ["10.0.0.1", "10.0.0.1:80", "2001:DB8::1", "256.1.1.1", "-", ""],
    "trace_id": ["0af7651916cd43dd8448eb211c80319c", "0", "x y"],
    "timestamp": ["2026-11-23T10:00:00Z", "2026-11-23 10:00:00", "no", 1],
}
FURTHER: list[dict[str, Any]] = [
    {"msg": "other"}, {"req": {"id": "r-77", "method": "GET"}}, {"severity": "ERROR"}, {"status": 500}, {"user": {"id": 3}},
    {"error": {"type": "X", "message": "no"}}, {"url": "/b?c"}, {"traceId": "4bf92f3577b34da6a3ce929d0e0e4736"},
]  # fmt: skip


def test_values_that_need_no_conversion_are_what_the_table_reads() -> None:
    """A value that is kept under its own name is the one that reading the field by its sources gives."""
    random, kept, read = Random(1), Normaliser(), Normaliser()
    read._keeps = {}  # the table alone
    for _ in range(3000):
        names = random.sample([*OWN_VALUES], random.randrange(1, 9))
        fields = {name: random.choice(OWN_VALUES[name]) for name in names} | random.choice(FURTHER)
        results = [normaliser.normalise(deepcopy(fields)) for normaliser in (kept, read)]
        assert repr(results[0]) == repr(results[1]), fields
