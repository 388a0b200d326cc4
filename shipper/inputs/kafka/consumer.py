"""Consumer: a member of the indexers' group, as a port, and the library behind it.

The library is the one that the output takes; see docs/decisions/0009-kafka-clients.md.
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
"""Bytes fetched ahead of one partition, and of all together."""


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


class Span(NamedTuple):
    """A partition as a group sees it: offset of the next message to read, and of the next to be written."""

    next: int
    end: int


class Rebalanced(Protocol):
    """Notified of partitions that come and go, during `Consumer.poll` or `close` and never beside it."""

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """These partitions are read from now on."""

    def revoked(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """These partitions go to another member; gives the offsets to commit before they go."""

    def lost(self, partitions: Sequence[Partition]) -> None:
        """These partitions went without warning; nothing can be committed any more."""


class Consumer(Protocol):
    """A member of a consumer group. Commits nothing by itself. For one thread."""

    def poll(self, seconds: float, most: int) -> list[Received]:
        """Up to `most` messages, waiting up to `seconds` for them; keeps the membership. Raises KafkaUnavailable."""

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Commit offsets of the next messages to read; False where the partitions have gone to another member.

        Raises KafkaUnavailable.
        """

    def seek(self, partition: Partition, offset: int) -> bool:
        """Read on from `offset`; nothing is to be done where the partition is not assigned.

        False where it cannot be done yet: until it was, nothing of this partition may be taken.
        """

    def pause(self) -> None:
        """Have `poll` give no messages of any assigned partition."""

    def resume(self) -> None:
        """Undo `pause`."""

    def spans(self, seconds: float) -> dict[Partition, Span]:
        """Offsets of the assigned partitions. Raises KafkaUnavailable, at the latest after `seconds`."""

    def close(self) -> None:
        """Leave the group at once."""


def open_consumer(url: str, settings: KafkaSettings, topics: Sequence[str], listener: Rebalanced) -> Consumer:
    """A member of the group that the settings name. Raises KafkaUnavailable, ConfigurationError."""
    join: Callable[[Connection, Sequence[str], Rebalanced], Consumer] = import_module(
        BACKENDS[client_name(settings)]
    ).join
    return join(connection_of(url, settings), topics, listener)


def group_member(url: str, settings: KafkaSettings) -> Callable[[Rebalanced], Consumer]:
    """The way into the group that reads the topics of `url`. Raises ConfigurationError.

    Calling it raises KafkaUnavailable where a topic is missing.
    """
    client, topics = connect(url, settings), topics_of(url, settings)

    def join(listener: Rebalanced) -> Consumer:
        require_topics(client, topics)
        return open_consumer(url, settings, topics, listener)

    return join
