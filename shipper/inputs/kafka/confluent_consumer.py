"""`shipper.inputs.kafka.consumer` over confluent-kafka (librdkafka): compiled, used where it is installed."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from operator import methodcaller
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient, OffsetSpec

from shipper.inputs.kafka.consumer import FETCH_BYTES, PARTITION_FETCH_BYTES, Partition, Rebalanced, Span
from shipper.inputs.kafka.read_message import Received
from shipper.outputs.kafka.client import COMMIT_S, Connection, KafkaUnavailable, brokers_unavailable
from shipper.outputs.kafka.confluent_shared import common_options, created, translated
from shipper.outputs.worker_threads import Workers

GONE_TO_ANOTHER = (
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001 -- local codes of the library begin so
    KafkaError._NO_OFFSET,  # noqa: SLF001
)
HEADERS = methodcaller("headers")
"""The library gives a result and leaves an error behind; called so, Python looks for that error at once."""
PASSING = (
    KafkaError._PARTITION_EOF,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
)


def join(connection: Connection, topics: Sequence[str], listener: Rebalanced) -> "ConfluentConsumer":
    """A member of the group. Raises KafkaUnavailable."""
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
        "partition.assignment.strategy": "range,roundrobin",  # what kafka-python does: both may be in one group
        "max.partition.fetch.bytes": PARTITION_FETCH_BYTES,
        "fetch.max.bytes": FETCH_BYTES,
        "queued.max.messages.kbytes": FETCH_BYTES // 1024,
        "allow.auto.create.topics": False,
    }
    return ConfluentConsumer(created(confluent_kafka.Consumer, options, connection), connection, topics, listener)


class ConfluentConsumer:
    """`shipper.inputs.kafka.consumer.Consumer` over confluent-kafka."""

    def __init__(self, consumer: Any, connection: Connection, topics: Sequence[str], listener: Rebalanced) -> None:  # noqa: ANN401
        """Subscribes to `topics`."""
        self._consumer, self._connection, self._listener = consumer, connection, listener
        self._paused = False
        self._failed: Failed | None = None
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
            with suppress(KafkaUnavailable):  # what is not committed is read again, and found to be there
                self.commit(offsets)

    def _on_lost(self, _consumer: object, places: Sequence[Any]) -> None:
        self._listener.lost(_partitions(places))

    def poll(self, seconds: float, most: int) -> list[Received]:
        """Messages. Raises KafkaUnavailable."""
        if self._paused:
            self._consumer.pause(self._consumer.assignment())
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise translated(failed.error, self._connection, failed.topic)
        try:
            messages = self._consumer.consume(most, seconds)
        except KafkaException as refused:
            raise translated(refused.args[0], self._connection) from refused
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
            elif error.code() not in PASSING:
                self._failed = Failed(error, message.topic() or "")
        return received

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Commit. Raises KafkaUnavailable.

        The library waits forever while the group's coordinator is unavailable. So it waits in its own thread, and
        what was given up there and arrives after all does no harm: the messages before those offsets are indexed.
        """
        if self._committing is not None and not self._committing.done():
            raise brokers_unavailable(self._connection, "an earlier commit is not answered")
        places = [Place(topic, number, offset) for (topic, number), offset in offsets.items()]
        self._committing = self._commits.submit(places)
        try:
            committed = self._committing.result(COMMIT_S)
        except TimeoutError as error:
            raise brokers_unavailable(self._connection, "a commit is not answered in time") from error
        except KafkaException as error:
            if error.args[0].code() in GONE_TO_ANOTHER:
                return False
            raise translated(error.args[0], self._connection) from error
        refused = next((place.error for place in committed if place.error is not None), None)
        if refused is not None and refused.code() not in GONE_TO_ANOTHER:
            raise translated(refused, self._connection)
        return refused is None

    def _commit_now(self, places: list[Any]) -> list[Any]:
        """In the thread of commits."""
        return list(self._consumer.commit(offsets=places, asynchronous=False))

    def seek(self, partition: Partition, offset: int) -> bool:
        """Read on from `offset`."""
        if any((place.topic, place.partition) == partition for place in self._consumer.assignment()):
            try:
                self._consumer.seek(Place(partition.topic, partition.number, offset))
            except KafkaException:  # fetching has not begun
                return False
        return True

    def pause(self) -> None:
        """Have `poll` give nothing."""
        self._paused = True

    def resume(self) -> None:
        """Undo `pause`."""
        self._paused = False
        self._consumer.resume(self._consumer.assignment())

    def spans(self, seconds: float) -> dict[Partition, Span]:
        """Offsets of the assigned partitions. Raises KafkaUnavailable."""
        places = self._consumer.assignment()
        if not places:
            return {}
        try:
            nexts = {
                (place.topic, place.partition): place.offset for place in self._consumer.committed(places, seconds)
            }
            ends = self._listed(places, OffsetSpec.latest(), seconds)
            fresh = [place for place in places if nexts[place.topic, place.partition] < 0]
            nexts |= self._listed(fresh, OffsetSpec.earliest(), seconds) if fresh else {}
        except TimeoutError as error:
            raise brokers_unavailable(self._connection, "offsets are not told in time") from error
        except KafkaException as error:
            self._admin = None  # what it knows of the partitions' leaders may be of before a broker's end
            raise translated(error.args[0], self._connection) from error
        return {Partition(*place): Span(nexts[place], end) for place, end in ends.items()}

    def _listed(self, places: Sequence[Any], which: Any, seconds: float) -> dict[tuple[str, int], int]:  # noqa: ANN401
        """Offsets, asked for on a connection of its own: on the consumer's, each answer waits behind a fetch."""
        if self._admin is None:
            self._admin = AdminClient(common_options(self._connection))
        answers = self._admin.list_offsets(
            {Place(place.topic, place.partition): which for place in places}, request_timeout=seconds
        )
        return {(place.topic, place.partition): answer.result(2 * seconds).offset for place, answer in answers.items()}

    def close(self) -> None:
        """Leave the group; where a commit still waits for the coordinator, there is nobody to tell of it."""
        if self._committing is not None and not self._committing.done():
            return
        self._commits.close(COMMIT_S)
        with suppress(KafkaException, RuntimeError):
            self._consumer.close()


class Failed:
    """An error that came among messages, and the topic it is about."""

    def __init__(self, error: Any, topic: str) -> None:  # noqa: ANN401 -- the library's type
        self.error, self.topic = error, topic


def _headers(message: Any) -> Sequence[tuple[str, bytes | None]]:  # noqa: ANN401 -- the library's type
    """The headers of a message; none where their names are no text, which the library cannot give.

    Asked of each message by itself: the others of its poll are gone from the library, and must not be lost with it.
    """
    try:
        return HEADERS(message) or ()
    except (SystemError, UnicodeDecodeError):
        return ()


def _partitions(places: Sequence[Any]) -> list[Partition]:
    return [Partition(place.topic, place.partition) for place in places]
