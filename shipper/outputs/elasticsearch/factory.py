"""The Elasticsearch output built from the settings, and its installation."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from shipper.config.settings import Settings
from shipper.outputs.base import Output
from shipper.outputs.dead_letters import DeadLetters
from shipper_processors.route import is_daily

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from shipper.outputs.elasticsearch.setup import Step
    from shipper.outputs.elasticsearch.template_check import Guard


def is_elasticsearch(settings: Settings) -> bool:
    """Whether the output URL names a cluster."""
    return settings.output.startswith(("http:", "https:"))


def elasticsearch_output(settings: Settings) -> Output:
    """The output of a `http(s)://` URL."""
    from shipper.outputs.elasticsearch.client import connect  # noqa: PLC0415 -- slow to load, and often not needed
    from shipper.outputs.elasticsearch.output import ElasticsearchOutput  # noqa: PLC0415

    found = settings.elasticsearch
    client = connect(settings.output, found)
    return ElasticsearchOutput(
        settings.output,
        client,
        guard_of(settings, client),
        DeadLetters(settings.state_dir),
        quarantine_prefix=settings.index.quarantine_prefix,
        target=target_of(settings),
        window=found.in_flight,
        request_bytes=found.request_bytes,
        retry_for=found.retry_for,
    )


def guard_of(settings: Settings, client: "Elasticsearch") -> "Guard":
    """What is looked at before anything is written."""
    from shipper.outputs.elasticsearch.template_check import Guard  # noqa: PLC0415 -- see above
    from shipper.outputs.elasticsearch.templates import template_names  # noqa: PLC0415

    required = settings.elasticsearch.require_template
    return Guard(settings.output, client, template_names(settings.index), required=required)


def target_of(settings: Settings) -> Callable[[str], str]:
    """Where documents of a daily index are written: there, or to the data stream of that name without the day."""
    prefix = settings.index.prefix
    if not settings.elasticsearch.data_stream:
        return str
    return lambda index: prefix if is_daily(index, prefix) else index


def installation(settings: Settings) -> Iterator["Step"]:
    """Puts in place what the cluster needs before anything is written, step by step."""
    from shipper.outputs.elasticsearch.client import connect  # noqa: PLC0415 -- see above
    from shipper.outputs.elasticsearch.setup import install  # noqa: PLC0415

    client = connect(settings.output, settings.elasticsearch)
    try:
        yield from install(client, settings.output, settings.index, settings.elasticsearch)
    finally:
        client.close()


def kibana_import(settings: Settings, url: str) -> Iterator[str]:
    """Imports the Kibana objects of these indices."""
    from shipper.outputs.elasticsearch.client import tls  # noqa: PLC0415 -- see above
    from shipper.outputs.elasticsearch.kibana import ndjson  # noqa: PLC0415
    from shipper.outputs.elasticsearch.kibana_import import import_objects  # noqa: PLC0415

    found = settings.elasticsearch
    context = tls(found) if url.startswith("https:") else None
    yield from import_objects(url, found, context, ndjson(settings.index.prefix, settings.index.quarantine_prefix))
