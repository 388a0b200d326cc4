"""One failed login, as the loggers and proxies that people have write its request: counted once, from the right source."""

import json
from typing import Any

import pytest

from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.redact import Redactor
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import Entry, HttpSource, Origin
from tests.processors.both_paths import NOW

LOGIN = "/api/v1/auth/login"
APPLICATIONS: dict[str, dict[str, Any]] = {
    "pino-http": {
        "level": 30, "time": 1796038637920, "req": {"id": 1, "method": "POST", "url": LOGIN},
        "res": {"statusCode": 401}, "responseTime": 4, "msg": "request completed",
    },
    "serilog": {
        "@t": "2026-11-30T11:37:18.123Z", "@mt": "HTTP {RequestMethod} {RequestPath} responded {StatusCode}",
        "RequestMethod": "POST", "RequestPath": LOGIN, "StatusCode": 401, "Elapsed": 12.3,
    },
    "structlog": {
        "http": {"method": "POST", "url": f"http://h{LOGIN}", "status_code": 401}, "event": "POST 401",
        "logger": "api.access", "timestamp": "2026-11-30T11:37:18Z",
    },
    "zap": {"level": "info", "ts": 1796038638.7, "msg": LOGIN, "status": "401", "method": "post", "path": f"{LOGIN}?x"},
    "gcp": {
        "severity": "INFO", "message": "request",
        "httpRequest": {"requestMethod": "POST", "requestUrl": f"https://h{LOGIN}", "status": 401},
    },
    "ecs": {
        "@timestamp": "2026-11-30T11:37:18Z", "log.level": "info", "message": "request", "url": {"path": LOGIN},
        "http": {"request": {"method": "POST"}, "response": {"status_code": 401}},
    },
    "lograge": {"method": "POST", "path": LOGIN, "controller": "SessionsController", "action": "create", "status": 401},
    "encoded": {"event": "request_finished", "method": "POST", "path": "//api/v1/auth/%6cogin;s=1/", "status_code": "401"},
}  # fmt: skip
PROXIES: dict[str, dict[str, Any]] = {
    "nginx": {
        "time_local": "30/Nov/2026:11:37:18 +0000", "remote_addr": "10.0.0.1", "request": f"POST {LOGIN} HTTP/1.1",
        "status": "401", "body_bytes_sent": "12",
    },
    "nginx with variables": {
        "time": "2026-11-30T11:37:18+00:00", "request_method": "POST", "request_uri": f"{LOGIN}?x", "status": 401,
        "upstream_addr": "1.2.3.4:80", "message": "request",
    },
    "envoy": {
        "start_time": "2026-11-30T11:37:18.123Z", "method": "POST", "path": LOGIN, "response_code": 401,
        "response_flags": "-", "duration": 3, "request_id": "9f0c7cb4-8a1a-4b3c-9d5d-0d0d0d0d0d0d",
    },
    "traefik": {
        "ClientHost": "10.0.0.1", "DownstreamStatus": 401, "RequestMethod": "POST", "RequestPath": LOGIN,
        "level": "info", "msg": "", "time": "2026-11-30T11:37:18Z",
    },
    "caddy": {
        "level": "info", "ts": 1796038638.7, "logger": "http.log.access.log0", "msg": "handled request",
        "request": {"remote_ip": "10.0.0.1", "method": "POST", "uri": LOGIN}, "status": 401, "duration": 0.001,
    },
}  # fmt: skip


def failed_logins(fields: dict[str, Any], http_source: HttpSource) -> float:
    """Return the failed logins that a line counts."""
    source = Source.of(Origin("/x.log", "c1", "b", container_id="c1", http_source=http_source))
    chain = Pipeline(Enforce(), Counting(builtin_rules([])), Redactor())
    handled = chain.handle(Entry(json.dumps(fields), "stdout", "2026-11-30T11:37:18Z", 0, 1, b"x"), source, NOW)
    return sum(added.amount for added in handled.increments or () if added.metric == "failed_login_attempts_total")


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_applications_request_counts_by_default(name: str) -> None:
    """And not with `http_source: access`, where the proxy's record of it counts."""
    assert (failed_logins(APPLICATIONS[name], "structured"), failed_logins(APPLICATIONS[name], "access")) == (1, 0)


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxys_request_counts_as_an_access_line(name: str) -> None:
    """Only where the setting says so: the application behind it logs the same request."""
    assert (failed_logins(PROXIES[name], "structured"), failed_logins(PROXIES[name], "access")) == (0, 1)
