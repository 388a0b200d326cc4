"""The agent's own face: /metrics, /health, /ready, /live, /status, over the standard library's WSGI server.

It binds to loopback unless told otherwise; beyond loopback everything but metrics and health asks for a token.
"""

import hmac
import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from errno import EADDRINUSE
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, NamedTuple, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from shipper import __version__
from shipper.clock import Clock
from shipper.errors import ShipperError
from shipper.exposition import Snapshot, registry_of

OPEN_TO_ALL = frozenset({"/metrics", "/health", "/ready", "/live"})
TOKEN_WANTED = "give the token as `Authorization: Bearer …`"  # noqa: S105
NO_TOKEN = "beyond loopback this page asks for a token, and none is configured: set token_file, and restart"  # noqa: S105
CLOCK = Clock()
SERVER = "shipper"
"""What the `Server` header says: a check tells an agent from another program by it, a stranger learns no version."""
HEADERS = [
    ("Server", SERVER),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
]
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>shipper</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;padding:0 1em}</style>
<h1>shipper</h1><ul><li><a href="/metrics">metrics</a><li><a href="/health">health</a>
<li><a href="/ready">ready</a><li><a href="/status">status</a></ul></html>
"""

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class Health(NamedTuple):
    """How the agent is: `healthy`, `degraded` (a restart would not help) or `stuck`, with its checks."""

    status: str
    checks: dict[str, str]


class AgentView(Protocol):
    """What the agent shows of itself; called from the server's threads."""

    def snapshot(self) -> Snapshot:
        """Committed counters and gauges."""

    def health(self) -> Health:
        """How it is."""

    def ready(self) -> bool:
        """Whether the first scan and the state are done."""

    def status(self) -> dict[str, Any]:
        """Files, positions, lag, output, as JSON."""


class Answer(NamedTuple):
    """A response: status, media type, body."""

    status: HTTPStatus
    type: str
    body: bytes


class Patience(NamedTuple):
    """What one server bears with from its clients, so that slow ones cost no more than this."""

    silence_s: float = 10
    """How long a client may send nothing."""
    request_s: float = 30
    """How long a client may take in all; one that sends a byte now and then is never silent."""
    clients: int = 64
    """How many may be connected; past it the oldest goes, since an honest one is done in a moment."""


PATIENCE = Patience()


class Face:
    """The WSGI application."""

    def __init__(self, agent: AgentView, *, token: str | None, loopback: bool) -> None:
        """`token` is asked for where the server is not on loopback; where there is none, such pages are refused."""
        self._agent, self._token, self._loopback = agent, token, loopback
        self._metrics = make_wsgi_app(registry_of(agent.snapshot))
        self._pages: dict[str, Callable[[], Answer]] = {
            "/": lambda: Answer(HTTPStatus.OK, "text/html; charset=utf-8", PAGE.encode()),
            "/health": self._health,
            "/live": self._live,
            "/ready": self._ready,
            "/status": lambda: _json(HTTPStatus.OK, self._agent.status()),
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "/")
        refusal = self._refusal(environ, path)
        if refusal is None and path == "/metrics":
            return self._measured(environ, start_response)
        answer = refusal or self._pages[path]()
        headers = [("Content-Type", answer.type), ("Content-Length", str(len(answer.body))), *HEADERS]
        if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", "GET, HEAD"))
        if answer.status is HTTPStatus.UNAUTHORIZED:
            headers.append(("WWW-Authenticate", "Bearer"))
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _measured(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The metrics under our headers; HEAD is answered as GET is, without the body."""
        told: list[Any] = []
        body = b"".join(self._metrics({**environ, "REQUEST_METHOD": "GET"}, lambda *head: told.extend(head)))
        status, headers = told
        start_response(status, [*headers, ("Content-Length", str(len(body))), *HEADERS])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _refusal(self, environ: Environ, path: str) -> Answer | None:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _json(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "this server only shows; use GET"})
        if self._loopback and not _local_name(environ.get("HTTP_HOST", "")):
            return _json(HTTPStatus.FORBIDDEN, {"error": "this server answers to a loopback name alone"})
        if path != "/metrics" and path not in self._pages:
            return _json(HTTPStatus.NOT_FOUND, {"error": "no such page; see /"})
        if not self._loopback and path not in OPEN_TO_ALL and not self._authorised(environ):
            return _json(HTTPStatus.UNAUTHORIZED, {"error": TOKEN_WANTED if self._token else NO_TOKEN})
        return None

    def _authorised(self, environ: Environ) -> bool:
        scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not self._token or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode("latin-1", "replace"), self._token.encode())

    def _health(self) -> Answer:
        status, checks = self._agent.health()
        code = HTTPStatus.SERVICE_UNAVAILABLE if status == "stuck" else HTTPStatus.OK
        now = datetime.fromtimestamp(CLOCK.wall_ms() / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return _json(code, {"status": status, "version": __version__, "checks": checks, "timestamp": now})

    def _live(self) -> Answer:
        stuck = self._agent.health().status == "stuck"
        return _json(HTTPStatus.SERVICE_UNAVAILABLE if stuck else HTTPStatus.OK, {"live": not stuck})

    def _ready(self) -> Answer:
        ready = self._agent.ready()
        return _json(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, {"ready": ready})


def _json(status: HTTPStatus, content: dict[str, Any]) -> Answer:
    return Answer(status, "application/json", json.dumps(content).encode() + b"\n")


def _local_name(host: str) -> bool:
    """Whether a Host header names this machine: a page elsewhere may have its own name resolve to loopback."""
    name = host.removesuffix(f":{host.rpartition(':')[2]}") if ":" in host and not host.endswith("]") else host
    return name in ("", "localhost") or is_loopback(name.strip("[]"))


def host_of(listen: str) -> str:
    """The host of HOST:PORT, without the brackets of an IPv6 address."""
    return listen.rpartition(":")[0].strip("[]")


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, host: str, port: int, patience: Patience) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.patience = patience
        self._connected: dict[Any, float] = {}
        """When each client came, in the order they came; one that is here is not closed yet."""
        self._guard = threading.Lock()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind, without asking the network for a name of ours, which may take long where it has no answer."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- a socket and its address
        """Answer in a thread of its own."""
        with self._guard:
            if len(self._connected) >= self.patience.clients:
                _hang_up(next(iter(self._connected)))
            self._connected[request] = CLOCK.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        """Forget a client and close its connection."""
        with self._guard:
            self._connected.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Hang up on clients that take too long; called by the serving loop twice a second."""
        latest = CLOCK.monotonic() - self.patience.request_s
        with self._guard:
            for request, since in self._connected.items():
                if since > latest:
                    break
                _hang_up(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away or was too slow is its own affair."""


def _hang_up(request: socket.socket) -> None:
    """End what a thread waits for; the thread closes the connection itself."""
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


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
def serve(listen: str, agent: AgentView, token: str | None, patience: Patience = PATIENCE) -> Iterator[str | None]:
    """Serve while the context lasts; gives the address, or None where `listen` is `off`. Raises ShipperError."""
    if listen == "off":
        yield None
        return
    host, port = host_of(listen), listen.rpartition(":")[2]
    face = Face(agent, token=token, loopback=is_loopback(host))
    try:
        server = _Server(host, int(port), patience)
    except (OSError, UnicodeError) as error:
        what = f"{listen} cannot be listened on: {getattr(error, 'strerror', None) or error}"
        cure = "give another address with --listen HOST:PORT, or `--listen off`"
        if getattr(error, "errno", None) == EADDRINUSE:
            cure = f"end the program that has the port (`ss -ltnp 'sport = :{port}'` names it), {cure}"
        raise ShipperError(what, cure) from error
    server.set_app(face)
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{host if ':' not in host else f'[{host}]'}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
