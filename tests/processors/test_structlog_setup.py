"""The application side: configuring structlog, and binding correlation ids in the middleware."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

import shipper_processors
from shipper_processors.asgi import CorrelationMiddleware


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Return the output of an application that uses `configure`."""
    stream = io.StringIO()
    shipper_processors.configure("backend", stream=stream)
    yield stream
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def printed(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the printed entries, decoded."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def request(headers: list[tuple[bytes, bytes]], *, fails: bool = False, path: str = "/api/v1/patients/7") -> list[Any]:
    """Run one request through the middleware; return the messages that it sent."""
    sent: list[Any] = []
    clock = iter([1.0, 1.0452])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        structlog.get_logger().info("patient_read", patient_id=7)
        if fails:
            raise ValueError("no such patient")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-correlation-id", b"of the app")]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    middleware = CorrelationMiddleware(app, make_id=lambda: "new-id", clock=lambda: next(clock))
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"secret=1",
        "headers": headers,
        "client": ("10.0.0.1", 5),
    }
    asyncio.run(middleware(scope, receive, send))
    return sent


def test_an_entry_is_one_line_in_the_schema(log: io.StringIO) -> None:
    """Level, time, service and fields, as the shipper expects them."""
    structlog.get_logger().warning("login_failed", correlation_id="c-1", duration_ms=4.5)
    (entry,) = printed(log)
    assert entry["level"] == "warning"
    assert entry["event"] == "login_failed"
    assert entry["service"] == "backend"
    assert entry["timestamp"].endswith("Z")
    assert "schema" not in entry


def test_an_entry_that_violates_the_schema_is_noted_and_kept(log: io.StringIO) -> None:
    """The author sees it, and nothing is lost."""
    structlog.get_logger().info("e", status_code="oops")
    (entry,) = printed(log)
    assert entry["schema"]["errors"][0]["field"] == "status_code"
    assert entry["extra"]["status_code"] == "oops"


def test_secrets_are_masked_before_they_are_printed(log: io.StringIO) -> None:
    """Fields and text alike, stack traces included."""
    try:
        raise RuntimeError("cannot reach postgresql://app:hunter2@db/keneyapp")
    except RuntimeError:
        structlog.get_logger().exception("failed", password="hunter2", note="mail dr.house@example.org")
    assert "hunter2" not in log.getvalue()
    assert "dr.house" not in log.getvalue()
    assert "Traceback" in printed(log)[0]["exception"]


def test_values_without_json_form_become_their_repr(log: io.StringIO) -> None:
    """An entry never raises into the application."""
    structlog.get_logger().info("e", value=object(), deep=[[["\ud800"]]], key={1: 2})
    assert printed(log)[0]["event"] == "e"


def test_other_libraries_use_the_same_chain() -> None:
    """`logging` goes through the same chain on request."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        shipper_processors.configure("backend", stream=stream, stdlib=True)
        logging.getLogger("sqlalchemy").error("no connection to %s", "db")
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
    assert printed(stream)[0]["level"] == "error"
    assert "no connection to db" in stream.getvalue()


def test_an_invalid_level_is_an_error() -> None:
    """The message lists the valid levels."""
    with pytest.raises(ValueError, match="debug, info"):
        shipper_processors.configure("backend", level="loud")


def test_a_sane_correlation_id_is_bound_and_answered(log: io.StringIO) -> None:
    """All entries of the request have it, and the response has it once."""
    sent = request([(b"X-Correlation-ID", b"abc-123")])
    assert [entry["correlation_id"] for entry in printed(log)] == ["abc-123", "abc-123"]
    assert [value for name, value in sent[0]["headers"] if name == b"x-correlation-id"] == [b"abc-123"]


def test_a_request_is_logged_once_when_it_is_complete(log: io.StringIO) -> None:
    """The entry has method, path without query, status, duration and client."""
    request([])
    complete = [entry for entry in printed(log) if entry["event"] == "request_complete"]
    assert len(complete) == 1
    assert complete[0] | {"method": "GET", "path": "/api/v1/patients/7", "status_code": 200} == complete[0]
    assert complete[0]["duration_ms"] == 45.2
    assert complete[0]["client_ip"] == "10.0.0.1"
    assert "secret" not in log.getvalue()


def test_a_failed_request_is_logged_and_the_error_goes_on(log: io.StringIO) -> None:
    """It logs `request_error` and `request_complete` with 500; the exception reaches the server."""
    with pytest.raises(ValueError, match="no such patient"):
        request([(b"x-correlation-id", b"abc")], fails=True)
    events = [(entry["event"], entry["correlation_id"]) for entry in printed(log)]
    assert events == [("patient_read", "abc"), ("request_error", "abc"), ("request_complete", "abc")]
    assert printed(log)[1]["error_type"] == "ValueError"
    assert printed(log)[2]["status_code"] == 500


HOSTILE = [b"", b"x" * 50_000, b"\x1b[31mred", b"a b", b'{"a":1}', "pâté".encode(), b"\x85", b"null\n{}"]


@pytest.mark.parametrize("value", HOSTILE)
def test_an_unusable_correlation_id_is_replaced_and_noted_and_never_echoed(log: io.StringIO, value: bytes) -> None:
    """The request continues under a new id; the log reports it, with a harmless excerpt of the original."""
    sent = request([(b"x-correlation-id", value)])
    note = printed(log)[0]
    assert note["event"] == "correlation_id_replaced"
    assert {entry["correlation_id"] for entry in printed(log)} == {"new-id"}
    assert note["extra"]["given_length"] == len(value.decode("latin-1"))
    assert len(note["extra"]["given_start"]) <= 16
    assert note["extra"]["given_start"].isascii()
    assert (b"x-correlation-id", b"new-id") in sent[0]["headers"]


def test_two_correlation_ids_are_replaced(log: io.StringIO) -> None:
    """Two ids are ambiguous."""
    request([(b"x-correlation-id", b"a"), (b"x-correlation-id", b"b")])
    assert {entry["correlation_id"] for entry in printed(log)} == {"new-id"}


def test_a_traceparent_gives_the_id(log: io.StringIO) -> None:
    """W3C trace context gives the id if the header is missing."""
    trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    request([(b"traceparent", trace)])
    assert {entry["correlation_id"] for entry in printed(log)} == {"4bf92f3577b34da6a3ce929d0e0e4736"}


def test_the_context_ends_with_the_request(log: io.StringIO) -> None:
    """Later entries carry no stale id."""
    request([(b"x-correlation-id", b"abc")])
    structlog.get_logger().info("later")
    assert "correlation_id" not in printed(log)[-1]


def test_lifespan_passes_untouched(log: io.StringIO) -> None:
    """Only requests have correlation ids."""
    passed: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["type"])

    asyncio.run(CorrelationMiddleware(app)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert passed == ["lifespan"]
    assert log.getvalue() == ""
