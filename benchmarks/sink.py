"""A sink that only acknowledges: an HTTP server that says of every bulk request that all of it is stored.

python -m benchmarks.sink prints its URL and serves until it is ended. It stands in for a server of which nothing is to
be measured; what shipper does with real servers is tested elsewhere.
"""

import re
import socket
import threading

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
ROOT = b'{"name":"sink","version":{"number":"9.0.0"},"tagline":"You Know, for Search"}'
CHUNK = 1 << 20


def answer(request: bytes, documents: int) -> bytes:
    """The body for a request: of a bulk, an item a document; of anything else, what the client asks at first."""
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
        found = LENGTH.search(head)
        left, lines = (int(found[1]) if found else 0) - len(body), body.count(b"\n")
        while left > 0:
            more = connection.recv(min(CHUNK, left))
            if not more:
                return
            left, lines = left - len(more), lines + more.count(b"\n")
        content = answer(head.partition(b"\r\n")[0], lines // 2)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\n"
            b"Content-Type: application/vnd.elasticsearch+json;compatible-with=8\r\nContent-Length: %d\r\n\r\n%b"
            % (len(content), content)
        )
        data = b""


def main() -> None:
    """Serve for ever."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
