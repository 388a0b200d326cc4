"""Bulk requests: documents to bytes, and the server's answer to one verdict a document. Nothing here touches the world.

Format: Elasticsearch reference, "Bulk API".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import orjson

from shipper.documents import Documents, Rendered, joined
from shipper.ports import Document

CONFLICT, TOO_MANY = 409, 429
ASKS_FOR_MORE_RIGHTS = "security_exception"
NO_INDEX = "index_not_found_exception"
ANSWER_FIELDS = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by"
"""`filter_path` of a bulk request: what `verdicts` looks at."""
NO_ERRORS, CREATED = b'"errors":false', b'"status":201'
NEAR_BEGINNING = 64
Target = Callable[[str], str]
"""The index, alias or data stream to write to, from the document's daily index."""


class Request(NamedTuple):
    """One bulk request."""

    default: str
    """The index named in the path; documents for another one name it themselves."""
    documents: Sequence[Document]
    body: bytes


class Judged(Enum):
    """What the server did with one document."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    AGAIN = "again"
    """It could not now, and may later."""
    REFUSED = "refused"
    """It will never: the document is at fault."""
    NOT_ALLOWED = "not_allowed"
    """It would refuse every document: rights or settings are at fault."""


class Verdict(NamedTuple):
    """What became of one document, and the server's reason where it was not stored."""

    judged: Judged
    reason: str = ""
    throttled: bool = False


STORED, DUPLICATE = Verdict(Judged.STORED), Verdict(Judged.DUPLICATE)


class Garbled(Exception):
    """An answer that is none to a bulk request."""


def requests(documents: Sequence[Document], max_bytes: int, target: Target) -> Iterator[Request]:
    """As few requests as hold all `documents` in order, each at most `max_bytes` or one document long."""
    pieces = documents.pieces if isinstance(documents, Documents) else [list(documents)]
    rendered = next((piece.index for piece in pieces if isinstance(piece, Rendered)), None)
    first = target(rendered or documents[0].index) if documents else ""
    named: dict[str, bytes] = {}
    held, size = Documents(), 0
    lines: list[Any] = []
    for piece in pieces:
        if isinstance(piece, Rendered) and target(piece.index) == first and piece.block.bulk_size <= max_bytes:
            if lines and size + piece.block.bulk_size > max_bytes:
                yield Request(first, held, joined(lines))
                held, lines, size = Documents(), [], 0
            held.extend(piece)
            lines.append(piece.block)
            size += piece.block.bulk_size
            continue
        for document in piece:
            index, body = document.index, document.body
            action = named.get(index)
            if action is None:
                action = named[index] = _action(target(index), first)
            if b"\n" in body:
                body = orjson.dumps(orjson.loads(body))
            length = len(action) + 45 + len(body)
            if lines and size + length > max_bytes:
                yield Request(first, held, joined(lines))
                held, lines, size = Documents(), [], 0
            held.add(document)
            lines.append(b'%b%b"}}\n%b\n' % (action, document.id.hex().encode(), body))
            size += length
    if lines:
        yield Request(first, held, joined(lines))


def _action(index: str, default: str) -> bytes:
    """The line before a document, up to its id. Names of indices hold nothing that JSON escapes."""
    place = "" if index == default else f'"_index":"{index}",'
    return f'{{"create":{{{place}"_id":"'.encode()


class AllStored(NamedTuple):
    """An answer that says of each item that it was stored now."""

    items: int

    @classmethod
    def read(cls, answer: bytes) -> "AllStored | None":
        """None for any other answer: that is then looked at item by item."""
        if NO_ERRORS not in answer[:NEAR_BEGINNING]:
            return None
        return cls(answer.count(CREATED))


def verdicts(request: Request, answer: object) -> list[Verdict]:
    """One verdict a document, in their order. Raises Garbled."""
    items = answer.get("items") if isinstance(answer, Mapping) else None
    if not isinstance(items, list) or len(items) != len(request.documents):
        raise Garbled(f"expected {len(request.documents)} items, found {_found(items)}")
    return [_verdict(item) for item in items]


def _found(items: object) -> str:
    return str(len(items)) if isinstance(items, list) else "none"


def _verdict(item: object) -> Verdict:
    found = item.get("create") if isinstance(item, Mapping) else None
    status = found.get("status") if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(status, int):
        raise Garbled("an item has no status")
    if status < 300:  # noqa: PLR2004 -- HTTP success
        return STORED
    if status == CONFLICT:
        return DUPLICATE
    error = found.get("error")
    error = error if isinstance(error, Mapping) else {}
    reason = f"{status} {described(error)}"
    if status == TOO_MANY or status >= 500:  # noqa: PLR2004 -- the server's own trouble
        return Verdict(Judged.AGAIN, reason, status == TOO_MANY)
    if error.get("type") in (ASKS_FOR_MORE_RIGHTS, NO_INDEX):
        return Verdict(Judged.NOT_ALLOWED, reason)
    return Verdict(Judged.REFUSED, reason)


def described(error: Mapping[str, Any]) -> str:
    """The server's error in one line, with the innermost cause."""
    said = f"{error.get('type', 'error')}: {error.get('reason', 'no reason given')}"
    cause = error.get("caused_by")
    while isinstance(cause, Mapping):
        inner, cause = cause, cause.get("caused_by")
        if not isinstance(cause, Mapping) and inner.get("reason"):
            said = f"{said}; {inner.get('type')}: {inner['reason']}"
    return said
