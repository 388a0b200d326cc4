"""Kafka input built from the settings: connection check and membership of the consumer group."""

from collections.abc import Callable

from shipper.config.settings import InputSettings, Settings
from shipper.inputs.kafka.consumer import Consumer, Rebalanced, group_member
from shipper.outputs.kafka.factory import CONFIRMATION, check_topics


class KafkaInput:
    """Input `kafka://HOST:PORT/TOPIC`: a topic that node agents write to."""

    confirmation = CONFIRMATION

    def check(self, settings: Settings, source: InputSettings) -> None:
        """Raise ShipperError if the topic or its quarantine topic is missing."""
        check_topics(settings, source.url)


def member_of(settings: Settings) -> Callable[[Rebalanced], Consumer]:
    """Return a function that joins the indexers' group; it raises KafkaUnavailable if a topic is missing."""
    return group_member(settings.inputs[0].url, settings.kafka)


FACTORY = KafkaInput()
