"""The Kafka output built from the settings, and the check of its topics."""

from typing import NoReturn

from shipper.config.settings import Settings
from shipper.outputs.base import Output, OutputFactory
from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.kafka.client import connect, require_topics, topics_of
from shipper.outputs.kafka.message import Prefixes
from shipper.outputs.kafka.output import KafkaOutput
from shipper.system.errors import ConfigurationError

CONFIRMATION = "both topics are there"


class KafkaFactory(OutputFactory):
    """`kafka://HOST:PORT/TOPIC`: a topic that indexers read."""

    confirmation = CONFIRMATION
    no_setup = "topics are created with the tools of Kafka"

    def output(self, settings: Settings) -> Output:
        """The output; it connects with the first batch."""
        options, url = settings.kafka, settings.output
        return KafkaOutput(
            url,
            connect(url, options),
            topics_of(url, options),
            prefixes_of(settings),
            DeadLetters(settings.state_dir),
            window=options.in_flight,
            events_per_record=options.events_per_record,
        )

    def check(self, settings: Settings) -> None:
        """Raise ShipperError where the topic or its quarantine is missing."""
        check_topics(settings, settings.output)

    def readers(self, settings: Settings, timeout: float | None = None) -> NoReturn:  # noqa: ARG002 -- nothing is read
        """Raise ConfigurationError: a topic is not searched."""
        raise ConfigurationError(
            f"{settings.output} is a topic, and topics are not searched",
            "give --output the store that its indexer writes to: http(s)://HOST:PORT or local:DIR",
        )


def prefixes_of(settings: Settings) -> Prefixes:
    """The prefixes of our indices' names."""
    return Prefixes(settings.index.prefix, settings.index.quarantine_prefix)


def check_topics(settings: Settings, url: str) -> None:
    """Raise ShipperError where the topic of `url` or its quarantine is missing."""
    require_topics(connect(url, settings.kafka), topics_of(url, settings.kafka))


FACTORY = KafkaFactory()
