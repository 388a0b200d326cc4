"""Parse runtime envelopes: the formats in which Docker's json-file driver and the CRI store lines of applications.

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


class RuntimeLine(NamedTuple):
    """One runtime line, parsed. `whole` is True if it ends the message."""

    log: str
    stream: str
    time: str | None
    whole: bool


class Record(msgspec.Struct, gc=False):
    """A json-file record; further keys (`attrs`) are ignored."""

    log: str
    stream: str
    time: str


_record = msgspec.json.Decoder(Record)


class EnvelopeError(ValueError):
    """A runtime line cannot be parsed; the message names the reason."""


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which JSON encoders and terminals reject."""
    return LONE_SURROGATES.sub(REPLACEMENT, text)


def parse_records(lines: bytes) -> list[Record] | None:
    """Parse all lines of a json-file chunk in one call; None if any line needs `parse_record`."""
    try:
        return _record.decode_lines(lines)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def parse_record(raw: bytes) -> Record:
    """Parse one json-file record leniently: invalid UTF-8 and lone surrogates become U+FFFD. Raises EnvelopeError."""
    try:
        return _record.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        first = error
    try:
        content = json.loads(raw.decode("utf-8", "replace").lstrip("\ufeff\0"))
    except (ValueError, RecursionError):
        raise EnvelopeError(f"not a json-file record: {first}") from first
    if not isinstance(content, dict):
        raise EnvelopeError(f"a json-file record must be a JSON object, not {type(content).__name__}")
    for key in ("log", "stream", "time"):
        if not isinstance(content.get(key), str):
            raise EnvelopeError(f"a json-file record must have a string `{key}`")
    return Record(*(without_surrogates(content[key]) for key in ("log", "stream", "time")))


def parse_json_file(raw: bytes) -> RuntimeLine:
    """Parse one json-file line. Raises EnvelopeError."""
    fields = parse_record(raw)
    if fields.stream not in STREAMS:
        raise EnvelopeError("`stream` of a json-file record must be stdout or stderr")
    return RuntimeLine(fields.log, fields.stream, fields.time, fields.log.endswith("\n"))


def parse_cri(raw: bytes) -> RuntimeLine:
    """Parse one CRI line. Raises EnvelopeError."""
    match = CRI_LINE.fullmatch(raw)
    if match is None:
        raise EnvelopeError("not a CRI line: expected `<time> stdout|stderr P|F <message>`")
    time, stream, tags, message = match.groups()
    return RuntimeLine(
        message.decode("utf-8", "replace"),
        stream.decode(),
        time.decode("ascii", "replace"),
        b"P" not in tags.split(b":"),
    )


def parse_plain(raw: bytes) -> RuntimeLine:
    """Return a line of a plain file: no envelope, no time, always whole."""
    return RuntimeLine(raw.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace"), "stdout", None, whole=True)
