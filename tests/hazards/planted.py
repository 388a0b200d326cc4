"""Secrets, and the places in a log where applications, their clients and those who deploy them leave them."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from hypothesis import strategies as st

from shipper_processors.redact_patterns import luhn

LETTERS = "bcdfghjkmnpqrstvwxz"
"""No word and no number comes of these, so that a piece of a secret is not in an output by chance."""
TIME = "2026-11-23T10:00:00.123456789Z"


class Planted(NamedTuple):
    """A secret as it stands in a text, and the pieces that nothing may show."""

    kind: str
    text: str
    pieces: tuple[str, ...]


def number_that(holds: Callable[[str], bool], digits: str) -> str:
    """The digits with a last one that makes them valid."""
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
    """A structured entry."""
    return json.dumps({"correlation_id": "visit-1", "event": "patient_read", **fields})


def escaped(text: str) -> str:
    """JSON's content of a text with each of its signs escaped."""
    return "".join(f"\\u{ord(sign):04x}" for sign in text)


BOUND = ("correlation id", "other id")
"""Carriers whose text is bound by the schema: a number in an id is nobody's, and no word stands before another."""
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
"""What is logged, by where the secret stands in it."""


def docker(text: str, stream: str = "stdout", part: int = 0) -> bytes:
    """json-file records of a text: of each of its lines, in pieces of `part` characters where that is given."""
    records = []
    for line in f"{text}\n".splitlines(keepends=True):
        pieces = [line[at : at + part] for at in range(0, len(line), part)] if part else [line]
        records += [json.dumps({"log": piece, "stream": stream, "time": TIME}) for piece in pieces]
    return "".join(f"{record}\n" for record in records).encode()


def cri(text: str, stream: str = "stdout", part: int = 0) -> bytes:
    """The same as CRI lines."""
    lines = []
    for line in text.splitlines():
        pieces = [line[at : at + part] for at in range(0, len(line), part)] if part else [line]
        lines += [f"{TIME} {stream} {'P' if at + 1 < len(pieces) else 'F'} {p}" for at, p in enumerate(pieces)]
    return "".join(f"{line}\n" for line in lines).encode()


def plain(text: str, _stream: str = "stdout", _part: int = 0) -> bytes:
    """The text as it is."""
    return f"{text}\n".encode()


WRAPPED: dict[str, Callable[..., bytes]] = {"docker": docker, "cri": cri, "plain": plain}
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "no UTF-8": lambda lines: re.sub(rb"(refused|xxx|GET|Traceback|correlation)", b"\\1\xff", lines, count=1),
    "no envelope": lambda lines: lines.replace(b'"log"', b'"lug"').replace(b" stdout ", b" stdin "),
}


def shown_by(data: bytes, planted: Planted) -> list[str]:
    """The pieces of a secret that are in some bytes, as text of any width, escaped or not."""
    forms = {
        piece: (piece.encode(), quote(piece).encode(), escaped(piece).encode(), piece.encode("utf-16-le"))
        for piece in planted.pieces
    }
    return [piece for piece, written in forms.items() if any(form in data for form in written)]
