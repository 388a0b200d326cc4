"""A search over a store."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """A search. Times are milliseconds since the epoch, `since` inclusive, `until` exclusive."""

    correlation_id: str | None = None
    """The correlation id or the trace id."""
    event: str | None = None
    level: str | None = None
    """This level and the more severe ones."""
    container: str | None = None
    """Container name, or the beginning of its id, or a service name."""
    text: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int | None = 100
    newest_first: bool = False
