"""Bounded search: limited in number, duration and size."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from shipper.model.query import Query
from shipper.system.errors import StoreIncomplete, StoreUnreadable
from shipper.web.pages.bounded_search import AT_ONCE, MOST_BYTES, BoundedSearch, Busy, Deadline, TookTooLong
from tests.web.pages.rig import Memory, StillClock, event


def test_the_number_of_concurrent_searches_is_limited() -> None:
    """The next search is rejected until one has ended."""
    searches = BoundedSearch(Memory([event(1, "x")]), StillClock(), wait_s=0)
    held = [searches.slot() for _ in range(AT_ONCE)]
    for one in held:
        one.__enter__()
    with pytest.raises(Busy):
        searches.search(Query(limit=5))
    held[0].__exit__(None, None, None)
    assert len(searches.search(Query(limit=5)).entries) == 1
    held[1].__exit__(None, None, None)


def test_a_failed_search_releases_its_slot() -> None:
    """An unavailable store does not block the page forever."""
    store = Memory(broken=StoreUnreadable("unavailable"))
    searches = BoundedSearch(store, StillClock(), wait_s=0)
    for _ in range(AT_ONCE + 1):
        with pytest.raises(StoreUnreadable):
            searches.search(Query(limit=5))


def test_a_search_waits_for_a_slot_before_it_is_rejected() -> None:
    """Two people who search at the same moment both get a result."""
    searches = BoundedSearch(Memory([event(1, "x")]), StillClock(), wait_s=30)
    held = [searches.slot() for _ in range(AT_ONCE)]
    for one in held:
        one.__enter__()
    sizes: list[int] = []
    waiting = threading.Thread(target=lambda: sizes.append(len(searches.search(Query(limit=5)).entries)))
    waiting.start()
    held[0].__exit__(None, None, None)
    waiting.join(30)
    assert sizes == [1]


def test_a_long_search_ends_with_its_matches_so_far() -> None:
    """The result says that there may be more."""
    clock = StillClock()

    class Slow(Memory):
        def search(self, query: Query) -> Iterator[dict[str, Any]]:
            for body in super().search(query):
                yield body
                clock.now += 4

    matches = BoundedSearch(Slow([event(second, "x") for second in range(9)]), clock).search(Query(limit=9))
    assert (len(matches.entries), matches.more) == (3, "time")


def test_a_search_yields_to_other_threads() -> None:
    """It pauses after every few milliseconds of work."""
    clock, rests = StillClock(), list[float]()
    deadline = Deadline(clock, rests.append, longest=1)
    deadline()
    assert rests == []
    clock.now += 0.01
    deadline()
    deadline()
    assert len(rests) == 1
    clock.now += 1
    with pytest.raises(TookTooLong):
        deadline()


def test_large_entries_end_a_page_early() -> None:
    """A search cannot fill the agent's memory; one entry is always shown."""
    large = "m" * (MOST_BYTES // 3)
    matches = BoundedSearch(Memory([event(second, "x", message=large) for second in range(9)]), StillClock()).search(
        Query(limit=9)
    )
    assert (len(matches.entries), matches.more) == (2, "bytes")
    alone = BoundedSearch(Memory([event(1, "x", message=large * 4)]), StillClock()).search(Query(limit=9))
    assert (len(alone.entries), alone.more) == (1, None)


def test_a_reached_limit_is_reported_only_if_there_is_more() -> None:
    """A result of exactly the limit is complete."""
    store = Memory([event(second, "x") for second in range(5)])
    assert BoundedSearch(store, StillClock()).search(Query(limit=5)).more is None
    assert BoundedSearch(store, StillClock()).search(Query(limit=4)).more == "count"


def test_a_store_that_does_not_exist_yet_is_empty() -> None:
    """It is not an error that an agent has stored nothing yet."""
    missing = StoreUnreadable("no folder", "give another")
    missing.__cause__ = FileNotFoundError()

    class NotYet(Memory):
        def search(self, query: Query) -> Iterator[dict[str, Any]]:
            raise missing

    assert BoundedSearch(NotYet(), StillClock()).search(Query(limit=5)).entries == []


@pytest.mark.parametrize("limit", [1, 5])
def test_what_a_search_did_not_cover_is_shown_with_its_entries(limit: int) -> None:
    """Also where the limit ended it; without an entry it is an error."""

    class Partly(Memory):
        def search(self, query: Query) -> Iterator[dict[str, Any]]:
            yield from super().search(query)
            raise StoreIncomplete("1 of 3 shards failed", failed=True)

    matches = BoundedSearch(Partly([event(1, "x"), event(2, "x")]), StillClock()).search(Query(limit=limit))
    assert (len(matches.entries), matches.missing) == (min(limit, 2), "1 of 3 shards failed.")
    with pytest.raises(StoreIncomplete):
        BoundedSearch(Partly([]), StillClock()).search(Query(limit=limit))
