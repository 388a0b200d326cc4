"""The Kafka indexer built from the settings."""

from typing import TYPE_CHECKING

from shipper.bootstrap.build_inputs import pace
from shipper.bootstrap.build_pipeline import redactor_of, skew_of
from shipper.config.settings import Settings
from shipper.metrics.registry import Ledger
from shipper.outputs.kafka.factory import prefixes_of, topic_url
from shipper.outputs.registry import output_of
from shipper.outputs.sqlite.factory import upkeep_of
from shipper.system.clock import Clock

if TYPE_CHECKING:
    from shipper.agent.indexer import Indexer
    from shipper.agent.indexer_status import IndexerVitals


def indexer(settings: Settings, clock: Clock) -> "Indexer":
    """The indexer that `settings` describe; it connects when it runs. Raises ShipperError."""
    from shipper.agent.indexer import DECLARED as ITS_OWN  # noqa: PLC0415 -- see below
    from shipper.agent.indexer import METRICS as ITS_METRICS  # noqa: PLC0415
    from shipper.agent.indexer import Indexer  # noqa: PLC0415
    from shipper.agent.kafka_messages import Translate  # noqa: PLC0415
    from shipper.agent.upkeep import Upkeep  # noqa: PLC0415
    from shipper.delivery.loop import Delivery  # noqa: PLC0415
    from shipper.outputs.kafka.client import connect, group_member, topics_of  # noqa: PLC0415

    url = topic_url(settings)
    ledger = Ledger({metric.name: metric for metric in ITS_METRICS})
    ledger.declare(ITS_OWN, clock.wall_ms() / 1000)
    translate = Translate.of(prefixes_of(settings), redactor_of(settings), settings.host, skew_of(settings))
    join = group_member(connect(url, settings.kafka), topics_of(url, settings.kafka))
    output = output_of(settings)
    upkeep = Upkeep(upkeep_of(settings, output))
    return Indexer(join, translate, Delivery(output, ledger, clock), ledger, clock, pace(settings), upkeep)


def indexer_vitals(settings: Settings, found: "Indexer") -> "IndexerVitals":
    """What the indexer shows of itself."""
    from shipper.agent.indexer_status import IndexerVitals  # noqa: PLC0415 -- see below

    health, kind = settings.health, settings.output.partition(":")[0]
    return IndexerVitals(found, topic_url(settings), settings.kafka.group, kind, health.stuck_after, health.max_lag)
