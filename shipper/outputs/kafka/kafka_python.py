"""The port over kafka-python: plain Python, always installed."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.codec import has_lz4, has_zstd
from kafka.errors import (
    BrokerResponseError,
    CorruptRecordError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnsupportedCodecError,
    for_code,
)

from shipper.outputs.kafka.client import (
    BATCH_BYTES,
    DIAGNOSIS_S,
    Connection,
    KafkaUnavailable,
    away,
    refusal,
    tls_context,
)
from shipper.outputs.kafka.message import Message
from shipper.system.errors import NOTHING_LOST, ConfigurationError

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


def connect(connection: Connection) -> "KafkaPython":
    """The client for one cluster. Raises ConfigurationError."""
    silence()
    return KafkaPython(connection)


def silence() -> None:
    """Switch the library's own log off: all that it reports reaches us as errors."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL + 1)


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
            f"let an indexer with shipper-agent[kafka] read that partition: it puts the message aside; {NOTHING_LOST}",
        )
    if isinstance(error, BrokerResponseError) and topic:
        return refusal(code_of(error), topic, connection.bootstrap)
    if isinstance(error, KafkaTimeoutError) or not isinstance(error, BrokerResponseError):
        return away(connection, str(error))
    return KafkaUnavailable(f"Kafka on {connection.bootstrap}: {error}", f"look at the broker's log; {NOTHING_LOST}")
