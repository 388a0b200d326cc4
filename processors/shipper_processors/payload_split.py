"""Split a line that holds several JSON documents into one entry per document.

Writers glue documents together: two objects on a line, an array of objects, or a record that was torn by a crash or a
full disk and is followed by the next one. Each part is counted and stored alone; none hides another.
"""

from collections.abc import Iterable, Iterator

import orjson

from shipper_processors.lenient_json import OUTSIDE, Piece, pieces, without_colours
from shipper_processors.record_id import ordinal_digest, seeded_digest
from shipper_schemas import lazy_re as re
from shipper_schemas.entry import Entry

AROUND = OUTSIDE + "\x1b"
"""Characters with which a text may begin before its first document."""
BETWEEN_ELEMENTS = frozenset(OUTSIDE + "[]")
SCALAR = re.compile(r'(?:"(?:[^"\\]++|\\.)*+"|-?\d[\d.eE+-]{0,40}|true|false|null)(?=[\s,\]]|\Z)', re.ASCII)
"""An element of an array that is no object."""
COMMA = re.compile(r"\s{0,64},", re.ASCII)
MOST_ELEMENTS = 100_000
ARRAY = re.compile(r'\[[\s\[]{0,64}[{"\d\-tfn]', re.ASCII)
"""The beginning of an array that may contain an object."""
JSON_OBJECT = re.compile(r'\{\s{0,64}(?:["{}]|\Z)', re.ASCII)
"""The beginning of an object, torn or whole; a dictionary as Python or Node.js prints it is text, with its strings."""
LONGEST_TRAILER = 8
"""Characters after a document that do not make an entry of their own."""
_SEED = seeded_digest(b"")
"""A record's digest already covers the log's identity."""


def may_hold_several(text: str) -> bool:
    """True if a text may hold several documents: cheap, and False for ordinary objects and plain text."""
    first = text[:1]
    if first == "{":
        return text.count("{") > 1 or text[-1] != "}"
    return "{" in text and (first in AROUND or (first == "[" and ARRAY.match(text) is not None))


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
    parts = _elements(text) if text[:1] == "[" else _objects(text)
    if sum(part.content is not None for part in parts) == 0 or _is_one(parts, text):
        return [entry]
    return [
        _part(entry, text[part.start : part.end].strip(OUTSIDE), number, len(parts))
        for number, part in enumerate(parts)
    ]


def documents_of(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the documents of entries, in their order."""
    for entry in entries:
        yield from split_documents(entry)


def _is_one(parts: list[Piece], text: str) -> bool:
    """True for one object, with at most a few characters after it."""
    if text[:1] == "[" or parts[0].content is None:
        return False
    if len(parts) == 1:
        return True
    second = parts[1]
    return len(parts) == 2 and second.content is None and second.end - second.start <= LONGEST_TRAILER  # noqa: PLR2004


def _objects(text: str) -> list[Piece]:
    return pieces(text, 0, OUTSIDE + "[]") if JSON_OBJECT.match(text) else []


def _elements(text: str) -> list[Piece]:
    """Return the objects of a line that begins with an array, and the damaged parts between them.

    The array may be nested or without its end, and other documents may follow it. Nothing for text in brackets.
    """
    elements: list[Piece] = []
    at = 0
    for _ in range(MOST_ELEMENTS):
        at = _next_element(text, at)
        if at >= len(text):
            return elements
        if text[at] == "{":
            rest = pieces(text, at, OUTSIDE + "[]")
            elements += rest
            at = rest[-1].end if rest else len(text)
            continue
        scalar = SCALAR.match(text, at)
        if scalar is None:
            return [*elements, Piece(at, len(text), None)] if elements else []
        at = scalar.end()
        if not elements and COMMA.match(text, at) is None:
            return []  # `[12] {...}` is a text with a number in brackets
    return elements


def _next_element(text: str, at: int) -> int:
    while at < len(text) and text[at] in BETWEEN_ELEMENTS:
        at += 1
    return at


def _part(entry: Entry, text: str, number: int, total: int) -> Entry:
    """Return the entry of one document; only the last may have been cut off."""
    return entry._replace(
        text=text,
        lines=entry.lines if number == 0 else 0,
        digest=ordinal_digest(_SEED, entry.digest, 0, number),
        cut=entry.cut if number == total - 1 else None,
        requests=None if entry.requests is None or number not in entry.requests else {0: entry.requests[number]},
    )
