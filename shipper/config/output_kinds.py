"""Output kinds: each output, declared once by the scheme of its URL.

Settings are validated without importing the outputs, so the grammar of their URLs is here. The factory that the kind
names builds the output; `shipper.outputs.registry` imports it only for the configured output.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from shipper_schemas.invalid import Invalid

KAFKA_TOPIC = r"^[A-Za-z0-9._-]{1,249}$"
KAFKA_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class OutputKind:
    """One kind of output: its URLs, its section of the settings, and the module that builds it."""

    schemes: tuple[str, ...]
    form: str
    """Form of its URLs, for help texts."""
    title: str
    """Destination in a word or two, for messages."""
    prefixes: tuple[str, ...]
    """Prefixes of its URLs, for shell completion."""
    section: str
    """Name of its section of the settings."""
    factory: str
    """Module whose `FACTORY` is its `shipper.outputs.base.OutputFactory`."""
    validate: Callable[[str], object]
    """Raises ValueError for an invalid URL."""
    keeps: bool = True
    """True if events are stored and can be searched; a topic only passes them on to an indexer."""


class KafkaUrl(NamedTuple):
    """A `kafka:` URL: bootstrap servers as HOST:PORT, and the topic."""

    servers: tuple[str, ...]
    topic: str


def local_folder(url: str) -> Path:
    """Return the folder of `local:DIR`. Raises ValueError."""
    folder = url.partition(":")[2]
    if not folder:
        raise ValueError(expected())
    return Path(folder)


def http_url(url: str) -> str:
    """Return `url`, an HTTP server without user and query. Raises ValueError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"expected http(s)://HOST:PORT: {error}") from error
    if parts.username is not None or parts.password is not None:
        raise Invalid("credentials in the URL would appear in logs", "set elasticsearch.username and password_file")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or port == 0:
        raise ValueError("expected http(s)://HOST:PORT, such as https://elasticsearch:9200")
    return url


def kafka_url(url: str) -> KafkaUrl:
    """Parse brokers and topic of `kafka://HOST:PORT[,HOST:PORT…]/TOPIC`. Raises ValueError."""
    if "@" in url:
        raise Invalid("credentials in the URL would appear in logs", "set kafka.username and password_file")
    scheme, _, rest = url.partition("://")
    hosts, _, topic = rest.partition("/")
    servers = tuple(hosts.split(","))
    if scheme != "kafka" or not all(KAFKA_SERVER.fullmatch(server) for server in servers):
        raise ValueError("expected kafka://HOST:PORT[,HOST:PORT]/TOPIC, such as kafka://kafka:9092/logs")
    if not re.fullmatch(KAFKA_TOPIC, topic) or topic in (".", ".."):
        raise ValueError("expected a topic of letters, digits, `.`, `_` and `-`, as in kafka://kafka:9092/logs")
    return KafkaUrl(servers, topic)


OUTPUT_KINDS = [
    OutputKind(
        ("local",), "local:DIR", "a folder", ("local:",), "local", "shipper.outputs.sqlite.factory", local_folder
    ),
    OutputKind(
        ("http", "https"), "http(s)://HOST:PORT", "Elasticsearch", ("http://", "https://"), "elasticsearch",
        "shipper.outputs.elasticsearch.factory", http_url,
    ),
    OutputKind(
        ("kafka",), "kafka://HOST:PORT/TOPIC", "a topic", ("kafka://",), "kafka", "shipper.outputs.kafka.factory",
        kafka_url, keeps=False,
    ),
]  # fmt: skip
"""All kinds of output."""


def scheme(url: str) -> str:
    """Return the scheme of a URL; it is also the value of the metric label `output`."""
    return url.partition(":")[0]


def output_kind(url: str) -> OutputKind:
    """Return the kind of output of `url`. Raises ValueError for an unknown scheme."""
    for kind in OUTPUT_KINDS:
        if scheme(url) in kind.schemes:
            return kind
    raise ValueError(expected())


def expected() -> str:
    """Return the valid forms of an output URL, for a message."""
    return f"expected {_listed([f'{kind.form} ({kind.title})' for kind in OUTPUT_KINDS])}"


def forms() -> str:
    """Return the valid forms of an output URL, for a help text."""
    return _listed([kind.form for kind in OUTPUT_KINDS])


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
