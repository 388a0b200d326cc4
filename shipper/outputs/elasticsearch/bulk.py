"""Bulk requests: documents to bytes, and the server's answer to one verdict a document. Nothing here touches the world.

Format: Elasticsearch reference, "Bulk API".

A refusal (4xx) is the document's fault or the place's. The status decides: 400 and 413 speak of what was sent, every
other one of where to, or of who sends. But a server also says 400 for places, under the names in `PLACES` and with the
words in `SAID`. Of a name that is in neither, the status is believed: a bad event must not hold up good ones, and what
goes to the quarantine can be released.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from http import HTTPStatus
from typing import Any, NamedTuple

from shipper.model.documents import Document, Documents, Rendered, joined

BAD_REQUEST, CONFLICT, TOO_LARGE, TOO_MANY = 400, 409, 413, 429
OF_WHAT_WAS_SENT = (BAD_REQUEST, TOO_LARGE)
SHARDS = "delete old indices, add a node, or raise cluster.max_shards_per_node"
PLACES = {
    "security_exception": "grant `create_doc` and `auto_configure` on the indices",
    "index_not_found_exception": "let the server create the indices (action.auto_create_index), with `auto_configure`",
    "cluster_block_exception": "free space on its disks, or take the block away (index.blocks.*, cluster.blocks.*)",
    "index_closed_exception": "open that index, or delete it",
    "validation_exception": SHARDS,
    "invalid_index_name_exception": "correct index.prefix and index.quarantine_prefix",
    "invalid_index_template_exception": "correct the index template",
    "routing_missing_exception": "take `_routing.required` out of the index's mapping",
}
"""Errors that no document is at fault for, and what to do about each."""
SAID = (
    (re.compile(r"(Validation Failed: 1: )?this action would add \[\d+\] shards"), SHARDS),
    (re.compile(r"no write index is defined for alias "), "name the write index of that alias"),
    (re.compile(r"pipeline with id \[[^]]*\] does not exist"), "make that ingest pipeline, or stop the index using it"),
    (re.compile(r"Failed to parse mapping"), "correct the mapping in the index template"),
)
"""The same where only the beginning of the reason tells it: what follows may quote the document."""
SERVER_TELLS = "see what the server says: no document is at fault"
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
    """Not this document's fault: rights, settings or the cluster's state are, and others would fare no better."""


class Verdict(NamedTuple):
    """What became of one document, and the server's reason where it was not stored."""

    judged: Judged
    reason: str = ""
    throttled: bool = False
    hint: str = ""
    """What an operator can do, where it was not allowed."""


STORED, DUPLICATE = Verdict(Judged.STORED), Verdict(Judged.DUPLICATE)


class Garbled(Exception):
    """An answer that is none to a bulk request."""


def requests(documents: Sequence[Document], max_bytes: int, target: Target) -> Iterator[Request]:
    """As few requests as hold all `documents` in order, each at most `max_bytes` or one document long."""
    pieces = documents.chunks if isinstance(documents, Documents) else [list(documents)]
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
                body = body.replace(b"\n", b" ")  # in JSON it stands between values alone
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
    if answer == AllStored(len(request.documents)):
        return [STORED] * len(request.documents)
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
    if not HTTPStatus.OK <= status < 600 or 300 <= status < BAD_REQUEST:  # noqa: PLR2004 -- classes of HTTP
        raise Garbled(f"an item has the status {status}")
    if status < 300:  # noqa: PLR2004 -- HTTP success
        return STORED
    if status == CONFLICT:
        return DUPLICATE
    error = found.get("error")
    error = error if isinstance(error, Mapping) else {}
    if status == TOO_MANY or status >= 500:  # noqa: PLR2004 -- the server's own trouble
        return Verdict(Judged.AGAIN, f"{status} {described(error)}", status == TOO_MANY)
    return refusal(status, error)


def refusal(status: int, error: Mapping[str, Any]) -> Verdict:
    """The verdict on a 4xx that is neither 409 nor 429: whether the document is at fault, or the place."""
    reason, hint = f"{status} {described(error)}", hint_for_place(error)
    if hint is None and status not in OF_WHAT_WAS_SENT:
        hint = SERVER_TELLS
    return Verdict(Judged.REFUSED, reason) if hint is None else Verdict(Judged.NOT_ALLOWED, reason, hint=hint)


def hint_for_place(error: Mapping[str, Any]) -> str | None:
    """What to do about an error that is the place's by its name or words; None for every other."""
    name, said = error.get("type"), str(error.get("reason"))
    if isinstance(name, str) and name in PLACES:
        return PLACES[name]
    return next((hint for beginning, hint in SAID if beginning.match(said)), None)


def described(error: Mapping[str, Any]) -> str:
    """The server's error in one line, with the innermost cause."""
    said = f"{error.get('type', 'error')}: {error.get('reason', 'no reason given')}"
    cause = error.get("caused_by")
    while isinstance(cause, Mapping):
        inner, cause = cause, cause.get("caused_by")
        if not isinstance(cause, Mapping) and inner.get("reason"):
            said = f"{said}; {inner.get('type')}: {inner['reason']}"
    return said
