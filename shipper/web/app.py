"""The WSGI application: metrics, health, status and the addresses of the pages."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from math import ceil
from typing import Any, NamedTuple, Protocol

from shipper import __version__
from shipper.metrics.health import AgentView
from shipper.system.clock import Clock
from shipper.web.auth import Access
from shipper.web.client import SERVER
from shipper.web.request_guard import (
    MOST_FIELDS,
    MOST_FORM_BYTES,
    READ,
    Environ,
    authorization_scheme,
    is_cross_site,
    is_local_name,
    query_fields,
    requested_location,
    safe_location,
)

OPEN_TO_ALL = frozenset({"/metrics", "/health", "/ready", "/live"})
LOGIN, LOGOUT = "/login", "/logout"
ADDRESSES = {
    "/metrics": "counters and gauges for Prometheus, in its text format or as OpenMetrics",
    "/health": "health status with its checks; 503 if only a restart helps",
    "/live": "liveness; 503 if a restart helps",
    "/ready": "readiness: state and files have been read once; 503 until then",
    "/status": "files, offsets, lag, output and configuration as JSON, as in `shipper status`",
    LOGIN: "sign-in with the token, for twelve hours",
    LOGOUT: "sign-out; POST only",
}
"""Addresses besides the pages, and their content."""
TOKEN_REQUIRED = "token required: send it as `Authorization: Bearer …`"  # noqa: S105
NO_TOKEN = "this page requires a token beyond loopback, and none is configured: set token_file and restart"  # noqa: S105
TOO_MANY = "too many wrong tokens from this address; try again later"
TOO_SOON = "Too many wrong tokens. Try again in a few seconds."
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


class Response(NamedTuple):
    """A response: status, media type, body, and headers beside those that every response has."""

    status: HTTPStatus
    type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Pages(Protocol):
    """Pages for people; called from the server's threads."""

    paths: Collection[str]
    """Paths of the pages about the agent and its events."""
    assets: Mapping[str, Response]
    """Styles, script and icon; the same for everybody, without secrets."""

    def answer(self, path: str, query: Mapping[str, str], *, signed_in: bool, open_to_local_users: bool) -> Response:
        """Return the page at one of `paths`; `signed_in` adds the sign-out button, `open_to_local_users` a note."""

    def sign_in(self, following: str, problem: str | None, *, closed: bool, again: bool) -> Response:
        """Return the sign-in page, which leads to `following`; with `again`, it first reloads itself once.

        A browser that follows a link from another site omits the cookie, and sends it when the page reloads.
        """

    def tick(self) -> None:
        """Do periodic work; called about twice a second by the serving loop, so it must be quick."""


class WebApp:
    """The WSGI application."""

    def __init__(self, agent: AgentView, access: Access, pages: Pages | None = None, *, loopback: bool) -> None:
        """Without `pages`, only the addresses for programs exist."""
        self._agent, self._access, self._pages, self._loopback = agent, access, pages, loopback
        self._own: dict[str, Callable[[], Response]] = {
            "/health": self._health,
            "/live": self._live,
            "/ready": self._ready,
            "/status": lambda: _json(HTTPStatus.OK, self._agent.snapshot.status()),
        }
        self._paths = frozenset(pages.paths) if pages else frozenset()
        self._assets: Mapping[str, Response] = pages.assets if pages else {}
        self._open = OPEN_TO_ALL | self._assets.keys() | ({LOGIN, LOGOUT} if pages else set())
        self._known = self._open | self._own.keys() | self._paths

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to one request."""
        path = environ.get("PATH_INFO", "/")
        rejection = self._rejection(environ, path)
        if rejection is None and path == "/metrics":
            return self._metrics_response(environ, start_response)
        answer = rejection or self._answer(environ, path)
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

    @cached_property
    def _metrics(self) -> Callable[..., Iterable[bytes]]:
        """The application that exposes metrics; its library is loaded at the first scrape."""
        from prometheus_client import make_wsgi_app  # noqa: PLC0415 -- see above

        from shipper.metrics.exposition import registry_of  # noqa: PLC0415

        return make_wsgi_app(registry_of(lambda: self._agent.snapshot.metrics()))

    def _answer(self, environ: Environ, path: str) -> Response:
        if path == LOGIN:
            return self._login(environ)
        if path == LOGOUT:
            return _redirect("./", ("Set-Cookie", self._access.sign_out(environ)))
        if path in self._assets:
            return self._assets[path]
        if self._pages is not None and path in self._paths:
            query = query_fields(environ.get("QUERY_STRING", ""))
            if query is None:
                return _json(HTTPStatus.BAD_REQUEST, {"error": f"more than {MOST_FIELDS} query parameters"})
            return self._pages.answer(
                path,
                query,
                signed_in=self._access.signed_in(environ),
                open_to_local_users=self._access.open_to_local_users,
            )
        return self._own[path]()

    def _metrics_response(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Return the metrics with our headers; HEAD is like GET without the body."""
        response: list[Any] = []
        body = b"".join(self._metrics({**environ, "REQUEST_METHOD": "GET"}, lambda *head: response.extend(head)))
        status, headers = response
        start_response(status, [*headers, ("Content-Length", str(len(body))), *HEADERS])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _rejection(self, environ: Environ, path: str) -> Response | None:
        methods = self._methods(path)
        if environ["REQUEST_METHOD"] not in methods:
            error = {"error": f"method not allowed; use {', '.join(methods)}"}
            return _json(HTTPStatus.METHOD_NOT_ALLOWED, error, ("Allow", ", ".join(methods)))
        if self._loopback and not is_local_name(environ.get("HTTP_HOST", "")):
            return _json(HTTPStatus.FORBIDDEN, {"error": "the Host header must be a loopback name"})
        if path not in OPEN_TO_ALL and is_cross_site(environ):
            return _json(HTTPStatus.FORBIDDEN, {"error": "cross-site requests are not allowed"})
        if path not in self._known:
            return _json(HTTPStatus.NOT_FOUND, {"error": "not found; see /"})
        if path in self._open:
            return None
        is_bearer = "bearer" in authorization_scheme(environ)
        if is_bearer and not self._access.signed_in(environ) and (pause := self._access.wait(environ)):
            return _json(HTTPStatus.TOO_MANY_REQUESTS, {"error": TOO_MANY}, ("Retry-After", str(ceil(pause))))
        if self._access.allows(environ):
            return None
        problem = NO_TOKEN if self._access.closed else None
        if self._pages is not None and path in self._paths and not is_bearer:
            again = environ.get("HTTP_SEC_FETCH_SITE") in ("cross-site", "same-site") and not self._access.closed
            following = requested_location(environ, self._paths)
            return self._pages.sign_in(following, problem, closed=self._access.closed, again=again)
        return _json(HTTPStatus.UNAUTHORIZED, {"error": problem or TOKEN_REQUIRED})

    def _methods(self, path: str) -> tuple[str, ...]:
        if self._pages is None:
            return READ
        return {LOGIN: (*READ, "POST"), LOGOUT: ("POST",)}.get(path, READ)

    def _login(self, environ: Environ) -> Response:
        assert self._pages is not None  # noqa: S101 -- without pages there is no such path
        if not self._access.token_required or self._access.signed_in(environ):
            return _redirect("./")
        form = _form(environ) if environ["REQUEST_METHOD"] == "POST" else {}
        following = safe_location(form.get("following", ""), self._paths)
        if self._access.closed:
            return self._pages.sign_in(following, NO_TOKEN, closed=True, again=False)
        if not form:
            return self._pages.sign_in(following, None, closed=False, again=False)
        if self._access.wait(environ):
            return self._pages.sign_in(
                following, "Too many wrong tokens. Try again in a few seconds.", closed=False, again=False
            )
        cookie = self._access.sign_in(
            environ, form.get("token", ""), secure=environ.get("HTTP_X_FORWARDED_PROTO") == "https"
        )
        if cookie is None:
            problem = "Wrong token."
            return self._pages.sign_in(following, problem, closed=False, again=False)
        return _redirect(following, ("Set-Cookie", cookie))

    def _health(self) -> Response:
        status, checks = self._agent.snapshot.health()
        code = HTTPStatus.SERVICE_UNAVAILABLE if status == "stuck" else HTTPStatus.OK
        now = datetime.fromtimestamp(CLOCK.wall_ms() / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return _json(code, {"status": status, "version": __version__, "checks": checks, "timestamp": now})

    def _live(self) -> Response:
        stuck = self._agent.snapshot.health().status == "stuck"
        return _json(HTTPStatus.SERVICE_UNAVAILABLE if stuck else HTTPStatus.OK, {"live": not stuck})

    def _ready(self) -> Response:
        ready = self._agent.snapshot.ready
        return _json(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, {"ready": ready})


def _json(status: HTTPStatus, content: dict[str, Any], *headers: tuple[str, str]) -> Response:
    return Response(status, "application/json", json.dumps(content).encode() + b"\n", headers)


def _redirect(location: str, *headers: tuple[str, str]) -> Response:
    """Redirect to another page; locations are relative, so that a proxy may add a path prefix."""
    return Response(HTTPStatus.SEE_OTHER, "text/plain", b"", (("Location", location), *headers))


def _form(environ: Environ) -> dict[str, str]:
    """Return the fields of a small form; empty for anything else."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MOST_FORM_BYTES:
        return {}
    body = environ["wsgi.input"].read(int(length)).decode("utf-8", "replace")
    return query_fields(body) or {}
