"""The Elasticsearch output built from the settings: writing, reading, checks and installation."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from elasticsearch import Elasticsearch

from shipper.config.settings import Settings
from shipper.outputs.base import Notice, Output, OutputFactory, Retention, Step
from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.elasticsearch.client import connect, tls
from shipper.outputs.elasticsearch.kibana import ndjson
from shipper.outputs.elasticsearch.kibana_import import import_objects
from shipper.outputs.elasticsearch.output import ElasticsearchOutput
from shipper.outputs.elasticsearch.reader import ElasticsearchReader
from shipper.outputs.elasticsearch.setup import deleted_after, install
from shipper.outputs.elasticsearch.template_check import Guard
from shipper.outputs.elasticsearch.templates import template_names
from shipper.system.loopback import is_loopback
from shipper_processors.route import is_daily


@dataclass(frozen=True, slots=True)
class ElasticsearchReaders:
    """Readers of one cluster; they share a client."""

    settings: Settings
    client: Elasticsearch

    def open(self, pause: Callable[[], None] = lambda: None) -> ElasticsearchReader:
        """A reader with the shared client; its own `close` closes that too."""
        settings, index = self.settings, self.settings.index
        return ElasticsearchReader(
            settings.output, self.client, index.prefix, index.quarantine_prefix,
            target=target_of(settings), guard=guard_of(settings, self.client), pause=pause,
        )  # fmt: skip

    def close(self) -> None:
        """Close the client."""
        self.client.close()


class ElasticsearchFactory(OutputFactory):
    """`http(s)://HOST:PORT`: daily indices, or a data stream."""

    confirmation = "answers, and its index templates are in place"

    def output(self, settings: Settings) -> Output:
        """The output; nothing is sent yet."""
        options = settings.elasticsearch
        client = connect(settings.output, options)
        return ElasticsearchOutput(
            settings.output,
            client,
            guard_of(settings, client),
            DeadLetters(settings.state_dir),
            quarantine_prefix=settings.index.quarantine_prefix,
            target=target_of(settings),
            window=options.in_flight,
            request_bytes=options.request_bytes,
            retry_for=options.retry_for,
        )

    def check(self, settings: Settings) -> None:
        """Raise ShipperError where the server or its templates are not in order."""
        with closing(connect(settings.output, settings.elasticsearch)) as client:
            guard_of(settings, client).check(())

    def readers(self, settings: Settings, timeout: float | None = None) -> ElasticsearchReaders:
        """Readers with one client."""
        options = settings.elasticsearch
        if timeout is not None:
            options = options.model_copy(update={"request_timeout": timeout})
        return ElasticsearchReaders(settings, connect(settings.output, options))

    def retention(self, settings: Settings) -> Retention | None:
        """The age in the lifecycle policy of the cluster."""
        with closing(connect(settings.output, settings.elasticsearch)) as client:
            seconds = deleted_after(client, settings.output, settings.index.prefix)
        return None if seconds is None else Retention(seconds, f"the lifecycle policy of {settings.output}")

    def batches_at_once(self, settings: Settings) -> int:
        """The requests in flight."""
        return settings.elasticsearch.in_flight

    def notices(self, settings: Settings) -> Iterator[Notice]:
        """Settings of TLS without effect, and secrets that are sent in plain text."""
        options = settings.elasticsearch
        hosts = [urlsplit(host) for host in (settings.output, *options.hosts)]
        plain = [host for host in hosts if host.scheme == "http"]
        unused = [name for name in ("ca_file", "certificate_file") if getattr(options, name) is not None]
        if unused and len(plain) == len(hosts):
            what = f"elasticsearch.{unused[0]} has no effect on it: http:// speaks no TLS"
            yield Notice(what, "give https://, if the server speaks it")
        far = [host.netloc for host in plain if not is_loopback(host.hostname or "")]
        secrets = [name for name in ("api_key", "password") if getattr(options, name) is not None]
        if secrets and far:
            what = f"elasticsearch.{secrets[0]} goes to {far[0]} in plain text, for whoever listens on the way"
            yield Notice(what, "give https://, and elasticsearch.ca_file with the authority that signed")

    def installation(self, settings: Settings) -> Iterator[Step]:
        """Put index templates and lifecycle policy in place."""
        with closing(connect(settings.output, settings.elasticsearch)) as client:
            yield from install(client, settings.output, settings.index, settings.elasticsearch)

    def dashboards(self, settings: Settings, url: str) -> Iterator[str]:
        """Import the Kibana objects of these indices."""
        options = settings.elasticsearch
        context = tls(options) if urlsplit(url).scheme == "https" else None
        yield from import_objects(
            url, options, context, ndjson(settings.index.prefix, settings.index.quarantine_prefix)
        )


def guard_of(settings: Settings, client: Elasticsearch) -> Guard:
    """The checks of server and templates before anything is written."""
    required = settings.elasticsearch.require_template
    return Guard(settings.output, client, template_names(settings.index), required=required)


def target_of(settings: Settings) -> Callable[[str], str]:
    """The destination of documents of a daily index: the index, or the data stream of that name without the day."""
    prefix = settings.index.prefix
    if not settings.elasticsearch.data_stream:
        return str
    return lambda index: prefix if is_daily(index, prefix) else index


FACTORY = ElasticsearchFactory()
