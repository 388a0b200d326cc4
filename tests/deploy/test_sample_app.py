"""The sample application without servers, as the demo runs it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.samples import scrape
from deploy.services.http import ask
from tests.services.sample_app import ROOT, SampleApp


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleApp]:
    """In memory, without the routes for faults."""
    running = SampleApp(tmp_path_factory.mktemp("app"), faults=False).start()
    yield running
    running.stop()


def test_health_says_that_everything_is_in_memory(app: SampleApp) -> None:
    """Healthy and ready; nobody takes it for a database."""
    status, health = app.get("/health")
    assert (status, health["status"]) == (200, "healthy")
    assert health["checks"] == dict.fromkeys(("database", "redis", "celery"), "in memory")
    assert app.get("/ready")[0] == 200


def test_an_unhandled_exception_counts_as_500(app: SampleApp) -> None:
    """The server makes the answer outside of the middleware, which counts it all the same."""
    before = app.sample("http_requests_total", endpoint="/api/v1/overview", status="500")
    assert app.get("/api/v1/overview")[0] == 500
    assert app.sample("http_requests_total", endpoint="/api/v1/overview", status="500") == before + 1


def test_endpoints_are_templates_and_what_matches_none_is_one(app: SampleApp) -> None:
    """Neither ids nor what scanners ask for make series."""
    _, made = ask(f"{app.url}/api/v1/patients", {"name": "Ada"})
    for path in (f"/api/v1/patients/{made['id']}", "/api/v1/patients/123456", "/wp-admin", "/.env"):
        app.get(path)
    ask(f"{app.url}/api/v1/patients/7", method="BREW")
    labels = [dict(values) for name, values in scrape(f"{app.url}/metrics") if name == "http_requests_total"]
    endpoints = {values["endpoint"] for values in labels}
    assert {"/api/v1/patients/{id}", "unmatched"} <= endpoints
    assert not any("123456" in values or "wp-admin" in values for values in endpoints)
    assert "other" in {values["method"] for values in labels}


def test_the_buckets_hold_the_objectives(app: SampleApp) -> None:
    """0.1 s of the guide's example, 0.5 s and 1 s of its objectives."""
    name = "http_request_duration_seconds_bucket"
    bounds = {dict(labels)["le"] for sample, labels in scrape(f"{app.url}/metrics") if sample == name}
    assert {"0.1", "0.5", "1.0"} <= bounds


def test_what_may_happen_is_counted_from_zero(app: SampleApp) -> None:
    """Every declared series is there before its first event."""
    series = {(name, tuple(sorted(labels))) for name, labels in scrape(f"{app.url}/metrics")}
    for name, label, values in (
        ("patient_operations_total", "operation", ("create", "update", "delete")),
        ("appointment_bookings_total", "status", ("scheduled", "completed", "cancelled")),
    ):
        for value in values:
            assert (name, ((label, value),)) in series
    assert ("prescription_created_total", ()) in series
    assert ("custom_event_total", (("event_type", "payment"), ("status", "success"))) in series


def test_routes_that_provoke_faults_are_not_there_unasked(app: SampleApp) -> None:
    """Nobody slows down an application that was not started for that."""
    assert app.get("/api/v1/reports?seconds=0")[0] == 404


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff"])
def test_a_body_that_is_no_object_is_refused(app: SampleApp, body: bytes) -> None:
    """400, and no stack trace."""
    import http.client

    connection = http.client.HTTPConnection(app.address, timeout=10)
    connection.request("POST", "/api/v1/patients", body)
    assert connection.getresponse().status == 400
    connection.close()


def test_one_server_without_the_other_is_refused(tmp_path: Path) -> None:
    """The start fails with the hint, instead of keeping half of the records in memory."""
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "--app-dir", "deploy/sample-app", "app:app", "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "REDIS_URL": "redis://127.0.0.1:1/0"},
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "set both" in done.stderr
