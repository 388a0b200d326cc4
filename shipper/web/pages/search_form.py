"""Search form: its fields as a query, or the problem with them."""

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
"""Maximum characters of one field."""


class SearchForm(NamedTuple):
    """A parsed search form."""

    values: dict[str, str]
    """The fields, to fill the form again."""
    query: Query | None
    """None if there is a problem."""
    problem: str | None

    @property
    def is_narrowed(self) -> bool:
        """True if any field narrows the search."""
        return any(self.values[name] for name in FIELDS)

    def link(self, page: str, **other: str) -> str:
        """Return a relative link to `page` with these fields, overridden by `other`."""
        fields = {**{name: self.values[name] for name in FIELDS}, **other}
        return link(page, **fields)


def link(page: str, **fields: str) -> str:
    """Return a relative link; empty fields are omitted."""
    query = urlencode({name: value for name, value in fields.items() if value}, errors="replace")
    return f"{page}?{query}" if query else page


def parse_form(fields: Mapping[str, str], now_ms: int) -> SearchForm:
    """Parse a form; time expressions are relative to `now_ms`, in milliseconds since the epoch."""
    values = {name: fields.get(name, "").strip() for name in FIELDS}
    limit = fields.get("limit", "")
    values["limit"] = limit if limit in map(str, LIMITS) else str(LIMIT)
    level = values["level"].lower()
    try:
        since, until = (parse_when(values[name], now_ms) if values[name] else None for name in ("since", "until"))
    except ValueError as error:
        return SearchForm(values, None, str(error))
    problem = _problem(values, since, until)
    if problem is not None:
        return SearchForm(values, None, problem)
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
    return SearchForm(values, query, None)


def _problem(values: Mapping[str, str], since: int | None, until: int | None) -> str | None:
    level = values["level"]
    for name, value in values.items():
        if len(value) > LONGEST:
            return f"{name} is longer than {LONGEST} characters"
    if level and level.lower() not in LEVEL_ALIASES:
        return f"invalid level {level!r}; expected one of {', '.join(LEVELS)}"
    if values["text"] and not TextQuery.of(values["text"]).phrases:
        return f"{values['text']!r} contains no word to search for: enter letters or digits"
    if since is not None and until is not None and since >= until:
        return "empty time range: `until` must be later than `since`"
    return None
