"""ASGI middleware: a sane correlation id for every request, and one `request_complete` for it."""

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any

import structlog

from shipper_processors.enforce import trace_id, usable
from shipper_processors.sanitize import printable

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SHOWN = 16
UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def new_id() -> str:
    """A random correlation id of 32 hexadecimal digits."""
    return uuid.uuid4().hex


class CorrelationMiddleware:
    """Binds `correlation_id` for all that is logged during a request, and answers with it.

    The id comes from `header`, else from a W3C `traceparent`. An unusable one is replaced and noted; what the client
    sent is never logged or echoed as it came.
    """

    def __init__(
        self,
        app: App,
        *,
        header: str = "X-Correlation-ID",
        make_id: Callable[[], str] = new_id,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """`clock` gives seconds; both are arguments so that a test can hold them."""
        self._app, self._header, self._make_id, self._clock = app, header.lower().encode("latin-1"), make_id, clock
        self._log = structlog.get_logger("shipper_processors.asgi")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; lifespan and websockets pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id, replaced = self._correlation_id(scope.get("headers", ()))
        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            if replaced is not None:
                self._log.warning(
                    "correlation_id_replaced", message="the client's correlation id was unusable", **replaced
                )
            await self._request(scope, receive, send, correlation_id)

    async def _request(self, scope: Scope, receive: Receive, send: Send, correlation_id: str) -> None:
        started, status = self._clock(), 500

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != self._header]
                message = {**message, "headers": [*headers, (self._header, correlation_id.encode("ascii"))]}
            await send(message)

        try:
            await self._app(scope, receive, answered)
        except Exception as error:
            told = {"error_type": type(error).__name__, "error_message": str(error)}
            self._log.error("request_error", exc_info=True, **told, **_asked(scope))
            raise
        finally:
            duration_ms = round((self._clock() - started) * 1000, 2)
            self._log.info("request_complete", status_code=status, duration_ms=duration_ms, **_asked(scope))

    def _correlation_id(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, dict[str, object] | None]:
        """The id to use, and what is noted of one that was replaced."""
        given = [value.decode("latin-1") for name, value in headers if name.lower() == self._header]
        if len(given) == 1 and usable(given[0]):
            return given[0], None
        traced = [trace_id(value.decode("latin-1")) for name, value in headers if name.lower() == b"traceparent"]
        found = next((traced_id for traced_id in traced if traced_id), None) or self._make_id()
        if not given:
            return found, None
        return found, {"given_length": sum(map(len, given)), "given_times": len(given), "given_start": _shown(given[0])}


def _shown(text: str) -> str:
    """A piece of what the client sent, without anything that a reader could misread."""
    return UNSAFE.sub("_", text[:SHOWN])


def _asked(scope: Scope) -> dict[str, object]:
    asked: dict[str, object] = {"method": scope["method"], "path": printable(scope["path"])}
    if scope.get("client"):
        asked["client_ip"] = scope["client"][0]
    return asked
