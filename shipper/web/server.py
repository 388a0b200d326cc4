"""HTTP server: /metrics, /health, /ready, /live, /status and pages, on the standard library's WSGI server.

It binds to loopback by default. A configured token is always required, except for metrics and health; beyond loopback
one must be configured.
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


class ClientLimits(NamedTuple):
    """Limits that bound the cost of slow clients."""

    idle_timeout_s: float = 10
    """Maximum time in seconds without any byte from a client."""
    request_timeout_s: float = 30
    """Maximum time in seconds for a whole request, also for a client that sends single bytes."""
    max_clients: int = 64
    """Maximum number of connections; beyond it the oldest is closed, since an honest one ends quickly.

    As many threads again may still be busy after their connection was closed; beyond that, new clients are rejected.
    """
    poll_s: float = 0.5
    """Interval in seconds between checks for slow clients and shutdown."""


LIMITS = ClientLimits()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, host: str, port: int, limits: ClientLimits, tick: Callable[[], None]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.limits, self._tick = limits, tick
        self._connected: dict[Any, float] = {}
        """Start time of each connection, in order of arrival."""
        self._closing: set[Any] = set()
        """Closed connections whose threads are still busy."""
        self._guard = threading.Lock()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without a reverse lookup of the host name, which may block for long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401, ARG002 -- a socket, an address
        """Return True if another thread may start."""
        with self._guard:
            return len(self._connected) + len(self._closing) < 2 * self.limits.max_clients

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- a socket and its address
        """Handle the request in a separate thread."""
        with self._guard:
            if len(self._connected) >= self.limits.max_clients:
                self._disconnect(next(iter(self._connected)))
            self._connected[request] = CLOCK.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        """Remove a client and close its connection."""
        with self._guard:
            self._connected.pop(request, None)
            self._closing.discard(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Close connections of slow clients; called regularly by the serving loop."""
        latest = CLOCK.monotonic() - self.limits.request_timeout_s
        with self._guard:
            for request in [request for request, since in self._connected.items() if since <= latest]:
                self._disconnect(request)
        self._tick()

    def _disconnect(self, request: socket.socket) -> None:
        """Shut the socket down, so that its thread stops waiting and closes the connection itself."""
        del self._connected[request]
        self._closing.add(request)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnected or were too slow."""


class _Handler(WSGIRequestHandler):
    server: _Server

    def setup(self) -> None:
        """Set the idle timeout of the client."""
        super().setup()
        self.connection.settimeout(self.server.limits.idle_timeout_s)

    def version_string(self) -> str:
        """Return the `Server` header for responses to malformed requests."""
        return SERVER

    def log_message(self, *args: object) -> None:
        """Do not log requests: a scrape every few seconds is not worth a line."""


@contextmanager
def serve(
    listen: str,
    agent: AgentView,
    token: str | None,
    limits: ClientLimits = LIMITS,
    pages: Pages | None = None,
) -> Iterator[str | None]:
    """Serve while the context lasts; yield the address, or None if `listen` is `off`. Raises ShipperError."""
    if listen == "off":
        yield None
        return
    host, port = host_of(listen), listen.rpartition(":")[2]
    loopback = is_loopback(host)
    app = WebApp(agent, Access(token, loopback=loopback), pages, loopback=loopback)
    try:
        server = _Server(host, int(port), limits, pages.tick if pages is not None else lambda: None)
    except (OSError, UnicodeError) as error:
        what = f"cannot listen on {listen}: {getattr(error, 'strerror', None) or error}"
        hint = "choose another address with --listen HOST:PORT, or use `--listen off`"
        if getattr(error, "errno", None) == EADDRINUSE:
            hint = f"stop the program that uses the port (`ss -ltnp 'sport = :{port}'` shows it), or {hint}"
        raise ShipperError(what, hint) from error
    server.set_app(app)
    thread = threading.Thread(target=server.serve_forever, args=(limits.poll_s,), name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{host if ':' not in host else f'[{host}]'}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
