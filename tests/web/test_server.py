"""The agent's own face: metrics that promtool accepts, health with the right codes, nothing for strangers."""

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

from shipper.metrics.exposition import Snapshot
from shipper.metrics.health import Health
from shipper.system.errors import ShipperError
from shipper.web.server import Patience, serve
from shipper_schemas.metrics import Distribution, Metric

QUICK = Patience(beat_s=0.02)
LOGINS = Metric("failed_login_attempts_total", "counter", "Logins refused.", ("service",))
SECONDS = Metric("request_duration_seconds", "histogram", "Durations.", (), (0.1, 1.0))
LAG = Metric("shipper_lag_bytes", "gauge", "Bytes not shipped yet.", ("output",))


@dataclass
class Patient:
    """An agent that is as well as the test says."""

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
    def snapshot(self) -> "Patient":
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
def patient() -> Patient:
    """The agent behind the server."""
    return Patient()


@pytest.fixture
def address(patient: Patient) -> Iterator[str]:
    """A server on loopback."""
    with serve("127.0.0.1:0", patient, None, QUICK) as found:
        assert found is not None
        yield found


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of a request."""
    asked = urllib.request.Request(
        url, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read().decode()


def test_metrics_are_readable_in_both_formats(address: str) -> None:
    """Counters, cumulative histograms and gauges, label values escaped, zero series present."""
    _, _, text = ask(f"{address}/metrics")
    samples = {(s.name, tuple(s.labels.values())): s.value for family in prometheus(text) for s in family.samples}
    assert samples["failed_login_attempts_total", ('odd"\n\\',)] == 3
    assert samples["failed_login_attempts_total", ("backend",)] == 0
    assert [samples["request_duration_seconds_bucket", (le,)] for le in ("0.1", "1.0", "+Inf")] == [1, 3, 4]
    assert samples["request_duration_seconds_sum", ()] == 4.5
    assert samples["shipper_lag_bytes", ("local",)] == 12
    _, headers, text = ask(f"{address}/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    created = {s.name: s.value for family in openmetrics(text) for s in family.samples if s.name.endswith("_created")}
    assert created["failed_login_attempts_created"] == 1_795_428_000


@pytest.mark.parametrize(("state", "code"), [("healthy", 200), ("degraded", 200), ("stuck", 503)])
def test_health_tells_a_restart_only_where_it_helps(address: str, patient: Patient, state: str, code: int) -> None:
    """The guide's shape; an output that is away is no reason to restart."""
    patient.state = state
    status, _, body = ask(f"{address}/health")
    found = json.loads(body)
    assert (status, found["status"]) == (code, state)
    assert found.keys() == {"status", "version", "checks", "timestamp"}
    assert found["timestamp"].endswith("Z")
    assert ask(f"{address}/live")[0] == code


def test_ready_waits_for_the_first_scan(address: str, patient: Patient) -> None:
    """503 until then."""
    patient.is_ready = False
    assert ask(f"{address}/ready")[0] == 503
    patient.is_ready = True
    assert ask(f"{address}/ready")[0] == 200


def test_pages_are_guarded_by_headers(address: str) -> None:
    """No outside content, no frames, no sniffing."""
    for path in ("/status", "/health"):
        status, headers, _ = ask(address + path)
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
def test_odd_requests_are_answered_plainly(address: str, method: str, path: str, code: int) -> None:
    """Nothing can be changed, and nothing unknown is served."""
    status, headers, body = ask(address + path, method)
    assert status == code
    assert method != "HEAD" or body == ""
    assert code != 405 or headers["Allow"] == "GET, HEAD"


def test_a_foreign_host_name_is_refused_on_loopback(address: str) -> None:
    """A page elsewhere whose name resolves to loopback reads nothing."""
    assert ask(f"{address}/status", Host="evil.example")[0] == 403
    assert ask(f"{address}/status", Host="localhost:9108")[0] == 200
    assert ask(f"{address}/status", Host="[::1]:9108")[0] == 200


def test_beyond_loopback_a_token_is_asked_for(patient: Patient) -> None:
    """Metrics and health are open, everything else needs it; without a configured token it is closed."""
    with serve("0.0.0.0:0", patient, "s3cret", QUICK) as found:
        assert found is not None
        url = found.replace("0.0.0.0", "127.0.0.1")
        assert ask(f"{url}/metrics")[0] == 200
        assert ask(f"{url}/health")[0] == 200
        assert ask(f"{url}/status")[0] == 401
        assert ask(f"{url}/status", Authorization="Bearer wrong")[0] == 401
        assert ask(f"{url}/status", Authorization="Bearer s3cret")[0] == 200
    with serve("0.0.0.0:0", patient, None, QUICK) as found:
        assert found is not None
        assert ask(f"{found.replace('0.0.0.0', '127.0.0.1')}/status", Authorization="Bearer None")[0] == 401
        assert "none is configured" in ask(f"{found.replace('0.0.0.0', '127.0.0.1')}/status")[2]


def connected(url: str, path: str = "/health") -> socket.socket:
    """A client that has begun a request, and goes on with it in its own time."""
    host, port = url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=10)
    client.sendall(f"GET {path} HT".encode())
    return client


def hung_up(client: socket.socket) -> bool:
    """Whether the server closed the connection; one more byte of the request where it did not."""
    try:
        return client.recv(1) == b""
    except TimeoutError:
        client.sendall(b"x")
        return False
    except ConnectionError:  # it left bytes unread
        return True


def test_a_client_that_sends_a_byte_now_and_then_is_hung_up_on(patient: Patient) -> None:
    """It is never silent, and takes too long in all; others are answered meanwhile and afterwards."""
    with serve("127.0.0.1:0", patient, None, Patience(silence_s=5, request_s=0.3, beat_s=0.02)) as found:
        assert found is not None
        with connected(found) as slow:
            slow.settimeout(0.05)
            assert any(hung_up(slow) for _ in range(100))
        assert any(answered(found) for _ in range(100))


def test_past_the_bound_the_oldest_connection_makes_room(patient: Patient) -> None:
    """However many connect and say nothing, whoever asks is answered."""
    with serve("127.0.0.1:0", patient, None, Patience(clients=2, beat_s=0.02)) as found, ExitStack() as held:
        assert found is not None
        oldest, second = (held.enter_context(connected(found)) for _ in range(2))
        assert ask(f"{found}/health")[0] == 200
        assert hung_up(oldest)
        second.sendall(b"TP/1.0\r\n\r\n")
        assert second.recv(100).startswith(b"HTTP/1.0 200")


class Busy(Patient):
    """One that takes as long as the test likes to tell its status."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.done = threading.Event(), threading.Event()

    def status(self) -> dict[str, Any]:
        self.asked.set()
        self.done.wait(20)
        return {}


def answered(url: str) -> bool:
    """Whether there is room for one more."""
    try:
        return ask(f"{url}/health")[0] == 200
    except (OSError, HTTPException):
        return False


def test_past_the_bound_no_thread_is_added_though_the_oldest_is_at_work_still() -> None:
    """Hanging up on it does not end what it asked for; others are turned away until there is room again."""
    busy, before = Busy(), set(threading.enumerate())
    with serve("127.0.0.1:0", busy, None, Patience(clients=2, beat_s=0.02)) as found, ExitStack() as held:
        assert found is not None
        held.callback(busy.done.set)
        held.enter_context(connected(found, "/status")).sendall(b"TP/1.0\r\n\r\n")
        assert busy.asked.wait(20)
        for _ in range(30):
            held.enter_context(connected(found))
        assert any(answered(found) for _ in range(100))
        own = set(threading.enumerate()) - before
        assert sum("process_request" in thread.name for thread in own) <= 4


def test_a_port_that_is_taken_is_named_with_its_hint(patient: Patient) -> None:
    """The first error of a second agent."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ShipperError, match=rf"127.0.0.1:{port}.*\n.*--listen"),
            serve(f"127.0.0.1:{port}", patient, None),
        ):
            pass


def test_off_serves_nothing(patient: Patient) -> None:
    """No socket is opened."""
    with serve("off", patient, None) as found:
        assert found is None
