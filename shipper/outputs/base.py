"""Protocols of outputs: writing, reading, and the factory that builds both from the settings."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from shipper.config.output_kinds import output_kind
from shipper.config.settings import Settings
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.model.quarantine_matches import QuarantineMatches
from shipper.model.query import Query
from shipper.system.errors import ConfigurationError


class Output(Protocol):
    """Destination of documents. Submitting is idempotent by (index, id)."""

    url: str
    window: int
    """Maximum number of batches in flight."""

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Start writing `documents`.

        The future completes once all of them are stored durably. If it fails with OutputUnavailable, some of them may
        be stored. An output that is fast and local may finish before this returns.
        """

    def close(self) -> None:
        """Abandon batches in flight, and release handles."""


def completed(written: Written) -> Future[Written]:
    """A future that already holds the result of a batch."""
    done: Future[Written] = Future()
    done.set_result(written)
    return done


class Reader(Protocol):
    """The reading side of a store, usable while the agent writes."""

    def search(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yield documents in order of time, with `_id` and `_index` added to the body. Raises StoreUnreadable."""

    def quarantine(
        self,
        *,
        reason: str | None = None,
        mentioning: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Yield quarantined entries that are not released, in order of time, each with `_id` and `_index`.

        `mentioning` selects those whose raw line contains that text.
        """

    def matching_quarantine(self, query: Query) -> QuarantineMatches:
        """Count the quarantined entries, not released, that match `query`, regardless of its limit.

        The count is bounded in entries and time, since it accompanies a search. Raises StoreUnreadable.
        """

    def release(self, index: str, document_id: str, document: Document) -> None:
        """Store `document`, then mark the quarantined entry as released. Raises ReleaseRefused."""

    def close(self) -> None:
        """Release handles."""


class Readers(Protocol):
    """Opens readers of one store that share its connection."""

    def open(self, pause: Callable[[], None] = ...) -> Reader:
        """A reader that calls `pause` regularly while it reads; `pause` may raise to end the search."""

    def close(self) -> None:
        """Close the shared connection."""


class Retention(NamedTuple):
    """The age at which a day's index is deleted, in seconds, and the setting or policy that deletes it."""

    seconds: float
    by: str


class Notice(NamedTuple):
    """Advice about a setting that works, with a hint."""

    what: str
    hint: str


class Step(NamedTuple):
    """One step of an installation and its outcome."""

    outcome: Literal["created", "updated", "unchanged", "skipped"]
    kind: str
    name: str
    remark: str = ""


class OutputFactory(ABC):
    """Builds one kind of output from the settings. Defaults describe a kind without the feature."""

    confirmation: str
    """Message of `shipper check` if `check` raises nothing."""
    no_setup: str
    """Reason that it needs no `shipper setup`, for an error message."""

    @abstractmethod
    def output(self, settings: Settings) -> Output:
        """The writing side. Raises ShipperError."""

    @abstractmethod
    def check(self, settings: Settings) -> None:
        """Raise ShipperError if the server does not accept writes."""

    @abstractmethod
    def readers(self, settings: Settings, timeout: float | None = None) -> Readers:
        """The reading side; `timeout` in seconds overrides the server's request timeout.

        Raises ConfigurationError if the output cannot be searched.
        """

    def retention(self, settings: Settings) -> Retention | None:  # noqa: ARG002 -- for those that override it
        """The age at which a day's index is deleted; None if it is kept forever. Raises ShipperError."""
        return None

    def maintenance(self, settings: Settings, output: Output) -> Callable[[int], None] | None:  # noqa: ARG002
        """A task to call periodically with the time in milliseconds; None if the server does its own maintenance."""
        return None

    def concurrent_batches(self, settings: Settings) -> int:  # noqa: ARG002
        """Number of batches that share `tail.batch_bytes`."""
        return 1

    def changed(self, settings: Settings, before: Settings, *, files: bool) -> bool:
        """Return True if a running agent needs a new output; `files`: a secret or certificate changed."""
        return files or section(settings) != section(before)

    def folder(self, settings: Settings) -> Path | None:  # noqa: ARG002
        """The local folder that it writes to; None for a server."""
        return None

    def notices(self, settings: Settings) -> Iterator[Notice]:  # noqa: ARG002
        """Yield advice for `shipper check` about a usable output."""
        yield from ()

    def installation(self, settings: Settings) -> Iterator[Step]:
        """Prepare a server, step by step. Raises ShipperError; ConfigurationError if there is nothing to prepare."""
        raise ConfigurationError(
            f"output {settings.output} needs no setup: {self.no_setup}",
            "set --output http(s)://HOST:PORT to an Elasticsearch server",
        )

    def dashboards(self, settings: Settings, url: str) -> Iterator[str]:  # noqa: ARG002 -- as above
        """Import dashboards into the Kibana at `url`, and yield a line for each import. Raises ShipperError."""
        raise ConfigurationError(f"output {settings.output} has no dashboards in Kibana", "remove --kibana")


def section(settings: Settings) -> object:
    """The section of the settings that belongs to the output in use."""
    return getattr(settings, output_kind(settings.output).section)
