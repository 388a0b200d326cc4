"""Bounded search: searches for pages, limited in number, duration and size.

They run in the server's threads, never in the agent's, and regularly yield to it. Reaching a limit is not an error: the
matches so far are shown, with a note about the rest.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, Protocol

from shipper.model.quarantine_matches import QuarantineMatches
from shipper.model.query import Query
from shipper.outputs.base import Reader
from shipper.presentation.format import Body
from shipper.system.clock import Clock
from shipper.system.errors import StoreIncomplete, StoreUnreadable

AT_ONCE = 2
WAIT_S = 2.0
"""Maximum wait of a search for a free slot."""
LONGEST_S = 10.0
MOST_BYTES = 8 * 1024 * 1024
"""Maximum size of the entries of one page."""
TURN_S, REST_S = 0.004, 0.002
"""Seconds of work after which a search yields, and the length of its pause: the agent needs the GIL too."""
COUNT, BYTES, TIME = "count", "bytes", "time"


class Busy(Exception):
    """The maximum number of searches is running."""


class TookTooLong(Exception):
    """A search reached its deadline."""


class Matches(NamedTuple):
    """Entries of a search; `more` is the limit that ended it, None if it is complete."""

    entries: list[Body]
    more: str | None = None
    missing: str | None = None
    """What the search did not cover, other than by a limit."""


class Store(Protocol):
    """Opens readers of the store that the agent writes to."""

    def __call__(self, pause: Callable[[], None]) -> Reader:
        """Open a reader that calls `pause` while it reads. Raises ShipperError if the output is not a store."""


class Deadline:
    """Yields the GIL while a search runs, and raises at the deadline."""

    def __init__(self, clock: Clock, rest: Callable[[float], None] = time.sleep, longest: float = LONGEST_S) -> None:
        """Start the time now."""
        self._clock, self._rest = clock, rest
        self._since = clock.monotonic()
        self._until = self._since + longest

    def __call__(self) -> None:
        """Yield the GIL if it is due. Raises TookTooLong."""
        now = self._clock.monotonic()
        if now >= self._until:
            raise TookTooLong
        if now - self._since >= TURN_S:
            self._rest(REST_S)
            self._since = self._clock.monotonic()


class BoundedSearch:
    """Searches one store within limits."""

    def __init__(self, store: Store, clock: Clock, *, wait_s: float = WAIT_S, longest: float = LONGEST_S) -> None:
        """Open nothing yet."""
        self._store, self._clock, self._wait_s, self._longest = store, clock, wait_s, longest
        self._slots = threading.BoundedSemaphore(AT_ONCE)

    @contextmanager
    def slot(self) -> Iterator[Reader]:
        """Yield a reader while holding a slot. Raises Busy, ShipperError."""
        if not self._slots.acquire(timeout=self._wait_s):
            raise Busy
        try:
            yield self._store(Deadline(self._clock, longest=self._longest))
        finally:
            self._slots.release()

    def search(self, query: Query) -> Matches:
        """Run a query. Raises Busy, ShipperError."""
        with self.slot() as reader:
            limit = query.limit or 1
            return _collect(lambda: reader.search(replace(query, limit=limit + 1)), limit)

    def matching_quarantine(self, query: Query) -> QuarantineMatches:
        """Count the quarantined entries that match a query; incomplete if they cannot be searched now."""
        try:
            with self.slot() as reader:
                return reader.matching_quarantine(query)
        except (Busy, TookTooLong):
            return QuarantineMatches(complete=False)
        except StoreUnreadable as error:
            return QuarantineMatches(complete=isinstance(error.__cause__, FileNotFoundError))

    def quarantined(self, limit: int, *, reason: str | None = None, mentioning: str | None = None) -> Matches:
        """Return unreleased quarantined entries, newest first. Raises Busy, ShipperError."""
        with self.slot() as reader:
            filters = {"reason": reason, "mentioning": mentioning}
            return _collect(lambda: reader.quarantine(**filters, limit=limit + 1, newest_first=True), limit)


def _collect(read: Callable[[], Iterable[Body]], limit: int) -> Matches:
    entries: list[Body] = []
    more, size = None, 0
    try:
        for body in read():
            if len(entries) == limit:
                more = COUNT
                continue  # it is the last one: at their end a reader says what is missing
            size += weight(body)
            if size > MOST_BYTES and entries:
                return Matches(entries, BYTES)
            entries.append(body)
    except TookTooLong:
        return Matches(entries, TIME)
    except StoreIncomplete as error:
        if not entries:
            raise
        return Matches(entries, more, f"{error.what}.")
    except StoreUnreadable as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return Matches([])  # nothing was stored yet
        raise
    return Matches(entries, more)


def weight(body: Body) -> int:
    """Estimate the size of a document in characters."""
    extra = len(str(body.get("extra", "")))
    return extra + sum(len(value) if isinstance(value, str) else 32 for value in body.values())
