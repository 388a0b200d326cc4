"""A strict parser for the part of KQL that our pages and Kibana objects use, and its Elasticsearch queries.

Source: Kibana reference, "Kibana Query Language".
"""

import re
from typing import Any, NamedTuple

TOKEN = re.compile(r'\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<sign><=|>=|[:<>()])|(?P<word>[^\s:<>()"]+))')
RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
WORDS = ("and", "or", "not")


class Term(NamedTuple):
    """A condition on one field; the sign is `:` or a range operator, the value None for any value."""

    field: str
    sign: str
    value: str | None
    quoted: bool = False


class Group(NamedTuple):
    """A combination of conditions: `and`, `or`, or `not` of one."""

    word: str
    parts: "list[Condition]"


Condition = Term | Group


def terms(query: str) -> list[Term]:
    """Every condition of a query. Raises ValueError for invalid KQL."""

    def of(condition: Condition) -> list[Term]:
        return [condition] if isinstance(condition, Term) else [term for part in condition.parts for term in of(part)]

    return of(parse(query)) if query else []


def as_query(query: str) -> dict[str, Any]:
    """The Elasticsearch query that Kibana would send."""
    return _clause(parse(query)) if query else {"match_all": {}}


def parse(query: str) -> Condition:
    """Parse a whole query. Raises ValueError for invalid KQL."""
    reader = _Reader(query)
    condition = reader.either()
    if reader.tokens:
        raise ValueError(f"{reader.tokens[0]!r} is left over in {query!r}")
    return condition


def _clause(condition: Condition) -> dict[str, Any]:
    if isinstance(condition, Term):
        return _leaf(condition)
    kind = {"and": "filter", "or": "should", "not": "must_not"}[condition.word]
    return {"bool": {kind: [_clause(part) for part in condition.parts]}}


def _leaf(term: Term) -> dict[str, Any]:
    if term.value is None:
        return {"exists": {"field": term.field}}
    if term.sign in RANGES:
        return {"range": {term.field: {RANGES[term.sign]: term.value}}}
    if not term.quoted and "*" in term.value:
        return {"query_string": {"fields": [term.field], "query": term.value}}
    return {"match_phrase" if term.quoted else "match": {term.field: term.value}}


class _Reader:
    """Recursive descent parser: `or` binds weaker than `and`, and `and` weaker than `not`."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.tokens: list[str] = []
        place = 0
        while place < len(query.rstrip()):
            token = TOKEN.match(query, place)
            if token is None:
                raise ValueError(f"{query[place:]!r} is no KQL")
            self.tokens.append(token[0].strip())
            place = token.end()

    def next(self, *wanted: str) -> str:
        """Consume a token, one of `wanted` if specified."""
        if not self.tokens or (wanted and self.tokens[0] not in wanted):
            raise ValueError(f"{wanted or 'more'} expected in {self.query!r}, not {self.tokens[:1]}")
        return self.tokens.pop(0)

    def ahead(self, word: str) -> bool:
        """Return True if that word comes next."""
        return bool(self.tokens) and self.tokens[0].lower() == word

    def either(self, field: str | None = None) -> Condition:
        """Parts joined by `or`; values of `field` if specified."""
        return self._joined("or", lambda: self._joined("and", lambda: self._negated(field)))

    def _joined(self, word: str, part: Any) -> Condition:
        parts = [part()]
        while self.ahead(word):
            self.next()
            parts.append(part())
        return parts[0] if len(parts) == 1 else Group(word, parts)

    def _negated(self, field: str | None) -> Condition:
        if self.ahead("not"):
            self.next()
            return Group("not", [self._negated(field)])
        if self.ahead("("):
            self.next("(")
            condition = self.either(field)
            self.next(")")
            return condition
        return self._condition() if field is None else self._value(field)

    def _condition(self) -> Condition:
        field = self.next()
        if not re.fullmatch(r"[\w@.*-]+", field) or field.lower() in WORDS:
            raise ValueError(f"{field!r} is no field in {self.query!r}")
        sign = self.next(":", *RANGES)
        if sign != ":":
            return self._value(field, sign)
        if self.ahead("("):
            return self._negated(field)
        return self._value(field)

    def _value(self, field: str, sign: str = ":") -> Term:
        token = self.next()
        if token.startswith('"'):
            return Term(field, sign, re.sub(r"\\(.)", r"\1", token[1:-1]), quoted=True)
        if not re.fullmatch(r"[\w@.*/+-]+", token) or token.lower() in WORDS:
            raise ValueError(f"{token!r} is no value in {self.query!r}")
        return Term(field, sign, None if token == "*" else token)
