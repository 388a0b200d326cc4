"""Secrets, and the places in a log where applications, their clients and their operators leave them."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from hypothesis import strategies as st

from shipper_processors.redact_numbers import luhn

LETTERS = "bcdfghjkmnpqrstvwxz"
"""Letters that form no word and no number, so that no part of a secret occurs in an output by chance."""
TIME = "2026-11-23T10:00:00.123456789Z"


class Planted(NamedTuple):
    """A secret as it occurs in a text, and the parts that must not be shown anywhere."""

    kind: str
    text: str
    parts: tuple[str, ...]


def number_that(holds: Callable[[str], bool], digits: str) -> str:
    """Return the digits with a check digit that makes them valid."""
    return next(f"{digits}{last}" for last in range(10) if holds(f"{digits}{last}"))


words = st.text(LETTERS, min_size=12, max_size=20)
numerals = st.text("3456789", min_size=11, max_size=11)


def _grouped(digits: str, sign: str) -> str:
    return sign.join(digits[at : at + 4] for at in range(0, len(digits), 4))


secrets = st.one_of(
    words.map(lambda word: Planted("password", f"password={word}", (word,))),
    words.map(lambda word: Planted("token", f"access_token: {word}", (word,))),
    words.map(lambda word: Planted("cookie", f"Cookie: sid={word}; theme=dark", (word,))),
    words.map(lambda word: Planted("session", f"session_id={word}", (word,))),
    words.map(lambda word: Planted("bearer", f"Bearer {word}", (word,))),
    words.map(lambda word: Planted("jwt", f"eyJhbGciOiJIUzI1NiJ9.eyJ{word}.{word}", (word,))),
    words.map(lambda word: Planted("email", f"{word}@{word}.example", (word,))),
    words.map(lambda word: Planted("url", f"postgresql://app:{word}@db:5432/app", (word,))),
    st.builds(
        lambda digits, sign: Planted(
            "card", _grouped(number_that(luhn, f"4532{digits}"), sign), (digits[:4] + sign + digits[4:8], digits)
        ),
        numerals,
        st.sampled_from(["", " ", "-"]),
    ),
    numerals.map(lambda digits: Planted("phone", f"+33{digits[:9]}", (digits[:9],))),
)


def event(**fields: Any) -> str:
    """Return a structured entry."""
    return json.dumps({"correlation_id": "visit-1", "event": "patient_read", **fields})


def escaped(text: str) -> str:
    """Return a text as JSON content with every character escaped."""
    return "".join(f"\\u{ord(sign):04x}" for sign in text)


BOUND = ("correlation id", "other id")
"""Carriers whose text the schema constrains: a number in an id is not personal, and no word precedes it."""
NEUTRAL = ("unusable correlation id", "timestamp")
"""Carriers in a refused line whose own name is that of an id or a time: most numbers there are, and are kept."""
CARRIERS: dict[str, Callable[[str], str]] = {
    "message": lambda secret: event(message=f"refused {secret} at once"),
    "plain text": lambda secret: f"refused {secret} at once",
    "nested": lambda secret: event(request={"headers": [{"note": f"({secret})"}]}),
    "a name": lambda secret: event(**{secret: 1}),
    "a nested name": lambda secret: event(request={secret: {"a": None}}),
    "under password": lambda secret: event(password=f"{secret} and more"),
    "under cookie": lambda secret: event(request={"Set-Cookie": [secret]}),
    "correlation id": lambda secret: event(correlation_id=secret.replace(" ", "")[:128]),
    "unusable correlation id": lambda secret: event(correlation_id=f"{'x' * 40} {secret}"),
    "other id": lambda secret: event(correlation_id=None, request_id=secret),
    "event": lambda secret: event(event=f"login {secret}"),
    "level": lambda secret: event(level=secret),
    "method": lambda secret: event(method=secret),
    "client": lambda secret: event(client_ip=secret),
    "user": lambda secret: event(user_id=secret),
    "path": lambda secret: event(path=f"/api/v1/{secret}"),
    "a label's value": lambda secret: event(event="prescription_created", medication=secret),
    "mistyped": lambda secret: event(status_code=[f"{'y' * 50} {secret}"]),
    "timestamp": lambda secret: event(timestamp=secret),
    "twice": lambda secret: f'{{"correlation_id":"a b","note":{json.dumps(secret)},"note":"x","event":"e"}}',
    "escaped": lambda secret: f'{{"correlation_id":"visit-1","event":"e","message":"{escaped(secret)}"}}',
    "escaped and refused": lambda secret: f'{{"correlation_id":"a b","event":"e","message":"{escaped(secret)}"}}',
    "refused, under cookie": lambda secret: event(correlation_id="a b", request={"cookie": secret}),
    "JSON in JSON": lambda secret: event(message=json.dumps({"body": json.dumps({"note": secret})})),
    "no JSON": lambda secret: event(message=secret)[:-1] + ",}",
    "no JSON, escaped": lambda secret: f'{{"correlation_id":"a","message":"{escaped(secret)}",}}',
    "no JSON, under cookie": lambda secret: event(request={"cookie": {"a": secret}})[:-1],
    "access line": lambda secret: f'INFO:     10.0.0.1:5000 - "GET /find?q={quote(secret)} HTTP/1.1" 200 OK',
    "access path": lambda secret: f'10.0.0.1 - - [23/Nov/2026:10:00:00 +0000] "GET /{quote(secret)} HTTP/1.1" 200 5',
    "referrer": lambda secret: f'10.0.0.1 - - [23/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "http://a/?{quote(secret, safe="=")}" "-"',
    "stack trace": lambda secret: f'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    login("{secret}")\nValueError: {secret} is no name',
    "a line that is too long": lambda secret: "x" * 3990 + f" {secret} and {secret} " + "y" * 4000,
    "long JSON": lambda secret: event(message="z" * 3900 + f" {secret} " * 9),
}  # fmt: skip
"""Logged text, by the place of the secret in it."""


def docker(text: str, stream: str = "stdout", size: int = 0) -> bytes:
    """Return json-file records of a text, one or more for each line, in parts of `size` characters if that is not 0."""
    records = []
    for line in f"{text}\n".splitlines(keepends=True):
        parts = [line[at : at + size] for at in range(0, len(line), size)] if size else [line]
        records += [json.dumps({"log": part, "stream": stream, "time": TIME}) for part in parts]
    return "".join(f"{record}\n" for record in records).encode()


def cri(text: str, stream: str = "stdout", size: int = 0) -> bytes:
    """Return the same as CRI lines."""
    lines = []
    for line in text.splitlines():
        parts = [line[at : at + size] for at in range(0, len(line), size)] if size else [line]
        lines += [f"{TIME} {stream} {'P' if at + 1 < len(parts) else 'F'} {p}" for at, p in enumerate(parts)]
    return "".join(f"{line}\n" for line in lines).encode()


def plain(text: str, _stream: str = "stdout", _size: int = 0) -> bytes:
    """Return the text unchanged."""
    return f"{text}\n".encode()


WRAPPED: dict[str, Callable[..., bytes]] = {"docker": docker, "cri": cri, "plain": plain}
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "no UTF-8": lambda lines: re.sub(rb"(refused|xxx|GET|Traceback|correlation)", b"\\1\xff", lines, count=1),
    "no envelope": lambda lines: lines.replace(b'"log"', b'"lug"').replace(b" stdout ", b" stdin "),
}


def shown_by(data: bytes, planted: Planted) -> list[str]:
    """Return the parts of a secret that occur in some bytes, in any width, escaped or not."""
    forms = {
        part: (part.encode(), quote(part).encode(), escaped(part).encode(), part.encode("utf-16-le"))
        for part in planted.parts
    }
    return [part for part, written in forms.items() if any(form in data for form in written)]
