"""`shipper.inputs.kafka.consumer` over kafka-python, which is always installed."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata
from kafka import TopicPartition as Place
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from shipper.inputs.kafka.consumer import (
    FETCH_BYTES,
    PARTITION_FETCH_BYTES,
    Partition,
    Progress,
    Rebalanced,
    Span,
)
from shipper.inputs.kafka.read_message import Received
from shipper.outputs.kafka.client import COMMIT_S, Connection
from shipper.outputs.kafka.kafka_python import common_options, opened, silence, translated

PARTITION_LOST = (CommitFailedError, RebalanceInProgressError, IllegalGenerationError, UnknownMemberIdError)
JOINING_S = 2.0
"""Minimum poll time in seconds while the member joins the group.

The library drops a response that arrives between two polls and joins again: with short polls, on a busy machine or in a
slow group, a member never got partitions, and each attempt revoked those of all others.
"""


def join(connection: Connection, topics: Sequence[str], listener: Rebalanced) -> "KafkaPythonConsumer":
    """Join the consumer group. Raises KafkaUnavailable, ConfigurationError."""
    silence()
    settings = connection.settings
    try:
        consumer = opened(
            KafkaConsumer,
            **common_options(connection),
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=int(settings.session_timeout * 1000),
            heartbeat_interval_ms=int(min(settings.session_timeout / 3, 3) * 1000),
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            allow_auto_create_topics=False,
        )
    except KafkaError as error:
        raise translated(error, connection) from error
    consumer.subscribe(topics=list(topics), listener=_Listener(consumer, listener))
    return KafkaPythonConsumer(consumer, connection)


class KafkaPythonConsumer:
    """`shipper.inputs.kafka.consumer.Consumer` over kafka-python."""

    def __init__(self, consumer: Any, connection: Connection) -> None:  # noqa: ANN401 -- the library has no types
        """Use `consumer`, which is connected and subscribed."""
        self._consumer, self._connection = consumer, connection
        self._paused = False

    def poll(self, seconds: float, most: int) -> list[Received]:
        """Return up to `most` messages. Raises KafkaUnavailable."""
        if self._paused:
            self._consumer.pause(*self._consumer.assignment())
        if self._consumer._coordinator.need_rejoin():  # noqa: SLF001 -- no public API reports it
            seconds = max(seconds, JOINING_S)
        try:
            batches = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=most)
        except KafkaError as error:
            raise translated(error, self._connection) from error
        return [
            Received(place.topic, place.partition, record.offset, record.timestamp, record.value, record.headers)
            for place, records in batches.items()
            for record in records
        ]

    def commit(self, offsets: Mapping[Partition, Progress]) -> bool:
        """Commit offsets. Raises KafkaUnavailable."""
        try:
            self._consumer.commit(_offsets(offsets), timeout_ms=int(COMMIT_S * 1000))
        except PARTITION_LOST:
            return False
        except KafkaError as error:
            raise translated(error, self._connection) from error
        return True

    def seek(self, partition: Partition, offset: int) -> bool:
        """Continue reading at `offset`."""
        if (place := Place(*partition)) in self._consumer.assignment():
            self._consumer.seek(place, offset)
        return True

    def pause(self) -> None:
        """Make `poll` return no messages."""
        self._paused = True

    def resume(self) -> None:
        """Undo `pause`."""
        self._paused = False
        self._consumer.resume(*self._consumer.assignment())

    def spans(self, seconds: float) -> dict[Partition, Span]:
        """Return the offsets of the assigned partitions. Raises KafkaUnavailable."""
        places, timeout_ms = sorted(self._consumer.assignment()), int(seconds * 1000)
        if not places:
            return {}
        try:
            cluster = self._consumer._client.cluster  # noqa: SLF001 -- no public API returns the identity of a topic
            cluster.request_update()
            beginnings = self._consumer.beginning_offsets(places, timeout_ms=timeout_ms)
            ends = self._consumer.end_offsets(places, timeout_ms=timeout_ms)
            committed = {
                place: self._consumer.committed(place, metadata=True, timeout_ms=timeout_ms) for place in places
            }
        except KafkaError as error:
            raise translated(error, self._connection) from error
        spans = {}
        for place in places:
            offset, committed_id = beginnings[place], ""
            if (known := committed[place]) is not None:
                offset, committed_id = known.offset, known.metadata or ""
            topic_id = cluster.topic_id(place.topic)
            identity = topic_id.hex if topic_id is not None and topic_id.int else ""
            spans[Partition(*place)] = Span(offset, ends[place], beginnings[place], identity, committed_id)
        return spans

    def close(self) -> None:
        """Leave the group."""
        with suppress(KafkaError):
            self._consumer.close(timeout_ms=int(COMMIT_S * 1000))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Callbacks of the library's thread, called while ours waits in `poll` or `close`.

    A blocking commit is not possible here. An asynchronous one is sent before the next join request, on the same
    connection, so that the partition's next reader gets it.
    """

    def __init__(self, consumer: Any, listener: Rebalanced) -> None:  # noqa: ANN401
        self._consumer, self._listener = consumer, listener

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._listener.assigned([Partition(*place) for place in assigned])

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        if offsets := self._listener.revoked([Partition(*place) for place in revoked]):
            self._consumer.commit_async(_offsets(offsets))

    def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        self._listener.lost([Partition(*place) for place in lost])


def _offsets(offsets: Mapping[Partition, Progress]) -> dict[Any, Any]:
    return {
        Place(*partition): OffsetAndMetadata(offset, topic_id, -1) for partition, (offset, topic_id) in offsets.items()
    }
