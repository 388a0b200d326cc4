"""Client: the producer's end of Kafka as a port, and the library behind it.

Two libraries do the same job: confluent-kafka costs a fraction of the CPU and needs a compiled wheel, kafka-python is
plain Python and always there. See docs/decisions/0009-kafka-clients.md.
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
from shipper.outputs.tls_probe import trouble_with
from shipper.system.clock import Clock
from shipper.system.errors import NOTHING_LOST, ConfigurationError, ShipperError

MODULES = {"confluent": "confluent_kafka", "kafka-python": "kafka"}
BACKENDS = {"confluent": "shipper.outputs.kafka.confluent", "kafka-python": "shipper.outputs.kafka.kafka_python"}
DIAGNOSIS_S = 5.0
"""How long a first connection, or looking for the cause of a failure, may take, in seconds."""
COMMIT_S = 5.0
"""How long a commit, or leaving the group, may take, in seconds."""
BATCH_BYTES = 128 * 1024
"""What goes to one partition together."""


class KafkaUnavailable(ShipperError):
    """A broker does not do now what is asked of it; asking again later may help."""


CURES = {
    "ca_file": "name the authority that signed it with kafka.ca_file, and the host as the certificate does",
    "certificate_file": "give one that it trusts with kafka.certificate_file and kafka.key_file",
    "plain": "correct kafka.security_protocol, or give the port that speaks TLS",
    "tls": "correct kafka.security_protocol, or give the port that speaks plain text",
}
"""By the setting that mends what stands in the way of TLS."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Which brokers, and how to talk to them."""

    servers: tuple[str, ...]
    settings: KafkaSettings = field(default_factory=KafkaSettings)
    clock: Clock = field(default_factory=Clock)

    @property
    def bootstrap(self) -> str:
        """The brokers to ask first, as both libraries take them."""
        return ",".join(self.servers)

    @property
    def password(self) -> str | None:
        """The password of SASL."""
        secret = self.settings.password
        return None if secret is None else secret.get_secret_value()


class Producer(Protocol):
    """Sends messages with acks=all and idempotence; for any number of threads."""

    def deliver(self, messages: Iterable[Message]) -> list[Message]:
        """Send `messages` and wait until each is acknowledged by all in-sync replicas.

        Gives those refused for their size, or for that of another with which they were sent: after such an answer, and
        after KafkaUnavailable, which comes at the latest with the delivery timeout and leaves it open which of them
        arrived, the producer is of no more use.
        """

    def close(self) -> None:
        """Give up what is on its way, at once."""


class Client(Protocol):
    """One of the libraries, for one cluster."""

    name: str
    servers: str
    """The brokers to ask first."""

    def producer(self, *, alone: bool = False) -> Producer:
        """A producer; with `alone`, one that sends each message by itself. Raises KafkaUnavailable."""

    def partitions(self, topics: Sequence[str]) -> dict[str, int | str]:
        """How many partitions each topic has, or the broker's word for why that cannot be told.

        Raises KafkaUnavailable.
        """


def connect(url: str, settings: KafkaSettings) -> Client:
    """The client that the settings choose, not connected yet. Raises ConfigurationError where it is not installed."""
    connection, name = connection_of(url, settings), chosen(settings)
    make: Callable[[Connection], Client] = import_module(BACKENDS[name]).connect
    return make(connection)


def connection_of(url: str, settings: KafkaSettings) -> Connection:
    """The brokers of a URL and the settings for them. Raises ConfigurationError where a file cannot be read."""
    for path in (settings.ca_file, settings.certificate_file, settings.key_file):
        require_readable(path)
    return Connection(kafka_url(url).servers, settings)


def chosen(settings: KafkaSettings) -> str:
    """The library to use. Raises ConfigurationError where it is not installed."""
    if settings.client == "auto":
        return "confluent" if find_spec(MODULES["confluent"]) else "kafka-python"
    if find_spec(MODULES[settings.client]) is None:
        raise ConfigurationError(
            f"kafka.client is {settings.client}, and {MODULES[settings.client]} is not installed",
            "install shipper-agent[kafka], or give kafka.client: auto",
        )
    return settings.client


def require_readable(path: Path | None) -> None:
    """Raise ConfigurationError where a file that the connection needs cannot be read."""
    if path is None:
        return
    try:
        path.open("rb").close()
    except OSError as error:
        what = f"{path}, which the connection to Kafka needs, cannot be read: {error.strerror}"
        raise ConfigurationError(what, "correct its path in the configuration, or its permissions") from error


def topics_of(url: str, settings: KafkaSettings) -> Topics:
    """Topics of events and of refused entries."""
    topic = kafka_url(url).topic
    return Topics(topic, settings.quarantine_topic or f"{topic}-quarantine")


def require_topics(client: Client, topics: Iterable[str]) -> None:
    """Raise KafkaUnavailable where one of `topics` is not there or is closed to this user."""
    for topic, found in client.partitions(list(topics)).items():
        if isinstance(found, str):
            raise refusal(found, topic, client.servers)


def refusal(code: str, topic: str, servers: str) -> KafkaUnavailable:
    """The error for a broker's refusal of a topic, by the name of its code as the Kafka protocol spells it."""
    if code == "UNKNOWN_TOPIC_OR_PARTITION":
        return KafkaUnavailable(
            f"topic {topic} does not exist on {servers}",
            f"create it, such as with `kafka-topics.sh --bootstrap-server {servers} --create --topic {topic}"
            f" --partitions 6`; {NOTHING_LOST}",
        )
    if code == "TOPIC_AUTHORIZATION_FAILED":
        return KafkaUnavailable(
            f"topic {topic} on {servers}: not authorised", f"allow this user to describe and use it; {NOTHING_LOST}"
        )
    return KafkaUnavailable(f"topic {topic} on {servers}: {code}", f"look at the broker's log; {NOTHING_LOST}")


def away(connection: Connection, why: str) -> KafkaUnavailable:
    """The error for brokers that do not answer; where TLS is the reason, it is told."""
    hint = f"start one, or correct the address or the security; {NOTHING_LOST}"
    host, _, port = connection.servers[0].rpartition(":")
    encrypted = connection.settings.security_protocol.endswith("ssl")
    trouble = trouble_with(host.strip("[]"), int(port), tls_context(connection) if encrypted else None)
    if trouble is not None:
        why, hint = f"{connection.servers[0]} {trouble.what}", f"{CURES[trouble.setting]}; {NOTHING_LOST}"
    return KafkaUnavailable(f"no broker of {connection.bootstrap} answers: {why}", hint)


def tls_context(connection: Connection) -> ssl.SSLContext:
    """TLS as the settings ask for it. Raises ConfigurationError where a file holds no certificate or key."""
    settings = connection.settings
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"kafka: certificates cannot be used: {error}", "give PEM files in ca_file, certificate_file and key_file"
        ) from error
    if not settings.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
