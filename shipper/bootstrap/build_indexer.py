"""The Kafka indexer built from the settings."""

from shipper.agent.indexer import Indexer
from shipper.agent.indexer_status import IndexerPublisher
from shipper.agent.kafka_messages import Translate
from shipper.agent.maintenance import Maintenance
from shipper.bootstrap.build_inputs import pace
from shipper.bootstrap.build_pipeline import redactor_of, skew_of
from shipper.config.output_kinds import scheme
from shipper.config.settings import Settings
from shipper.delivery.loop import Delivery
from shipper.inputs.kafka.factory import member_of
from shipper.metrics import catalogue
from shipper.metrics.registry import Ledger
from shipper.outputs import registry
from shipper.outputs.kafka.factory import prefixes_of
from shipper.system.clock import Clock


def indexer(settings: Settings, clock: Clock) -> Indexer:
    """Build the indexer; it connects when it runs. Raises ShipperError."""
    ledger = Ledger({metric.name: metric for metric in catalogue.saved("indexer")})
    ledger.declare(catalogue.from_zero("indexer"), clock.wall_ms() / 1000)
    translate = Translate.of(prefixes_of(settings), redactor_of(settings), settings.host, skew_of(settings))
    join = member_of(settings)
    output = registry.output_of(settings)
    maintenance = Maintenance(registry.maintenance_of(settings, output))
    return Indexer(join, translate, Delivery(output, ledger, clock), ledger, clock, pace(settings), maintenance)


def indexer_publisher(settings: Settings, indexer: Indexer) -> IndexerPublisher:
    """Build the publisher of the indexer's snapshot, which pages and metrics read."""
    health, url = settings.health, settings.inputs[0].url
    kind = scheme(settings.output)
    return IndexerPublisher(indexer, url, settings.kafka.group, kind, health.stuck_after, health.max_lag)
