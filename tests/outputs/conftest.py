"""Documents in the form that the pipeline creates."""

import hashlib
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from shipper.model.documents import Document
from shipper_processors.render import searched_text
from shipper_processors.times import format_ms, parse_ms

Make = Callable[..., Document]


def make_document(
    number: int,
    *,
    at: str = "2026-11-23T10:00:00Z",
    prefix: str = "keneyapp-logs",
    **fields: Any,
) -> Document:
    """Document `number`, with a time `number` milliseconds after `at`; `fields` are fields of the event."""
    time_ms = (parse_ms(at) or 0) + number
    event = {"event": "patient_created", "level": "info", "message": f"entry {number}", **fields}
    body = {
        "@timestamp": format_ms(time_ms), **event, "stream": "stdout",
        "container": {"id": "4f" * 32, "name": "backend-1"}, "service": {"name": "backend"}, "host": {"name": "node-1"},
        "log": {"file": {"path": "/var/log/a.log"}, "offset": number},
    }  # fmt: skip
    return Document(
        f"{prefix}-{format_ms(time_ms)[:10].replace('-', '.')}",
        time_ms.to_bytes(6, "big") + hashlib.blake2b(str(number).encode(), digest_size=14).digest(),
        time_ms,
        event.get("correlation_id"),
        event["event"],
        event["level"],
        "backend-1",
        event.get("text") or event.get("raw") or searched_text(event),
        orjson.dumps({**body, **fields.get("provenance", {})}),
        event.get("trace_id"),
    )


@pytest.fixture
def make() -> Make:
    """A factory of documents: `make(number, at=…, **fields)`."""
    return make_document
