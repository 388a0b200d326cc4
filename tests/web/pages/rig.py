"""Rig for pages: an agent with a chosen state, a store in memory, and requests without a socket."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from shipper.config.settings import Settings
from shipper.metrics.health import AgentView, Health
from shipper.metrics.snapshot import Snapshot
from shipper.model.documents import Document
from shipper.model.quarantine_matches import QuarantineMatches
from shipper.model.query import Query
from shipper.outputs.query_filter import accepts
from shipper.system.clock import Clock
from shipper.system.errors import ShipperError
from shipper.web.app import WebApp
from shipper.web.auth import Access
from shipper.web.pages.routes import WebPages
from shipper_schemas.metrics import Distribution, Metric

NOW_MS = 1_795_428_000_000  # 2026-11-23T10:00:00Z
LINES = Metric("shipper_lines_read_total", "counter", "Lines.")
EVENTS = Metric("shipper_events_total", "counter", "Events.", ("outcome",))
REASONS = Metric("shipper_violations_total", "counter", "Violations.", ("reason",))
SECONDS = Metric("shipper_output_request_duration_seconds", "histogram", "Batches.", (), (0.1, 1.0))
LOGINS = Metric("failed_login_attempts_total", "counter", "Logins.", ("service",))
LAG = Metric("shipper_lag_seconds", "gauge", "Lag.", ("output",))
METRICS = {metric.name: metric for metric in (LINES, EVENTS, REASONS, SECONDS, LOGINS, LAG)}
Body = dict[str, Any]


class StillClock(Clock):
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall_ns(self) -> int:
        return NOW_MS * 1_000_000


@dataclass
class FakeAgent:
    """An agent with a chosen state."""

    state: str = "healthy"
    is_ready: bool = True
    lines: float = 1200
    lag_s: float = 0.0
    error: str | None = None
    logs: list[Body] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    configuration: Body | None = None
    logins: dict[str, float] = field(default_factory=lambda: {"backend": 7.0, "worker": 0.0})

    @property
    def snapshot(self) -> "FakeAgent":
        return self

    def metrics(self) -> Snapshot:
        values: dict[Any, Any] = {
            (LINES.name, ()): self.lines,
            (EVENTS.name, ("indexed",)): self.lines * 0.9,
            (EVENTS.name, ("quarantined",)): self.lines * 0.1,
            (REASONS.name, ("correlation_id_missing",)): self.lines * 0.1,
            (REASONS.name, ("blank",)): 0.0,
            (SECONDS.name, ()): Distribution([1, 2, 1], 0.4),
            **{(LOGINS.name, (service,)): value for service, value in self.logins.items()},
        }
        return Snapshot(METRICS, values, dict.fromkeys(values, 0.0), {(LAG.name, ("local",)): self.lag_s})

    def health(self) -> Health:
        return Health(self.state, {"loop": "healthy", "output": self.state})

    @property
    def ready(self) -> bool:
        return self.is_ready

    def status(self) -> Body:
        return {
            "running": True,
            "output": {"url": "local:/store", "error": self.error, "hint": "start it" if self.error else None},
            "state": {"directory": "/state", "error": None},
            "configuration": self.configuration,
            "unreadable": self.unreadable,
            "logs": self.logs,
        }


@dataclass
class Memory:
    """A readable store in memory, filled by the test."""

    events: list[Body] = field(default_factory=list)
    quarantined: list[Body] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    pause: Callable[[], None] = lambda: None
    broken: ShipperError | None = None

    def __call__(self, pause: Callable[[], None]) -> "Memory":
        if self.broken is not None:
            raise self.broken
        self.pause = pause
        return self

    def search(self, query: Query) -> Iterator[Body]:
        self.queries.append(query)
        wanted = accepts(query)
        matches = [body for body in self.events if wanted(body)]
        matches.sort(key=lambda body: str(body["@timestamp"]), reverse=query.newest_first)
        for body in matches[: query.limit]:
            self.pause()
            yield body

    def quarantine(
        self, *, reason: str | None = None, mentioning: str | None = None, limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Body]:  # fmt: skip
        entries = [body for body in self.quarantined if reason in (None, body["reasons"][0]["kind"])]
        yield from [body for body in entries if mentioning is None or mentioning in body["raw"]][:limit]

    def matching_quarantine(self, query: Query) -> QuarantineMatches:
        wanted = accepts(query)
        return QuarantineMatches.of(body for body in self.quarantined if wanted(body))

    def release(self, index: str, document_id: str, document: Document) -> None:
        raise AssertionError("pages are read-only")

    def close(self) -> None:
        """Nothing to close."""


def event(seconds: float, name: str, **fields: Any) -> Body:
    """Return an event of one request, `seconds` after ten o'clock."""
    number = f"{int(seconds * 1000):08x}"
    return {
        "@timestamp": f"2026-11-23T10:00:{seconds:06.3f}Z", "level": "info", "event": name, "correlation_id": "visit-1",
        "service": {"name": "backend"}, **fields, "_id": f"{'0' * 12}{number}{'0' * 20}", "_index": "logs-2026.11.23",
    }  # fmt: skip


def quarantined(**fields: Any) -> Body:
    """Return a quarantined entry."""
    return {
        "@timestamp": "2026-11-23T10:00:00.000Z", "raw": '{"event": "x"}', "stream": "stdout",
        "reasons": [{"kind": "correlation_id_missing", "detail": "no correlation id", "field": "correlation_id"}],
        "log": {"file": {"path": "/logs/app.log"}, "offset": 12}, "service": {"name": "backend"},
        "_id": "0123456789ab" + "c" * 28, "_index": "quarantine-2026.11.23", **fields,
    }  # fmt: skip


@dataclass
class Reply:
    """A response."""

    status: int
    headers: dict[str, str]
    text: str


class Site:
    """The pages of one agent, requested without a socket; keeps its cookie, as a browser does."""

    def __init__(self, store: Memory | None = None, fake: FakeAgent | None = None, *, token: str | None = None,
                 loopback: bool = True, agent: AgentView | None = None) -> None:  # fmt: skip
        self.store, self.fake, self.clock = store or Memory(), fake or FakeAgent(), StillClock()
        settings = Settings.model_validate({"host": "node-1", "output": "local:/store"})
        self.pages = WebPages(agent or self.fake, self.store, lambda: settings, self.clock)
        self.access = Access(token, loopback=loopback, clock=self.clock)
        self.app = WebApp(agent or self.fake, self.access, self.pages, loopback=loopback)
        self.cookie = ""

    def get(self, path: str, *, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None,
            **query: str) -> Reply:  # fmt: skip
        """Request a page; `query` is appended to its address."""
        head: list[Any] = []
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": urlencode(query), "HTTP_HOST": "localhost:9108",
            "HTTP_COOKIE": self.cookie, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()},
        }  # fmt: skip
        parts = b"".join(self.app(environ, lambda *start: head.extend(start)))
        response_headers = dict(head[1])
        if "Set-Cookie" in response_headers:
            self.cookie = response_headers["Set-Cookie"].partition(";")[0]
        return Reply(int(head[0][:3]), response_headers, parts.decode())

    def post(self, path: str, headers: dict[str, str] | None = None, **form: str) -> Reply:
        """Send a form."""
        return self.get(path, method="POST", body=urlencode(form).encode(), headers=headers)
