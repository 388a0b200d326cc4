"""A proxy in front of a real server: it speaks TLS, cuts connections, or responds in the server's place."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK = 65_536


@dataclass
class Proxy:
    """A proxy that forwards bytes from a free loopback port to `target` (a URL) until it is closed."""

    target: str
    context: ssl.SSLContext | None = None
    answer: Callable[[int, bytes], bytes | None] = lambda _number, _head: None
    """Called with the number of a request's connection and its first bytes; a result other than None is the response."""
    cut_after: int | None = None
    """Bytes from the client after which a connection is cut, once."""
    requests: list[bytes] = field(default_factory=list)
    """The first bytes of each connection."""

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """URL at which it listens."""
        return f"{'http' if self.context is None else 'https'}://localhost:{self.port}"

    def close(self) -> None:
        """Cut all connections."""
        self.listener.close()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self.open.add(client)
        try:
            if self.context is not None:
                plain, client = client, self.context.wrap_socket(client, server_side=True)
                self.open.discard(plain)
                self.open.add(client)
            head = client.recv(CHUNK)
            if not head:
                return
            self.requests.append(head)
            answer = self.answer(len(self.requests), head)
            if answer is not None:
                client.settimeout(0.2)
                with suppress(OSError):
                    while client.recv(CHUNK):
                        pass
                client.sendall(answer)
                return
            self._forward(client, head)
        except OSError:
            pass
        finally:
            self.open.discard(client)
            client.close()

    def _forward(self, client: socket.socket, head: bytes) -> None:
        address = urlsplit(self.target)
        with socket.create_connection((address.hostname, address.port)) as server:
            self.open.add(server)
            server.sendall(head)
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            sent = len(head)
            while data := client.recv(CHUNK):
                sent += len(data)
                if self.cut_after is not None and sent > self.cut_after:
                    self.cut_after = None
                    server.shutdown(socket.SHUT_RDWR)
                    break
                server.sendall(data)
            self.open.discard(server)

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def http(status: str, body: bytes, *headers: str) -> bytes:
    """Return an HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
