"""Split a line that holds several JSON documents into one entry per document.

Writers glue documents together: two objects on a line, an array of objects, or a record that was torn by a crash or a
full disk and is followed by the next one. Each part is counted and stored alone; none hides another.
"""

import orjson

from shipper_processors.lenient_json import OUTSIDE, Piece, pieces, read_object, without_colours
from shipper_processors.record_id import ordinal_digest, seeded_digest
from shipper_schemas.entry import Entry

AROUND = OUTSIDE + "\x1b"
"""Characters with which a text may begin before its first document."""
LONGEST_TRAILER = 8
"""Characters after a document that do not make an entry of their own."""
_SEED = seeded_digest(b"")
"""A record's digest already covers the log's identity."""


def may_hold_several(text: str) -> bool:
    """True if a text may hold several documents: cheap, and False for ordinary objects and plain text."""
    first = text[:1]
    if first == "{":
        return text.count("{") > 1 or text[-1] != "}"
    return (first == "[" and text[1:2] in "{ \t\n") or (first in AROUND and "{" in text)


def split_documents(entry: Entry) -> list[Entry]:
    """Return one entry per JSON document of a line, in order; the entry itself if there is only one.

    The first keeps the record's digest and its number of lines; the others have digests of their own.
    """
    text = entry.text
    if entry.broken is not None or not may_hold_several(text):
        return [entry]
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        content = None
    if isinstance(content, dict):
        return [entry]
    text = without_colours(text).strip(OUTSIDE)
    parts = _elements(text) if text[:1] == "[" else pieces(text) if text[:1] == "{" else []
    if sum(part.content is not None for part in parts) == 0 or _is_one(parts, text):
        return [entry]
    return [
        _part(entry, text[part.start : part.end].strip(OUTSIDE), number, len(parts))
        for number, part in enumerate(parts)
    ]


def _is_one(parts: list[Piece], text: str) -> bool:
    """True for one object, with at most a few characters after it."""
    if text[:1] == "[" or parts[0].content is None:
        return False
    return len(parts) == 1 or (len(parts) == 2 and parts[1].end - parts[1].start <= LONGEST_TRAILER)  # noqa: PLR2004


def _elements(text: str) -> list[Piece]:
    """Return the elements of an array of objects; nothing for any other text."""
    found: list[Piece] = []
    at = 1
    while at < len(text):
        while text[at : at + 1] in OUTSIDE and at < len(text):
            at += 1
        if text[at : at + 1] == "]":
            return found if at + 1 == len(text) else []
        try:
            content, end = read_object(text, at)
        except (ValueError, RecursionError):
            return []
        found.append(Piece(at, end, content))
        at = end
    return []


def _part(entry: Entry, text: str, number: int, total: int) -> Entry:
    """Return the entry of one document; only the last may have been cut off."""
    return entry._replace(
        text=text,
        lines=entry.lines if number == 0 else 0,
        digest=ordinal_digest(_SEED, entry.digest, 0, number),
        cut=entry.cut if number == total - 1 else None,
    )
