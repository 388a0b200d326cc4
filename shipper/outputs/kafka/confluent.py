"""The port over confluent-kafka (librdkafka): compiled, used where it is installed."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from operator import methodcaller
from threading import Event, Lock, Thread
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient, OffsetSpec

from shipper.errors import NOTHING_LOST
from shipper.outputs.kafka.client import (
    BATCH_BYTES,
    COMMIT_S,
    DIAGNOSIS_S,
    FETCH_BYTES,
    PARTITION_FETCH_BYTES,
    Connection,
    KafkaUnavailable,
    Partition,
    Rebalanced,
    Span,
    away,
    refusal,
)
from shipper.outputs.kafka.message import Message, Received
from shipper.outputs.workers import Workers

SERVED_S = 0.2
"""How long one wait for the library's events takes, in seconds."""
ROOM_S = 0.05
QUEUED_MESSAGES = 500_000
TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE)
GONE_TO_ANOTHER = (
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001 -- local codes of the library begin so
    KafkaError._NO_OFFSET,  # noqa: SLF001
)
LOCAL = {
    KafkaError._UNKNOWN_TOPIC: "UNKNOWN_TOPIC_OR_PARTITION",  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION: "UNKNOWN_TOPIC_OR_PARTITION",  # noqa: SLF001
    KafkaError.UNKNOWN_TOPIC_OR_PART: "UNKNOWN_TOPIC_OR_PARTITION",
}
HEADERS = methodcaller("headers")
"""The library gives a result and leaves an error behind; called so, Python looks for that error at once."""
PASSING = (
    KafkaError._PARTITION_EOF,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
)


def connect(connection: Connection) -> "Confluent":
    """The client for one cluster."""
    return Confluent(connection)


class Confluent:
    """`shipper.outputs.kafka.client.Client` over confluent-kafka."""

    name = "confluent"

    def __init__(self, connection: Connection) -> None:
        """Connects to nothing yet."""
        self.servers = connection.bootstrap
        self._connection = connection
        self._common = common_options(connection)

    def producer(self, *, alone: bool = False) -> "ConfluentProducer":
        """A producer. Raises KafkaUnavailable."""
        settings = self._connection.settings
        timeout_ms = int(settings.delivery_timeout * 1000)
        options = {
            **self._common,
            "acks": "all",
            "enable.idempotence": True,  # said, so that what conflicts with it is an error
            "compression.type": "lz4" if settings.compression == "auto" else settings.compression,
            "linger.ms": 0 if alone else min(int(settings.linger * 1000), timeout_ms // 2),
            "partitioner": "murmur2_random",  # what kafka-python and Java do: a key has one partition, whoever writes
            "batch.size": BATCH_BYTES,
            "batch.num.messages": 1 if alone else 10_000,
            "message.max.bytes": settings.request_bytes,
            "message.timeout.ms": timeout_ms,
            "request.timeout.ms": min(timeout_ms, 30_000),
            "queue.buffering.max.messages": QUEUED_MESSAGES,
            "allow.auto.create.topics": False,
        }
        return ConfluentProducer(_made(confluent_kafka.Producer, options, self._connection), self._connection)

    def consumer(self, topics: Sequence[str], listener: Rebalanced) -> "ConfluentConsumer":
        """A member of the group. Raises KafkaUnavailable."""
        settings = self._connection.settings
        options = {
            **self._common,
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
        consumer = _made(confluent_kafka.Consumer, options, self._connection)
        return ConfluentConsumer(consumer, self._connection, topics, listener)

    def partitions(self, topics: Sequence[str]) -> dict[str, int | str]:
        """How many partitions each topic has, or the code of the broker's refusal. Raises KafkaUnavailable."""
        found: dict[str, int | str] = {}
        producer = _made(confluent_kafka.Producer, self._common, self._connection)
        try:
            for topic in topics:
                told = producer.list_topics(topic, timeout=DIAGNOSIS_S).topics[topic]
                found[topic] = len(told.partitions) if told.error is None else code_of(told.error)
        except KafkaException as error:
            raise translated(error.args[0], self._connection) from error
        return found


class ConfluentProducer:
    """`shipper.outputs.kafka.client.Producer` over confluent-kafka."""

    def __init__(self, producer: Any, connection: Connection) -> None:  # noqa: ANN401 -- the library's type is generic
        """Starts the thread that takes the library's reports."""
        self._producer, self._connection = producer, connection
        self._closing = Event()
        self._thread = Thread(target=self._serve, name="kafka-reports", daemon=True)
        self._thread.start()

    def deliver(self, messages: Iterable[Message]) -> list[Message]:
        """Send and wait. Raises KafkaUnavailable."""
        delivery = _Delivery()
        end = self._connection.clock.monotonic() + self._connection.settings.delivery_timeout + 1
        for message in messages:
            self._produce(message, delivery, end)
        left = end - self._connection.clock.monotonic()
        if not delivery.finished(max(0.0, left)):
            raise away(self._connection, "no acknowledgement in time")
        if delivery.failed is not None:
            error, topic = delivery.failed
            raise translated(error, self._connection, topic)
        return delivery.too_large

    def _produce(self, message: Message, delivery: "_Delivery", end: float) -> None:
        topic, key, value, headers, _ = message
        report = partial(delivery.report, message)
        while True:
            delivery.expect()
            try:
                self._producer.produce(topic, value, key, on_delivery=report, headers=headers)
            except BufferError as error:
                delivery.unexpect()
                if self._closing.wait(ROOM_S) or self._connection.clock.monotonic() > end:
                    raise away(self._connection, "no room for more messages") from error
                continue
            except KafkaException as error:
                delivery.report(message, error.args[0], None)
            return

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(SERVED_S)

    def close(self) -> None:
        """Give up what is on its way, at once."""
        self._closing.set()
        with suppress(KafkaException):
            self._producer.purge(blocking=False)
        self._thread.join(2 * SERVED_S)


class _Delivery:
    """The reports of one call's messages; they come in the producer's thread."""

    def __init__(self) -> None:
        self.too_large: list[Message] = []
        self.failed: tuple[Any, str] | None = None
        self._expected, self._reported, self._complete = 0, 0, False
        self._lock, self._done = Lock(), Event()

    def expect(self) -> None:
        self._expected += 1

    def unexpect(self) -> None:
        self._expected -= 1

    def report(self, message: Message, error: Any, _reported: Any) -> None:  # noqa: ANN401 -- the library's types
        if error is not None:
            if error.code() in TOO_LARGE:
                self.too_large.append(message)
            else:
                self.failed = (error, message.topic)
        with self._lock:
            self._reported += 1
            if self._complete and self._reported == self._expected:
                self._done.set()

    def finished(self, seconds: float) -> bool:
        """Whether all that was expected is reported within `seconds`."""
        with self._lock:
            self._complete = True
            if self._reported == self._expected:
                return True
        return self._done.wait(seconds)


class ConfluentConsumer:
    """`shipper.outputs.kafka.client.Consumer` over confluent-kafka."""

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
            found = self._consumer.consume(most, seconds)
        except KafkaException as refused:
            raise translated(refused.args[0], self._connection) from refused
        received = []
        for message in found:
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

        The library waits without an end where the group's coordinator is away. So it waits in a thread of its own, and
        what was given up there and arrives after all does no harm: the messages before those offsets are indexed.
        """
        if self._committing is not None and not self._committing.done():
            raise away(self._connection, "an earlier commit is not answered")
        places = [Place(topic, number, offset) for (topic, number), offset in offsets.items()]
        self._committing = self._commits.submit(places)
        try:
            told = self._committing.result(COMMIT_S)
        except TimeoutError as error:
            raise away(self._connection, "a commit is not answered in time") from error
        except KafkaException as error:
            if error.args[0].code() in GONE_TO_ANOTHER:
                return False
            raise translated(error.args[0], self._connection) from error
        refused = next((place.error for place in told if place.error is not None), None)
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
        """What the assigned partitions hold. Raises KafkaUnavailable."""
        places = self._consumer.assignment()
        if not places:
            return {}
        try:
            told = {(place.topic, place.partition): place.offset for place in self._consumer.committed(places, seconds)}
            ends = self._listed(places, OffsetSpec.latest(), seconds)
            fresh = [place for place in places if told[place.topic, place.partition] < 0]
            told |= self._listed(fresh, OffsetSpec.earliest(), seconds) if fresh else {}
        except TimeoutError as error:
            raise away(self._connection, "offsets are not told in time") from error
        except KafkaException as error:
            self._admin = None  # what it knows of the partitions' leaders may be of before a broker's end
            raise translated(error.args[0], self._connection) from error
        return {Partition(*place): Span(told[place], end) for place, end in ends.items()}

    def _listed(self, places: Sequence[Any], which: Any, seconds: float) -> dict[tuple[str, int], int]:  # noqa: ANN401
        """Offsets, asked for on a connection of its own: on the consumer's, each answer waits behind a fetch."""
        if self._admin is None:
            self._admin = AdminClient(common_options(self._connection))
        asked = self._admin.list_offsets(
            {Place(place.topic, place.partition): which for place in places}, request_timeout=seconds
        )
        return {(place.topic, place.partition): found.result(2 * seconds).offset for place, found in asked.items()}

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


def _made(kind: Any, options: dict[str, Any], connection: Connection) -> Any:  # noqa: ANN401 -- Producer or Consumer
    """One of the library's objects. Raises KafkaUnavailable where the options are refused."""
    try:
        return kind(options)
    except (KafkaException, ValueError, TypeError) as error:
        raise KafkaUnavailable(
            f"Kafka on {connection.bootstrap}: confluent-kafka refuses its options: {error}",
            "correct them under kafka:",
        ) from error


def common_options(connection: Connection) -> dict[str, Any]:
    """What producer and consumer are told alike."""
    settings = connection.settings
    silent = logging.getLogger("shipper.librdkafka")  # what it has to say reaches us as errors
    silent.setLevel(logging.CRITICAL + 1)
    options: dict[str, Any] = {
        "bootstrap.servers": connection.bootstrap,
        "client.id": "shipper",
        "security.protocol": settings.security_protocol,
        "socket.timeout.ms": int(COMMIT_S * 1000),
        "reconnect.backoff.max.ms": 1000,
        "logger": silent,
    }
    if settings.security_protocol.endswith("ssl"):
        files = {
            "ssl.ca.location": settings.ca_file or "probe",
            "ssl.certificate.location": settings.certificate_file,
            "ssl.key.location": settings.key_file or settings.certificate_file,
        }
        options |= {name: str(path) for name, path in files.items() if path is not None}
        options["enable.ssl.certificate.verification"] = settings.verify
        options["ssl.endpoint.identification.algorithm"] = "https" if settings.verify else "none"
    if settings.security_protocol.startswith("sasl"):
        options["sasl.mechanism"] = settings.sasl_mechanism
        options["sasl.username"] = settings.username
        options["sasl.password"] = connection.password
    return options


def code_of(error: Any) -> str:  # noqa: ANN401 -- the library's type
    """The name of a broker's code, as the protocol spells it."""
    return str(LOCAL.get(error.code(), error.name()))


def translated(error: Any, connection: Connection, topic: str = "") -> KafkaUnavailable:  # noqa: ANN401
    """What a failure of the library means."""
    code = code_of(error)
    if code == "_AUTHENTICATION" or "AUTHENTICATION" in code:
        return away(connection, error.str())
    if topic and not code.startswith("_"):
        return refusal(code, topic, connection.bootstrap)
    if code.startswith("_"):
        return away(connection, error.str())
    return KafkaUnavailable(
        f"Kafka on {connection.bootstrap}: {error.str()}", f"look at the broker's log; {NOTHING_LOST}"
    )
