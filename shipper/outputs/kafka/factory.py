"""Builds the Kafka output from the settings, and checks its topics."""

from typing import NoReturn

from shipper.config.settings import Settings
from shipper.outputs.base import Output, OutputFactory
from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.kafka.client import connect, require_topics, topics_of
from shipper.outputs.kafka.message import Prefixes
from shipper.outputs.kafka.output import KafkaOutput
from shipper.system.errors import ConfigurationError

CONFIRMATION = "both topics exist"


class KafkaFactory(OutputFactory):
    """`kafka://HOST:PORT/TOPIC`: a topic that indexers read."""

    confirmation = CONFIRMATION
    no_setup = "create the topics with Kafka's own tools"

    def output(self, settings: Settings) -> Output:
        """Build the output; it connects at the first batch."""
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
        """Raise ShipperError if the topic or its quarantine topic is missing."""
        check_topics(settings, settings.output)

    def readers(self, settings: Settings, timeout: float | None = None) -> NoReturn:  # noqa: ARG002 -- always raises
        """Raise ConfigurationError: a topic cannot be searched."""
        raise ConfigurationError(
            f"{settings.output} is a Kafka topic, which cannot be searched",
            "set --output to the store that its indexer writes to: http(s)://HOST:PORT or local:DIR",
        )


def prefixes_of(settings: Settings) -> Prefixes:
    """The configured prefixes of index names."""
    return Prefixes(settings.index.prefix, settings.index.quarantine_prefix)


def check_topics(settings: Settings, url: str) -> None:
    """Raise ShipperError if the topic of `url` or its quarantine topic is missing."""
    require_topics(connect(url, settings.kafka), topics_of(url, settings.kafka))


FACTORY = KafkaFactory()
