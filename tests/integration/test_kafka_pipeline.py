"""Agent, Kafka, indexers, Elasticsearch, all real: a broker is killed, indexers are started and stopped, and the books balance."""

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
from tests.integration.agent import AgentProcess
from tests.integration.books import EVENTS, LONG, record, truth
from tests.services.elasticsearch_node import ElasticsearchNode
from tests.services.kafka_broker import KafkaBroker, create_topics
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]
TOPIC = "logs"
PARTITIONS = 6


@dataclass
class Line:
    """The whole pipeline, from files to the index."""

    folder: Path
    broker: KafkaBroker
    node: ElasticsearchNode
    client: str
    indexers: list[AgentProcess] = field(default_factory=list)

    def prepare(self) -> None:
        """Create topics and templates."""
        create_topics(self.broker.address, TOPIC, f"{TOPIC}-quarantine", partitions=PARTITIONS)
        list(registry.installation(Settings(output=self.node.url, elasticsearch={"replicas": 0})))

    @property
    def topic(self) -> str:
        """URL of the topic, as output and as input."""
        return f"kafka://{self.broker.address}/{TOPIC}"

    def process(self, name: str, source: str, output: str) -> AgentProcess:
        """Return a `shipper run` process with its own folder, configuration and address."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "shipper.yaml").write_text(
            f"kafka: {{client: {self.client}, session_timeout: 6s, delivery_timeout: 10s}}\n"
        )
        listen = f"127.0.0.1:{free_port()}"
        return AgentProcess(folder, source, listen=listen, output=output, config=folder / "shipper.yaml")

    def indexer(self) -> AgentProcess:
        """Start one more indexer."""
        process = self.process(f"indexer-{len(self.indexers)}", self.topic, self.node.url).start()
        self.indexers.append(process)
        return process

    def indexed(self) -> int:
        """Return the number of visible documents in the index and in the quarantine; 0 if it is not known yet."""
        with Elasticsearch(self.node.url, request_timeout=30, retry_on_status=()) as client, suppress(ApiError):
            return int(client.count(index="keneyapp-*", ignore_unavailable=True)["count"])
        return 0


@pytest.fixture(params=["kafka-python", "confluent"])
def line(
    own_kafka: KafkaBroker, own_elasticsearch: ElasticsearchNode, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Line]:
    """Yield the pipeline with servers started and no process of ours."""
    pipeline = Line(tmp_path, own_kafka, own_elasticsearch.start(), request.param)
    pipeline.prepare()
    yield pipeline
    for process in pipeline.indexers:
        if process.process is not None and process.process.poll() is None:
            process.kill()


def test_a_killed_broker_and_changing_indexers_lose_and_duplicate_nothing(line: Line, logs: Path) -> None:
    """The index holds one document for each line; counters come only from the agent and are exact; memory is bounded."""
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
