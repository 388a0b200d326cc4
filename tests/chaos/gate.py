"""What stands before a real Elasticsearch: passes requests on, answers in its place, or breaks off in the middle."""

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
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class BrokenOff(Exception):
    """The connection is to be cut, after what was done."""


Forward = Callable[[], Reply]
Manner = Callable[["Gate", str, bytes, Forward], Reply]
"""What is done with a request: the gate, its method and path, its body, and what passes it on."""
JSON = {"Content-Type": "application/json", "X-Elastic-Product": "Elasticsearch"}


def passes(gate: "Gate", line: str, body: bytes, forward: Forward) -> Reply:
    """As if there were no gate."""
    return forward()


def refuses(status: int, kind: str, **headers: str) -> Manner:
    """A refusal of the server's."""
    told = json.dumps({"error": {"type": kind, "reason": "chaos"}, "status": status}).encode()
    return lambda _gate, _line, _body, _forward: Reply(status, JSON | headers, told)


def too_large(limit: int) -> Manner:
    """A proxy's 413 for bodies of more than `limit` bytes."""

    def manner(gate: "Gate", line: str, body: bytes, forward: Forward) -> Reply:
        return Reply(413, {"Content-Type": "text/plain"}, b"too large") if len(body) > limit else forward()

    return manner


def html(status: int) -> Manner:
    """The page of something else that listens there."""
    return lambda _gate, _line, _body, _forward: Reply(
        status, {"Content-Type": "text/html"}, b"<html><p>Please log in</p></html>"
    )


def half_answers(gate: "Gate", line: str, body: bytes, forward: Forward) -> Reply:
    """Done by the server, and half of the answer gets lost."""
    found = forward()
    return found._replace(headers=found.headers | {"X-Cut": "half"})


def no_answer(gate: "Gate", line: str, body: bytes, forward: Forward) -> Reply:
    """Done by the server, and its answer gets lost."""
    forward()
    raise BrokenOff


def cut_request(gate: "Gate", line: str, body: bytes, forward: Forward) -> Reply:
    """Half of a bulk request comes to the server, and the connection is gone."""
    if "_bulk" not in line:
        return forward()
    with contextlib.suppress(OSError), socket.create_connection(gate.address, timeout=5) as server:
        head = f"{line} HTTP/1.1\r\nHost: node\r\nContent-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n"
        server.sendall(head.encode() + body[: len(body) // 2])
    raise BrokenOff


class Gate(ThreadingHTTPServer):
    """Listens on a free loopback port until it is closed."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, node: str) -> None:
        """Before the node at that URL."""
        super().__init__(("127.0.0.1", 0), Handler)
        found = urlsplit(node)
        self.address = (found.hostname or "", found.port or 0)
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
        """A connection that was cut says nothing."""

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
        """Of any method."""
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            found = self.server.manner(self.server, f"{self.command} {self.path}", body, lambda: self._forwarded(body))
        except (OSError, http.client.HTTPException, BrokenOff):
            self.close_connection = True
            return
        cut = found.headers.pop("X-Cut", None) is not None
        self.send_response_only(found.status)
        for name, value in found.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(found.body)))
        self.end_headers()
        self.wfile.write(found.body[: len(found.body) // 2] if cut else found.body)
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
        """Nothing."""
