"""From a container's line to the result of `shipper search`, as a person would do it by hand, on real servers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Engine
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
SCRIPT = """
echo '{"correlation_id":"visit-4711","event":"patient_lookup","level":"info","message":"looking for the record"}'
echo '{"correlation_id":"visit-4711","event":"request_error","level":"error","error_message":"pool exhausted"}' >&2
echo '{"correlation_id":"someone-else","event":"login_failed","level":"warning"}'
echo '{"event":"nameless"}'
"""


def test_a_failure_is_found_by_its_correlation_id(engine: Engine, elasticsearch: str, tmp_path: Path) -> None:
    """Docker run, shipper setup, shipper check, shipper run, shipper search: each as written in the README."""
    (tmp_path / "shipper.yaml").write_text(
        json.dumps({
            "inputs": [engine.glob], "output": elasticsearch, "listen": "off", "elasticsearch": {"replicas": 0},
            "schema": {"require_correlation_id": "always"},
            "index": {"prefix": "visit-logs", "quarantine_prefix": "visit-quarantine"},
        })
    )  # fmt: skip

    def shipper(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "shipper", *arguments, "--config", "shipper.yaml"],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    unprepared = shipper("check")
    assert (unprepared.returncode, "run `shipper setup`" in unprepared.stdout) == (1, True)
    assert "created    index template visit-logs" in shipper("setup").stdout
    assert shipper("check").returncode == 0
    engine.run(SCRIPT).wait(timeout=90)
    ran = shipper("run", "--once")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("3 indexed, 1 quarantined, 0 dropped, 0 duplicate")

    def found() -> str:
        return shipper("search", "visit-4711").stdout

    until(lambda: "2 entries" in found())
    timeline = found()
    assert "correlation id visit-4711" in timeline
    assert "request_error" in timeline
    assert "pool exhausted" in timeline
    assert "someone-else" not in timeline
    assert shipper("search", "--event", "login_failed", "--format", "json").stdout.count("someone-else") == 1
    assert "nameless" in shipper("quarantine", "list").stdout
    nothing = shipper("search", "never-seen")
    assert (nothing.returncode, "No entries with correlation id 'never-seen'" in nothing.stderr) == (1, True)
