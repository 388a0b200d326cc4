"""One request from HTTP to the log, the counter, the alert, the dashboard and the search; and the story as a command."""

import glob
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.story.stage import Stage
from deploy.traffic import faults
from tests.deploy.boards import ROOT, panel
from tests.integration.agent import until
from tests.integration.conftest import missing
from tests.integration.test_dashboard_queries import BUSINESS, CURE, substituted
from tests.services.java import Unavailable

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]  # the first run installs the servers
WANTED = "one-request-of-many"


def test_one_refused_login_is_found_wherever_somebody_looks(tmp_path: Path) -> None:
    """In its container's log, in the counter, in the message to Slack, on the dashboard, and by its correlation id."""
    try:
        with Stage(tmp_path) as stage:
            for _ in range(3):
                faults.failed_logins(stage.traffic)
            before = stage.traffic.truth.number("logins", "failure")
            body = {"user": "nurse", "password": "guess"}
            status, _ = stage.traffic.ask("POST", "/api/v1/auth/login", body, correlation_id=WANTED)
            assert status == 401
            (log,) = glob.glob(stage.application.logs.removeprefix("docker:"))
            until(lambda: WANTED in Path(log).read_text())
            until(lambda: stage.counted("failed_login_attempts_total", service="backend") == before + 1)
            until(lambda: stage.told("HighFailedLoginAttempts") is not None)
            message = stage.told("HighFailedLoginAttempts") or {}
            assert message["title"] == "MEDIUM: Many logins fail"
            expression = substituted(panel(BUSINESS, "Failed Login Attempts")["targets"][0]["expr"], environment=".*")
            until(lambda: sum(stage.prometheus.ask(expression).values()) > 10)
            until(lambda: stage.stored(WANTED))
            found = stage.search(WANTED).stdout
            assert f"correlation id {WANTED}" in found
            assert "401" in found
    except Unavailable as error:
        missing(str(error), CURE)


def test_the_story_arrives_at_its_end() -> None:
    """`make story`: each of the guide's alerts is told, an outage silences what follows from it, exit code 0."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.story"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    if "not here:" in done.stdout:
        missing(done.stdout, CURE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 8
    assert "APIDown silences it" in done.stdout
