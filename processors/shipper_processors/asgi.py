"""ASGI middleware: a valid correlation id for every request, and one `request_complete` entry."""

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any

import structlog

from shipper_processors.enforce import is_correlation_id, trace_id
from shipper_processors.sanitize import printable

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

EXCERPT_LENGTH = 16
UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def new_id() -> str:
    """Return a random correlation id of 32 hexadecimal digits."""
    return uuid.uuid4().hex


class CorrelationMiddleware:
    """Binds `correlation_id` to all entries of a request, and returns it in a response header.

    The id comes from `header`, else from a W3C `traceparent`. An invalid id is replaced and reported; the client's text
    is never logged or echoed unescaped.
    """

    def __init__(
        self,
        app: App,
        *,
        header: str = "X-Correlation-ID",
        make_id: Callable[[], str] = new_id,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """`clock` returns seconds; clock and ids are arguments so that tests can set them."""
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
                    "correlation_id_replaced", message="replaced an invalid correlation id of the client", **replaced
                )
            await self._request(scope, receive, send, correlation_id)

    async def _request(self, scope: Scope, receive: Receive, send: Send, correlation_id: str) -> None:
        started, status = self._clock(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != self._header]
                message = {**message, "headers": [*headers, (self._header, correlation_id.encode("ascii"))]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            error_fields = {"error_type": type(error).__name__, "error_message": str(error)}
            self._log.error("request_error", exc_info=True, **error_fields, **_request_fields(scope))
            raise
        finally:
            duration_ms = round((self._clock() - started) * 1000, 2)
            self._log.info("request_complete", status_code=status, duration_ms=duration_ms, **_request_fields(scope))

    def _correlation_id(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, dict[str, object] | None]:
        """Return the id to use, and a description of the id that it replaces, if any."""
        sent_ids = [value.decode("latin-1") for name, value in headers if name.lower() == self._header]
        if len(sent_ids) == 1 and is_correlation_id(sent_ids[0]):
            return sent_ids[0], None
        traced = [trace_id(value.decode("latin-1")) for name, value in headers if name.lower() == b"traceparent"]
        correlation_id = next((traced_id for traced_id in traced if traced_id), None) or self._make_id()
        if not sent_ids:
            return correlation_id, None
        replaced = {
            "given_length": sum(map(len, sent_ids)),
            "given_times": len(sent_ids),
            "given_start": _excerpt(sent_ids[0]),
        }
        return correlation_id, replaced


def _excerpt(text: str) -> str:
    """Return a short excerpt of the client's text, without characters that could mislead a reader."""
    return UNSAFE.sub("_", text[:EXCERPT_LENGTH])


def _request_fields(scope: Scope) -> dict[str, object]:
    fields: dict[str, object] = {"method": scope["method"], "path": printable(scope["path"])}
    if scope.get("client"):
        fields["client_ip"] = scope["client"][0]
    return fields
