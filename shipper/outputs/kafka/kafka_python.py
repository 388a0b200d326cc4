"""Client with kafka-python: pure Python, always installed."""

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
    brokers_unavailable,
    tls_context,
    topic_error,
)
from shipper.outputs.kafka.message import Message
from shipper.system.errors import ConfigurationError

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


def connect(connection: Connection) -> "KafkaPython":
    """Create the client of one cluster. Raises ConfigurationError."""
    silence()
    return KafkaPython(connection)


def silence() -> None:
    """Disable the library's own log; it reports failures as errors too."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL + 1)


class KafkaPython:
    """`shipper.outputs.kafka.client.Client` with kafka-python."""

    name = "kafka-python"

    def __init__(self, connection: Connection) -> None:
        """Does not connect yet. Raises ConfigurationError if certificates cannot be used."""
        self.servers = connection.bootstrap
        self._connection = connection
        self._common = common_options(connection)
        self._compression = compression_of(connection.settings.compression)

    def producer(self, *, alone: bool = False) -> "KafkaPythonProducer":
        """Create a producer. Raises KafkaUnavailable."""
        settings = self._connection.settings
        timeout = settings.delivery_timeout
        try:
            producer = opened(
                NonFlushingProducer,
                **self._common,
                acks="all",
                enable_idempotence=True,  # explicit: conflicting options are an error, not silently preferred
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
        return KafkaPythonProducer(producer, self._connection)

    def partitions(self, topics: Sequence[str]) -> dict[str, int | str]:
        """Number of partitions of each topic, or the broker's error code for it. Raises KafkaUnavailable."""
        options = {name: value for name, value in self._common.items() if name != "metrics_enabled"}
        try:
            admin = opened(KafkaAdminClient, **options)
            try:
                descriptions = admin.describe_topics(list(topics))
            finally:
                admin.close()
        except KafkaError as error:
            raise translated(error, self._connection) from error
        return {
            topic["name"]: code_of(for_code(topic["error_code"])) if topic["error_code"] else len(topic["partitions"])
            for topic in descriptions
        }


def opened(kind: Any, **options: Any) -> Any:  # noqa: ANN401 -- the library has no types
    """Create an object of the library and connect it. Raises KafkaError.

    If the connection fails, the library leaks a thread and four descriptors each time: they are closed here.
    """
    clients: list[Any] = []

    def client(**configuration: Any) -> Any:  # noqa: ANN401
        clients.append(kind.DEFAULT_CONFIG["kafka_client"](**configuration))
        return clients[-1]

    try:
        return kind(**options, kafka_client=client)
    except BaseException:
        for network_client in clients:
            network_client.close()
        raise


class NonFlushingProducer(KafkaProducer):  # type: ignore[misc]  # the library has no types
    """A producer that closes without a broker: the library's own flushes first, and then does not close."""

    def flush(self, timeout: float | None = None) -> None:
        """Nothing to do: `deliver` waits for every message, and `close` abandons the rest."""


class KafkaPythonProducer:
    """`shipper.outputs.kafka.client.Producer` with kafka-python."""

    def __init__(self, producer: Any, connection: Connection) -> None:  # noqa: ANN401 -- the library has no types
        """`producer` is already connected."""
        self._producer, self._connection = producer, connection

    def deliver(self, messages: Iterable[Message]) -> list[Message]:
        """Send messages, wait, and return those that are too large. Raises KafkaUnavailable."""
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
        except (KafkaError, ValueError, RuntimeError) as error:  # the latter two without metadata or event loop
            raise translated(error, self._connection, message.topic if message else "") from error
        return too_large

    def close(self) -> None:
        """Abandon messages in flight without waiting."""
        with suppress(KafkaError):
            self._producer.close(timeout=0)


def common_options(connection: Connection) -> dict[str, Any]:
    """Options that producer, consumer and administration client share. Raises ConfigurationError."""
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


def compression_of(compression: str) -> str | None:
    """The compression codec to use. Raises ConfigurationError if its package is not installed."""
    if compression == "auto":
        return "lz4" if has_lz4() else "gzip"
    for name, is_installed, package in (("lz4", has_lz4, "lz4"), ("zstd", has_zstd, "zstandard")):
        if compression == name and not is_installed():
            raise ConfigurationError(
                f"kafka.compression is {name}, which needs the package {package} with kafka-python",
                f"install {package} or shipper-agent[kafka], or set kafka.compression: gzip",
            )
    return None if compression == "none" else compression


def code_of(error: BrokerResponseError | type[BrokerResponseError]) -> str:
    """Name of a broker's error code, as in the Kafka protocol."""
    return error.message or (error.__name__ if isinstance(error, type) else type(error).__name__)


def translated(error: Exception, connection: Connection, topic: str = "") -> KafkaUnavailable:
    """KafkaUnavailable for an error of the library."""
    if isinstance(error, UnsupportedCodecError):
        return KafkaUnavailable(
            f"messages in {topic or 'the topic'} use a compression that kafka-python cannot read here: {error}",
            "install shipper-agent[kafka], or set kafka.compression: gzip for the producers",
        )
    if isinstance(error, CorruptRecordError):
        return KafkaUnavailable(
            f"kafka-python cannot read a message on {connection.bootstrap}: {error}",
            "run an indexer with shipper-agent[kafka], which quarantines the message",
            resumes=True,
        )
    if isinstance(error, BrokerResponseError) and topic:
        return topic_error(code_of(error), topic, connection.bootstrap)
    if isinstance(error, KafkaTimeoutError) or not isinstance(error, BrokerResponseError):
        return brokers_unavailable(connection, str(error))
    return KafkaUnavailable(f"Kafka on {connection.bootstrap}: {error}", "check the broker's log", resumes=True)
