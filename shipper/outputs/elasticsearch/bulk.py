"""Bulk requests: documents to bytes, and the server's response to one verdict a document. Pure functions, no I/O.

Format: Elasticsearch reference, "Bulk API".

A rejection (4xx) is caused by the document, or by rights, settings or the cluster's state. The status decides: 400 and
413 concern the document, all others do not. But a server also answers 400 for the state of the cluster, with the error
types in `CLUSTER_ERRORS` and the reasons in `CLUSTER_REASONS`. Of unknown errors the status decides too: a bad event
must not block good ones, and a quarantined event can be released.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from http import HTTPStatus
from typing import Any, NamedTuple

from shipper.model.documents import Document, Documents, Rendered, joined

BAD_REQUEST, CONFLICT, TOO_LARGE, TOO_MANY = 400, 409, 413, 429
DOCUMENT_STATUSES = (BAD_REQUEST, TOO_LARGE)
SHARDS_HINT = "delete old indices, add a node, or raise cluster.max_shards_per_node"
CLUSTER_ERRORS = {
    "security_exception": "grant `create_doc` and `auto_configure` on the indices",
    "index_not_found_exception": "let the server create the indices (action.auto_create_index), with `auto_configure`",
    "cluster_block_exception": "free space on its disks, or remove the block (index.blocks.*, cluster.blocks.*)",
    "index_closed_exception": "open that index, or delete it",
    "validation_exception": SHARDS_HINT,
    "invalid_index_name_exception": "correct index.prefix and index.quarantine_prefix",
    "invalid_index_template_exception": "correct the index template",
    "routing_missing_exception": "remove `_routing.required` from the index's mapping",
}
"""Types of errors that no document is at fault for, with their hints."""
CLUSTER_REASONS = (
    (re.compile(r"(Validation Failed: 1: )?this action would add \[\d+\] shards"), SHARDS_HINT),
    (re.compile(r"no write index is defined for alias "), "set the write index of that alias"),
    (
        re.compile(r"pipeline with id \[[^]]*\] does not exist"),
        "create that ingest pipeline, or remove it from the index's settings",
    ),
    (re.compile(r"Failed to parse mapping"), "correct the mapping in the index template"),
)
"""The same by the beginning of the reason; the rest of it may quote the document."""
SEE_SERVER_ERROR = "fix the cause that the server reports; no document is at fault"
RESPONSE_FIELDS = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by"
"""`filter_path` of a bulk request: the fields that `verdicts` reads."""
NO_ERRORS, CREATED = b'"errors":false', b'"status":201'
NEAR_BEGINNING = 64
Target = Callable[[str], str]
"""The index, alias or data stream to write to, from the document's daily index."""


class Request(NamedTuple):
    """One bulk request."""

    default: str
    """The index named in the path; documents of other indices name theirs in the action line."""
    documents: Sequence[Document]
    body: bytes


class Outcome(Enum):
    """Result of one document of a bulk request."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    RETRY = "retry"
    """Not stored now; a retry may succeed."""
    REJECTED = "rejected"
    """Never stored: the document is at fault."""
    BLOCKED = "blocked"
    """Rights, settings or the cluster's state prevent writing; other documents would fail too."""


class Verdict(NamedTuple):
    """Result of one document, with the server's reason if it was not stored."""

    outcome: Outcome
    reason: str = ""
    throttled: bool = False
    hint: str = ""
    """Hint for the operator, set with `Outcome.BLOCKED`."""


STORED, DUPLICATE = Verdict(Outcome.STORED), Verdict(Outcome.DUPLICATE)


class MalformedResponse(Exception):
    """A response that does not fit a bulk request."""


def requests(documents: Sequence[Document], max_bytes: int, target: Target) -> Iterator[Request]:
    """Split `documents` in order into as few requests as possible, each at most `max_bytes` or one document long."""
    pieces = documents.chunks if isinstance(documents, Documents) else [list(documents)]
    rendered = next((piece.index for piece in pieces if isinstance(piece, Rendered)), None)
    first = target(rendered or documents[0].index) if documents else ""
    named: dict[str, bytes] = {}
    held, size = Documents(), 0
    lines: list[Any] = []
    for piece in pieces:
        if isinstance(piece, Rendered) and (length := _size(piece, index := target(piece.index), first)) <= max_bytes:
            if lines and size + length > max_bytes:
                yield Request(first, held, joined(lines))
                held, lines, size = Documents(), [], 0
            held.extend(piece)
            lines.append(piece.block if index == first else piece.block.named(index))
            size += length
            continue
        for document in piece:
            index, body = document.index, document.body
            action = named.get(index)
            if action is None:
                action = named[index] = _action(target(index), first)
            if b"\n" in body:
                body = body.replace(b"\n", b" ")  # in JSON a newline is only whitespace between values
            length = len(action) + 45 + len(body)
            if lines and size + length > max_bytes:
                yield Request(first, held, joined(lines))
                held, lines, size = Documents(), [], 0
            held.add(document)
            lines.append(b'%b%b"}}\n%b\n' % (action, document.id.hex().encode(), body))
            size += length
    if lines:
        yield Request(first, held, joined(lines))


def _size(piece: Rendered, index: str, default: str) -> int:
    """Bytes of a block whose documents are for `index`, in a request whose path names `default`."""
    return int(piece.block.bulk_size if index == default else piece.block.named_size(index))


def _action(index: str, default: str) -> bytes:
    """The action line of a document, up to its id. Names of indices contain nothing that JSON escapes."""
    place = "" if index == default else f'"_index":"{index}",'
    return f'{{"create":{{{place}"_id":"'.encode()


class AllStored(NamedTuple):
    """A response that reports each item as created."""

    items: int

    @classmethod
    def read(cls, answer: bytes) -> "AllStored | None":
        """Recognise such a response by its bytes; None for any other, which is then parsed item by item."""
        if NO_ERRORS not in answer[:NEAR_BEGINNING]:
            return None
        return cls(answer.count(CREATED))


def verdicts(request: Request, answer: object) -> list[Verdict]:
    """One verdict a document, in order. Raises MalformedResponse."""
    if answer == AllStored(len(request.documents)):
        return [STORED] * len(request.documents)
    items = answer.get("items") if isinstance(answer, Mapping) else None
    if not isinstance(items, list) or len(items) != len(request.documents):
        raise MalformedResponse(f"expected {len(request.documents)} items, found {_count(items)}")
    return [_verdict(item) for item in items]


def _count(items: object) -> str:
    return str(len(items)) if isinstance(items, list) else "none"


def _verdict(item: object) -> Verdict:
    response = item.get("create") if isinstance(item, Mapping) else None
    status = response.get("status") if isinstance(response, Mapping) else None
    if not isinstance(response, Mapping) or not isinstance(status, int):
        raise MalformedResponse("an item has no status")
    if not HTTPStatus.OK <= status < 600 or 300 <= status < BAD_REQUEST:  # noqa: PLR2004 -- classes of HTTP
        raise MalformedResponse(f"an item has the status {status}")
    if status < 300:  # noqa: PLR2004 -- HTTP success
        return STORED
    if status == CONFLICT:
        return DUPLICATE
    error = response.get("error")
    error = error if isinstance(error, Mapping) else {}
    if status == TOO_MANY or status >= 500:  # noqa: PLR2004 -- a server error
        return Verdict(Outcome.RETRY, f"{status} {describe(error)}", status == TOO_MANY)
    return rejection(status, error)


def rejection(status: int, error: Mapping[str, Any]) -> Verdict:
    """The verdict on a 4xx other than 409 and 429: REJECTED if the document is at fault, else BLOCKED."""
    reason, hint = f"{status} {describe(error)}", cluster_hint(error)
    if hint is None and status not in DOCUMENT_STATUSES:
        hint = SEE_SERVER_ERROR
    return Verdict(Outcome.REJECTED, reason) if hint is None else Verdict(Outcome.BLOCKED, reason, hint=hint)


def cluster_hint(error: Mapping[str, Any]) -> str | None:
    """Hint for an error that no document is at fault for, by its type or reason; None for others."""
    name, said = error.get("type"), str(error.get("reason"))
    if isinstance(name, str) and name in CLUSTER_ERRORS:
        return CLUSTER_ERRORS[name]
    return next((hint for beginning, hint in CLUSTER_REASONS if beginning.match(said)), None)


def describe(error: Mapping[str, Any]) -> str:
    """The server's error in one line, with the innermost cause."""
    said = f"{error.get('type', 'error')}: {error.get('reason', 'no reason given')}"
    cause = error.get("caused_by")
    while isinstance(cause, Mapping):
        inner, cause = cause, cause.get("caused_by")
        if not isinstance(cause, Mapping) and inner.get("reason"):
            said = f"{said}; {inner.get('type')}: {inner['reason']}"
    return said
