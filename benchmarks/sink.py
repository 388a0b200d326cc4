"""A sink that only acknowledges: an HTTP server that says of every bulk request that all of it is stored.

python -m benchmarks.sink [--latency] prints its URL and serves until it is ended. It stands in for a server of which
nothing is to be measured; what shipper does with real servers is tested elsewhere.

GET /stats tells how many documents came. With --latency it also tells how long after their writing: the correlation id
of a line then is `t-` and the nanoseconds of the monotonic clock.
"""

import json
import re
import socket
import sys
import threading
import time

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
ROOT = b'{"name":"sink","version":{"number":"9.0.0"},"tagline":"You Know, for Search"}'
CHUNK = 1 << 20
WRITTEN = re.compile(rb'"correlation_id":"t-(\d+)"')
_lock = threading.Lock()
_documents = 0
_ages_ns: list[int] = []
_latency = False


def stats() -> bytes:
    """Documents so far, and of their ages in milliseconds the median, the 99th percentile and the greatest."""
    with _lock:
        ages = sorted(_ages_ns)
        found: dict[str, float] = {"documents": _documents}
    if ages:
        found |= {
            name: ages[min(len(ages) - 1, int(len(ages) * part))] / 1e6
            for name, part in (("p50", 0.5), ("p99", 0.99), ("most", 1))
        }
    return json.dumps(found).encode()


def note(documents: int, body: list[bytes]) -> None:
    """Count a bulk request's documents."""
    global _documents  # noqa: PLW0603 -- one sink a process
    now = time.monotonic_ns()
    ages = [now - int(written) for written in WRITTEN.findall(b"".join(body))] if _latency else []
    with _lock:
        _documents += documents
        _ages_ns.extend(ages)


def answer(request: bytes, documents: int) -> bytes:
    """The body for a request: of a bulk, an item a document; of anything else, what the client asks at first."""
    if b"/stats" in request:
        return stats()
    if b"_bulk" not in request:
        return ROOT
    return b'{"errors":false,"items":[%b]}' % b",".join([b'{"create":{"status":201}}'] * documents)


def serve(connection: socket.socket) -> None:
    """Answer one connection's requests, one after the other; bodies are counted by their lines and thrown away."""
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
        found = LENGTH.search(head)
        left, lines = (int(found[1]) if found else 0) - len(body), body.count(b"\n")
        kept = [body] if _latency else []
        while left > 0:
            more = connection.recv(min(CHUNK, left))
            if not more:
                return
            left, lines = left - len(more), lines + more.count(b"\n")
            if _latency:
                kept.append(more)
        if lines:
            note(lines // 2, kept)
        content = answer(head.partition(b"\r\n")[0], lines // 2)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\n"
            b"Content-Type: application/vnd.elasticsearch+json;compatible-with=8\r\nContent-Length: %d\r\n\r\n%b"
            % (len(content), content)
        )
        data = b""


def main() -> None:
    """Serve for ever."""
    global _latency  # noqa: PLW0603
    _latency = "--latency" in sys.argv
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
