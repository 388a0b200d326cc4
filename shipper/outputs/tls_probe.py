"""Handshake: why TLS with a server does not come about, asked of the server itself.

The libraries tell of a broken connection, and librdkafka of nothing but that. One handshake of our own tells whose
certificate is not trusted, who speaks no TLS, and who wants a certificate of ours.
"""

import socket
import ssl
from typing import NamedTuple

PATIENCE_S = 3.0


class Trouble(NamedTuple):
    """What is wrong, and the setting that mends it: `ca_file`, `certificate_file`, `tls` or `plain`."""

    what: str
    setting: str


def trouble_with(host: str, port: int, context: ssl.SSLContext | None) -> Trouble | None:
    """Why a server is not talked to in this way; without a context, in plain text. None where it is not for TLS."""
    try:
        with socket.create_connection((host, port), timeout=PATIENCE_S) as connection:
            return _plain(connection) if context is None else _encrypted(connection, host, context)
    except OSError:
        return None


def _plain(connection: socket.socket) -> Trouble | None:
    """Whether TLS is spoken where nobody asked for it; whoever it is, nothing is told to them."""
    curious = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    curious.check_hostname, curious.verify_mode = False, ssl.CERT_NONE
    try:
        curious.wrap_socket(connection).close()
    except ssl.SSLError as error:
        if "ALERT" not in (error.reason or ""):
            return None
    return Trouble("speaks TLS", "tls")


def _encrypted(connection: socket.socket, host: str, context: ssl.SSLContext) -> Trouble | None:
    try:
        wrapped = context.wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        return Trouble(f"the certificate is not trusted: {error.verify_message.rstrip('.')}", "ca_file")
    except (ssl.SSLError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or ""
        if "ALERT" in reason:
            return _refusing(reason)
        return Trouble("speaks no TLS" if "WRONG_VERSION" in reason else "speaks no TLS, or none of ours", "plain")
    with wrapped:
        wrapped.settimeout(PATIENCE_S / 3)
        try:
            wrapped.recv(1)  # since TLS 1.3 a server tells after the handshake that it wants a certificate
        except ssl.SSLError as error:
            return _refusing(error.reason or str(error))
        except OSError:
            return None  # it waits for us to speak: all is well
    return None


def _refusing(reason: str) -> Trouble:
    said = reason.replace("_", " ").lower()
    return Trouble(f"refuses TLS with the certificate that it is given, or with none: {said}", "certificate_file")
