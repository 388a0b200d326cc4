"""The agent's own face: /metrics, /health, /ready, /live, /status and pages, over the standard library's WSGI server.

It binds to loopback unless told otherwise; beyond loopback everything but metrics and health asks for a token.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EADDRINUSE
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from shipper.metrics.health import AgentView
from shipper.system.errors import ShipperError
from shipper.system.loopback import is_loopback
from shipper.web.app import CLOCK, Pages, WebApp
from shipper.web.auth import Access
from shipper.web.client import SERVER
from shipper.web.request_guard import host_of


class Patience(NamedTuple):
    """What one server bears with from its clients, so that slow ones cost no more than this."""

    silence_s: float = 10
    """How long a client may send nothing."""
    request_s: float = 30
    """How long a client may take in all; one that sends a byte now and then is never silent."""
    clients: int = 64
    """How many may be connected; past it the oldest goes, since an honest one is done in a moment.

    As many again may be at work still after they were hung up on; past that, whoever comes is turned away.
    """
    beat_s: float = 0.5
    """How often it is looked who takes too long, and whether to end."""


PATIENCE = Patience()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, host: str, port: int, patience: Patience, beat: Callable[[], None]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.patience, self._beat = patience, beat
        self._connected: dict[Any, float] = {}
        """When each client came, in the order they came."""
        self._leaving: set[Any] = set()
        """Those that were hung up on, as long as their threads are at work."""
        self._guard = threading.Lock()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind, without asking the network for a name of ours, which may take long where it has no answer."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401, ARG002 -- a socket, an address
        """Whether there may be one thread more."""
        with self._guard:
            return len(self._connected) + len(self._leaving) < 2 * self.patience.clients

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- a socket and its address
        """Answer in a thread of its own."""
        with self._guard:
            if len(self._connected) >= self.patience.clients:
                self._hang_up(next(iter(self._connected)))
            self._connected[request] = CLOCK.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        """Forget a client and close its connection."""
        with self._guard:
            self._connected.pop(request, None)
            self._leaving.discard(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Hang up on clients that take too long; called by the serving loop at each beat."""
        latest = CLOCK.monotonic() - self.patience.request_s
        with self._guard:
            for request in [request for request, since in self._connected.items() if since <= latest]:
                self._hang_up(request)
        self._beat()

    def _hang_up(self, request: socket.socket) -> None:
        """End what a thread waits for; the thread closes the connection itself."""
        del self._connected[request]
        self._leaving.add(request)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away or was too slow is its own affair."""


class _Handler(WSGIRequestHandler):
    server: _Server

    def setup(self) -> None:
        """Bound how long the client may be silent."""
        super().setup()
        self.connection.settimeout(self.server.patience.silence_s)

    def version_string(self) -> str:
        """What the `Server` header of a malformed request's answer says."""
        return SERVER

    def log_message(self, *args: object) -> None:
        """Requests are not logged: a scrape every few seconds is no news."""


@contextmanager
def serve(
    listen: str,
    agent: AgentView,
    token: str | None,
    patience: Patience = PATIENCE,
    pages: Pages | None = None,
) -> Iterator[str | None]:
    """Serve while the context lasts; gives the address, or None where `listen` is `off`. Raises ShipperError."""
    if listen == "off":
        yield None
        return
    host, port = host_of(listen), listen.rpartition(":")[2]
    loopback = is_loopback(host)
    face = WebApp(agent, Access(token, loopback=loopback), pages, loopback=loopback)
    try:
        server = _Server(host, int(port), patience, pages.beat if pages is not None else lambda: None)
    except (OSError, UnicodeError) as error:
        what = f"{listen} cannot be listened on: {getattr(error, 'strerror', None) or error}"
        hint = "give another address with --listen HOST:PORT, or `--listen off`"
        if getattr(error, "errno", None) == EADDRINUSE:
            hint = f"end the program that has the port (`ss -ltnp 'sport = :{port}'` names it), {hint}"
        raise ShipperError(what, hint) from error
    server.set_app(face)
    thread = threading.Thread(target=server.serve_forever, args=(patience.beat_s,), name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{host if ':' not in host else f'[{host}]'}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
