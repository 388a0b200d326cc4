"""Parse runtime envelopes: the formats in which Docker's json-file driver and the CRI store lines of applications.

Formats: Docker `json-file` (one JSON object a line: `log`, `stream`, `time`, sometimes `attrs`; a message over 16 KiB
is split, and only its last part ends in a newline) and the Kubernetes CRI logging format
(`<RFC 3339 time> <stream> <tags> <message>`, tag `P` for a part and `F` for the end of a message).
"""

import json
from typing import NamedTuple

import msgspec

from shipper_schemas import lazy_re as re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LONE_SURROGATES = re.compile("[\ud800-\udfff]")
CRI_LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\S{8,32}) (stdout|stderr) ([A-Z][A-Za-z:]*) ?(.*)", re.DOTALL)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
IGNORED = b"\0" + BYTE_ORDER_MARK
"""Bytes ignored before a line: a byte order mark, and the hole that a writer leaves in a file truncated under it."""
STREAMS = frozenset({"stdout", "stderr"})
RECORD_START = b'{"log":"'
"""Beginning of a json-file record. It cannot occur inside one, because quotes are escaped there."""
MOST_RECORDS = 256
"""Most records looked for in one physical line."""
CUT_RECORD = re.compile(rb'\{"log":"(?P<log>(?:[^"\\]|\\.)*+)', re.DOTALL)
CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?$")
RECORD_END = re.compile(
    rb'"stream":"(?P<stream>stdout|stderr)"(?:,"attrs":\{[^{}]{0,512}\})?,"time":"(?P<time>[0-9A-Za-z:.+-]{1,64})"'
)


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


def split_records(raw: bytes) -> list[bytes]:
    """Split a physical line before each beginning of a json-file record in it; a torn record has no newline.

    Returns the line itself if it contains no further record.
    """
    pieces: list[bytes] = []
    start = 0
    while len(pieces) < MOST_RECORDS and (following := raw.find(RECORD_START, start + 1)) > 0:
        if piece := raw[start:following].strip(b"\0"):
            pieces.append(piece)
        start = following
    return [*pieces, raw[start:]]


def parse_cut_record(beginning: bytes, ending: bytes) -> RuntimeLine | None:
    """Parse a json-file record of which only the beginning was read; `ending` holds its last bytes.

    Returns None if it does not begin as the runtime writes records. Stream and time are those of the ending; a record
    whose ending is not available is taken as stdout without a time.
    """
    match = CUT_RECORD.match(beginning.lstrip(b"\0"))
    if match is None:
        return None
    text = CUT_ESCAPE.sub("", match["log"].decode("utf-8", "ignore"))
    try:
        log = json.loads(f'"{text}"', strict=False)
    except ValueError:
        return None
    end = RECORD_END.search(ending)
    stream, time = (end["stream"].decode(), end["time"].decode()) if end else ("stdout", None)
    return RuntimeLine(without_surrogates(log), stream, time, whole=True)


def parse_cri(raw: bytes) -> RuntimeLine:
    """Parse one CRI line; NULs before it are ignored. Raises EnvelopeError."""
    match = CRI_LINE.fullmatch(raw) or CRI_LINE.fullmatch(raw.lstrip(IGNORED))
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
