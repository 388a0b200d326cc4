"""HTTP requests to servers on loopback."""

import json
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any


def ask(url: str, body: object = None, method: str | None = None, seconds: float = 10) -> tuple[int, Any]:
    """Status and decoded JSON (or text) of a response with any status. Raises OSError if there is none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            status, content, kind = answer.status, answer.read(), answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        with error:
            status, content, kind = error.code, error.read(), error.headers.get_content_type()
    text = content.decode()
    return status, json.loads(text) if kind == "application/json" and text else text


def answers(url: str) -> bool:
    """Return True if the server responds with status 200."""
    try:
        return ask(url, seconds=2)[0] == HTTPStatus.OK
    except OSError:
        return False
