"""A sink that only acknowledges: an HTTP server that reports every document of a bulk request as stored.

python -m benchmarks.sink [--latency] [--serials] [--ids] prints its URL and serves until it is stopped. It replaces
a server in measurements of clients; shipper with real servers is tested elsewhere.

It takes OpenTelemetry's logs over HTTP too (POST /v1/logs, protobuf, not compressed), and counts their records.

GET /stats returns the number of documents. With --latency it also returns their ages: the correlation id of a line is
then `t-` and the nanoseconds of the monotonic clock. With --serials, GET /serials returns the counts of the lines of
`benchmarks.serials`. With --ids, a document with a known id is rejected, as by an index.
"""

import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
JSON, PROTOBUF = b"application/vnd.elasticsearch+json;compatible-with=8", b"application/x-protobuf"
ROOT = b'{"name":"sink","version":{"number":"9.0.0"},"tagline":"You Know, for Search"}'
CHUNK = 1 << 20
OTLP = b"/v1/logs"
WRITTEN = re.compile(rb'"correlation_id":"t-(\d+)"')
SERIAL = re.compile(rb"s-(\d{5})-(\d{9})")
ID = re.compile(rb'"_id": *"([^"]+)"')
CREATED, CONFLICT = b'{"create":{"status":201}}', b'{"create":{"status":409}}'
_lock = threading.Lock()
_documents = 0
_ages_ns: list[int] = []
_latency = _serials = False
_known: set[bytes] | None = None
"""Ids in the index; None without --ids."""
_stored: dict[int, bytearray] = {}
"""By log, the number of times each line is in the index (at most 255)."""
_sent: dict[int, bytearray] = {}
"""By log, the number of times each line arrived."""


def stats() -> bytes:
    """Number of documents, with median, 99th percentile and maximum of their ages in milliseconds."""
    with _lock:
        ages = sorted(_ages_ns)
        figures: dict[str, float] = {"documents": _documents}
    if ages:
        figures |= {
            name: ages[min(len(ages) - 1, int(len(ages) * part))] / 1e6
            for name, part in (("p50", 0.5), ("p99", 0.99), ("most", 1))
        }
    return json.dumps(figures).encode()


def serials() -> bytes:
    """Of each log of `benchmarks.serials`: number of distinct lines, of documents sent, and of documents stored."""
    with _lock:
        serial_counts = {
            log: {"lines": len(sent) - sent.count(0), "sent": sum(sent), "stored": sum(_stored.get(log, sent))}
            for log, sent in _sent.items()
        }
    return json.dumps(serial_counts).encode()


def messages(body: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the messages in the field `wanted` of a protobuf message whose fields all have a length."""
    at = 0
    while at < len(body):
        tag, at = _varint(body, at)
        size, at = _varint(body, at)
        if tag >> 3 == wanted:
            yield body[at : at + size]
        at += size


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:  # noqa: PLR2004 -- the last byte of a varint
            return value, at


def log_records(body: bytes) -> int:
    """The number of records in an ExportLogsServiceRequest: resource_logs (1), scope_logs (2), log_records (2)."""
    scopes = (scope for resource in messages(body, 1) for scope in messages(resource, 2))
    return sum(1 for scope in scopes for _ in messages(scope, 2))


def note(number: int, body: bytes) -> list[bytes]:
    """Count a bulk request's documents, and return the response item for each."""
    global _documents  # noqa: PLW0603 -- one sink a process
    now = time.monotonic_ns()
    ages = [now - int(written) for written in WRITTEN.findall(body)] if _latency else []
    items = [CREATED] * number
    with _lock:
        _documents += number
        _ages_ns.extend(ages)
        if _known is None and not _serials:
            return items
        lines = body.split(b"\n")
        for place in range(number):
            if _known is not None and (named := ID.search(lines[2 * place])) is not None:
                if named[1] in _known:
                    items[place] = CONFLICT
                _known.add(named[1])
            if _serials and (serial := SERIAL.search(lines[2 * place + 1])) is not None:
                mark(_sent, int(serial[1]), int(serial[2]))
                if _known is not None and items[place] is CREATED:
                    mark(_stored, int(serial[1]), int(serial[2]))
    return items


def mark(marks: dict[int, bytearray], log: int, line: int) -> None:
    """Count another arrival of a line."""
    times_seen = marks.setdefault(log, bytearray(1024))
    if line >= len(times_seen):
        times_seen.extend(bytes(max(line + 1, 2 * len(times_seen)) - len(times_seen)))
    times_seen[line] += times_seen[line] < 255  # noqa: PLR2004 -- a byte


def answer(request: bytes, items: list[bytes]) -> bytes:
    """The response body: for a bulk request, an item for each document; otherwise statistics or the root document."""
    if b"/stats" in request:
        return stats()
    if b"/serials" in request:
        return serials()
    if OTLP in request:
        return b""
    if b"_bulk" not in request:
        return ROOT
    errors = b"true" if CONFLICT in items else b"false"
    return b'{"errors":%b,"items":[%b]}' % (errors, b",".join(items))


def serve(connection: socket.socket) -> None:
    """Answer one connection's requests in sequence; bodies are kept only if they are inspected."""
    inspected = _latency or _serials or _known is not None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(CHUNK)):
                return
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        if b"100-continue" in head.lower():
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = LENGTH.search(head)
        left, lines = (int(length[1]) if length else 0) - len(body), body.count(b"\n")
        request = head.partition(b"\r\n")[0]
        looks = inspected or OTLP in request
        kept = [body] if looks else []
        while left > 0:
            more = connection.recv(min(CHUNK, left))
            if not more:
                return
            left, lines = left - len(more), lines + more.count(b"\n")
            if looks:
                kept.append(more)
        if OTLP in request:
            note(log_records(b"".join(kept)), b"")
            items: list[bytes] = []
        else:
            items = note(lines // 2, b"".join(kept)) if lines else []
        content = answer(request, items)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\n"
            b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (PROTOBUF if OTLP in request else JSON, len(content), content)
        )
        data = b""


def serve_until_closed(connection: socket.socket) -> None:
    """Call `serve` until the peer closes the connection."""
    with suppress(ConnectionError), connection:
        serve(connection)


def main() -> None:
    """Serve until stopped."""
    global _latency, _serials, _known  # noqa: PLW0603
    _latency, _serials = "--latency" in sys.argv, "--serials" in sys.argv
    _known = set() if "--ids" in sys.argv else None
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        threading.Thread(target=serve_until_closed, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
