"""The agent's own face: /metrics, /health, /ready, /live, /status and pages, over the standard library's WSGI server.

It binds to loopback unless told otherwise; beyond loopback everything but metrics and health asks for a token.
"""

import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from errno import EADDRINUSE
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlencode
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from shipper import __version__
from shipper.access import Access
from shipper.client import SERVER
from shipper.clock import Clock
from shipper.errors import ShipperError
from shipper.exposition import Snapshot, registry_of

OPEN_TO_ALL = frozenset({"/metrics", "/health", "/ready", "/live"})
LOGIN, LOGOUT = "/login", "/logout"
ADDRESSES = {
    "/metrics": "counters and gauges for Prometheus, in its text format or as OpenMetrics",
    "/health": "how the agent is, check by check; 503 where only a restart helps",
    "/live": "whether it comes round; 503 where a restart helps",
    "/ready": "whether state and files were looked through once; 503 until then",
    "/status": "files, positions, lag, output and configuration as JSON: what `shipper status` prints",
    LOGIN: "asks for the token, and keeps people signed in for twelve hours",
    LOGOUT: "ends that; POST alone",
}
"""What there is beside the pages, and what it shows."""
TOKEN_WANTED = "give the token as `Authorization: Bearer …`"  # noqa: S105
NO_TOKEN = "beyond loopback this page asks for a token, and none is configured: set token_file, and restart"  # noqa: S105
CLOCK = Clock()
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = [
    ("Server", SERVER),
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
]
READ = ("GET", "HEAD")
MOST_FORM_BYTES, MOST_FIELDS = 4096, 32

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
    """A response: status, media type, body, and headers beside those that every response has."""

    status: HTTPStatus
    type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Pages(Protocol):
    """Pages for people; called from the server's threads."""

    paths: Collection[str]
    """Those that tell of the agent and its events."""
    assets: Mapping[str, Answer]
    """What they look like; the same for everybody, and nothing in it is secret."""

    def answer(self, path: str, query: Mapping[str, str], *, signed_in: bool) -> Answer:
        """The page at one of `paths`; `signed_in` where there is somebody who may sign out."""

    def sign_in(self, following: str, problem: str | None, *, again: bool) -> Answer:
        """The page that asks for the token and leads to `following`; with `again`, it asks once more by itself first.

        A browser that comes from another site withholds the cookie at first, and gives it to a page that it has loaded.
        """

    def beat(self) -> None:
        """Called about twice a second, by the serving loop: nothing that takes long."""


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


class Face:
    """The WSGI application."""

    def __init__(self, agent: AgentView, access: Access, pages: Pages | None = None, *, loopback: bool) -> None:
        """Without `pages` it shows what programs read, and nothing at `/`."""
        self._agent, self._access, self._pages, self._loopback = agent, access, pages, loopback
        self._metrics = make_wsgi_app(registry_of(agent.snapshot))
        self._own: dict[str, Callable[[], Answer]] = {
            "/health": self._health,
            "/live": self._live,
            "/ready": self._ready,
            "/status": lambda: _json(HTTPStatus.OK, self._agent.status()),
        }
        self._paths = frozenset(pages.paths) if pages else frozenset()
        self._assets: Mapping[str, Answer] = pages.assets if pages else {}
        self._open = OPEN_TO_ALL | self._assets.keys() | ({LOGIN, LOGOUT} if pages else set())
        self._known = self._open | self._own.keys() | self._paths

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "/")
        refusal = self._refusal(environ, path)
        if refusal is None and path == "/metrics":
            return self._measured(environ, start_response)
        answer = refusal or self._answer(environ, path)
        own = {name for name, _ in answer.headers}
        headers = [
            ("Content-Type", answer.type),
            ("Content-Length", str(len(answer.body))),
            *(header for header in HEADERS if header[0] not in own),
            *answer.headers,
        ]
        if answer.status is HTTPStatus.UNAUTHORIZED:
            headers.append(("WWW-Authenticate", "Bearer"))
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, environ: Environ, path: str) -> Answer:
        if path == LOGIN:
            return self._login(environ)
        if path == LOGOUT:
            return _see("./", ("Set-Cookie", self._access.sign_out(environ)))
        if path in self._assets:
            return self._assets[path]
        if self._pages is not None and path in self._paths:
            query = _fields(environ.get("QUERY_STRING", ""))
            if query is None:
                return _json(HTTPStatus.BAD_REQUEST, {"error": f"more than {MOST_FIELDS} fields in the address"})
            return self._pages.answer(path, query, signed_in=self._access.signed_in(environ))
        return self._own[path]()

    def _measured(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The metrics under our headers; HEAD is answered as GET is, without the body."""
        told: list[Any] = []
        body = b"".join(self._metrics({**environ, "REQUEST_METHOD": "GET"}, lambda *head: told.extend(head)))
        status, headers = told
        start_response(status, [*headers, ("Content-Length", str(len(body))), *HEADERS])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _refusal(self, environ: Environ, path: str) -> Answer | None:
        methods = self._methods(path)
        if environ["REQUEST_METHOD"] not in methods:
            error = {"error": f"this address answers to {', '.join(methods)} alone"}
            return _json(HTTPStatus.METHOD_NOT_ALLOWED, error, ("Allow", ", ".join(methods)))
        if self._loopback and not _local_name(environ.get("HTTP_HOST", "")):
            return _json(HTTPStatus.FORBIDDEN, {"error": "this server answers to a loopback name alone"})
        if path not in OPEN_TO_ALL and _from_elsewhere(environ):
            return _json(HTTPStatus.FORBIDDEN, {"error": "this server answers no page of another site"})
        if path not in self._known:
            return _json(HTTPStatus.NOT_FOUND, {"error": "no such page; see /"})
        if path in self._open or self._access.allows(environ):
            return None
        problem = NO_TOKEN if self._access.closed else None
        if self._pages is not None and path in self._paths and "bearer" not in _scheme(environ):
            again = environ.get("HTTP_SEC_FETCH_SITE") in ("cross-site", "same-site") and problem is None
            return self._pages.sign_in(_following(environ, self._paths), problem, again=again)
        return _json(HTTPStatus.UNAUTHORIZED, {"error": problem or TOKEN_WANTED})

    def _methods(self, path: str) -> tuple[str, ...]:
        if self._pages is None:
            return READ
        return {LOGIN: (*READ, "POST"), LOGOUT: ("POST",)}.get(path, READ)

    def _login(self, environ: Environ) -> Answer:
        assert self._pages is not None  # noqa: S101 -- without pages there is no such path
        if not self._access.asked or self._access.signed_in(environ):
            return _see("./")
        form = _form(environ) if environ["REQUEST_METHOD"] == "POST" else {}
        following = _safe(form.get("following", ""), self._paths)
        if self._access.closed:
            return self._pages.sign_in(following, NO_TOKEN, again=False)
        if not form:
            return self._pages.sign_in(following, None, again=False)
        cookie = self._access.sign_in(form.get("token", ""), secure=environ.get("HTTP_X_FORWARDED_PROTO") == "https")
        if cookie is None:
            return self._pages.sign_in(following, "This is not the token of this agent.", again=False)
        return _see(following, ("Set-Cookie", cookie))

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


def _json(status: HTTPStatus, content: dict[str, Any], *headers: tuple[str, str]) -> Answer:
    return Answer(status, "application/json", json.dumps(content).encode() + b"\n", headers)


def _see(place: str, *headers: tuple[str, str]) -> Answer:
    """Lead to another page; places are relative, so that all holds behind a proxy that puts a path before ours."""
    return Answer(HTTPStatus.SEE_OTHER, "text/plain", b"", (("Location", place), *headers))


def _fields(query: str) -> dict[str, str] | None:
    """The fields of a query, the last of each name; None where there are too many."""
    try:
        return dict(parse_qsl(query, max_num_fields=MOST_FIELDS))
    except ValueError:
        return None


def _form(environ: Environ) -> dict[str, str]:
    """The fields of a small form; none where it is something else."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MOST_FORM_BYTES:
        return {}
    body = environ["wsgi.input"].read(int(length)).decode("utf-8", "replace")
    return _fields(body) or {}


def _scheme(environ: Environ) -> str:
    return str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")[0].lower()


def _from_elsewhere(environ: Environ) -> bool:
    """Whether a page of another site asks, in the background, in a frame or by a form; a link to us is welcome."""
    if environ["REQUEST_METHOD"] not in READ:
        origin = environ.get("HTTP_ORIGIN", "")
        if origin and origin.partition("://")[2] != environ.get("HTTP_HOST", ""):
            return True
    if environ.get("HTTP_SEC_FETCH_SITE") not in ("cross-site", "same-site"):
        return False
    linked = environ.get("HTTP_SEC_FETCH_MODE") == "navigate" and environ.get("HTTP_SEC_FETCH_DEST") == "document"
    return not linked or environ["REQUEST_METHOD"] not in READ


def _following(environ: Environ, paths: Collection[str]) -> str:
    """The place that a request asks for, as `_safe` gives it."""
    query = environ.get("QUERY_STRING", "")
    return _safe(f"{environ.get('PATH_INFO', '/').removeprefix('/')}{'?' if query else ''}{query}", paths)


def _safe(place: str, paths: Collection[str]) -> str:
    """A relative place among `paths`, made anew from what was given; `./` where that is none."""
    path, _, query = place.partition("?")
    if f"/{path}" not in paths:
        return "./"
    fields = _fields(query)
    return f"{path or './'}?{urlencode(fields)}" if fields else path or "./"


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
    face = Face(agent, Access(token, loopback=loopback), pages, loopback=loopback)
    try:
        server = _Server(host, int(port), patience, pages.beat if pages is not None else lambda: None)
    except (OSError, UnicodeError) as error:
        what = f"{listen} cannot be listened on: {getattr(error, 'strerror', None) or error}"
        cure = "give another address with --listen HOST:PORT, or `--listen off`"
        if getattr(error, "errno", None) == EADDRINUSE:
            cure = f"end the program that has the port (`ss -ltnp 'sport = :{port}'` names it), {cure}"
        raise ShipperError(what, cure) from error
    server.set_app(face)
    thread = threading.Thread(target=server.serve_forever, args=(patience.beat_s,), name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{host if ':' not in host else f'[{host}]'}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
