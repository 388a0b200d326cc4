"""HTTP server: metrics that promtool accepts, health with the right codes, limits for clients, access."""

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from shipper.metrics.health import Health
from shipper.metrics.snapshot import Snapshot
from shipper.system.errors import ShipperError
from shipper.web.server import ClientLimits, serve
from shipper_schemas.metrics import Distribution, Metric

QUICK = ClientLimits(poll_s=0.02)
LOGINS = Metric("failed_login_attempts_total", "counter", "Logins refused.", ("service",))
SECONDS = Metric("request_duration_seconds", "histogram", "Durations.", (), (0.1, 1.0))
LAG = Metric("shipper_lag_bytes", "gauge", "Bytes not shipped yet.", ("output",))


@dataclass
class FakeAgent:
    """An agent with a chosen state."""

    state: str = "healthy"
    is_ready: bool = True
    values: dict[Any, Any] = field(
        default_factory=lambda: {
            (LOGINS.name, ('odd"\n\\',)): 3.0,
            (LOGINS.name, ("backend",)): 0.0,
            (SECONDS.name, ()): Distribution([1, 2, 1], 4.5),
        }
    )

    @property
    def snapshot(self) -> "FakeAgent":
        return self

    def metrics(self) -> Snapshot:
        metrics = {metric.name: metric for metric in (LOGINS, SECONDS, LAG)}
        return Snapshot(
            metrics, self.values, dict.fromkeys(self.values, 1_795_428_000.0), {(LAG.name, ("local",)): 12.0}
        )

    def health(self) -> Health:
        return Health(self.state, {"loop": self.state})

    @property
    def ready(self) -> bool:
        return self.is_ready

    def status(self) -> dict[str, Any]:
        return {"running": True, "logs": []}


@pytest.fixture
def agent() -> FakeAgent:
    """The agent behind the server."""
    return FakeAgent()


@pytest.fixture
def address(agent: FakeAgent) -> Iterator[str]:
    """Yield the address of a server on loopback."""
    with serve("127.0.0.1:0", agent, None, QUICK) as url:
        assert url is not None
        yield url


def request(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Return status, headers and body of a response."""
    prepared = urllib.request.Request(
        url, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    try:
        with urllib.request.urlopen(prepared, timeout=30) as response:
            return response.status, dict(response.headers), response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read().decode()


def test_metrics_are_readable_in_both_formats(address: str) -> None:
    """Counters, cumulative histograms and gauges, label values escaped, zero series present."""
    _, _, text = request(f"{address}/metrics")
    samples = {(s.name, tuple(s.labels.values())): s.value for family in prometheus(text) for s in family.samples}
    assert samples["failed_login_attempts_total", ('odd"\n\\',)] == 3
    assert samples["failed_login_attempts_total", ("backend",)] == 0
    assert [samples["request_duration_seconds_bucket", (le,)] for le in ("0.1", "1.0", "+Inf")] == [1, 3, 4]
    assert samples["request_duration_seconds_sum", ()] == 4.5
    assert samples["shipper_lag_bytes", ("local",)] == 12
    _, headers, text = request(f"{address}/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    created = {s.name: s.value for family in openmetrics(text) for s in family.samples if s.name.endswith("_created")}
    assert created["failed_login_attempts_created"] == 1_795_428_000


@pytest.mark.parametrize(("state", "code"), [("healthy", 200), ("degraded", 200), ("stuck", 503)])
def test_health_fails_only_if_a_restart_helps(address: str, agent: FakeAgent, state: str, code: int) -> None:
    """In the format of the guide; an unavailable output is no reason to restart."""
    agent.state = state
    status, _, body = request(f"{address}/health")
    health = json.loads(body)
    assert (status, health["status"]) == (code, state)
    assert health.keys() == {"status", "version", "checks", "timestamp"}
    assert health["timestamp"].endswith("Z")
    assert request(f"{address}/live")[0] == code


def test_ready_waits_for_the_first_scan(address: str, agent: FakeAgent) -> None:
    """503 until then."""
    agent.is_ready = False
    assert request(f"{address}/ready")[0] == 503
    agent.is_ready = True
    assert request(f"{address}/ready")[0] == 200


def test_pages_have_security_headers(address: str) -> None:
    """No external content, no frames, no sniffing."""
    for path in ("/status", "/health"):
        status, headers, _ = request(address + path)
        assert status == 200
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/metrics", 405),
        ("DELETE", "/health", 405),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/x" * 2000, 404),
        ("HEAD", "/health", 200),
    ],
)
def test_odd_requests_get_an_error(address: str, method: str, path: str, code: int) -> None:
    """Nothing can be changed, and unknown paths are not served."""
    status, headers, body = request(address + path, method)
    assert status == code
    assert method != "HEAD" or body == ""
    assert code != 405 or headers["Allow"] == "GET, HEAD"


def test_a_foreign_host_name_is_rejected_on_loopback(address: str) -> None:
    """Another site whose name resolves to loopback reads nothing."""
    assert request(f"{address}/status", Host="evil.example")[0] == 403
    assert request(f"{address}/status", Host="localhost:9108")[0] == 200
    assert request(f"{address}/status", Host="[::1]:9108")[0] == 200


def test_beyond_loopback_a_token_is_required(agent: FakeAgent) -> None:
    """Metrics and health are public, everything else needs it; without a configured token access is closed."""
    with serve("0.0.0.0:0", agent, "s3cret", QUICK) as listening:
        assert listening is not None
        url = listening.replace("0.0.0.0", "127.0.0.1")
        assert request(f"{url}/metrics")[0] == 200
        assert request(f"{url}/health")[0] == 200
        assert request(f"{url}/status")[0] == 401
        assert request(f"{url}/status", Authorization="Bearer wrong")[0] == 401
        assert request(f"{url}/status", Authorization="Bearer s3cret")[0] == 200
    with serve("0.0.0.0:0", agent, None, QUICK) as url:
        assert url is not None
        assert request(f"{url.replace('0.0.0.0', '127.0.0.1')}/status", Authorization="Bearer None")[0] == 401
        assert "none is configured" in request(f"{url.replace('0.0.0.0', '127.0.0.1')}/status")[2]


def connected(url: str, path: str = "/health") -> socket.socket:
    """Return a client in the middle of its request."""
    host, port = url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=10)
    client.sendall(f"GET {path} HT".encode())
    return client


def is_disconnected(client: socket.socket) -> bool:
    """Return True if the server closed the connection; otherwise send one more byte."""
    try:
        return client.recv(1) == b""
    except TimeoutError:
        client.sendall(b"x")
        return False
    except ConnectionError:  # it left bytes unread
        return True


def test_a_client_that_sends_single_bytes_is_disconnected(agent: FakeAgent) -> None:
    """It is never idle but takes too long; other clients are served meanwhile and afterwards."""
    with serve("127.0.0.1:0", agent, None, ClientLimits(idle_timeout_s=5, request_timeout_s=0.3, poll_s=0.02)) as url:
        assert url is not None
        with connected(url) as slow:
            slow.settimeout(0.05)
            assert any(is_disconnected(slow) for _ in range(100))
        assert any(is_served(url) for _ in range(100))


def test_beyond_the_limit_the_oldest_connection_is_closed(agent: FakeAgent) -> None:
    """Any number of idle connections cannot block a request."""
    with serve("127.0.0.1:0", agent, None, ClientLimits(max_clients=2, poll_s=0.02)) as url, ExitStack() as held:
        assert url is not None
        oldest, second = (held.enter_context(connected(url)) for _ in range(2))
        assert request(f"{url}/health")[0] == 200
        assert is_disconnected(oldest)
        second.sendall(b"TP/1.0\r\n\r\n")
        assert second.recv(100).startswith(b"HTTP/1.0 200")


class Busy(FakeAgent):
    """An agent whose status blocks until the test releases it."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.done = threading.Event(), threading.Event()

    def status(self) -> dict[str, Any]:
        self.entered.set()
        self.done.wait(20)
        return {}


def is_served(url: str) -> bool:
    """Return True if the server accepts another request."""
    try:
        return request(f"{url}/health")[0] == 200
    except (OSError, HTTPException):
        return False


def test_beyond_the_limit_no_thread_is_added_even_if_the_oldest_is_busy() -> None:
    """Closing the connection does not end its work; new clients are rejected until there is capacity again."""
    busy, before = Busy(), set(threading.enumerate())
    with serve("127.0.0.1:0", busy, None, ClientLimits(max_clients=2, poll_s=0.02)) as url, ExitStack() as held:
        assert url is not None
        held.callback(busy.done.set)
        held.enter_context(connected(url, "/status")).sendall(b"TP/1.0\r\n\r\n")
        assert busy.entered.wait(20)
        for _ in range(30):
            held.enter_context(connected(url))
        assert any(is_served(url) for _ in range(100))
        own = set(threading.enumerate()) - before
        assert sum("process_request" in thread.name for thread in own) <= 4


def test_a_port_in_use_is_an_error_with_a_hint(agent: FakeAgent) -> None:
    """The first error of a second agent."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ShipperError, match=rf"127.0.0.1:{port}.*\n.*--listen"),
            serve(f"127.0.0.1:{port}", agent, None),
        ):
            pass


def test_off_serves_nothing(agent: FakeAgent) -> None:
    """No socket is opened."""
    with serve("off", agent, None) as url:
        assert url is None
