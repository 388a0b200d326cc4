"""Search keys of a document that exists as JSON, read from its fields.

Anyone may have written what a topic or a store contains: a key that is not a string is ignored.
"""

from typing import Any

from shipper.model.documents import Document
from shipper_schemas.quarantine import full_text


def keyed(index: str, id_: bytes, time_ms: int, event: dict[str, Any], body: bytes) -> Document:
    """Return the document for `index` whose JSON is `body`; `event` is the parsed body."""
    return Document(
        index,
        id_,
        time_ms,
        _string(event, "correlation_id"),
        _string(event, "event"),
        _string(event, "level"),
        _string(inner(event, "container"), "name") or _string(inner(event, "service"), "name"),
        text_of(event),
        body,
        _string(event, "trace_id"),
    )


def text_of(event: dict[str, Any]) -> str | None:
    """Return the text of a document, quarantined or not, that full-text search covers."""
    if "raw" in event and "reasons" in event:
        return full_text(event)
    from shipper_processors.render import searched_text  # noqa: PLC0415 -- loads the chain, which a search seldom needs

    return searched_text({name: value for name, value in event.items() if isinstance(value, str) or name == "extra"})


def has_id(event: dict[str, Any], wanted: str) -> bool:
    """Return True if `wanted` is the correlation id or the trace id of a document."""
    return event.get("correlation_id") == wanted or event.get("trace_id") == wanted


def inner(event: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the nested object of that name in `event`; empty if there is none."""
    nested = event.get(name)
    return nested if isinstance(nested, dict) else {}


def _string(event: dict[str, Any], name: str) -> str | None:
    value = event.get(name)
    return value if isinstance(value, str) else None
