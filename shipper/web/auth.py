"""Access: who may see more than metrics and health. Beyond loopback a token, by header or by signing in with it."""

import hmac
import secrets
import threading
from typing import Any

from shipper.system.clock import Clock

SESSION_S = 12 * 3600
"""How long somebody stays signed in: a shift."""
MOST_SESSIONS = 256
"""Past it the oldest one ends."""


class Access:
    """The token of one server, and who is signed in. A session is a random number: the token is in no cookie."""

    def __init__(self, token: str | None, *, loopback: bool, clock: Clock | None = None) -> None:
        """`token` is asked for where the server is not on loopback; where there is none, nobody gets in."""
        self._token, self._loopback, self._clock = token, loopback, clock or Clock()
        self.cookie = f"shipper_{secrets.token_hex(4)}"
        """Its name; cookies know no ports, and the one of an agent beside this is not to take its place."""
        self._sessions: dict[str, float] = {}
        """When each one ends, in monotonic seconds, in the order they began."""
        self._guard = threading.Lock()

    @property
    def asked(self) -> bool:
        """Whether a token is asked for."""
        return not self._loopback

    @property
    def closed(self) -> bool:
        """Whether one is asked for and none is configured."""
        return self.asked and not self._token

    def allows(self, environ: dict[str, Any]) -> bool:
        """Whether a request may see everything."""
        return self._loopback or self._bearer(environ) or self.signed_in(environ)

    def signed_in(self, environ: dict[str, Any]) -> bool:
        """Whether it comes from somebody who signed in."""
        with self._guard:
            end = self._sessions.get(self._session(environ))
        return end is not None and self._clock.monotonic() < end

    def sign_in(self, token: str, *, secure: bool) -> str | None:
        """The `Set-Cookie` header of a new session; None where the token is wrong."""
        if not self._is_token(token.encode("utf-8", "replace")):
            return None
        session = secrets.token_urlsafe(32)
        with self._guard:
            while len(self._sessions) >= MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[session] = self._clock.monotonic() + SESSION_S
        return self._cookie(session, SESSION_S, secure=secure)

    def sign_out(self, environ: dict[str, Any]) -> str:
        """End the session of a request; the `Set-Cookie` header that takes its cookie back."""
        with self._guard:
            self._sessions.pop(self._session(environ), None)
        return self._cookie("", 0, secure=False)

    def _cookie(self, value: str, seconds: int, *, secure: bool) -> str:
        mark = "; Secure" if secure else ""
        return f"{self.cookie}={value}; Max-Age={seconds}; HttpOnly; SameSite=Strict{mark}"

    def _bearer(self, environ: dict[str, Any]) -> bool:
        scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        return scheme.lower() == "bearer" and self._is_token(given.strip().encode("latin-1", "replace"))

    def _is_token(self, given: bytes) -> bool:
        return bool(self._token) and hmac.compare_digest(given, str(self._token).encode())

    def _session(self, environ: dict[str, Any]) -> str:
        """What our cookie holds; those of others are written as they like, and are not looked into."""
        pairs = (piece.partition("=") for piece in str(environ.get("HTTP_COOKIE", "")).split(";"))
        return next((value.strip() for name, _, value in pairs if name.strip() == self.cookie), "")
