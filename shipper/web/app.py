"""The WSGI application: metrics, health, status and the addresses of the pages."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from prometheus_client import make_wsgi_app

from shipper import __version__
from shipper.metrics.exposition import registry_of
from shipper.metrics.health import AgentView
from shipper.system.clock import Clock
from shipper.web.auth import Access
from shipper.web.client import SERVER
from shipper.web.request_guard import (
    MOST_FIELDS,
    MOST_FORM_BYTES,
    READ,
    Environ,
    _fields,
    _following,
    _from_elsewhere,
    _local_name,
    _safe,
    _scheme,
)

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
StartResponse = Callable[..., Any]


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

    def sign_in(self, following: str, problem: str | None, *, closed: bool, again: bool) -> Answer:
        """The page that asks for the token and leads to `following`; with `again`, it asks once more by itself first.

        A browser that comes from another site withholds the cookie at first, and gives it to a page that it has loaded.
        """

    def beat(self) -> None:
        """Called about twice a second, by the serving loop: nothing that takes long."""


class WebApp:
    """The WSGI application."""

    def __init__(self, agent: AgentView, access: Access, pages: Pages | None = None, *, loopback: bool) -> None:
        """Without `pages` it shows what programs read, and nothing at `/`."""
        self._agent, self._access, self._pages, self._loopback = agent, access, pages, loopback
        self._metrics = make_wsgi_app(registry_of(lambda: agent.snapshot.metrics()))
        self._own: dict[str, Callable[[], Answer]] = {
            "/health": self._health,
            "/live": self._live,
            "/ready": self._ready,
            "/status": lambda: _json(HTTPStatus.OK, self._agent.snapshot.status()),
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
            again = environ.get("HTTP_SEC_FETCH_SITE") in ("cross-site", "same-site") and not self._access.closed
            following = _following(environ, self._paths)
            return self._pages.sign_in(following, problem, closed=self._access.closed, again=again)
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
            return self._pages.sign_in(following, NO_TOKEN, closed=True, again=False)
        if not form:
            return self._pages.sign_in(following, None, closed=False, again=False)
        cookie = self._access.sign_in(form.get("token", ""), secure=environ.get("HTTP_X_FORWARDED_PROTO") == "https")
        if cookie is None:
            problem = "This is not the token of this agent."
            return self._pages.sign_in(following, problem, closed=False, again=False)
        return _see(following, ("Set-Cookie", cookie))

    def _health(self) -> Answer:
        status, checks = self._agent.snapshot.health()
        code = HTTPStatus.SERVICE_UNAVAILABLE if status == "stuck" else HTTPStatus.OK
        now = datetime.fromtimestamp(CLOCK.wall_ms() / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return _json(code, {"status": status, "version": __version__, "checks": checks, "timestamp": now})

    def _live(self) -> Answer:
        stuck = self._agent.snapshot.health().status == "stuck"
        return _json(HTTPStatus.SERVICE_UNAVAILABLE if stuck else HTTPStatus.OK, {"live": not stuck})

    def _ready(self) -> Answer:
        ready = self._agent.snapshot.ready
        return _json(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, {"ready": ready})


def _json(status: HTTPStatus, content: dict[str, Any], *headers: tuple[str, str]) -> Answer:
    return Answer(status, "application/json", json.dumps(content).encode() + b"\n", headers)


def _see(place: str, *headers: tuple[str, str]) -> Answer:
    """Lead to another page; places are relative, so that all holds behind a proxy that puts a path before ours."""
    return Answer(HTTPStatus.SEE_OTHER, "text/plain", b"", (("Location", place), *headers))


def _form(environ: Environ) -> dict[str, str]:
    """The fields of a small form; none where it is something else."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MOST_FORM_BYTES:
        return {}
    body = environ["wsgi.input"].read(int(length)).decode("utf-8", "replace")
    return _fields(body) or {}
