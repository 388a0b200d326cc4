"""Agent, Kafka, indexers, Elasticsearch, all real: a broker dies, indexers come and go, and the books balance."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from elasticsearch import ApiError, Elasticsearch

from deploy.services.processes import free_port
from shipper.config.settings import Settings
from shipper.outputs import registry
from tests.integration.agent import AgentProcess, until
from tests.integration.books import EVENTS, LONG, record, truth
from tests.services.elasticsearch_node import ElasticsearchNode
from tests.services.kafka_broker import KafkaBroker, create_topics

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]
TOPIC = "logs"
PARTITIONS = 6


@dataclass
class Line:
    """The whole line, from files to the index."""

    folder: Path
    broker: KafkaBroker
    node: ElasticsearchNode
    client: str
    indexers: list[AgentProcess] = field(default_factory=list)

    def prepare(self) -> None:
        """Topics and templates."""
        create_topics(self.broker.address, TOPIC, f"{TOPIC}-quarantine", partitions=PARTITIONS)
        list(registry.installation(Settings(output=self.node.url, elasticsearch={"replicas": 0})))

    @property
    def topic(self) -> str:
        """As output and as input."""
        return f"kafka://{self.broker.address}/{TOPIC}"

    def process(self, name: str, given: str, output: str) -> AgentProcess:
        """`shipper run` with a folder, a configuration and an address of its own."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "shipper.yaml").write_text(
            f"kafka: {{client: {self.client}, session_timeout: 6s, delivery_timeout: 10s}}\n"
        )
        listen = f"127.0.0.1:{free_port()}"
        return AgentProcess(folder, given, listen=listen, output=output, config=folder / "shipper.yaml")

    def indexer(self) -> AgentProcess:
        """One more indexer, running."""
        found = self.process(f"indexer-{len(self.indexers)}", self.topic, self.node.url).start()
        self.indexers.append(found)
        return found

    def indexed(self) -> int:
        """Documents in the index and in the quarantine, as far as they are visible; 0 where it is not told yet."""
        with Elasticsearch(self.node.url, request_timeout=30, retry_on_status=()) as client, suppress(ApiError):
            return int(client.count(index="keneyapp-*", ignore_unavailable=True)["count"])
        return 0


@pytest.fixture(params=["kafka-python", "confluent"])
def line(
    own_kafka: KafkaBroker, own_elasticsearch: ElasticsearchNode, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Line]:
    """Servers started, nothing of ours running."""
    found = Line(tmp_path, own_kafka, own_elasticsearch.start(), request.param)
    found.prepare()
    yield found
    for process in found.indexers:
        if process.process is not None and process.process.poll() is None:
            process.kill()


def test_a_broker_killed_and_indexers_that_come_and_go_lose_and_double_nothing(line: Line, logs: Path) -> None:
    """Count in the index = lines; counters are the agent's alone and exact; memory is bounded."""
    expected = truth(logs)
    started = time.monotonic()
    agent = line.process("agent", f"docker:{logs}/*/*-json.log", line.topic).start()
    try:
        first = line.indexer()
        until(lambda: line.indexed() > EVENTS * 0.1, LONG)
        second = line.indexer()
        until(lambda: second.metric("shipper_partitions_assigned") > 0, LONG)
        line.broker.kill()
        time.sleep(2)
        line.broker.start()
        until(lambda: line.indexed() > EVENTS * 0.4, LONG)
        first.kill()
        third = line.indexer()
        until(lambda: third.metric("shipper_partitions_assigned") > 0, LONG)
        until(lambda: line.indexed() > EVENTS * 0.7, LONG)
        assert second.stop() == 0
        until(lambda: line.indexed() >= EVENTS, LONG)
        until(lambda: third.metric("shipper_lag_messages") == 0, LONG)
        took = time.monotonic() - started
        with Elasticsearch(line.node.url, request_timeout=60) as client:
            client.indices.refresh(index="keneyapp-*")
            logs_, quarantine = (
                int(client.count(index=f"keneyapp-{name}-*")["count"]) for name in ("logs", "quarantine")
            )
        assert (logs_, quarantine) == (expected["lines"] - expected["refused"], expected["refused"])
        until(lambda: agent.metric("shipper_lines_read_total") == expected["lines"])
        assert agent.metric("failed_login_attempts_total") == expected["failed"]
        assert third.metric("failed_login_attempts_total") == 0
        memory = agent.largest_memory(), third.largest_memory()
        assert max(memory) < 512 * 2**20
        record(
            f"Kafka, broker killed, indexers added, killed and stopped; {line.client}",
            seconds=round(took, 1),
            agent_memory_mb=round(memory[0] / 2**20),
            indexer_memory_mb=round(memory[1] / 2**20),
            duplicates=third.metric("shipper_events_total", outcome="duplicate"),
        )
        assert agent.stop() == 0
        assert third.stop() == 0
    finally:
        if agent.process is not None and agent.process.poll() is None:
            agent.kill()
