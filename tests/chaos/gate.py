"""A proxy in front of a real Elasticsearch: forwards requests, responds itself, or cuts connections."""

import contextlib
import http.client
import json
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

NODE_S = 60.0


class Reply(NamedTuple):
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


class BrokenOff(Exception):
    """The connection is to be cut, whatever was done."""


Forward = Callable[[], Reply]
Manner = Callable[["Gate", str, bytes, Forward], Reply]
"""Handler of a request: gate, method and path, body, and a function that forwards it."""
JSON = {"Content-Type": "application/json", "X-Elastic-Product": "Elasticsearch"}


def passes(gate: "Gate", line: str, body: bytes, forward: Forward) -> Reply:
    """Forward unchanged."""
    return forward()


def error_response(status: int, kind: str, **headers: str) -> Manner:
    """Respond with an error of the server."""
    body = json.dumps({"error": {"type": kind, "reason": "chaos"}, "status": status}).encode()
    return lambda _gate, _line, _body, _forward: Reply(status, JSON | headers, body)


def too_large(limit: int) -> Manner:
    """Respond with a proxy's 413 to bodies of more than `limit` bytes."""

    def manner(gate: "Gate", line: str, body: bytes, forward: Forward) -> Reply:
        return Reply(413, {"Content-Type": "text/plain"}, b"too large") if len(body) > limit else forward()

    return manner


def html(status: int) -> Manner:
    """Respond with the page of another service that listens there."""
    return lambda _gate, _line, _body, _forward: Reply(
        status, {"Content-Type": "text/html"}, b"<html><p>Please log in</p></html>"
    )


def half_answers(gate: "Gate", line: str, body: bytes, forward: Forward) -> Reply:
    """Forward, and lose half of the response."""
    reply = forward()
    return reply._replace(headers=reply.headers | {"X-Cut": "half"})


def no_answer(gate: "Gate", line: str, body: bytes, forward: Forward) -> Reply:
    """Forward, and lose the response."""
    forward()
    raise BrokenOff


def cut_request(gate: "Gate", line: str, body: bytes, forward: Forward) -> Reply:
    """Forward half of a bulk request and cut the connection."""
    if "_bulk" not in line:
        return forward()
    with contextlib.suppress(OSError), socket.create_connection(gate.address, timeout=5) as server:
        head = f"{line} HTTP/1.1\r\nHost: node\r\nContent-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n"
        server.sendall(head.encode() + body[: len(body) // 2])
    raise BrokenOff


class Gate(ThreadingHTTPServer):
    """A server on a free loopback port, until it is closed."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, node: str) -> None:
        """Listen in front of the node at that URL."""
        super().__init__(("127.0.0.1", 0), Handler)
        parts = urlsplit(node)
        self.address = (parts.hostname or "", parts.port or 0)
        self.manner: Manner = passes
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection."""
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget it."""
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing for a connection that was cut."""

    def cut(self) -> None:
        """Cut every connection."""
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Gate

    def handle_one_request(self) -> None:
        """Handle a request of any method."""
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            reply = self.server.manner(self.server, f"{self.command} {self.path}", body, lambda: self._forwarded(body))
        except (OSError, http.client.HTTPException, BrokenOff):
            self.close_connection = True
            return
        cut = reply.headers.pop("X-Cut", None) is not None
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if cut else reply.body)
        self.wfile.flush()
        self.close_connection = self.close_connection or cut

    def _forwarded(self, body: bytes) -> Reply:
        node = http.client.HTTPConnection(*self.server.address, timeout=NODE_S)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            node.request(self.command, self.path, body or None, kept)
            answer = node.getresponse()
            names = ("content-type", "x-elastic-product", "retry-after", "content-encoding")
            headers = {name: value for name in names if (value := answer.getheader(name)) is not None}
            return Reply(answer.status, headers, answer.read())
        finally:
            node.close()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""
