"""What a response does not cover, and which closed indices a query concerns."""

from typing import Any

import pytest

from shipper.model.query import Query
from shipper.outputs.elasticsearch.partial_answers import closed_indices, until_entry, what_is_missing

DAY = 86_400_000
BEGIN = 1_795_392_000_000
"""2026-11-23, in milliseconds since the epoch."""


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        ({"_shards": {"total": 3, "successful": 3, "failed": 0}, "timed_out": False}, []),
        ({}, []),
        ({"timed_out": True}, ["the server ended the search at its time limit"]),
        (
            {"_shards": {"total": 3, "successful": 2, "failed": 1, "failures": [
                {"index": "a", "shard": 0, "reason": {"type": "t", "reason": "r", "caused_by": {"type": "c", "reason": "d"}}}
            ]}},
            ["1 of 3 shards failed: a[0] (t: r; c: d)"],
        ),
        ({"_shards": {"total": 3, "successful": 1}}, ["2 of 3 shards failed: no copy of them is available"]),
        (
            {"_shards": {"total": 9, "successful": 4, "failed": 5, "failures": [
                {"index": "a", "shard": shard, "reason": "gone"} for shard in (0, 0, 1, 2, 3)
            ]}},
            ["5 of 9 shards failed: a[0] (gone), a[1] (gone), a[2] (gone), and 1 more"],
        ),
    ],
)  # fmt: skip
def test_what_a_response_does_not_cover(answer: dict[str, Any], missing: list[str]) -> None:
    """Each failed shard is named once, with the reason, up to three."""
    assert list(what_is_missing(answer)) == missing


@pytest.mark.parametrize(
    ("query", "concerned"),
    [
        (Query(), True),
        (Query(since=BEGIN + DAY - 1), True),
        (Query(since=BEGIN + DAY), False),
        (Query(until=BEGIN + 1), True),
        (Query(until=BEGIN), False),
    ],
)
def test_a_closed_index_concerns_a_query_of_its_day(query: Query, concerned: bool) -> None:
    """The day is in its name; one without a day may hold entries of any time."""
    day, other = {"name": "keneyapp-logs-2026.11.23"}, {"name": "archive-2026.13.45"}
    assert list(closed_indices({"indices": [day]}, query)) == (
        ["1 index is closed: keneyapp-logs-2026.11.23"] if concerned else []
    )
    assert list(closed_indices({"indices": [other]}, query)) == ["1 index is closed: archive-2026.13.45"]
    assert list(closed_indices({}, query)) == []


def test_a_search_that_reached_its_limit_covers_the_time_up_to_its_last_entry() -> None:
    """Older entries than the newest that were shown are not missing."""
    last = {"@timestamp": "2026-11-24T00:00:00Z"}
    newest, oldest = Query(newest_first=True), Query()
    assert until_entry(newest, last).since == BEGIN + DAY
    assert until_entry(oldest, last).until == BEGIN + DAY + 1
    assert until_entry(oldest, {"@timestamp": "?"}) == oldest
