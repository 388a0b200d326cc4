"""Finding: searches for pages, within bounds: how many at once, for how long, how much of it.

They run in the server's threads and never in the agent's, and let that one go first again and again. One that comes
to its bounds is no error: what was found until then is shown, with what to do about the rest.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, Protocol

from shipper.model.query import Query
from shipper.outputs.base import Reader
from shipper.presentation.format import Body
from shipper.system.clock import Clock
from shipper.system.errors import StoreUnreadable

AT_ONCE = 2
PATIENCE_S = 2.0
"""How long a search waits for one before it to end."""
LONGEST_S = 10.0
MOST_BYTES = 8 * 1024 * 1024
"""What the entries of one page may come to."""
TURN_S, REST_S = 0.004, 0.002
"""After how long a search gives way, and for how long: the interpreter has one lock, and the agent wants it too."""
COUNT, BYTES, TIME = "count", "bytes", "time"


class Busy(Exception):
    """As many searches as may run are running."""


class TookTooLong(Exception):
    """A search was ended."""


class Found(NamedTuple):
    """What a search found within its bounds; `more` tells which of them ended it, None where that is all."""

    entries: list[Body]
    more: str | None = None


class Store(Protocol):
    """Makes readers of the store that the agent writes to."""

    def __call__(self, pause: Callable[[], None]) -> Reader:
        """A reader that calls `pause` while it reads. Raises ShipperError where the output is no store."""


class Deadline:
    """Called while a search works: lets others go first, and ends what takes too long."""

    def __init__(self, clock: Clock, rest: Callable[[float], None] = time.sleep, longest: float = LONGEST_S) -> None:
        """The time begins now."""
        self._clock, self._rest = clock, rest
        self._since = clock.monotonic()
        self._until = self._since + longest

    def __call__(self) -> None:
        """Raises TookTooLong."""
        now = self._clock.monotonic()
        if now >= self._until:
            raise TookTooLong
        if now - self._since >= TURN_S:
            self._rest(REST_S)
            self._since = self._clock.monotonic()


class Finding:
    """Searches one store."""

    def __init__(self, store: Store, clock: Clock, *, patience: float = PATIENCE_S, longest: float = LONGEST_S) -> None:
        """Nothing is opened yet."""
        self._store, self._clock, self._patience, self._longest = store, clock, patience, longest
        self._places = threading.BoundedSemaphore(AT_ONCE)

    @contextmanager
    def admitted(self) -> Iterator[Reader]:
        """A reader, for as long as one of the places is held. Raises Busy, ShipperError."""
        if not self._places.acquire(timeout=self._patience):
            raise Busy
        try:
            yield self._store(Deadline(self._clock, longest=self._longest))
        finally:
            self._places.release()

    def search(self, query: Query) -> Found:
        """What a query finds. Raises Busy, ShipperError."""
        with self.admitted() as reader:
            limit = query.limit or 1
            return _within(lambda: reader.search(replace(query, limit=limit + 1)), limit)

    def quarantined(self, limit: int, *, reason: str | None = None, mentioning: str | None = None) -> Found:
        """Refused entries that were not released, the newest first. Raises Busy, ShipperError."""
        with self.admitted() as reader:
            asked = {"reason": reason, "mentioning": mentioning}
            return _within(lambda: reader.quarantine(**asked, limit=limit + 1, newest_first=True), limit)


def _within(find: Callable[[], Iterable[Body]], limit: int) -> Found:
    entries: list[Body] = []
    taken = 0
    try:
        for body in find():
            if len(entries) == limit:
                return Found(entries, COUNT)
            taken += weight(body)
            if taken > MOST_BYTES and entries:
                return Found(entries, BYTES)
            entries.append(body)
    except TookTooLong:
        return Found(entries, TIME)
    except StoreUnreadable as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return Found([])  # nothing was stored yet
        raise
    return Found(entries)


def weight(body: Body) -> int:
    """About how many characters a document holds."""
    extra = len(str(body.get("extra", "")))
    return extra + sum(len(value) if isinstance(value, str) else 32 for value in body.values())
