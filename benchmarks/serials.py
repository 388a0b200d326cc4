"""Numbered lines: each has the number of its log and of the line, so that a sink can report the missing ones.

Otherwise they are like those of `benchmarks.lines`: 94 % requests, 3 % access lines, 2 % failed logins, 1 % violations.
"""

import json
import random
from collections.abc import Iterator
from itertools import accumulate, chain
from pathlib import Path

from benchmarks.lines import BEGIN_MS, payload

BLOCK = 1000
SERIAL = "s-%05d-%09d"
MARK = "@serial@"
FAILED = "Login failed"


def _templates() -> Iterator[bytes]:
    """Yield `BLOCK` records with placeholders for log number, line number, and line number in the runtime's time."""
    rng = random.Random(1)
    for number in range(BLOCK):
        text, stream = payload(rng, BEGIN_MS + number)
        if text.startswith("{"):
            fields = json.loads(text)
            fields["correlation_id" if "correlation_id" in fields else "path"] = MARK
            text = json.dumps(fields)
        else:
            text = text.replace("/api/v1/", f"/api/v1/{MARK}/")
        record = json.dumps({"log": f"{text}\n", "stream": stream, "time": "@time@"}, separators=(",", ":"))
        record = record.replace("%", "%%").replace(MARK, SERIAL)
        yield record.replace("@time@", "2026-11-23T10:00:00.%09dZ").encode() + b"\n"


TEMPLATES = list(_templates())
WHOLE = b"".join(TEMPLATES)
_FAILED = [0, *accumulate(FAILED.encode() in template for template in TEMPLATES)]


def rendered(log: int, first: int, count: int) -> bytes:
    """Lines `first` up to `first + count` of a log."""
    pieces = []
    while count > 0:
        begin = first % BLOCK
        number = min(count, BLOCK - begin)
        template = WHOLE if number == BLOCK else b"".join(TEMPLATES[begin : begin + number])
        pieces.append(template % tuple(chain.from_iterable((log, n, n) for n in range(first, first + number))))
        first, count = first + number, count - number
    return b"".join(pieces)


def failed_logins(lines: int) -> int:
    """Return the number of failed logins among the first `lines` lines of a log."""
    return lines // BLOCK * _FAILED[-1] + _FAILED[lines % BLOCK]


class Log:
    """A container's log, written here and rotated by renaming, as Docker does."""

    def __init__(self, root: Path, number: int, file_bytes: int = 1 << 62, kept: int = 1) -> None:
        """`file_bytes` is the size that triggers a rotation, `kept` the maximum number of files with the live one."""
        container = root / f"{number:064x}"
        container.mkdir(parents=True, exist_ok=True)
        self.path = container / f"{container.name}-json.log"
        self.number, self.file_bytes, self.kept = number, file_bytes, kept
        self.written = self.failed = self.rotations = self._size = 0
        self._file = self.path.open("ab", buffering=0)

    def write(self, lines: int) -> int:
        """Append `lines` lines; returns their bytes."""
        self.failed += failed_logins(self.written + lines) - failed_logins(self.written)
        return self.append(rendered(self.number, self.written, lines), lines)

    def append(self, data: bytes, lines: int) -> int:
        """Append the next lines, none of them a failed login; returns their bytes."""
        self._file.write(data)
        self.written += lines
        self._size += len(data)
        if self._size >= self.file_bytes:
            self.rotate()
        return len(data)

    @property
    def next_serial(self) -> str:
        """Return the serial of the next line."""
        return SERIAL % (self.number, self.written)

    def rotate(self) -> None:
        """Rename `.1` to `.2` and so on, and the live file to `.1`."""
        for age in range(self.kept - 1, 1, -1):
            older = Path(f"{self.path}.{age - 1}")
            if older.exists():
                older.rename(f"{self.path}.{age}")
        if self.kept > 1:
            self.path.rename(f"{self.path}.1")
        else:
            self.path.unlink()
        self._file.close()
        self._file, self._size, self.rotations = self.path.open("ab", buffering=0), 0, self.rotations + 1

    def reopen(self) -> None:
        """Open the log again after `close`."""
        self._file = self.path.open("ab", buffering=0)

    def close(self) -> None:
        """Close the file descriptor."""
        self._file.close()
