"""Tests of single documents against a query."""

from collections.abc import Callable
from typing import Any

from shipper.model.document_fields import has_id, inner, text_of
from shipper.model.query import Query
from shipper.model.text_search import TextQuery
from shipper.system.errors import StoreUnreadable
from shipper_processors.times import parse_ms
from shipper_schemas.event import LEVEL_ALIASES, LEVELS

Body = dict[str, Any]
Test = Callable[[Body], bool]


def accepts(query: Query) -> Test:
    """A test for documents that `query` selects, regardless of its limit. Raises StoreUnreadable."""
    tests: list[Test] = []
    if query.correlation_id is not None:
        tests.append(of_id(query.correlation_id))
    if query.event is not None:
        tests.append(field_equals("event", query.event))
    if query.level is not None:
        severe = at_least(query.level)
        tests.append(lambda body: body.get("level") in severe)
    if query.container is not None:
        tests.append(from_container(query.container))
    if query.text is not None:
        tests.append(has_words(TextQuery.of(query.text)))
    since, until = query.since, query.until
    if since is not None or until is not None:
        tests.append(lambda body: _within(parse_ms(str(body.get("@timestamp"))), since, until))
    return lambda body: all(test(body) for test in tests)


def field_equals(name: str, wanted: str) -> Test:
    """A test for documents in which a field has exactly this text."""
    return lambda body: body.get(name) == wanted


def of_id(wanted: str) -> Test:
    """A test for documents with this correlation id or trace id."""
    return lambda body: has_id(body, wanted)


def at_least(level: str) -> tuple[str, ...]:
    """This level and the more severe ones. Raises StoreUnreadable for an unknown level."""
    known = LEVEL_ALIASES.get(level.strip().lower())
    if known is None:
        raise StoreUnreadable(f"invalid level {level!r}", f"use one of {', '.join(LEVELS)}")
    return LEVELS[LEVELS.index(known) :]


def from_container(wanted: str) -> Test:
    """A test for documents of a container of that name or id, or of a service of that name."""

    def matches(body: Body) -> bool:
        container, service = inner(body, "container"), inner(body, "service")
        return (
            container.get("name") == wanted
            or str(container.get("id", "")).startswith(wanted)
            or service.get("name") == wanted
        )

    return matches


def has_words(wanted: TextQuery) -> Test:
    """A test for documents in which the fields of the full-text search contain all words and phrases."""
    return lambda body: wanted.matches(text_of(body) or "")


def _within(ms: int | None, since: int | None, until: int | None) -> bool:
    return ms is not None and (since is None or ms >= since) and (until is None or ms < until)
