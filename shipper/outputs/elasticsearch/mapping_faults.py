"""Faults of an index's mapping for which good documents would be rejected. Pure functions, no I/O.

Sources: Elasticsearch reference, "Field data types" and "dynamic"; "Index templates" for which of several wins.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

NUMBERS = frozenset({"long", "integer", "short", "double", "float", "half_float", "scaled_float", "unsigned_long"})
KEYWORDS = frozenset({"keyword", "wildcard"})
ACCEPTED: dict[str, frozenset[str]] = {
    "keyword": KEYWORDS,
    "text": KEYWORDS | {"text", "match_only_text"},
    "long": KEYWORDS | NUMBERS,
    "double": KEYWORDS | NUMBERS,
    "date": frozenset({"date", "date_nanos"}),
    "flattened": frozenset({"flattened"}),
}
"""By the type of a field, the types that accept all its values and are searched alike."""
CHOSEN: dict[str, frozenset[str]] = {"user_id": NUMBERS, "patient_id": NUMBERS, "client_ip": frozenset({"ip"})}
"""Narrower types that an operator may choose: values that these reject are rejected on purpose."""
UNMAPPED = ("false", "runtime")
"""Values of `dynamic` with which a field without a mapping is no fault."""
OWNER = "shipper"


class Winner(NamedTuple):
    """The template with which the server would create an index."""

    name: str
    priority: int
    legacy: bool = False

    def __str__(self) -> str:
        """Return the template as a message names it."""
        return f"the legacy template {self.name!r}" if self.legacy else f"{self.name!r} (priority {self.priority})"


def is_managed(mapping: object) -> bool:
    """Return True if a mapping comes from one of our templates."""
    meta = mapping.get("_meta") if isinstance(mapping, Mapping) else None
    return isinstance(meta, Mapping) and meta.get("managed_by") == OWNER


def faults(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the mapping of an index, field by field, in the order of `expected`."""
    yield from _faults(expected["properties"], actual, "", str(actual.get("dynamic", "true")).lower())


def _faults(fields: Mapping[str, Any], actual: Mapping[str, Any], above: str, dynamic: str) -> Iterator[str]:
    properties = actual.get("properties") or {}
    for name, definition in fields.items():
        dotted, there = f"{above}{name}", properties.get(name)
        kind = definition.get("type", "object")
        if kind == "alias":
            continue
        if there is None:
            if dynamic not in UNMAPPED and not _is_alias_only(definition):
                yield f"{dotted} has no type (dynamic: {dynamic})"
            continue
        actual_kind = there.get("type", "object")
        if kind == "object" == actual_kind:
            inner = str(there.get("dynamic", dynamic)).lower()
            yield from _faults(definition["properties"], there, f"{dotted}.", inner)
        elif not _is_alias_only(definition) and actual_kind not in _accepted(kind, dotted):
            yield f"{dotted} is {actual_kind}, not {kind}"


def _accepted(kind: str, dotted: str) -> frozenset[str]:
    return ACCEPTED.get(kind, frozenset()) | CHOSEN.get(dotted, frozenset())


def _is_alias_only(definition: Mapping[str, Any]) -> bool:
    """Return True for a field that no document contains."""
    if "properties" in definition:
        return all(_is_alias_only(inner) for inner in definition["properties"].values())
    return bool(definition["type"] == "alias")


def winner(index: str, templates: object, legacy: object = None) -> Winner | None:
    """Return the template that the server's lists of templates give an index: the highest priority; None without one.

    Legacy templates count only where no other matches. Malformed lists are empty ones.
    """
    items = templates.get("index_templates") if isinstance(templates, Mapping) else None
    matching = [
        Winner(str(item.get("name")), int(item["index_template"].get("priority") or 0))
        for item in items or ()
        if _matches(index, item["index_template"].get("index_patterns"))
    ]
    if matching:
        return max(matching, key=lambda one: one.priority)
    older = legacy if isinstance(legacy, Mapping) else {}
    named = [
        Winner(str(name), int(one.get("order") or 0), legacy=True)
        for name, one in older.items()
        if isinstance(one, Mapping) and _matches(index, one.get("index_patterns"))
    ]
    return max(named, key=lambda one: one.priority, default=None)


def _matches(index: str, patterns: object) -> bool:
    listed = [patterns] if isinstance(patterns, str) else patterns if isinstance(patterns, list) else []
    return any(_is_like(index, str(pattern)) for pattern in listed)


def _is_like(index: str, pattern: str) -> bool:
    """Return True if a name matches a pattern, in which `*` stands for any text."""
    first, *others = pattern.split("*")
    if not others:
        return index == pattern
    if not index.startswith(first):
        return False
    at = len(first)
    for part in others[:-1]:
        if (found := index.find(part, at)) < 0:
            return False
        at = found + len(part)
    return len(index) - at >= len(others[-1]) and index.endswith(others[-1])
