"""Access to everything except metrics and health: with the configured token, by header or by sign-in.

Without a token, everything is open on loopback, to every user of the machine, and closed beyond it.
"""

import hashlib
import hmac
import secrets
import threading
from typing import Any

from shipper.system.clock import Clock
from shipper.web.throttle import Throttle

SESSION_S = 12 * 3600
"""Duration of a session in seconds: a shift."""
MOST_SESSIONS = 256
"""Maximum number of sessions; beyond it the oldest ends."""


class Access:
    """The token of one server and its sessions. A session id is random: the token is never in a cookie."""

    def __init__(self, token: str | None, *, loopback: bool, clock: Clock | None = None) -> None:
        """Require `token` wherever the server listens; without one, access is closed beyond loopback."""
        self._token, self._loopback, self._clock = token, loopback, clock or Clock()
        self._throttle = Throttle(self._clock)
        self.cookie = f"shipper_{secrets.token_hex(4)}"
        """Unique cookie name: cookies ignore ports, so agents on one host must not overwrite each other's."""
        self._sessions: dict[str, float] = {}
        """End of each session in monotonic seconds, in order of creation."""
        self._guard = threading.Lock()

    @property
    def token_required(self) -> bool:
        """True if a token is required."""
        return bool(self._token) or not self._loopback

    @property
    def open_to_local_users(self) -> bool:
        """True if every user of this machine can read everything."""
        return not self.token_required

    @property
    def closed(self) -> bool:
        """True if a token is required and none is configured."""
        return self.token_required and not self._token

    def allows(self, environ: dict[str, Any]) -> bool:
        """Return True if a request may see everything. To be called after `wait`."""
        return not self.token_required or self.signed_in(environ) or self._bearer(environ)

    def wait(self, environ: dict[str, Any]) -> float:
        """Return the seconds for which no token of this client is compared, after too many wrong ones."""
        if self.closed or not self.token_required:
            return 0.0
        return self._throttle.wait(environ.get("REMOTE_ADDR", ""))

    def signed_in(self, environ: dict[str, Any]) -> bool:
        """Return True if the request belongs to a session."""
        with self._guard:
            end = self._sessions.get(self._session(environ))
        return end is not None and self._clock.monotonic() < end

    def sign_in(self, environ: dict[str, Any], token: str, *, secure: bool) -> str | None:
        """Return the `Set-Cookie` header of a new session; None for a wrong token. To be called after `wait`."""
        if not self._is_token(environ, token.encode("utf-8", "replace")):
            return None
        session = secrets.token_urlsafe(32)
        with self._guard:
            while len(self._sessions) >= MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[session] = self._clock.monotonic() + SESSION_S
        return self._cookie(session, SESSION_S, secure=secure)

    def sign_out(self, environ: dict[str, Any]) -> str:
        """End the session of a request; return the `Set-Cookie` header that deletes its cookie."""
        with self._guard:
            self._sessions.pop(self._session(environ), None)
        return self._cookie("", 0, secure=False)

    def _cookie(self, value: str, seconds: int, *, secure: bool) -> str:
        mark = "; Secure" if secure else ""
        return f"{self.cookie}={value}; Max-Age={seconds}; HttpOnly; SameSite=Strict{mark}"

    def _bearer(self, environ: dict[str, Any]) -> bool:
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        return scheme.lower() == "bearer" and self._is_token(environ, token.strip().encode("latin-1", "replace"))

    def _is_token(self, environ: dict[str, Any], token: bytes) -> bool:
        """Compare in a time that depends neither on content nor on length; note a wrong token."""
        if not self._token:
            return False
        expected, presented = (hashlib.sha256(one).digest() for one in (self._token.encode(), token))
        if hmac.compare_digest(presented, expected):
            return True
        self._throttle.failed(environ.get("REMOTE_ADDR", ""))
        return False

    def _session(self, environ: dict[str, Any]) -> str:
        """Return the value of our cookie; cookies of other programs are not parsed."""
        pairs = (part.partition("=") for part in str(environ.get("HTTP_COOKIE", "")).split(";"))
        return next((value.strip() for name, _, value in pairs if name.strip() == self.cookie), "")
