"""Lines that applications print, of every shape that a step of the chain decides on: the same ones each time."""

import json
import random
from collections.abc import Iterator
from itertools import product
from typing import Any

KNOWN = (
    "correlation_id", "event", "level", "message", "method", "path", "status_code", "duration_ms", "client_ip",
    "user_id", "patient_id", "error_type", "error_message", "exception", "logger",
)  # fmt: skip
VALUES = (
    '""', '"x"', '" padded "', '"é – 日本語 🙂"', '"tab\\tquote\\"slash\\/"', '"\\u0041\\ud83d\\ude00"', '"\\ud800"',
    '"a\\u0000b"', '"\\u202ebidi"', "null", "true", "false", "0", "-0", "1", "7", "200", "99", "599", "600", "-1",
    "1.0", "200.0", "1e2", "1E400", "12.50", "-0.0", "0.1e-9", "9007199254740993", "18446744073709551616",
    "1" * 400, "NaN", "Infinity", "[]", "{}", '["a",1,null]', '{"a":{"b":[1,{"c":2}]}}', '"' + "v" * 5000 + '"',
)  # fmt: skip
LEVELS = (
    "trace", "debug", "info", "notice", "warning", "error", "critical", "warn", "err", "severe", "exception", "fatal",
    "crit", "alert", "emerg", "emergency", "panic", "information", "verbose", "fine", "unknown", "10", "inf", "WARNING ",
)  # fmt: skip
TIMESTAMPS = (
    '"2026-11-23T10:00:00Z"', '"2026-11-23T10:00:00.123456789Z"', '"2026-11-23T12:00:00+02:00"', '"2026-11-23"',
    '"2026-11-23 10:00:00,123"', '"2026-11-23T10:00:00"', '"2026-11-23T24:00:00Z"', '"2026-02-30T10:00:00Z"',
    '"2026-11-23T10:00:60Z"', '"23/Nov/2026:10:00:00 +0000"', '"1795428000"', '"1795428000.5"', "1795428000",
    "1795428000000", "1795428000.25", "1795428000000000", "-1", "0", "true", "null", "[]", '"soon"', '""',
    '"2026-11-16T10:00:00Z"', '"2026-11-16T09:59:59Z"', '"2026-11-23T11:00:00Z"', '"2026-11-23T11:00:02Z"',
    '"1969-12-31T23:59:59Z"', '"9999-12-31T23:59:59Z"', '"0001-01-01T00:00:00Z"', "1e300", "NaN",
)  # fmt: skip
IDS = (
    "correlation_id", "correlationId", "request_id", "requestId", "trace_id", "traceId", "trace.id", "x-request-id",
    "X-Correlation-ID", "span_id", "http.request.id", "context",
)  # fmt: skip
NAMES = (
    "tenant", "timestamp", "@timestamp", "stream", "container", "service", "host", "log", "schema", "extra",
    "kubernetes", "time", "severity", "msg", "Level", "MESSAGE", "log.level", "url.path", "a.b.c", "", " ", "é", "a\\u0000b",
    "password", "api_key", "Set-Cookie", "authorization", "_id", "_index", "_source", "__proto__",
)  # fmt: skip
NO_JSON = (
    "", " ", "\t", "plain text", "{", "}", "{}", "[]", "[1,2]", "null", "true", "12", '"text"', "{'a': 1}", '{"a":1,}',
    '{"a":1} trailing', '  {"correlation_id":"c-1","event":"padded"}  ', '\ufeff{"correlation_id":"c-1"}', '{"a":01}',
    '{"correlation_id":"c-1"', '{"correlation_id":"c-1","a":"\\x"}', "INFO starting", "2026-11-23 10:00:00,123 ERROR it broke",
    "[WARN] careful", "level=error msg=x", "E1123 10:00:00.000000 7 main.go:1] klog", "<34>1 syslog", "a\rb", "a\x0bb\x0cc\x85d\u2028e",
    'INFO:     10.0.0.1:5000 - "GET /api/v1/patients/7?token=abc HTTP/1.1" 200 OK',
    'INFO:     10.0.0.1:5000 - "POST /api/v1/auth/login HTTP/1.1" 401 Unauthorized',
    '10.0.0.1 - ada [23/Nov/2026:10:00:00 +0000] "GET /a/b?x=1 HTTP/1.1" 404 5 "http://r/" "agent"',
    '10.0.0.1 - - [23/Nov/2026:10:00:00 +0000] "BREW /pot HTTP/1.1" 999 -', '::1 - - [x] "GET / HTTP/1.1" 200 5',
)  # fmt: skip
BEGIN = '{"correlation_id":"c-1"'


def fields() -> Iterator[str]:
    """Each known field with each value, before and after the others."""
    for number, (name, value) in enumerate(product(KNOWN, VALUES)):
        rest = '"event":"visit"' if name == "correlation_id" else '"correlation_id":"c-1"'
        one = f'"{name}":{value}'
        yield f"{{{one},{rest}}}" if number % 2 else f"{{{rest},{one}}}"


def names() -> Iterator[str]:
    """Names that the chain reads, moves or masks."""
    for name, value in product(NAMES, ('"x"', "1", '{"a":1}', "null")):
        yield f'{BEGIN},"event":"named","{name}":{value}}}'
    for name, value in product(IDS, ('"c-1"', '"not usable"', '""', "7", "null", '{"request_id":"c-1"}')):
        yield f'{{"event":"identified","{name}":{value}}}'
    yield f'{BEGIN},"event":"a","event":"b","correlation_id":"c-2","x":1,"x":2}}'
    yield '{"request_id":"c-3","correlation_id":null,"event":"fallback"}'


def values() -> Iterator[str]:
    """Levels and times in each spelling."""
    for level, spelled in product(LEVELS, (str.lower, str.upper, str.title)):
        yield f'{BEGIN},"event":"levelled","level":"{spelled(level)}"}}'
    for timestamp in TIMESTAMPS:
        yield f'{{"timestamp":{timestamp},"correlation_id":"c-1","event":"timed"}}'
        yield f'{{"timestamp":{timestamp}}}'


def counted() -> Iterator[str]:
    """Events on both sides of each operator of a counter rule."""
    paths = (
        "/api/v1/patients/7",
        "/api/v1/patients/7/",
        "/api/v1/patients/7?x=1",
        "/api/v1/patients",
        "/export/a.csv",
        "/",
    )
    for event, path in product(("visit", "visit_ended", "export", "request_complete", "login_failed"), paths):
        for status in (200, 404, 500):
            yield json.dumps({
                "correlation_id": "c-1", "event": event, "path": path, "method": "GET", "status_code": status,
                "duration_ms": status / 3, "department": ("cardiology", "radiology", None)[status % 3],
            })  # fmt: skip
    for size, medication in product((0, 1, 9.99, 10, 10.5, -3, True, "10", None, 1e300), ("aspirin", "Ibuprofen", 7)):
        prescription: dict[str, Any] = {"correlation_id": "c-1", "event": "prescription_created"}
        yield json.dumps({**prescription, "size": size, "medication": medication, "urgent": size == 1})
    for number in range(150):  # more values than a label may have
        yield json.dumps({"correlation_id": "c-1", "event": "export", "format": f"format-{number}"})


def varied(number: int, seed: int) -> Iterator[str]:
    """Entries with a random choice of fields in a random order, most of them ordinary values."""
    rng = random.Random(seed)
    for _ in range(number):
        chosen = rng.sample(KNOWN, rng.randrange(1, len(KNOWN)))
        pairs = []
        for name in chosen:
            ordinary = {"status_code": "200", "duration_ms": "12.5", "level": '"info"', "user_id": "17"}.get(
                name, f'"{name}-1"'
            )
            pairs.append(f'"{name}":{ordinary if rng.random() < 0.95 else rng.choice(VALUES)}')
        gap = rng.choice(("", " ", "  "))
        yield f"{{{gap}{f',{gap}'.join(pairs)}{gap}}}"


def entries() -> list[str]:
    """All of them; some twice in a row, as applications print them."""
    once = [*fields(), *names(), *values(), *counted(), *NO_JSON, *varied(400, 11)]
    return [text for number, text in enumerate(once) for _ in range(3 if number % 41 == 0 else 1)]
