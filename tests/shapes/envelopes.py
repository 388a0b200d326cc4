"""Logs as container runtimes write them: Docker's json-file and the CRI, both with long lines in parts of 16 KiB."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from tests.shapes.truth import Shape

PART = 16_384
"""Bytes of a line after which a runtime begins another record."""
AFTER_MS = 3
"""Time from an application's own timestamp to the runtime's."""
NOON_MS = 1_796_040_000_000
"""2026-11-30T12:00:00Z: the time of a shape whose entries name none."""
BETWEEN_MS, WITHIN_MS = 250, 0.04
"""Time between two entries, and between the lines of one."""
Envelope = Literal["docker", "cri"]


class Log(NamedTuple):
    """A log file's content and where each entry begins; `ends[n]` is where entry n + 1 begins."""

    content: bytes
    begins: list[int]
    ends: list[int]


def log_of(shape: Shape, envelope: Envelope) -> Log:
    """Return a shape's entries as one log, every line one record (or more, if it is long).

    The runtime's times rise and lie after every time that the application wrote, as on a machine with one clock.
    """
    at_ms = float(max([entry.expect.get("time_ms", 0) for entry in shape.entries] + [0]) or NOON_MS) + AFTER_MS
    content, begins, ends = bytearray(), [], []
    for entry in shape.entries:
        begins.append(len(content))
        for line in entry.lines:
            content += WRITERS[envelope](line, rfc3339(at_ms))
            at_ms += WITHIN_MS
        ends.append(len(content))
        at_ms += BETWEEN_MS
    return Log(bytes(content), begins, ends)


def docker_records(line: str, time: str, stream: str = "stdout") -> bytes:
    """Return the json-file records of one line; all but the last end without a newline."""
    parts = _parts(line.encode("utf-8", "surrogatepass") + b"\n")
    return b"".join(
        json.dumps({"log": part, "stream": stream, "time": time}, separators=(",", ":"), ensure_ascii=False)
        .replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode() + b"\n"
        for part in parts
    )  # fmt: skip


def cri_records(line: str, time: str, stream: str = "stdout") -> bytes:
    """Return the CRI records of one line; all but the last are marked P, as partial."""
    *partial, last = _parts(line.encode("utf-8", "surrogatepass"))
    pieces = [*(("P", part) for part in partial), ("F", last)]
    return b"".join(f"{time} {stream} {mark} {part}\n".encode() for mark, part in pieces)


WRITERS: dict[Envelope, Callable[..., bytes]] = {"docker": docker_records, "cri": cri_records}


def _parts(line: bytes) -> Iterable[str]:
    parts = [line[begin : begin + PART] for begin in range(0, len(line), PART)] or [b""]
    return [part.decode("utf-8", "replace") for part in parts]


def rfc3339(at_ms: float) -> str:
    """Return a runtime's time with nine digits, as both runtimes write it."""
    seconds, micros = divmod(round(at_ms * 1000), 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}417Z"
