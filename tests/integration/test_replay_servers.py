"""`shipper replay` into a real Elasticsearch, and its counters' history in a real Prometheus."""

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from benchmarks.lines import BEGIN_MS, ensure
from deploy.services.prometheus_server import PrometheusServer, blocks_from
from deploy.services.unavailable import Unavailable
from tests.integration.books import truth
from tests.integration.conftest import missing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
LINES = 4000
HOUR = 3_600_000
FAILED = 'failed_login_attempts_total{job="shipper"}'
Shipper = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def prefix() -> str:
    """Return a prefix of this test's indices."""
    return f"replay{uuid.uuid4().hex[:8]}"


@pytest.fixture
def shipper(elasticsearch: str, prefix: str, tmp_path: Path) -> Iterator[Shipper]:
    """Yield the command line over the shared server, prepared; its indices are removed."""
    (tmp_path / "shipper.yaml").write_text(
        json.dumps({
            "output": elasticsearch, "state_dir": f"{tmp_path}/state", "listen": "off",
            "elasticsearch": {"replicas": 0},
            "index": {"prefix": f"{prefix}-logs", "quarantine_prefix": f"{prefix}-quarantine"},
        })
    )  # fmt: skip

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "shipper", *map(str, arguments), "--config", "shipper.yaml"],
            cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    run("setup")
    yield run
    with Elasticsearch(elasticsearch) as client:
        for index in client.indices.get(index=f"{prefix}-*"):
            client.indices.delete(index=index)
        for name in ("logs", "quarantine"):
            client.indices.delete_index_template(name=f"{prefix}-{name}")


def last_sample_ms(history: Path) -> int:
    """Return the time of the last sample, at which `increase()` over all of the history is exact."""
    samples = [line for line in history.read_text().splitlines() if not line.startswith("#")]
    return max(int(line.rpartition(" ")[2]) for line in samples) * 1000


def figure(report: str, what: str) -> int:
    """Return a number of the report."""
    match = re.search(rf"^ *([\d,]+)  {what}", report, re.MULTILINE)
    return int(match[1].replace(",", "")) if match else 0


def test_a_day_that_is_indexed_gets_nothing_and_an_archive_what_was_missing(
    shipper: Shipper, elasticsearch: str, prefix: str, tmp_path: Path
) -> None:
    """The agent's day, replayed by two processes: 0 added; a longer archive from elsewhere: the rest; each id once."""
    logs = ensure(tmp_path / "node", LINES, 2)
    expected = truth(logs)
    ran = shipper("run", "--once", "--input", f"docker:{logs}/*/*-json.log").stdout
    stored = LINES - expected["refused"]
    assert ran.startswith(f"{stored:,} indexed, {expected['refused']} quarantined")
    again = shipper("replay", logs, "--workers", "2").stdout
    assert (figure(again, "added to the index"), figure(again, "already stored")) == (0, LINES)
    assert "Nothing added: every event was already stored." in again
    archive = ensure(tmp_path / "archive", 2 * LINES, 2)
    more = shipper("replay", archive, "--host", "node-7").stdout
    known = truth(archive)
    assert figure(more, "already stored") == LINES
    assert figure(more, "added to the index") == known["lines"] - known["refused"] - stored
    with Elasticsearch(elasticsearch) as client:
        client.indices.refresh(index=f"{prefix}-*")
        assert client.count(index=f"{prefix}-logs-*")["count"] == known["lines"] - known["refused"]
        assert client.count(index=f"{prefix}-quarantine-*")["count"] == known["refused"]


def test_the_history_of_a_replay_answers_in_prometheus(shipper: Shipper, tmp_path: Path) -> None:
    """`--metrics-out` becomes blocks, and `increase()` over the day equals the number of lines."""
    logs = ensure(tmp_path / "node", LINES, 2)
    shipper("replay", logs, "--workers", "2", "--metrics-out", tmp_path / "history.om")
    (tmp_path / "prometheus").mkdir()
    try:
        blocks_from(tmp_path / "history.om", tmp_path / "prometheus" / "data")
        server = PrometheusServer(tmp_path / "prometheus").start()
    except Unavailable as error:
        missing(str(error), "install the package prometheus")
    try:
        exact = "sum(max_over_time(%s[1h]) - min_over_time(%s[1h]))" % (FAILED, FAILED)
        assert server.value(exact, BEGIN_MS + HOUR // 2) == truth(logs)["failed"]
        ends_ms = last_sample_ms(tmp_path / "history.om")
        assert server.value(f"sum(increase({FAILED}[1h]))", ends_ms) == pytest.approx(truth(logs)["failed"])
    finally:
        server.stop()
