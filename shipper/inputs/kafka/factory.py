"""The Kafka input built from the settings: its URL, its check, and the way into the consumer group."""

from collections.abc import Callable

from shipper.config.settings import InputSettings, Settings
from shipper.inputs.kafka.consumer import Consumer, Rebalanced, group_member
from shipper.outputs.kafka.factory import CONFIRMATION, check_topics


class KafkaInput:
    """`kafka://HOST:PORT/TOPIC`: a topic that node agents write to."""

    confirmation = CONFIRMATION

    def check(self, settings: Settings, source: InputSettings) -> None:
        """Raise ShipperError where the topic or its quarantine is missing."""
        check_topics(settings, source.url)


def member_of(settings: Settings) -> Callable[[Rebalanced], Consumer]:
    """The way into the group of the indexers. Calling it raises KafkaUnavailable where a topic is missing."""
    return group_member(settings.inputs[0].url, settings.kafka)


FACTORY = KafkaInput()
