"""Keyed: a document that was JSON already, with its search keys read out of it again.

What is read back from a topic or a store may have been written by anyone: a key that is no text is none.
"""

from typing import Any

from shipper.model.documents import Document
from shipper_processors.render import searched_text


def keyed(index: str, id_: bytes, time_ms: int, event: dict[str, Any], body: bytes) -> Document:
    """The document for `index` whose JSON is `body`, and parsed `event`."""
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
    )


def text_of(event: dict[str, Any]) -> str | None:
    """What full-text search looks at; `searched_text` itself is for events past `enforce`, whose texts are texts."""
    return searched_text({name: value for name, value in event.items() if isinstance(value, str)})


def inner(event: dict[str, Any], name: str) -> dict[str, Any]:
    """The object of that name in `event`; empty where it has none."""
    found = event.get(name)
    return found if isinstance(found, dict) else {}


def _string(event: dict[str, Any], name: str) -> str | None:
    value = event.get(name)
    return value if isinstance(value, str) else None
