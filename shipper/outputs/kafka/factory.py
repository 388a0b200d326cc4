"""The Kafka output built from the settings, and checks of its topics."""

from typing import TYPE_CHECKING

from shipper.config.settings import Settings
from shipper.outputs.base import Output
from shipper.outputs.dead_letters import DeadLetters

if TYPE_CHECKING:
    from shipper.outputs.kafka.message import Prefixes


def topic_url(settings: Settings) -> str:
    """The URL of an indexer's input."""
    return f"kafka:{settings.inputs[0].glob}"


def prefixes_of(settings: Settings) -> "Prefixes":
    """What the names of our indices begin with."""
    from shipper.outputs.kafka.message import Prefixes  # noqa: PLC0415 -- see below

    return Prefixes(settings.index.prefix, settings.index.quarantine_prefix)


def kafka_output(settings: Settings) -> Output:
    """The output of a `kafka://` URL."""
    from shipper.outputs.kafka.client import connect, topics_of  # noqa: PLC0415 -- see above
    from shipper.outputs.kafka.output import KafkaOutput  # noqa: PLC0415

    found, url = settings.kafka, settings.output
    return KafkaOutput(
        url,
        connect(url, found),
        topics_of(url, found),
        prefixes_of(settings),
        DeadLetters(settings.state_dir),
        window=found.in_flight,
        events_per_record=found.events_per_record,
    )


def check_topics(settings: Settings, url: str) -> None:
    """Raise ShipperError where a topic or its quarantine is not there."""
    from shipper.outputs.kafka.client import connect, require_topics, topics_of  # noqa: PLC0415 -- see above

    require_topics(connect(url, settings.kafka), topics_of(url, settings.kafka))
