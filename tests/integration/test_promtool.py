"""What the running agent serves is what promtool accepts."""

import os
import subprocess
import urllib.request
from pathlib import Path

import pytest

from deploy.services.monitoring import HINT, programs
from deploy.services.processes import free_port
from deploy.services.unavailable import Unavailable
from tests.hazards.rig import docker_line
from tests.integration.agent import AgentProcess
from tests.integration.conftest import missing
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_promtool_accepts_the_running_agents_metrics(tmp_path: Path) -> None:
    """Names, help and types of all business and self metrics, with events counted."""
    try:
        tool = programs().promtool
    except Unavailable as error:
        missing(str(error), HINT)
    (tmp_path / "app.log").write_bytes(docker_line('{"correlation_id":"a","event":"login_failed"}\n'))
    listen = f"127.0.0.1:{free_port()}"
    agent = AgentProcess(tmp_path, f"docker:{tmp_path}/*.log", listen=listen).start()
    try:
        until(lambda: len(agent.events()) == 1)
        with urllib.request.urlopen(f"http://{listen}/metrics", timeout=30) as answer:
            text = answer.read().decode()
    finally:
        assert agent.stop() == 0
    assert "failed_login_attempts_total" in text
    checked = subprocess.run(
        [tool, "check", "metrics"], input=text, capture_output=True, text=True, env=os.environ, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
