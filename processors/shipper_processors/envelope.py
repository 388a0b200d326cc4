"""Runtime envelopes: what Docker's json-file driver and the CRI wrap around each line an application prints.

Formats: Docker `json-file` (one JSON object a line: `log`, `stream`, `time`, sometimes `attrs`; a message over 16 KiB
is split, and only its last part ends in a newline) and the Kubernetes CRI logging format
(`<RFC 3339 time> <stream> <tags> <message>`, tag `P` for a part and `F` for the end of a message).
"""

import json
import re
from typing import NamedTuple

import msgspec

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LONE_SURROGATES = re.compile("[\ud800-\udfff]")
CRI_LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\S{8,32}) (stdout|stderr) ([A-Z][A-Za-z:]*) ?(.*)", re.DOTALL)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
STREAMS = frozenset({"stdout", "stderr"})


class Piece(NamedTuple):
    """One runtime line, opened. `whole` tells whether the message ends with it."""

    log: str
    stream: str
    time: str | None
    whole: bool


class Record(msgspec.Struct, gc=False):
    """A json-file record; further keys (`attrs`) are passed over."""

    log: str
    stream: str
    time: str


_record = msgspec.json.Decoder(Record)


class EnvelopeError(ValueError):
    """A runtime line that cannot be opened; says what is wrong with it."""


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which no JSON encoder and no terminal can take."""
    return LONE_SURROGATES.sub(REPLACEMENT, text)


def records(lines: bytes) -> list[Record] | None:
    """All records of a chunk of complete json-file lines in one call, or None if any line needs a closer look."""
    try:
        return _record.decode_lines(lines)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def record(raw: bytes) -> Record:
    """One json-file record, read leniently: invalid UTF-8 and lone surrogates become U+FFFD. Raises EnvelopeError."""
    try:
        return _record.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        first = error
    try:
        found = json.loads(raw.decode("utf-8", "replace").lstrip("\ufeff\0"))
    except (ValueError, RecursionError):
        raise EnvelopeError(f"not a json-file record: {first}") from first
    if not isinstance(found, dict):
        raise EnvelopeError(f"a json-file record is a JSON object, this is {type(found).__name__}")
    for key in ("log", "stream", "time"):
        if not isinstance(found.get(key), str):
            raise EnvelopeError(f"json-file record without a text `{key}`")
    return Record(*(without_surrogates(found[key]) for key in ("log", "stream", "time")))


def open_json_file(raw: bytes) -> Piece:
    """Open one json-file line. Raises EnvelopeError."""
    found = record(raw)
    if found.stream not in STREAMS:
        raise EnvelopeError("json-file record whose `stream` is neither stdout nor stderr")
    return Piece(found.log, found.stream, found.time, found.log.endswith("\n"))


def open_cri(raw: bytes) -> Piece:
    """Open one CRI line. Raises EnvelopeError."""
    match = CRI_LINE.fullmatch(raw)
    if match is None:
        raise EnvelopeError("not a CRI line: expected `<time> stdout|stderr P|F <message>`")
    time, stream, tags, message = match.groups()
    return Piece(
        message.decode("utf-8", "replace"),
        stream.decode(),
        time.decode("ascii", "replace"),
        b"P" not in tags.split(b":"),
    )


def open_plain(raw: bytes) -> Piece:
    """A line of a plain file: no envelope, no time, always whole."""
    return Piece(raw.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace"), "stdout", None, whole=True)
