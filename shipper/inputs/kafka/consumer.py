"""Consumer: interface of a member of the indexers' group, and the choice of its library.

The library is the same as for the output; see docs/decisions/0009-kafka-clients.md.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import NamedTuple, Protocol

from shipper.config.output_settings import KafkaSettings
from shipper.inputs.kafka.read_message import Received
from shipper.outputs.kafka.client import Connection, client_name, connect, connection_of, require_topics, topics_of

BACKENDS = {
    "confluent": "shipper.inputs.kafka.confluent_consumer",
    "kafka-python": "shipper.inputs.kafka.kafka_python_consumer",
}
PARTITION_FETCH_BYTES, FETCH_BYTES = 2 * 1024 * 1024, 16 * 1024 * 1024
"""Bytes fetched ahead per partition, and in total."""


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


class Span(NamedTuple):
    """Offsets of a partition: the next message to read by the group, and the next message to be written."""

    next: int
    end: int
    beginning: int = 0
    """Offset of the oldest message that is still there."""
    topic_id: str = ""
    """Identity of the topic, not shared by one of the same name that is created again: 32 hexadecimal digits.

    Empty if unknown, as from a broker before 2.8.
    """
    committed_id: str = ""
    """Identity of the topic in which the group committed `next`; empty if unknown."""


class Progress(NamedTuple):
    """An offset to commit, and the topic that it belongs to; the broker keeps both."""

    offset: int
    topic_id: str = ""


class Rebalanced(Protocol):
    """Callbacks for assigned and revoked partitions, called during `Consumer.poll` or `close` only."""

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Start to read these partitions."""

    def revoked(self, partitions: Sequence[Partition]) -> Mapping[Partition, Progress]:
        """Give these partitions to another member, and return the offsets to commit before."""

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Drop these partitions, which were lost: nothing can be committed for them any more."""


class Consumer(Protocol):
    """A member of a consumer group, without automatic commits. For one thread."""

    def poll(self, seconds: float, most: int) -> list[Received]:
        """Return up to `most` messages after at most `seconds`; keep the membership. Raises KafkaUnavailable."""

    def commit(self, offsets: Mapping[Partition, Progress]) -> bool:
        """Commit the offsets of the next messages to read; False if the partitions are assigned to another member.

        Raises KafkaUnavailable.
        """

    def seek(self, partition: Partition, offset: int) -> bool:
        """Continue reading at `offset`; no-op if the partition is not assigned.

        Return False if that is not possible yet: until it is, no message of this partition may be used.
        """

    def pause(self) -> None:
        """Make `poll` return no messages of the assigned partitions."""

    def resume(self) -> None:
        """Undo `pause`."""

    def spans(self, seconds: float) -> dict[Partition, Span]:
        """Return the offsets of the assigned partitions. Raises KafkaUnavailable after at most `seconds`."""

    def close(self) -> None:
        """Leave the group immediately."""


def open_consumer(url: str, settings: KafkaSettings, topics: Sequence[str], listener: Rebalanced) -> Consumer:
    """Join the consumer group of the settings. Raises KafkaUnavailable, ConfigurationError."""
    backend = import_module(BACKENDS[client_name(settings)])
    join: Callable[[Connection, Sequence[str], Rebalanced], Consumer] = backend.join
    return join(connection_of(url, settings), topics, listener)


def group_member(url: str, settings: KafkaSettings) -> Callable[[Rebalanced], Consumer]:
    """Return a function that joins the group reading the topics of `url`. Raises ConfigurationError.

    The function raises KafkaUnavailable if a topic is missing.
    """
    client, topics = connect(url, settings), topics_of(url, settings)

    def join(listener: Rebalanced) -> Consumer:
        require_topics(client, topics)
        return open_consumer(url, settings, topics, listener)

    return join
