"""An entry: one logical log entry after `decode`, before its text is interpreted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

HttpSource = Literal["structured", "access", "off"]
"""The record of a request that counts for the request-based counters of a container."""

Paths = Literal["tolerant", "strict"]
"""How a rule's route is compared with a path: with all that servers may route alike, or as it was logged."""

RequireId = Literal["requests", "always", "never"]
"""The entries that must carry a correlation id."""


class Request(NamedTuple):
    """A request whose method and path stand in an earlier entry than its status."""

    method: str
    path: str
    status: int


class Entry(NamedTuple):
    """One or more runtime lines that belong together.

    `text` has no trailing newline; lines joined into one entry (a stack trace) are separated by newlines in it.
    `digest` covers the log's identity and the entry's first physical record, see `shipper_processors.record_id`.
    """

    text: str
    stream: str
    time: str | None
    """The runtime's time of the first line, RFC 3339 with up to nine fractional digits; None for plain files."""
    offset: int
    """Byte offset of the first raw line in its file."""
    lines: int
    """Number of physical lines of the entry."""
    digest: bytes
    broken: str | None = None
    """Reason for which the runtime's envelope could not be read; `text` then is the raw line."""
    cut: str | None = None
    """Description of the part that was cut off, where the entry exceeded a limit."""
    requests: Mapping[int, Request] | None = None
    """The requests that the entry answers, by the place of the document in the text; see `request_pairs`."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of all lines of a file, from its path, its container and the configuration."""

    path: str
    source: str
    """The log's identity, the same for every copy of it: the container, or host and path of a plain file."""
    service: str | None = None
    host: str | None = None
    container_id: str | None = None
    container_name: str | None = None
    image: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    kubernetes: dict[str, str] = field(default_factory=dict)
    """`namespace`, `pod`, `uid` and `container`, as far as the path contains them."""
    timezone: str | None = None
    """IANA name of the zone of times that name none; None: that of all logs."""
    http_source: HttpSource = "structured"
    paths: Paths = "tolerant"
    require_correlation_id: RequireId | None = None
    """The policy of this log; None: that of all logs."""
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Paths of known fields in this log's entries, tried before all others."""
    link: str | None = None
    """Path in the input's glob, if a symbolic link leads from there to the log."""
