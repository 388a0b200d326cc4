"""The outputs by URL: output, reader, check and retention."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from shipper.config.settings import Settings
from shipper.outputs.base import Output, Reader
from shipper.outputs.elasticsearch.factory import elasticsearch_output, guard_of, is_elasticsearch, target_of
from shipper.outputs.kafka.factory import check_topics, kafka_output
from shipper.outputs.sqlite.factory import local_directory
from shipper.outputs.sqlite.output import LocalStore
from shipper.outputs.sqlite.reader import LocalReader
from shipper.system.errors import ConfigurationError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

SEARCH_S = 10.0
"""How long a page waits for one answer of a cluster."""


def output_of(settings: Settings) -> Output:
    """The output that the URL names."""
    if is_elasticsearch(settings):
        return elasticsearch_output(settings)
    if settings.output.startswith("kafka:"):
        return kafka_output(settings)
    return LocalStore(local_directory(settings), settings.index.quarantine_prefix)


def check_output(settings: Settings) -> None:
    """Raise ShipperError where the output could not be written to now, whatever was sent."""
    if is_elasticsearch(settings):
        from shipper.outputs.elasticsearch.client import connect  # noqa: PLC0415 -- see above

        client = connect(settings.output, settings.elasticsearch)
        try:
            guard_of(settings, client).check(())
        finally:
            client.close()
    elif settings.output.startswith("kafka:"):
        check_topics(settings, settings.output)


def retention(settings: Settings) -> tuple[float, str] | None:
    """After how many seconds a day's index is deleted, and by whom; None where nothing deletes it."""
    if is_elasticsearch(settings):
        from shipper.outputs.elasticsearch.client import connect  # noqa: PLC0415 -- see above
        from shipper.outputs.elasticsearch.setup import deleted_after  # noqa: PLC0415

        client = connect(settings.output, settings.elasticsearch)
        try:
            seconds = deleted_after(client, settings.output, settings.index.prefix)
        finally:
            client.close()
        return None if seconds is None else (seconds, f"the lifecycle policy of {settings.output}")
    days = settings.local.retention_days if settings.output.startswith("local:") else None
    return None if days is None else (days * 86_400.0, "local.retention_days")


def reader(
    settings: Settings, pause: Callable[[], None] = lambda: None, client: "Elasticsearch | None" = None
) -> Reader:
    """The reading side of the store that the output URL names; `client` where there is one already."""
    if is_elasticsearch(settings):
        from shipper.outputs.elasticsearch.client import connect  # noqa: PLC0415 -- see above
        from shipper.outputs.elasticsearch.reader import ElasticsearchReader  # noqa: PLC0415

        client = client or connect(settings.output, settings.elasticsearch)
        index, guard = settings.index, guard_of(settings, client)
        return ElasticsearchReader(
            settings.output, client, index.prefix, index.quarantine_prefix,
            target=target_of(settings), guard=guard, pause=pause,
        )  # fmt: skip
    if settings.output.startswith("kafka:"):
        raise ConfigurationError(
            f"{settings.output} is a topic, and topics are not searched",
            "give --output the store that its indexer writes to: http(s)://HOST:PORT or local:DIR",
        )
    index = settings.index
    return LocalReader(local_directory(settings), index.prefix, index.quarantine_prefix, pause=pause)
