"""Builds the Elasticsearch output from the settings: writing, reading, checks and installation."""

from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shipper.config.settings import Settings
from shipper.outputs.base import Notice, Output, OutputFactory, Retention, Step
from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.elasticsearch.answers import tls
from shipper.outputs.elasticsearch.connection import Connection
from shipper.outputs.elasticsearch.kibana import ndjson
from shipper.outputs.elasticsearch.kibana_import import import_objects
from shipper.outputs.elasticsearch.output import ElasticsearchOutput
from shipper.outputs.elasticsearch.template_check import TemplateCheck
from shipper.outputs.elasticsearch.templates import template_mappings
from shipper.system.clock import Clock
from shipper.system.loopback import is_loopback
from shipper_processors.route import MS_PER_DAY, is_daily
from shipper_processors.times import day

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from shipper.outputs.elasticsearch.reader import ElasticsearchReader


class ElasticsearchReaders:
    """Readers of one cluster that share a client, which the first one loads: an agent that nobody searches has none."""

    def __init__(self, settings: Settings) -> None:
        """Search with the connection options of `settings`. Raises ConfigurationError if its files are unusable."""
        self._settings = settings
        self._connection = Connection(settings.output, settings.elasticsearch)
        self._lock = Lock()
        self._client: Elasticsearch | None = None

    def open(self, pause: Callable[[], None] = lambda: None) -> "ElasticsearchReader":
        """A reader with the shared client; its own `close` closes that too."""
        from shipper.outputs.elasticsearch.client import connect  # noqa: PLC0415 -- loads the client library
        from shipper.outputs.elasticsearch.reader import ElasticsearchReader  # noqa: PLC0415 -- as above

        settings, index = self._settings, self._settings.index
        with self._lock:
            if self._client is None:
                self._client = connect(settings.output, settings.elasticsearch)
        return ElasticsearchReader(
            settings.output, self._client, index.prefix, index.quarantine_prefix,
            target=target_of(settings), template_check=template_check_of(settings, self._connection), pause=pause,
        )  # fmt: skip

    def close(self) -> None:
        """Close the client."""
        self._connection.close()
        if self._client is not None:
            self._client.close()


class ElasticsearchFactory(OutputFactory):
    """`http(s)://HOST:PORT`: daily indices, or a data stream."""

    confirmation = "responds, and its index templates are installed and used"

    def output(self, settings: Settings) -> Output:
        """Build the output; sends nothing."""
        options = settings.elasticsearch
        connection = Connection(settings.output, options)
        return ElasticsearchOutput(
            settings.output,
            connection,
            template_check_of(settings, connection),
            DeadLetters(settings.state_dir),
            quarantine_prefix=settings.index.quarantine_prefix,
            target=target_of(settings),
            window=options.in_flight,
            request_bytes=options.request_bytes,
            retry_for=options.retry_for,
        )

    def check(self, settings: Settings) -> None:
        """Raise ShipperError if the server or its templates are unusable."""
        with closing(Connection(settings.output, settings.elasticsearch)) as connection:
            template_check_of(settings, connection).check(next_indices(settings))

    def readers(self, settings: Settings, timeout: float | None = None) -> ElasticsearchReaders:
        """Readers with one client."""
        if timeout is not None:
            options = settings.elasticsearch.model_copy(update={"request_timeout": timeout})
            settings = settings.model_copy(update={"elasticsearch": options})
        return ElasticsearchReaders(settings)

    def retention(self, settings: Settings) -> Retention | None:
        """The age in the cluster's lifecycle policy."""
        from shipper.outputs.elasticsearch.client import connect  # noqa: PLC0415 -- loads the client library
        from shipper.outputs.elasticsearch.setup import deleted_after  # noqa: PLC0415 -- as above

        with closing(connect(settings.output, settings.elasticsearch)) as client:
            seconds = deleted_after(client, settings.output, settings.index.prefix)
        return None if seconds is None else Retention(seconds, f"the lifecycle policy of {settings.output}")

    def concurrent_batches(self, settings: Settings) -> int:
        """Number of requests in flight."""
        return settings.elasticsearch.in_flight

    def notices(self, settings: Settings) -> Iterator[Notice]:
        """Yield TLS settings without effect, and secrets that are sent in plain text."""
        options = settings.elasticsearch
        hosts = [urlsplit(host) for host in (settings.output, *options.hosts)]
        plain = [host for host in hosts if host.scheme == "http"]
        unused = [name for name in ("ca_file", "certificate_file") if getattr(options, name) is not None]
        if unused and len(plain) == len(hosts):
            what = f"elasticsearch.{unused[0]} has no effect: http:// does not use TLS"
            yield Notice(what, "use https:// if the server supports it")
        far = [host.netloc for host in plain if not is_loopback(host.hostname or "")]
        secrets = [name for name in ("api_key", "password") if getattr(options, name) is not None]
        if secrets and far:
            what = f"elasticsearch.{secrets[0]} is sent to {far[0]} in plain text"
            yield Notice(
                what, "use https://, and set elasticsearch.ca_file to the authority that signed the certificate"
            )

    def installation(self, settings: Settings) -> Iterator[Step]:
        """Install index templates and lifecycle policy. Raises ShipperError if another template overrides them."""
        from shipper.outputs.elasticsearch.client import connect  # noqa: PLC0415 -- loads the client library
        from shipper.outputs.elasticsearch.setup import install  # noqa: PLC0415 -- as above

        with closing(connect(settings.output, settings.elasticsearch)) as client:
            yield from install(client, settings.output, settings.index, settings.elasticsearch)
        with closing(Connection(settings.output, settings.elasticsearch)) as connection:
            template_check_of(settings, connection).check(next_indices(settings))

    def dashboards(self, settings: Settings, url: str) -> Iterator[str]:
        """Import the Kibana objects of these indices."""
        options = settings.elasticsearch
        context = tls(options) if urlsplit(url).scheme == "https" else None
        yield from import_objects(
            url, options, context, ndjson(settings.index.prefix, settings.index.quarantine_prefix)
        )


def template_check_of(settings: Settings, connection: Connection) -> TemplateCheck:
    """The check of server and templates before the first write."""
    required = settings.elasticsearch.require_template
    return TemplateCheck(settings.output, connection, template_mappings(settings.index), required=required)


def next_indices(settings: Settings, clock: Clock | None = None) -> set[str]:
    """The indices of today and tomorrow, which the server creates next."""
    today, target = (clock or Clock()).wall_ms() // MS_PER_DAY, target_of(settings)
    prefixes = (settings.index.prefix, settings.index.quarantine_prefix)
    return {target(f"{prefix}-{day(number)}") for prefix in prefixes for number in (today, today + 1)}


def target_of(settings: Settings) -> Callable[[str], str]:
    """Map a daily index to its write target: the index itself, or the data stream of that name without the day."""
    prefix = settings.index.prefix
    if not settings.elasticsearch.data_stream:
        return str
    return lambda index: prefix if is_daily(index, prefix) else index


FACTORY = ElasticsearchFactory()
