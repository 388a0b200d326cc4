"""Searches within bounds: never more than a few at once, never for ever, never more than a page holds."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from shipper.model.query import Query
from shipper.system.errors import StoreUnreadable
from shipper.web.pages.bounded_search import AT_ONCE, MOST_BYTES, Busy, Deadline, Finding, TookTooLong
from tests.web.pages.rig import Memory, StillClock, event


def test_no_more_searches_run_than_there_are_places() -> None:
    """The next one is turned away, and let in when one has ended."""
    finding = Finding(Memory([event(1, "x")]), StillClock(), patience=0)
    held = [finding.admitted() for _ in range(AT_ONCE)]
    for one in held:
        one.__enter__()
    with pytest.raises(Busy):
        finding.search(Query(limit=5))
    held[0].__exit__(None, None, None)
    assert len(finding.search(Query(limit=5)).entries) == 1
    held[1].__exit__(None, None, None)


def test_a_place_is_given_back_when_a_search_fails() -> None:
    """Or a store that is away would close the page for good."""
    store = Memory(broken=StoreUnreadable("away"))
    finding = Finding(store, StillClock(), patience=0)
    for _ in range(AT_ONCE + 1):
        with pytest.raises(StoreUnreadable):
            finding.search(Query(limit=5))


def test_a_search_waits_for_its_turn_before_it_is_turned_away() -> None:
    """Two people who look at the same moment both get an answer."""
    finding = Finding(Memory([event(1, "x")]), StillClock(), patience=30)
    held = [finding.admitted() for _ in range(AT_ONCE)]
    for one in held:
        one.__enter__()
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(len(finding.search(Query(limit=5)).entries)))
    waiting.start()
    held[0].__exit__(None, None, None)
    waiting.join(30)
    assert found == [1]


def test_a_long_search_ends_with_what_it_has_found() -> None:
    """And says that there may be more."""
    clock = StillClock()

    class Slow(Memory):
        def search(self, query: Query) -> Iterator[dict[str, Any]]:
            for body in super().search(query):
                yield body
                clock.now += 4

    found = Finding(Slow([event(second, "x") for second in range(9)]), clock).search(Query(limit=9))
    assert (len(found.entries), found.more) == (3, "time")


def test_a_search_lets_others_go_first() -> None:
    """It rests after each few milliseconds of work."""
    clock, rests = StillClock(), list[float]()
    leash = Deadline(clock, rests.append, longest=1)
    leash()
    assert rests == []
    clock.now += 0.01
    leash()
    leash()
    assert len(rests) == 1
    clock.now += 1
    with pytest.raises(TookTooLong):
        leash()


def test_large_entries_end_a_page_early() -> None:
    """So that a search cannot fill the agent's memory; one entry is always shown."""
    large = "m" * (MOST_BYTES // 3)
    found = Finding(Memory([event(second, "x", message=large) for second in range(9)]), StillClock()).search(
        Query(limit=9)
    )
    assert (len(found.entries), found.more) == (2, "bytes")
    alone = Finding(Memory([event(1, "x", message=large * 4)]), StillClock()).search(Query(limit=9))
    assert (len(alone.entries), alone.more) == (1, None)


def test_a_limit_that_is_reached_is_told_only_where_there_is_more() -> None:
    """Exactly as many as were asked for are all of them."""
    store = Memory([event(second, "x") for second in range(5)])
    assert Finding(store, StillClock()).search(Query(limit=5)).more is None
    assert Finding(store, StillClock()).search(Query(limit=4)).more == "count"


def test_a_store_that_is_not_there_yet_is_empty() -> None:
    """An agent that has stored nothing yet has nothing to be repaired."""
    missing = StoreUnreadable("no folder", "give another")
    missing.__cause__ = FileNotFoundError()

    class NotYet(Memory):
        def search(self, query: Query) -> Iterator[dict[str, Any]]:
            raise missing

    assert Finding(NotYet(), StillClock()).search(Query(limit=5)).entries == []
