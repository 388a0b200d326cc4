"""Searches that did not cover all indices: shards that failed, a timeout, closed indices. Pure functions, no I/O.

The server answers such a search with the rest and a status of success. Without a word, entries that exist look as if
they did not. Source: Elasticsearch reference, "Search API", `_shards` and `timed_out`; "Resolve index API".
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shipper.model.query import Query
from shipper.outputs.elasticsearch.answers import first_few
from shipper.outputs.elasticsearch.bulk import describe
from shipper_processors.route import MS_PER_DAY
from shipper_processors.times import parse_ms
from shipper_schemas import lazy_re as re

DAY = re.compile(r"\d{4}\.\d\d\.\d\d\b")


def what_is_missing(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the response to a search or to the opening of a point in time does not cover."""
    shards = answer.get("_shards") or {}
    total = int(shards.get("total", 0))
    missing = max(int(shards.get("failed", 0)), total - int(shards.get("successful", total)))
    if missing:
        names = list(dict.fromkeys(map(_failure, shards.get("failures") or ())))
        yield f"{missing} of {total} shards failed: {first_few(names) or 'no copy of them is available'}"
    if answer.get("timed_out"):
        yield "the server ended the search at its time limit"


def until_entry(query: Query, last: Mapping[str, Any]) -> Query:
    """Return a query that reached its limit with the time range that it covered, up to its last entry."""
    ms = parse_ms(str(last.get("@timestamp")))
    if ms is None:
        return query
    return replace(query, since=ms) if query.newest_first else replace(query, until=ms + 1)


def closed_indices(resolved: Mapping[str, Any], query: Query) -> Iterator[str]:
    """Yield the closed indices that may hold entries of a query, in one sentence, from the response of `_resolve`."""
    names = sorted(str(index.get("name")) for index in resolved.get("indices") or ())
    if concerned := [name for name in names if _may_hold(name, query)]:
        verb = "index is" if len(concerned) == 1 else "indices are"
        yield f"{len(concerned)} {verb} closed: {first_few(concerned)}"


def _may_hold(index: str, query: Query) -> bool:
    """Return False if the day in the name of an index is outside the query's time range."""
    day = _day_of(index)
    if day is None:
        return True
    begin = int(day.timestamp()) * 1000
    is_before = query.since is not None and query.since >= begin + MS_PER_DAY
    return not is_before and (query.until is None or query.until > begin)


def _day_of(index: str) -> datetime | None:
    match = DAY.search(index)
    try:
        return datetime.strptime(match[0], "%Y.%m.%d").replace(tzinfo=UTC) if match is not None else None
    except ValueError:
        return None


def _failure(failure: object) -> str:
    """Return a shard and the reason for its failure."""
    fields = failure if isinstance(failure, Mapping) else {}
    reason = fields.get("reason")
    said = describe(reason) if isinstance(reason, Mapping) else str(reason)
    return f"{fields.get('index', 'an index')}[{fields.get('shard', '?')}] ({said[:200]})"
