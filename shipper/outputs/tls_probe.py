"""TLS probe: the cause of a failed TLS connection, from a handshake with the server.

The client libraries report only a broken connection. A separate handshake shows if the server's certificate is not
trusted, if the server does not use TLS, or if it requires a client certificate.
"""

import socket
import ssl
from typing import NamedTuple

TIMEOUT_S = 3.0


class TlsProblem(NamedTuple):
    """A problem with TLS, and the setting that fixes it: `ca_file`, `certificate_file`, `tls` or `plain`."""

    what: str
    setting: str


def tls_problem(host: str, port: int, context: ssl.SSLContext | None) -> TlsProblem | None:
    """The TLS problem of a connection to a server, None if there is none; without a context, in plain text."""
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection:
            return _probe_plain(connection) if context is None else _probe_tls(connection, host, context)
    except OSError:
        return None


def _probe_plain(connection: socket.socket) -> TlsProblem | None:
    """Report a server that speaks TLS on a plain-text connection; no data of ours is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.wrap_socket(connection).close()
    except ssl.SSLError as error:
        if "ALERT" not in (error.reason or ""):
            return None
    return TlsProblem("requires TLS", "tls")


def _probe_tls(connection: socket.socket, host: str, context: ssl.SSLContext) -> TlsProblem | None:
    try:
        wrapped = context.wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        return TlsProblem(f"the server certificate is not trusted: {error.verify_message.rstrip('.')}", "ca_file")
    except (ssl.SSLError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or ""
        if "ALERT" in reason:
            return _rejected(reason)
        return TlsProblem(
            "does not use TLS" if "WRONG_VERSION" in reason else "does not use TLS, or no version in common", "plain"
        )
    with wrapped:
        wrapped.settimeout(TIMEOUT_S / 3)
        try:
            wrapped.recv(1)  # since TLS 1.3 a server asks for a certificate after the handshake
        except ssl.SSLError as error:
            return _rejected(error.reason or str(error))
        except OSError:
            return None  # it waits for a request: the handshake succeeded
    return None


def _rejected(reason: str) -> TlsProblem:
    alert = reason.replace("_", " ").lower()
    return TlsProblem(f"rejected the client certificate, or requires one: {alert}", "certificate_file")
