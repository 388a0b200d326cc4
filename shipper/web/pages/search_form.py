"""Asked: the fields of a search form as a query, or what is wrong with them."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from shipper.model.query import Query
from shipper.model.text_search import TextQuery
from shipper.presentation.time_expression import parse_when
from shipper_schemas.event import LEVEL_ALIASES, LEVELS

FIELDS = ("id", "event", "level", "container", "text", "since", "until")
LIMITS = (50, 100, 250, 500)
LIMIT = 100
LONGEST = 1000
"""Characters of one field; what is longer is no search but somebody's mistake."""


class Asked(NamedTuple):
    """What a form asks for."""

    values: dict[str, str]
    """Its fields, for showing them again."""
    query: Query | None
    """None where there is a problem."""
    problem: str | None

    @property
    def anything(self) -> bool:
        """Whether any field narrows the search."""
        return any(self.values[name] for name in FIELDS)

    def link(self, page: str, **other: str) -> str:
        """The relative address of `page` with these fields, and `other` ones in their place."""
        given = {**{name: self.values[name] for name in FIELDS}, **other}
        return link(page, **given)


def link(page: str, **fields: str) -> str:
    """A relative address; fields that are empty are left out."""
    query = urlencode({name: value for name, value in fields.items() if value}, errors="replace")
    return f"{page}?{query}" if query else page


def asked(fields: Mapping[str, str], now_ms: int) -> Asked:
    """Read a form; times are as people type them, seen from `now_ms`, milliseconds since the epoch."""
    values = {name: fields.get(name, "").strip() for name in FIELDS}
    limit = fields.get("limit", "")
    values["limit"] = limit if limit in map(str, LIMITS) else str(LIMIT)
    level = values["level"].lower()
    try:
        since, until = (parse_when(values[name], now_ms) if values[name] else None for name in ("since", "until"))
    except ValueError as error:
        return Asked(values, None, str(error))
    problem = _problem(values, since, until)
    if problem is not None:
        return Asked(values, None, problem)
    query = Query(
        correlation_id=values["id"] or None,
        event=values["event"] or None,
        level=level or None,
        container=values["container"] or None,
        text=values["text"] or None,
        since=since,
        until=until,
        limit=int(values["limit"]),
        newest_first=True,
    )
    return Asked(values, query, None)


def _problem(values: Mapping[str, str], since: int | None, until: int | None) -> str | None:
    level = values["level"]
    for name, value in values.items():
        if len(value) > LONGEST:
            return f"{name} is longer than {LONGEST} characters"
    if level and level.lower() not in LEVEL_ALIASES:
        return f"{level!r} is no level: give one of {', '.join(LEVELS)}"
    if values["text"] and not TextQuery.of(values["text"]).phrases:
        return f"{values['text']!r} holds no word to look for: give letters or digits"
    if since is not None and until is not None and since >= until:
        return "`until` is not after `since`: nothing can lie between the two"
    return None
