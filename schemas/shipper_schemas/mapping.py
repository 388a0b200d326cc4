"""The index mapping of the documents, derived from the event schema.

Fields without a mapping are stored and not indexed (`dynamic: false`), so that no application can add to the
mapping, exceed its limits, or make it differ from day to day.
Source of the types: Elasticsearch reference, "Field data types".
"""

from typing import Any

from shipper_schemas.event import KNOWN_FIELDS, Searchable
from shipper_schemas.quarantine import KEYS, TEXT

LONGEST_KEYWORD = 8191
"""Most characters of an indexed keyword; Lucene rejects terms over 32,766 bytes, and a character may take four."""
DEEPEST_EXTRA = 100
"""Deepest nesting of stored payloads."""
KEYWORD = {"type": "keyword", "ignore_above": LONGEST_KEYWORD}
FLAT = {"type": "flattened", "ignore_above": LONGEST_KEYWORD, "depth_limit": DEEPEST_EXTRA}
PROVENANCE: dict[str, Any] = {
    "@timestamp": {"type": "date"},
    "stream": KEYWORD,
    "container": {
        "properties": {
            "id": KEYWORD,
            "name": KEYWORD,
            "image": {"properties": {"name": KEYWORD}},
            "labels": FLAT,
        }
    },
    "kubernetes": FLAT,
    "service": {"properties": {"name": KEYWORD}},
    "host": {"properties": {"name": KEYWORD}},
    "log": {
        "properties": {
            "file": {"properties": {"path": KEYWORD}},
            "offset": {"type": "long"},
        }
    },
}
"""Fields that describe where a document comes from, as `shipper_processors.render` writes them."""
NOTES = {"properties": {"kind": KEYWORD, "field": KEYWORD, "detail": {"type": "text"}}}


def _field(known: Searchable) -> dict[str, Any]:
    if known.type == "keyword":
        return KEYWORD
    if known.type in ("long", "double", "date"):
        return {"type": known.type, "ignore_malformed": False}
    return {"type": known.type}


def _insert(properties: dict[str, Any], dotted: str, definition: dict[str, Any]) -> None:
    *above, last = dotted.split(".")
    for name in above:
        properties = properties.setdefault(name, {"properties": {}})["properties"]
    properties[last] = definition


def _copied(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {"properties": _copied(definition["properties"])} if "properties" in definition else {**definition}
        for name, definition in properties.items()
    }


def event_mapping() -> dict[str, Any]:
    """Return the mapping of an event index: known fields by type, `extra` flattened, ECS aliases."""
    properties = _copied(PROVENANCE)
    for name, known in KNOWN_FIELDS.items():
        properties[name] = _field(known)
        if known.ecs is not None:
            _insert(properties, known.ecs, {"type": "alias", "path": name})
    properties["extra"] = {**FLAT}
    properties["schema"] = {"properties": {"errors": NOTES}}
    return {"dynamic": False, "properties": properties}


def quarantine_mapping() -> dict[str, Any]:
    """Return the mapping of a quarantine index: search keys, reasons, the raw line, the entry's target index."""
    properties = _copied(PROVENANCE)
    for name in KEYS:
        properties[name] = _field(KNOWN_FIELDS[name])
    properties[TEXT] = {"type": "text"}
    properties["reasons"] = NOTES
    properties["raw"] = {"type": "text"}
    properties["time"] = {"type": "keyword", "index": False, "doc_values": False}
    properties["index"] = KEYWORD
    properties["released"] = {"type": "date"}
    return {"dynamic": False, "properties": properties}


def leaves(properties: dict[str, Any], above: str = "") -> dict[str, str]:
    """Return every field of a mapping by its dotted name, with its type."""
    types: dict[str, str] = {}
    for name, definition in properties.items():
        if "properties" in definition:
            types |= leaves(definition["properties"], f"{above}{name}.")
        else:
            types[f"{above}{name}"] = definition["type"]
    return types
