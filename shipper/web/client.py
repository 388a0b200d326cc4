"""Client: what answers where an agent listens, asked directly, whatever proxy is set."""

from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

SERVER = "shipper"
"""What an agent's `Server` header says: it is told from another program by it, and a stranger learns no version."""
PATIENCE_S = 3


class Answer(NamedTuple):
    """What came back, and under which HTTP status."""

    status: int
    body: bytes


def address(listen: str) -> tuple[str, int]:
    """Host and port of a `HOST:PORT`, an IPv6 address without its brackets."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def ask(listen: str, path: str, token: str | None = None) -> Answer | None:
    """A page of the agent that listens there; None where none does. What is no agent's is not read."""
    headers = {"Host": "localhost"}  # also where it listens under another name: it answers to no strange ones
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    connection = HTTPConnection(*address(listen), timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={name: value.encode() for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read()) if answer.getheader("Server") == SERVER else None
    except (OSError, HTTPException, UnicodeError):
        return None
    finally:
        connection.close()
