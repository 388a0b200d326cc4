"""Base of all outputs: writing, reading, and the factory that builds both from the settings."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from shipper.config.output_kinds import output_kind
from shipper.config.settings import Settings
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.model.query import Query
from shipper.system.errors import ConfigurationError


class Output(Protocol):
    """Where documents go. Submitting is idempotent by (index, id)."""

    url: str
    window: int
    """How many batches may be on their way at once."""

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Send `documents` on their way.

        The result comes once all of them are stored durably; OutputUnavailable in its place leaves it open which of
        them were. An output that is fast and local may do all of it before it returns.
        """

    def close(self) -> None:
        """Give up what is on its way, and release handles."""


def settled(written: Written) -> Future[Written]:
    """The result of a batch that needed no waiting."""
    done: Future[Written] = Future()
    done.set_result(written)
    return done


class Reader(Protocol):
    """The reading side of a store, usable while the agent writes."""

    def search(self, query: Query) -> Iterator[dict[str, Any]]:
        """Documents in the order of their time; each has `_id` and `_index` beside the body. Raises StoreUnreadable."""

    def quarantine(
        self,
        *,
        reason: str | None = None,
        mentioning: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Quarantined entries not yet released, in the order of their time, each with `_id` and `_index`.

        `mentioning` leaves those whose raw line holds that text.
        """

    def release(self, index: str, document_id: str, document: Document) -> None:
        """Store `document` and mark the quarantined entry released, in that order. Raises ReleaseRefused."""

    def close(self) -> None:
        """Release handles."""


class Readers(Protocol):
    """Opens readers of one store; they share the connection to it."""

    def open(self, pause: Callable[[], None] = ...) -> Reader:
        """A reader that calls `pause` again and again while it reads; `pause` may raise to end that."""

    def close(self) -> None:
        """Close the shared connection."""


class Retention(NamedTuple):
    """The age at which a day's index is deleted, in seconds, and the setting or policy that deletes it."""

    seconds: float
    by: str


class Notice(NamedTuple):
    """Something that works, and is worth knowing; with a hint."""

    what: str
    hint: str


class Step(NamedTuple):
    """One step of an installation and its outcome."""

    outcome: Literal["created", "updated", "unchanged", "left out"]
    kind: str
    name: str
    remark: str = ""


class OutputFactory(ABC):
    """One kind of output, built from the settings. What a kind does not override, it does not have."""

    confirmation: str
    """The finding of `shipper check` where `check` raises nothing."""
    no_setup: str
    """The reason that it needs no `shipper setup`, for a message."""

    @abstractmethod
    def output(self, settings: Settings) -> Output:
        """The writing side. Raises ShipperError."""

    @abstractmethod
    def check(self, settings: Settings) -> None:
        """Raise ShipperError where a server could not be written to now, whatever was sent."""

    @abstractmethod
    def readers(self, settings: Settings, timeout: float | None = None) -> Readers:
        """The reading side; `timeout` in seconds replaces that of a server's requests.

        Raises ConfigurationError where it cannot be searched.
        """

    def retention(self, settings: Settings) -> Retention | None:  # noqa: ARG002 -- for those that override it
        """The age at which a day's index is deleted; None where nothing deletes it. Raises ShipperError."""
        return None

    def upkeep(self, settings: Settings, output: Output) -> Callable[[int], None] | None:  # noqa: ARG002
        """A task to call now and then with the wall clock's milliseconds; None where a server does it."""
        return None

    def batches_at_once(self, settings: Settings) -> int:  # noqa: ARG002
        """The number of batches that share `tail.batch_bytes`."""
        return 1

    def changed(self, settings: Settings, before: Settings, *, files: bool) -> bool:
        """Return whether a running agent needs a new output; `files`: a secret or certificate changed."""
        return files or section(settings) != section(before)

    def folder(self, settings: Settings) -> Path | None:  # noqa: ARG002
        """The folder of this machine that it writes to; None where it writes to a server."""
        return None

    def notices(self, settings: Settings) -> Iterator[Notice]:  # noqa: ARG002
        """Facts about a usable output that `shipper check` points out."""
        yield from ()

    def installation(self, settings: Settings) -> Iterator[Step]:
        """Prepare a server, step by step. Raises ShipperError, ConfigurationError where there is nothing to prepare."""
        raise ConfigurationError(
            f"output {settings.output} needs no setup: {self.no_setup}",
            "give --output http(s)://HOST:PORT, an Elasticsearch server",
        )

    def dashboards(self, settings: Settings, url: str) -> Iterator[str]:  # noqa: ARG002 -- as above
        """Import dashboards into the Kibana at `url`, a line each. Raises ShipperError."""
        raise ConfigurationError(f"output {settings.output} has no dashboards in Kibana", "leave --kibana out")


def section(settings: Settings) -> object:
    """The section of the settings that belongs to the output in use."""
    return getattr(settings, output_kind(settings.output).section)
