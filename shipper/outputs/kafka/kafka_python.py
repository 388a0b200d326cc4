"""The port over kafka-python: plain Python, always installed."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata
from kafka import TopicPartition as Place
from kafka.codec import has_lz4, has_zstd
from kafka.errors import (
    BrokerResponseError,
    CommitFailedError,
    CorruptRecordError,
    IllegalGenerationError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RebalanceInProgressError,
    RecordListTooLargeError,
    UnknownMemberIdError,
    UnsupportedCodecError,
    for_code,
)

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
    tls_context,
)
from shipper.outputs.kafka.message import Message, Received
from shipper.system.errors import ConfigurationError

GONE_TO_ANOTHER = (CommitFailedError, RebalanceInProgressError, IllegalGenerationError, UnknownMemberIdError)
TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
JOINING_S = 2.0
"""How long a poll waits for the group to take the member in.

The library forgets an answer that comes between two polls, and asks to join anew: with short ones, on a busy machine or
in a slow group, a member never had partitions, and had all others give theirs up each time.
"""


def connect(connection: Connection) -> "KafkaPython":
    """The client for one cluster. Raises ConfigurationError."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL + 1)  # what it has to say reaches us as errors
    return KafkaPython(connection)


class KafkaPython:
    """`shipper.outputs.kafka.client.Client` over kafka-python."""

    name = "kafka-python"

    def __init__(self, connection: Connection) -> None:
        """Connects to nothing yet. Raises ConfigurationError where certificates cannot be used."""
        self.servers = connection.bootstrap
        self._connection = connection
        self._common = common_options(connection)
        self._compression = compression_of(connection.settings.compression)

    def producer(self, *, alone: bool = False) -> "PlainProducer":
        """A producer. Raises KafkaUnavailable."""
        settings = self._connection.settings
        timeout = settings.delivery_timeout
        try:
            producer = opened(
                GivingUp,
                **self._common,
                acks="all",
                enable_idempotence=True,  # said, so that what conflicts with it is an error and not its silent end
                max_in_flight_requests_per_connection=5,
                compression_type=self._compression,
                linger_ms=0 if alone else int(settings.linger * 1000),
                batch_size=0 if alone else BATCH_BYTES,
                max_request_size=settings.request_bytes,
                delivery_timeout_ms=int(timeout * 1000),
                request_timeout_ms=int(min(timeout - min(settings.linger, timeout / 2), 30) * 1000),
                max_block_ms=int(min(timeout, DIAGNOSIS_S) * 1000),
                allow_auto_create_topics=False,
            )
        except KafkaError as error:
            raise translated(error, self._connection) from error
        return PlainProducer(producer, self._connection)

    def consumer(self, topics: Sequence[str], listener: Rebalanced) -> "PlainConsumer":
        """A member of the group. Raises KafkaUnavailable."""
        settings = self._connection.settings
        try:
            consumer = opened(
                KafkaConsumer,
                **self._common,
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
            raise translated(error, self._connection) from error
        consumer.subscribe(topics=list(topics), listener=_Listener(consumer, listener))
        return PlainConsumer(consumer, self._connection)

    def partitions(self, topics: Sequence[str]) -> dict[str, int | str]:
        """How many partitions each topic has, or the code of the broker's refusal. Raises KafkaUnavailable."""
        options = {name: value for name, value in self._common.items() if name != "metrics_enabled"}
        try:
            admin = opened(KafkaAdminClient, **options)
            try:
                found = admin.describe_topics(list(topics))
            finally:
                admin.close()
        except KafkaError as error:
            raise translated(error, self._connection) from error
        return {
            topic["name"]: code_of(for_code(topic["error_code"])) if topic["error_code"] else len(topic["partitions"])
            for topic in found
        }


def opened(kind: Any, **options: Any) -> Any:  # noqa: ANN401 -- the library has no types
    """One of the library's objects, connected. Raises KafkaError.

    Where it cannot connect, the library leaves a thread and four descriptors behind at every try: they are closed here.
    """
    clients: list[Any] = []

    def client(**given: Any) -> Any:  # noqa: ANN401
        clients.append(kind.DEFAULT_CONFIG["kafka_client"](**given))
        return clients[-1]

    try:
        return kind(**options, kafka_client=client)
    except BaseException:
        for found in clients:
            found.close()
        raise


class GivingUp(KafkaProducer):  # type: ignore[misc]  # the library has no types
    """A producer that can be closed with a broker away: the library's own waits first, and then forgets to close."""

    def flush(self, timeout: float | None = None) -> None:
        """Nothing: who sends waits for every message, and a close gives up the rest."""


class PlainProducer:
    """`shipper.outputs.kafka.client.Producer` over kafka-python."""

    def __init__(self, producer: Any, connection: Connection) -> None:  # noqa: ANN401 -- the library has no types
        """`producer` is connected."""
        self._producer, self._connection = producer, connection

    def deliver(self, messages: Iterable[Message]) -> list[Message]:
        """Send and wait. Raises KafkaUnavailable."""
        clock, send = self._connection.clock, self._producer.send
        too_large: list[Message] = []
        sent = []
        message: Message | None = None
        try:
            for message in messages:
                topic, key, value, headers, _ = message
                try:
                    sent.append((message, send(topic, value, key, headers)))
                except TOO_LARGE:
                    too_large.append(message)
            end = clock.monotonic() + self._connection.settings.delivery_timeout + 1
            for message, future in sent:
                if not future.is_done or future.exception is not None:
                    try:
                        future.get(max(0.0, end - clock.monotonic()))
                    except TOO_LARGE:
                        too_large.append(message)
        except (KafkaError, ValueError, RuntimeError) as error:  # the latter two where its metadata or loop are gone
            raise translated(error, self._connection, message.topic if message else "") from error
        return too_large

    def close(self) -> None:
        """Give up what is on its way, at once."""
        with suppress(KafkaError):
            self._producer.close(timeout=0)


class PlainConsumer:
    """`shipper.outputs.kafka.client.Consumer` over kafka-python."""

    def __init__(self, consumer: Any, connection: Connection) -> None:  # noqa: ANN401 -- the library has no types
        """`consumer` is connected and subscribed."""
        self._consumer, self._connection = consumer, connection
        self._paused = False

    def poll(self, seconds: float, most: int) -> list[Received]:
        """Messages. Raises KafkaUnavailable."""
        if self._paused:
            self._consumer.pause(*self._consumer.assignment())
        if self._consumer._coordinator.need_rejoin():  # noqa: SLF001 -- nothing else tells
            seconds = max(seconds, JOINING_S)
        try:
            found = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=most)
        except KafkaError as error:
            raise translated(error, self._connection) from error
        return [
            Received(place.topic, place.partition, record.offset, record.timestamp, record.value, record.headers)
            for place, records in found.items()
            for record in records
        ]

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Commit. Raises KafkaUnavailable."""
        try:
            self._consumer.commit(_offsets(offsets), timeout_ms=int(COMMIT_S * 1000))
        except GONE_TO_ANOTHER:
            return False
        except KafkaError as error:
            raise translated(error, self._connection) from error
        return True

    def seek(self, partition: Partition, offset: int) -> bool:
        """Read on from `offset`."""
        if (place := Place(*partition)) in self._consumer.assignment():
            self._consumer.seek(place, offset)
        return True

    def pause(self) -> None:
        """Have `poll` give nothing."""
        self._paused = True

    def resume(self) -> None:
        """Undo `pause`."""
        self._paused = False
        self._consumer.resume(*self._consumer.assignment())

    def spans(self, seconds: float) -> dict[Partition, Span]:
        """What the assigned partitions hold. Raises KafkaUnavailable."""
        places, timeout_ms = sorted(self._consumer.assignment()), int(seconds * 1000)
        if not places:
            return {}
        try:
            ends = self._consumer.end_offsets(places, timeout_ms=timeout_ms)
            nexts = {place: self._consumer.committed(place, timeout_ms=timeout_ms) for place in places}
            fresh = [place for place, offset in nexts.items() if offset is None]
            nexts |= self._consumer.beginning_offsets(fresh, timeout_ms=timeout_ms) if fresh else {}
        except KafkaError as error:
            raise translated(error, self._connection) from error
        return {Partition(*place): Span(nexts[place], ends[place]) for place in places}

    def close(self) -> None:
        """Leave the group."""
        with suppress(KafkaError):
            self._consumer.close(timeout_ms=int(COMMIT_S * 1000))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Called by the library's thread while ours waits in `poll` or `close`.

    A blocking commit is not possible there. One that is sent here goes out before the request to join anew, on the same
    connection, so that the partition's next reader finds it.
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


def _offsets(offsets: Mapping[Partition, int]) -> dict[Any, Any]:
    return {Place(*partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}


def common_options(connection: Connection) -> dict[str, Any]:
    """What producer, consumer and administration are told alike. Raises ConfigurationError."""
    settings = connection.settings
    options: dict[str, Any] = {
        "bootstrap_servers": list(connection.servers),
        "client_id": "shipper",
        "security_protocol": settings.security_protocol.upper(),
        "bootstrap_timeout_ms": int(DIAGNOSIS_S * 1000),
        "reconnect_backoff_max_ms": 1000,
        "metrics_enabled": False,  # a tenth of the CPU
    }
    if settings.security_protocol.endswith("ssl"):
        options["ssl_context"] = tls_context(connection)
    if settings.security_protocol.startswith("sasl"):
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.username
        options["sasl_plain_password"] = connection.password
    return options


def compression_of(asked: str) -> str | None:
    """The compression to use. Raises ConfigurationError where this machine cannot."""
    if asked == "auto":
        return "lz4" if has_lz4() else "gzip"
    for name, there, package in (("lz4", has_lz4, "lz4"), ("zstd", has_zstd, "zstandard")):
        if asked == name and not there():
            raise ConfigurationError(
                f"kafka.compression is {name}, for which kafka-python needs the package {package}",
                f"install {package} or shipper-agent[kafka], or give kafka.compression: gzip",
            )
    return None if asked == "none" else asked


def code_of(error: BrokerResponseError | type[BrokerResponseError]) -> str:
    """The name of a broker's code, as the protocol spells it."""
    return error.message or (error.__name__ if isinstance(error, type) else type(error).__name__)


def translated(error: Exception, connection: Connection, topic: str = "") -> KafkaUnavailable:
    """What a failure of the library means."""
    if isinstance(error, UnsupportedCodecError):
        return KafkaUnavailable(
            f"messages in {topic or 'the topic'} are compressed in a way that kafka-python cannot read here: {error}",
            "install shipper-agent[kafka], or give kafka.compression: gzip where they are written",
        )
    if isinstance(error, CorruptRecordError):
        return KafkaUnavailable(
            f"a message on {connection.bootstrap} is none that kafka-python can read: {error}",
            "let an indexer with shipper-agent[kafka] read that partition: it puts the message aside",
            resumes=True,
        )
    if isinstance(error, BrokerResponseError) and topic:
        return refusal(code_of(error), topic, connection.bootstrap)
    if isinstance(error, KafkaTimeoutError) or not isinstance(error, BrokerResponseError):
        return away(connection, str(error))
    return KafkaUnavailable(f"Kafka on {connection.bootstrap}: {error}", "look at the broker's log", resumes=True)
