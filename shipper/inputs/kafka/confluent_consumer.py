"""`shipper.inputs.kafka.consumer` over confluent-kafka (librdkafka), used if it is installed."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from operator import methodcaller
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient, OffsetSpec

from shipper.inputs.kafka.consumer import (
    FETCH_BYTES,
    PARTITION_FETCH_BYTES,
    Partition,
    Progress,
    Rebalanced,
    Span,
)
from shipper.inputs.kafka.read_message import Received
from shipper.outputs.kafka.client import COMMIT_S, Connection, KafkaUnavailable, brokers_unavailable
from shipper.outputs.kafka.confluent_shared import common_options, created, translated
from shipper.outputs.worker_threads import Workers

PARTITION_LOST = (
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001 -- local codes of the library begin so
    KafkaError._NO_OFFSET,  # noqa: SLF001
)
HEADERS = methodcaller("headers")
"""Getter of a message's headers. The library may return a result and leave an error set; this call raises it."""
TRANSIENT = (
    KafkaError._PARTITION_EOF,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
)


def join(connection: Connection, topics: Sequence[str], listener: Rebalanced) -> "ConfluentConsumer":
    """Join the consumer group. Raises KafkaUnavailable."""
    settings = connection.settings
    options = {
        **common_options(connection),
        "group.id": settings.group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "session.timeout.ms": int(settings.session_timeout * 1000),
        "heartbeat.interval.ms": int(min(settings.session_timeout / 3, 3) * 1000),
        "partition.assignment.strategy": "range,roundrobin",  # as kafka-python does: both may be members of one group
        "max.partition.fetch.bytes": PARTITION_FETCH_BYTES,
        "fetch.max.bytes": FETCH_BYTES,
        "queued.max.messages.kbytes": FETCH_BYTES // 1024,
        "allow.auto.create.topics": False,
    }
    return ConfluentConsumer(created(confluent_kafka.Consumer, options, connection), connection, topics, listener)


class ConfluentConsumer:
    """`shipper.inputs.kafka.consumer.Consumer` over confluent-kafka."""

    def __init__(self, consumer: Any, connection: Connection, topics: Sequence[str], listener: Rebalanced) -> None:  # noqa: ANN401
        """Subscribe to `topics`."""
        self._consumer, self._connection, self._listener = consumer, connection, listener
        self._paused = False
        self._received_error: ReceivedError | None = None
        self._admin: Any = None
        self._commits: Workers[list[Any], list[Any]] = Workers(1, self._commit_now, "kafka-commits")
        self._committing: Future[list[Any]] | None = None
        consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )  # fmt: skip

    def _on_assign(self, _consumer: object, places: Sequence[Any]) -> None:
        self._listener.assigned(_partitions(places))

    def _on_revoke(self, _consumer: object, places: Sequence[Any]) -> None:
        if offsets := self._listener.revoked(_partitions(places)):
            with suppress(KafkaUnavailable):  # uncommitted messages are read again and stored as duplicates
                self.commit(offsets)

    def _on_lost(self, _consumer: object, places: Sequence[Any]) -> None:
        self._listener.lost(_partitions(places))

    def poll(self, seconds: float, most: int) -> list[Received]:
        """Return up to `most` messages. Raises KafkaUnavailable."""
        if self._paused:
            self._consumer.pause(self._consumer.assignment())
        if self._received_error is not None:
            failure, self._received_error = self._received_error, None
            raise translated(failure.error, self._connection, failure.topic)
        try:
            messages = self._consumer.consume(most, seconds)
        except KafkaException as failed:
            raise translated(failed.args[0], self._connection) from failed
        received = []
        for message in messages:
            error = message.error()
            if error is None:
                received.append(
                    Received(
                        message.topic(),
                        message.partition(),
                        message.offset(),
                        message.timestamp()[1],
                        message.value(),
                        _headers(message),
                    )
                )
            elif error.code() not in TRANSIENT:
                self._received_error = ReceivedError(error, message.topic() or "")
        return received

    def commit(self, offsets: Mapping[Partition, Progress]) -> bool:
        """Commit offsets. Raises KafkaUnavailable.

        The library blocks while the group's coordinator is unavailable, so it commits in a thread. A commit that
        succeeds after its timeout does no harm: the messages before those offsets are indexed.
        """
        if self._committing is not None and not self._committing.done():
            raise brokers_unavailable(self._connection, "an earlier commit has no response yet")
        places = [
            Place(topic, number, offset, topic_id or None) for (topic, number), (offset, topic_id) in offsets.items()
        ]
        self._committing = self._commits.submit(places)
        try:
            committed = self._committing.result(COMMIT_S)
        except TimeoutError as error:
            raise brokers_unavailable(self._connection, "the commit timed out") from error
        except KafkaException as error:
            if error.args[0].code() in PARTITION_LOST:
                return False
            raise translated(error.args[0], self._connection) from error
        failure = next((place.error for place in committed if place.error is not None), None)
        if failure is not None and failure.code() not in PARTITION_LOST:
            raise translated(failure, self._connection)
        return failure is None

    def _commit_now(self, places: list[Any]) -> list[Any]:
        """Commit offsets, in the commit thread."""
        return list(self._consumer.commit(offsets=places, asynchronous=False))

    def seek(self, partition: Partition, offset: int) -> bool:
        """Continue reading at `offset`."""
        if any((place.topic, place.partition) == partition for place in self._consumer.assignment()):
            try:
                self._consumer.seek(Place(partition.topic, partition.number, offset))
            except KafkaException:  # fetching has not started
                return False
        return True

    def pause(self) -> None:
        """Make `poll` return no messages."""
        self._paused = True

    def resume(self) -> None:
        """Undo `pause`."""
        self._paused = False
        self._consumer.resume(self._consumer.assignment())

    def spans(self, seconds: float) -> dict[Partition, Span]:
        """Return the offsets of the assigned partitions. Raises KafkaUnavailable."""
        places = self._consumer.assignment()
        if not places:
            return {}
        try:
            committed = {(place.topic, place.partition): place for place in self._consumer.committed(places, seconds)}
            beginnings = self._listed(places, OffsetSpec.earliest(), seconds)
            ends = self._listed(places, OffsetSpec.latest(), seconds)
            ids = self._topic_ids({place.topic for place in places}, seconds)
        except TimeoutError as error:
            raise brokers_unavailable(self._connection, "the request for offsets timed out") from error
        except KafkaException as error:
            self._admin = None  # its partition leaders may be outdated after a broker failure
            raise translated(error.args[0], self._connection) from error
        spans = {}
        for place, end in ends.items():
            known = committed[place]
            offset = known.offset if known.offset >= 0 else beginnings[place]
            spans[Partition(*place)] = Span(offset, end, beginnings[place], ids[place[0]], known.metadata or "")
        return spans

    def _topic_ids(self, topics: Iterable[str], seconds: float) -> dict[str, str]:
        responses = self._admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=seconds)
        return {topic: _hexadecimal(response.result(2 * seconds).topic_id) for topic, response in responses.items()}

    def _listed(self, places: Sequence[Any], which: Any, seconds: float) -> dict[tuple[str, int], int]:  # noqa: ANN401
        """Request offsets on a separate connection: on the consumer's, each response waits behind a fetch."""
        if self._admin is None:
            self._admin = AdminClient(common_options(self._connection))
        responses = self._admin.list_offsets(
            {Place(place.topic, place.partition): which for place in places}, request_timeout=seconds
        )
        return {
            (place.topic, place.partition): response.result(2 * seconds).offset for place, response in responses.items()
        }

    def close(self) -> None:
        """Leave the group, unless a commit still waits for the unavailable coordinator."""
        if self._committing is not None and not self._committing.done():
            return
        self._commits.close(COMMIT_S)
        with suppress(KafkaException, RuntimeError):
            self._consumer.close()


class ReceivedError:
    """An error received between messages, and its topic."""

    def __init__(self, error: Any, topic: str) -> None:  # noqa: ANN401 -- the library's type
        self.error, self.topic = error, topic


def _headers(message: Any) -> Sequence[tuple[str, bytes | None]]:  # noqa: ANN401 -- the library's type
    """Return the headers of a message; empty if their names are invalid text, which the library cannot return.

    The error is caught per message, so that the other messages of the same poll are not lost.
    """
    try:
        return HEADERS(message) or ()
    except (SystemError, UnicodeDecodeError):
        return ()


def _hexadecimal(topic_id: Any) -> str:  # noqa: ANN401 -- the library's type
    if topic_id is None:
        return ""
    halves = (topic_id.get_most_significant_bits(), topic_id.get_least_significant_bits())
    return "".join(f"{half % 2**64:016x}" for half in halves) if any(halves) else ""


def _partitions(places: Sequence[Any]) -> list[Partition]:
    return [Partition(place.topic, place.partition) for place in places]
