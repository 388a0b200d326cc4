"""Options, errors and codes that producer and consumer of confluent-kafka share."""

import logging
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from shipper.outputs.kafka.client import COMMIT_S, Connection, KafkaUnavailable, brokers_unavailable, topic_error

PROTOCOL_CODES = {
    KafkaError._UNKNOWN_TOPIC: "UNKNOWN_TOPIC_OR_PARTITION",  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION: "UNKNOWN_TOPIC_OR_PARTITION",  # noqa: SLF001
    KafkaError.UNKNOWN_TOPIC_OR_PART: "UNKNOWN_TOPIC_OR_PARTITION",
}


def created(kind: Any, options: dict[str, Any], connection: Connection) -> Any:  # noqa: ANN401 -- Producer or Consumer
    """Create an object of the library. Raises KafkaUnavailable if it rejects the options."""
    try:
        return kind(options)
    except (KafkaException, ValueError, TypeError) as error:
        raise KafkaUnavailable(
            f"Kafka on {connection.bootstrap}: confluent-kafka rejects its options: {error}",
            "correct them under kafka:",
        ) from error


def common_options(connection: Connection) -> dict[str, Any]:
    """Options that producer and consumer share."""
    settings = connection.settings
    silent = logging.getLogger("shipper.librdkafka")  # its messages are reported as errors
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
    """Name of a broker's error code, as in the Kafka protocol."""
    return str(PROTOCOL_CODES.get(error.code(), error.name()))


def translated(error: Any, connection: Connection, topic: str = "") -> KafkaUnavailable:  # noqa: ANN401
    """KafkaUnavailable for an error of the library."""
    code = code_of(error)
    if code == "_AUTHENTICATION" or "AUTHENTICATION" in code:
        return brokers_unavailable(connection, error.str())
    if topic and not code.startswith("_"):
        return topic_error(code, topic, connection.bootstrap)
    if code.startswith("_"):
        return brokers_unavailable(connection, error.str())
    return KafkaUnavailable(f"Kafka on {connection.bootstrap}: {error.str()}", "check the broker's log", resumes=True)
