"""Interface of the Kafka producer, and the choice of the client library behind it.

Two libraries do the same job: confluent-kafka uses a fraction of the CPU and needs a compiled wheel; kafka-python is
pure Python and always installed. See docs/decisions/0009-kafka-clients.md.
"""

import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from shipper.config.output_kinds import kafka_url
from shipper.config.output_settings import KafkaSettings
from shipper.outputs.kafka.message import Message, Topics
from shipper.outputs.tls_probe import tls_problem
from shipper.system.clock import Clock
from shipper.system.errors import ConfigurationError, ShipperError

MODULES = {"confluent": "confluent_kafka", "kafka-python": "kafka"}
BACKENDS = {"confluent": "shipper.outputs.kafka.confluent", "kafka-python": "shipper.outputs.kafka.kafka_python"}
DIAGNOSIS_S = 5.0
"""Timeout of the first connection and of the search for a failure's cause, in seconds."""
COMMIT_S = 5.0
"""Timeout of a commit and of leaving the group, in seconds."""
BATCH_BYTES = 128 * 1024
"""Size of a producer's batch for one partition."""


class KafkaUnavailable(ShipperError):
    """A broker cannot process a request now; a retry may succeed."""


TLS_HINTS = {
    "ca_file": "set kafka.ca_file to the authority that signed it, and use the host name in the certificate",
    "certificate_file": "set kafka.certificate_file and kafka.key_file to a certificate that it trusts",
    "plain": "correct kafka.security_protocol, or use the TLS port",
    "tls": "correct kafka.security_protocol, or use the plain-text port",
}
"""Hints by the setting that fixes a TLS problem."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Addresses of the brokers, and the settings to connect with."""

    servers: tuple[str, ...]
    settings: KafkaSettings = field(default_factory=KafkaSettings)
    clock: Clock = field(default_factory=Clock)

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers, in the form that both libraries accept."""
        return ",".join(self.servers)

    @property
    def password(self) -> str | None:
        """The SASL password."""
        secret = self.settings.password
        return None if secret is None else secret.get_secret_value()


class Producer(Protocol):
    """Sends messages with acks=all and idempotence; safe for several threads."""

    def deliver(self, messages: Iterable[Message]) -> list[Message]:
        """Send `messages` and wait until each is acknowledged by all in-sync replicas.

        Returns the messages rejected for their size, or for that of another message in the same request. Raises
        KafkaUnavailable, at the latest at the delivery timeout; some messages may have arrived. After rejected
        messages or KafkaUnavailable, the producer must be replaced.
        """

    def close(self) -> None:
        """Abandon messages in flight without waiting."""


class Client(Protocol):
    """A client library, connected to one cluster."""

    name: str
    servers: str
    """The bootstrap servers."""

    def producer(self, *, alone: bool = False) -> Producer:
        """Create a producer; with `alone`, it sends each message in a separate batch. Raises KafkaUnavailable."""

    def partitions(self, topics: Sequence[str]) -> dict[str, int | str]:
        """Number of partitions of each topic, or the broker's error code for it.

        Raises KafkaUnavailable.
        """


def connect(url: str, settings: KafkaSettings) -> Client:
    """Create the configured client, not connected yet. Raises ConfigurationError if it is not installed."""
    connection, name = connection_of(url, settings), client_name(settings)
    make: Callable[[Connection], Client] = import_module(BACKENDS[name]).connect
    return make(connection)


def connection_of(url: str, settings: KafkaSettings) -> Connection:
    """Brokers of a URL with their settings. Raises ConfigurationError if a file cannot be read."""
    for path in (settings.ca_file, settings.certificate_file, settings.key_file):
        require_readable(path)
    return Connection(kafka_url(url).servers, settings)


def client_name(settings: KafkaSettings) -> str:
    """Name of the library to use. Raises ConfigurationError if it is not installed."""
    if settings.client == "auto":
        return "confluent" if find_spec(MODULES["confluent"]) else "kafka-python"
    if find_spec(MODULES[settings.client]) is None:
        raise ConfigurationError(
            f"kafka.client is {settings.client}, but {MODULES[settings.client]} is not installed",
            "install shipper-agent[kafka], or set kafka.client: auto",
        )
    return settings.client


def require_readable(path: Path | None) -> None:
    """Raise ConfigurationError if a file of the connection cannot be read."""
    if path is None:
        return
    try:
        path.open("rb").close()
    except OSError as error:
        what = f"{path}, configured for the Kafka connection, cannot be read: {error.strerror}"
        raise ConfigurationError(what, "correct its path in the configuration, or its permissions") from error


def topics_of(url: str, settings: KafkaSettings) -> Topics:
    """The topics of events and of quarantined entries."""
    topic = kafka_url(url).topic
    return Topics(topic, settings.quarantine_topic or f"{topic}-quarantine")


def require_topics(client: Client, topics: Iterable[str]) -> None:
    """Raise KafkaUnavailable if one of `topics` does not exist or this user has no access."""
    for topic, partitions in client.partitions(list(topics)).items():
        if isinstance(partitions, str):
            raise topic_error(partitions, topic, client.servers)


def topic_error(code: str, topic: str, servers: str) -> KafkaUnavailable:
    """The error for a broker's error code of a topic, by its name in the Kafka protocol."""
    if code == "UNKNOWN_TOPIC_OR_PARTITION":
        return KafkaUnavailable(
            f"topic {topic} does not exist on {servers}",
            f"create it, for example with `kafka-topics.sh --bootstrap-server {servers} --create --topic {topic}"
            " --partitions 6`",
            resumes=True,
        )
    if code == "TOPIC_AUTHORIZATION_FAILED":
        return KafkaUnavailable(
            f"topic {topic} on {servers}: not authorised", "grant this user rights to describe and use it", resumes=True
        )
    return KafkaUnavailable(f"topic {topic} on {servers}: {code}", "check the broker's log", resumes=True)


def brokers_unavailable(connection: Connection, why: str) -> KafkaUnavailable:
    """The error for brokers that do not respond, with the TLS problem if there is one."""
    hint = "check that the brokers are running, their addresses and the security settings"
    host, _, port = connection.servers[0].rpartition(":")
    encrypted = connection.settings.security_protocol.endswith("ssl")
    problem = tls_problem(host.strip("[]"), int(port), tls_context(connection) if encrypted else None)
    if problem is not None:
        why, hint = f"{connection.servers[0]} {problem.what}", TLS_HINTS[problem.setting]
    return KafkaUnavailable(f"Kafka on {connection.bootstrap} is unavailable: {why}", hint, resumes=True)


def tls_context(connection: Connection) -> ssl.SSLContext:
    """TLS context from the settings. Raises ConfigurationError if a file has no certificate or key."""
    settings = connection.settings
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"kafka: TLS certificates cannot be used: {error}",
            "set kafka.ca_file, kafka.certificate_file and kafka.key_file to PEM files",
        ) from error
    if not settings.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
