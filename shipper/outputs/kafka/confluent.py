"""Client with confluent-kafka (librdkafka): compiled, used if installed."""

from collections.abc import Sequence

import confluent_kafka
from confluent_kafka import KafkaException

from shipper.outputs.kafka.client import (
    BATCH_BYTES,
    DIAGNOSIS_S,
    Connection,
)
from shipper.outputs.kafka.confluent_producer import ConfluentProducer
from shipper.outputs.kafka.confluent_shared import code_of, common_options, created, translated

QUEUED_MESSAGES = 500_000


def connect(connection: Connection) -> "Confluent":
    """Create the client of one cluster."""
    return Confluent(connection)


class Confluent:
    """`shipper.outputs.kafka.client.Client` with confluent-kafka."""

    name = "confluent"

    def __init__(self, connection: Connection) -> None:
        """Does not connect yet."""
        self.servers = connection.bootstrap
        self._connection = connection
        self._common = common_options(connection)

    def producer(self, *, alone: bool = False) -> "ConfluentProducer":
        """Create a producer. Raises KafkaUnavailable."""
        settings = self._connection.settings
        timeout_ms = int(settings.delivery_timeout * 1000)
        options = {
            **self._common,
            "acks": "all",
            "enable.idempotence": True,  # explicit, so that conflicting options are an error
            "compression.type": "lz4" if settings.compression == "auto" else settings.compression,
            "linger.ms": 0 if alone else min(int(settings.linger * 1000), timeout_ms // 2),
            "partitioner": "murmur2_random",  # as kafka-python and Java: the same partition for a key with every client
            "batch.size": BATCH_BYTES,
            "batch.num.messages": 1 if alone else 10_000,
            "message.max.bytes": settings.request_bytes,
            "message.timeout.ms": timeout_ms,
            "request.timeout.ms": min(timeout_ms, 30_000),
            "queue.buffering.max.messages": QUEUED_MESSAGES,
            "allow.auto.create.topics": False,
        }
        return ConfluentProducer(created(confluent_kafka.Producer, options, self._connection), self._connection)

    def partitions(self, topics: Sequence[str]) -> dict[str, int | str]:
        """Number of partitions of each topic, or the broker's error code for it. Raises KafkaUnavailable."""
        partitions: dict[str, int | str] = {}
        producer = created(confluent_kafka.Producer, self._common, self._connection)
        try:
            for topic in topics:
                metadata = producer.list_topics(topic, timeout=DIAGNOSIS_S).topics[topic]
                partitions[topic] = len(metadata.partitions) if metadata.error is None else code_of(metadata.error)
        except KafkaException as error:
            raise translated(error.args[0], self._connection) from error
        return partitions
