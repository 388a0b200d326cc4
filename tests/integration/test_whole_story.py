"""One request from HTTP to the log, the counter, the alert, the dashboard and the search; and the story as a command."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.services.unavailable import Unavailable
from deploy.story import scenes
from deploy.story.scenes import FOLLOWED
from deploy.story.stage import Stage
from tests.deploy.boards import ROOT, panel
from tests.integration.conftest import missing
from tests.integration.test_dashboard_queries import BUSINESS, HINT, substituted
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]  # the first run installs the servers
Record = Callable[[str, object], None]


def test_one_refused_login_is_found_wherever_somebody_looks(tmp_path: Path, record_testsuite_property: Record) -> None:
    """In its container's log, in the counter, in the message to Slack, on the dashboard, and by its correlation id."""
    with ExitStack() as running:
        try:
            stage = running.enter_context(Stage(tmp_path))
        except Unavailable as error:
            missing(str(error), HINT)
        scenes.logins_up_to_the_limit(stage)
        assert stage.slack_message("HighFailedLoginAttempts") is None
        steps = list(scenes.login_beyond_the_limit(stage))
        assert steps[0].what == "login failed with status 401"
        record_testsuite_property("seconds from one refused login to Slack", round(steps[-1].at, 2))
        message = stage.slack_message("HighFailedLoginAttempts") or {}
        assert message["title"] == "MEDIUM: Many logins fail"
        assert "11 logins to backend were refused within five minutes; the limit is 10." in message["text"]
        assert stage.counted("failed_login_attempts_total", service="backend") == 11
        assert stage.paged("HighFailedLoginAttempts") is None
        shown = substituted(panel(BUSINESS, "Failed Login Attempts")["targets"][0]["expr"], environment="prod")
        until(lambda: stage.value(shown) >= 11)
        until(lambda: stage.search(FOLLOWED, "--format", "json").returncode == 0)
        output = stage.search(FOLLOWED).stdout
        assert f"correlation id {FOLLOWED}" in output
        assert "login_failed" in output
        assert "401" in output


def test_the_story_arrives_at_its_end() -> None:
    """`make story`: each of the guide's alerts arrives, an outage silences the alerts that follow from it, exit code 0."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.story"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    if "not available:" in done.stdout:
        missing(done.stdout, HINT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 of 8 alerts arrived" in done.stdout
    assert "APIDown inhibits it" in done.stdout
    assert "\x1b" not in done.stdout, "plain where nobody looks at a terminal"
