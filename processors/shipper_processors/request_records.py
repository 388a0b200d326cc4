"""Recognise the record of a request, and tell an application's from one of a proxy or server.

An application's record feeds request-based counters by default. A proxy's or server's record is the JSON form of an
access line: it feeds them only with `http_source: access`, since the application behind it usually logs them too.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from shipper_schemas.entry import HttpSource
from shipper_schemas.rules import Rule, named_events

Record = Literal["structured", "access"]
RECORDS: Mapping[str, Record | None] = {"request_complete": "structured", "http_access": "access", "unstructured": None}
"""Events that are records by their names alone; plain text is none, whatever was recognised in it."""
REQUEST_EVENTS = "request"
"""An event whose name begins with this stays a request, although rules name it."""
ACCESS_LOGGERS = frozenset(
    {
        "uvicorn.access", "gunicorn.access", "hypercorn.access", "aiohttp.access", "tornado.access", "nginx.access",
        "werkzeug", "django.server", "access", "access_log", "accesslog", "io.quarkus.http.access-log",
        "reactor.netty.http.server.AccessLog",
    }
)  # fmt: skip
"""Loggers of servers' own access logs."""
CADDY_ACCESS = "http.log.access"
"""Beginning of the logger of Caddy's access log."""
PROXY_KEYS = frozenset(
    {
        "body_bytes_sent", "http_user_agent", "upstream_addr", "upstream_status", "upstream_response_time",  # nginx
        "proxy_upstream_name", "request_length", "upstream_cluster", "upstream_host", "response_flags",  # and Envoy
        "DownstreamStatus", "OriginStatus", "RouterName", "frontend_name", "backend_name", "termination_state",
    }
)  # fmt: skip
"""Names that nginx, Envoy, Traefik and HAProxy give to parts of a request; no application has them."""
APPLICATION_KEYS = frozenset({"controller", "latency_human"})
"""Names in the requests that Rails (lograge) and Echo log without a message; they are applications'."""
REMARKS = frozenset({"", "-", "handled request"})
"""Messages of proxies, which say nothing."""


def request_record(event: Mapping[str, Any]) -> Record | None:
    """Return whose record of a request an event is; None if it is none.

    Any event with a method, a path and a status is one, however it is called. It is a proxy's or server's record if it
    comes from the logger of an access log; or if it has no name of an event, and either a key of a proxy, or neither a
    message nor a logger: an application says what happened.
    """
    name = event.get("event")
    if not isinstance(name, str):
        name = ""
    if name in RECORDS:
        return RECORDS[name]
    if not isinstance(event.get("method"), str):
        return None
    extra = event.get("extra")
    if not isinstance(extra, dict):
        extra = {}
    path = event.get("path", extra.get("path"))
    status = event.get("status_code", extra.get("status_code"))
    if not isinstance(path, str) or not isinstance(status, int | float | str):
        return None
    logger = event.get("logger")
    if isinstance(logger, str) and (logger in ACCESS_LOGGERS or logger.startswith(CADDY_ACCESS)):
        return "access"
    if name or not APPLICATION_KEYS.isdisjoint(extra) or not APPLICATION_KEYS.isdisjoint(event):
        return "structured"
    if not PROXY_KEYS.isdisjoint(extra) or not PROXY_KEYS.isdisjoint(event):
        return "access"
    message = event.get("message")
    says_something = isinstance(message, str) and message.strip() not in REMARKS
    return "structured" if says_something or (isinstance(logger, str) and logger) else "access"


def events_besides_requests(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the events that rules name and that record no request: such an entry must not count as two things."""
    names = named_events(case.when for rule in rules for case in rule.all_cases())
    return frozenset(name for name in names if name not in RECORDS and not name.startswith(REQUEST_EVENTS))


def is_counted_request(
    event: Mapping[str, Any], stream: str, http_source: HttpSource, other_events: frozenset[str]
) -> bool:
    """Return True if an event records a request, from the source that counts for its container.

    `other_events` are those of `events_besides_requests`.
    """
    name = event.get("event")
    record = None if isinstance(name, str) and name in other_events else request_record(event)
    return record is not None and counts(record, name, stream, http_source)


def counts(record: Record, name: object, stream: str, http_source: HttpSource) -> bool:
    """Return True if a record of this event feeds the counters of its container.

    Access lines count from stdout only: a decoded query string can forge whole lines on stderr.
    """
    return record == http_source and (record == "structured" or stream == "stdout" or name != "http_access")
