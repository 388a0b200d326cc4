"""The agent over a server that is killed, busy, or rejects an entry: the books balance without manual intervention."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from elasticsearch import Elasticsearch

from deploy.services.processes import free_port
from shipper.config.settings import Settings
from shipper.outputs import registry
from tests.integration.agent import AgentProcess
from tests.integration.books import EVENTS, LONG, record, truth
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]
LOGS, QUARANTINE = "keneyapp-logs-*", "keneyapp-quarantine-*"


class Stage:
    """An agent, its own server, and the totals of both."""

    def __init__(self, server: Any, folder: Path, logs: Path) -> None:
        self.server, self.folder = server, folder
        self.settings = Settings(output=server.url, state_dir=folder / "state", elasticsearch={"replicas": 0})
        self.agent = AgentProcess(
            folder, f"docker:{logs}/*/*-json.log", listen=f"127.0.0.1:{free_port()}", output=server.url
        )
        self.client = Elasticsearch(server.url, request_timeout=60)

    def prepare(self) -> None:
        """Install the templates."""
        list(registry.installation(self.settings))

    def done(self) -> float:
        """Return the number of events that were stored, rejected or duplicates."""
        return self.agent.metric("shipper_events_total")

    def count(self, index: str, query: dict[str, Any] | None = None) -> int:
        """Return the number of documents in the indices."""
        self.client.indices.refresh(index=index)
        return int(self.client.count(index=index, query=query)["count"])


@pytest.fixture
def stage(own_elasticsearch: Any, tmp_path: Path, logs: Path) -> Iterator[Stage]:
    """Yield a stage on which nothing is started yet."""
    prepared = Stage(own_elasticsearch, tmp_path, logs)
    yield prepared
    if prepared.agent.process is not None and prepared.agent.process.poll() is None:
        prepared.agent.kill()
    prepared.client.close()


def test_a_server_killed_three_times_and_busy_between_loses_and_duplicates_nothing(stage: Stage, logs: Path) -> None:
    """Every line is in the index or in the quarantine once, counters are exact, memory is bounded."""
    expected = truth(logs)
    stage.server.start(settings={"indexing_pressure.memory.limit": "1mb"})
    stage.prepare()
    started = time.monotonic()
    stage.agent.start()
    until(lambda: stage.done() > EVENTS / 10, LONG)
    throttled = stage.agent.metric("shipper_output_throttled_total")
    counted_while_away = 0.0
    for share in (0.3, 0.55, 0.8):
        stage.server.kill()
        time.sleep(2)
        counted_while_away = stage.agent.metric("shipper_lines_read_total")
        stage.server.start(settings={})
        until(lambda: stage.done() > EVENTS * share, LONG)  # noqa: B023 -- called within the loop
    until(lambda: stage.done() >= EVENTS, LONG)
    took = time.monotonic() - started
    assert stage.count(LOGS) == expected["lines"] - expected["refused"]
    assert stage.count(QUARANTINE) == expected["refused"]
    metric = stage.agent.metric
    assert metric("failed_login_attempts_total") == expected["failed"]
    assert metric("shipper_lines_read_total") == expected["lines"]
    assert throttled > 0
    assert counted_while_away > 0
    memory = stage.agent.largest_memory()
    assert memory < 256 * 2**20
    record(
        "killed three times, busy at first",
        seconds=round(took, 1),
        memory_mb=round(memory / 2**20),
        throttled=throttled,
        duplicates=metric("shipper_events_total", outcome="duplicate"),
        retries=metric("shipper_output_retries_total"),
        unavailable=metric("shipper_output_requests_total", result="unavailable"),
    )
    assert stage.agent.stop() == 0


def test_one_entry_that_the_mapping_rejects_blocks_no_other(stage: Stage, logs: Path, tmp_path: Path) -> None:
    """One of all lines is in quarantine with the server's reason; the others are stored, and nothing is sent twice."""
    expected = truth(logs)
    stage.server.start()
    stage.prepare()
    template = stage.client.indices.get_index_template(name="keneyapp-logs").body["index_templates"][0][
        "index_template"
    ]
    template["template"]["mappings"]["properties"]["patient_id"] = {"type": "long"}
    stage.client.indices.put_index_template(name="keneyapp-logs", **writable(template))
    odd = tmp_path / "odd" / ("f" * 64)
    odd.mkdir(parents=True)
    payload = json.dumps({"correlation_id": "odd-one", "event": "odd", "patient_id": "no number", "level": "info"})
    entry = {"log": payload + "\n", "stream": "stdout", "time": "2026-11-23T10:00:01.000000001Z"}
    (odd / f"{'f' * 64}-json.log").write_bytes(orjson.dumps(entry) + b"\n")
    stage.agent.inputs = (*stage.agent.inputs, f"docker:{tmp_path}/odd/*/*-json.log")
    stage.agent.start()
    until(lambda: stage.done() >= EVENTS + 1, LONG)
    assert stage.count(LOGS) == expected["lines"] - expected["refused"]
    assert stage.count(QUARANTINE, {"term": {"reasons.kind": "refused_by_index"}}) == 1
    metric = stage.agent.metric
    assert metric("shipper_output_refused_total") == 1
    assert metric("shipper_output_retries_total") == 0
    reader = registry.reader(stage.settings)
    (refused,) = reader.quarantine(mentioning="odd-one")
    assert "document_parsing_exception" in refused["reasons"][0]["detail"]
    assert "patient_id" in refused["reasons"][0]["detail"]
    reader.close()
    record("one refused", indexed=stage.count(LOGS), quarantined=stage.count(QUARANTINE))
    assert stage.agent.stop() == 0


def writable(template: dict[str, Any]) -> dict[str, Any]:
    """Return a template as it is put, without the server's additions."""
    added = ("created_date", "modified_date")
    return {name.replace("_meta", "meta"): value for name, value in template.items() if not name.startswith(added)}
