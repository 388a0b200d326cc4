"""Client: fetch a page of a local agent directly, without any configured proxy."""

from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

SERVER = "shipper"
"""Value of an agent's `Server` header: identifies an agent, without a version."""
TIMEOUT_S = 3


class Response(NamedTuple):
    """A response: HTTP status and body."""

    status: int
    body: bytes


def address(listen: str) -> tuple[str, int]:
    """Split `HOST:PORT`; an IPv6 address loses its brackets."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def fetch(listen: str, path: str, token: str | None = None) -> Response | None:
    """Fetch a page of the agent at `listen`; None if there is none. Responses of other programs are not read."""
    headers = {"Host": "localhost"}  # an agent on loopback accepts only loopback names
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    connection = HTTPConnection(*address(listen), timeout=TIMEOUT_S)
    try:
        connection.request("GET", path, headers={name: value.encode() for name, value in headers.items()})
        response = connection.getresponse()
        return Response(response.status, response.read()) if response.getheader("Server") == SERVER else None
    except (OSError, HTTPException, UnicodeError):
        return None
    finally:
        connection.close()
