"""The sample application over real servers: its health, its metrics against the truth, and what the shipper counts."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis

from deploy.demo.samples import scrape, total
from deploy.services.postgres_server import PostgresServer
from deploy.services.processes import free_port
from deploy.services.redis_server import RedisServer
from deploy.services.unavailable import Unavailable
from deploy.traffic.truth import Truth
from tests.integration.agent import AgentProcess
from tests.integration.conftest import missing
from tests.services.sample_app import ROOT, SampleApp
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first run installs the servers
HEALTHY = {"database": "healthy", "redis": "healthy", "celery": "healthy"}
ASKED = ("/api/", "/health")
"""What traffic asks; the tests themselves ask for /live, /ready and /metrics here."""
EXAMPLE = ROOT / "deploy" / "sample-app" / "shipper.yaml"
HINT = "run the tests as root on Debian, or install the package"


class Backend:
    """The application with its two servers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redis = RedisServer(folder)  # first: it leaves nothing where the other cannot be had
        self.database = PostgresServer()
        self.app: SampleApp

    def start(self, folder: Path) -> None:
        """An application that has counted nothing yet, over servers that hold nothing."""
        with psycopg.connect(self.database.url) as database, Redis.from_url(self.redis.url) as redis:
            database.execute("DROP TABLE IF EXISTS records")
            redis.flushall()
        self.folder, self.app = folder, SampleApp(folder, self.database.url, self.redis.url)
        self.app.start()
        until(lambda: self.app.get("/ready")[0] == 200)

    def traffic(self, *arguments: str, seed: int = 7, visits: int = 60) -> Truth:
        """Run the generator to its end."""
        path = self.folder / f"truth-{seed}.json"
        command = [sys.executable, "-m", "deploy.traffic", "--url", self.app.url, "--seed", str(seed), "--pause", "0"]
        command += ["--visits", str(visits), "--truth", str(path), *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        return Truth.read(path)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """PostgreSQL and Redis, running."""
    try:
        found = Backend(tmp_path_factory.mktemp("backend"))
        found.database.start()
        found.redis.start()
    except Unavailable as error:
        missing(str(error), HINT)
    yield found
    found.redis.stop()
    found.database.remove()


@pytest.fixture
def backend(servers: Backend, tmp_path: Path) -> Iterator[Backend]:
    """The application, ready."""
    servers.start(tmp_path)
    yield servers
    servers.app.stop()


def metrics_of(truth: Truth) -> dict[tuple[str, tuple[tuple[str, str], ...]], int]:
    """What the application's own counters must say."""
    counted: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
    for name, label, found in (
        ("patient_operations_total", "operation", truth.patients),
        ("appointment_bookings_total", "status", truth.appointments),
        ("custom_event_total", "status", truth.payments),
    ):
        counted |= {(name, ((label, value),)): number for value, number in found.items()}
    counted["prescription_created_total", ()] = truth.prescriptions.total()
    return counted


def requests_by_status(app: SampleApp) -> dict[str, float]:
    """Requests of the traffic that the application counted."""
    found: dict[str, float] = {}
    for (name, labels), value in scrape(f"{app.url}/metrics").items():
        told = dict(labels)
        if name == "http_requests_total" and told["endpoint"].startswith(ASKED):
            found[told["status"]] = found.get(told["status"], 0) + value
    return found


def told(app: SampleApp, code: int, status: str, **away: str) -> dict[str, Any]:
    """What /health tells once it tells this; `away` are the checks that are not healthy."""
    wanted, seen = (code, status, {**HEALTHY, **away}), list[dict[str, Any]]()

    def tells() -> bool:
        found, body = app.get("/health")
        seen.append(body)
        return (found, body["status"], body["checks"]) == wanted

    until(tells)
    return seen[-1]


def test_health_has_the_guides_shape_and_names_the_server_that_is_away(backend: Backend) -> None:
    """Each check by itself, 503 while one is away, and healthy again when it is back."""
    app = backend.app
    healthy = told(app, 200, "healthy")
    assert set(healthy) == {"status", "version", "checks", "timestamp"}
    assert healthy["version"] == "2.0.0"
    backend.redis.kill()
    told(app, 503, "unhealthy", redis="unhealthy", celery="unhealthy")
    backend.redis.start()
    told(app, 200, "healthy")
    backend.database.kill()
    told(app, 503, "unhealthy", database="unhealthy")
    backend.database.start()
    told(app, 200, "healthy")


def test_a_long_queue_degrades_and_is_no_reason_to_stop_serving(backend: Backend) -> None:
    """The check says degraded, /health and /ready stay 200."""
    truth = backend.traffic("--fault", "backlog", "--redis", backend.redis.url, visits=1)
    assert truth.tasks_pushed > 100
    told(backend.app, 200, "degraded", celery="degraded")
    assert backend.app.get("/ready")[0] == 200


def test_without_its_database_it_is_alive_and_not_ready(backend: Backend) -> None:
    """A restart would not help, so /live stays 200; requests are refused with 503 and counted."""
    app = backend.app
    backend.database.kill()
    assert app.get("/live")[0] == 200
    assert app.get("/ready")[0] == 503
    assert app.get("/api/v1/patients/1")[0] == 503
    assert app.sample("http_requests_total", endpoint="/api/v1/patients/{id}", status="503") == 1
    backend.database.start()
    until(lambda: app.get("/ready")[0] == 200)
    assert app.get("/api/v1/patients/1")[0] == 404


def test_metrics_equal_the_truth_and_the_shipper_counts_the_same(backend: Backend, tmp_path: Path) -> None:
    """What was answered, what the application counted, and what follows from its logs are the same numbers."""
    truth, app = backend.traffic(visits=150), backend.app
    assert requests_by_status(app) == truth.requests
    assert truth.requests["500"] == len(truth.failures) > 0
    assert truth.logins["failure"] > 10
    for (name, labels), number in metrics_of(truth).items():
        assert app.sample(name, **dict(labels)) == number, (name, labels)
    assert app.sample("active_users") == 4
    patients = truth.patients["create"] - truth.patients["delete"]
    until(
        lambda: app.sample("records_active", kind="patient") == patients
    )  # none, where the database is slow to answer
    listen = f"127.0.0.1:{free_port()}"
    agent = AgentProcess(tmp_path, app.logs, listen=listen, config=EXAMPLE).start()
    page = f"http://{listen}/metrics"
    try:
        until(lambda: agent.metric("shipper_lines_read_total") > 0 and agent.metric("shipper_lag_bytes") == 0)
        counted = scrape(page)
        for name, wanted, number in shipped(truth):
            assert total(counted, name, wanted) == number, (name, wanted)
    finally:
        assert agent.stop() == 0
    assert {event["correlation_id"] for event in agent.events() if event["event"] == "request_error"} == set(
        truth.failures
    )


def shipped(truth: Truth) -> Iterator[tuple[str, dict[str, str], int]]:
    """What the shipper's counters must come to."""
    yield "failed_login_attempts_total", {"service": "backend"}, truth.logins["failure"]
    for outcome, number in truth.logins.items():
        yield "login_attempts_total", {"outcome": outcome}, number
    for operation, number in truth.patients.items():
        yield "patient_operations_total", {"operation": operation}, number
    for status, number in truth.appointments.items():
        yield "appointment_bookings_total", {"status": status}, number
    for medication, number in truth.prescriptions.items():
        yield "prescription_created_total", {"medication": medication}, number
    yield "prescription_created_total", {}, truth.prescriptions.total()
    for status, number in truth.payments.items():
        yield "custom_event_total", {"event_type": "payment", "status": status}, number
    yield "appointment_duration_minutes_count", {}, truth.appointments["completed"]


def test_the_cache_is_hit_and_the_fault_misses_it(backend: Backend) -> None:
    """Records that are read again come from Redis; absent ones never do."""
    with Redis.from_url(backend.redis.url) as redis:

        def rate() -> float:
            told = redis.info("stats")
            redis.config_resetstat()
            return float(told["keyspace_hits"] / (told["keyspace_hits"] + told["keyspace_misses"]))

        redis.config_resetstat()
        backend.traffic(seed=1)
        assert rate() > 0.7
        backend.traffic("--fault", "cache-misses", seed=2)
        assert rate() < 0.3


def test_faults_fill_the_pool_and_slow_the_answers(backend: Backend) -> None:
    """Every connection held shows as active; slow queries move the 95th percentile over a second."""
    app = backend.app
    command = [sys.executable, "-m", "deploy.traffic", "--url", app.url, "--seconds", "15", "--visits", "0"]
    command += ["--fault", "connections", "--held", "5"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as held:
        until(lambda: app.sample("database_connections", state="active") == app.sample("database_pool_size") == 5)
        until(lambda: app.get("/ready")[0] == 503)
    assert held.returncode == 0
    until(lambda: app.sample("database_connections", state="active") == 0)
    slow = {"endpoint": "/api/v1/reports", "method": "GET"}
    fast = app.sample("http_request_duration_seconds_bucket", le="1.0", **slow)
    every = app.sample("http_request_duration_seconds_count", **slow)
    backend.traffic("--fault", "slow", visits=2)
    assert app.sample("http_request_duration_seconds_bucket", le="1.0", **slow) == fast
    assert app.sample("http_request_duration_seconds_count", **slow) == every + 2


def test_logins_that_are_refused_and_errors_come_in_bursts(backend: Backend) -> None:
    """The switches multiply them, and the truth says by how much."""
    truth = backend.traffic("--fault", "failed-logins", "--fault", "errors", visits=10)
    assert truth.logins["failure"] >= 50
    assert truth.requests["500"] >= 20


def test_the_worker_empties_the_queue_under_the_requests_correlation_id(backend: Backend) -> None:
    """A task is logged with the id of the request that queued it."""
    truth = backend.traffic(visits=10)
    with Redis.from_url(backend.redis.url) as redis:
        waiting = redis.llen("celery")
        assert waiting == truth.patients["create"] + truth.appointments["scheduled"] + truth.prescriptions.total() > 0
        with subprocess.Popen(
            [sys.executable, "deploy/sample-app/worker.py"], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            env={"PYTHONPATH": str(ROOT), "REDIS_URL": backend.redis.url},
        ) as worker:  # fmt: skip
            assert worker.stdout is not None
            lines = [worker.stdout.readline() for _ in range(waiting)]
            worker.kill()
        assert redis.llen("celery") == 0
    assert all('"task_done"' in line and '"correlation_id":"visit-' in line for line in lines)
