"""Container logs in the format of Docker's json-file driver, for machines without an engine.

Measured on Docker 20.10: one JSON object a line; `<`, `>`, `&` and the line separators escaped; a message over 16,384
bytes split into records with the same time, of which only the last ends in a newline; rotation by rename.
"""

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

PART = 16_384
ESCAPES = str.maketrans(
    {chr(code): f"\\u{code:04x}" for code in (*range(0x20), *map(ord, "<>&\u2028\u2029"))}
    | {"\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
    | {chr(code): "\\ufffd" for code in range(0xDC80, 0xDD00)}  # invalid UTF-8
)


def now() -> str:
    """The current time in Docker's format, without trailing zeros."""
    moment = datetime.now(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}".rstrip("0").rstrip(".") + "Z"


def quoted(message: bytes) -> str:
    """A JSON string; invalid UTF-8 becomes U+FFFD."""
    return f'"{message.decode("utf-8", "surrogateescape").translate(ESCAPES)}"'


def record(message: bytes, stream: str, time: str) -> bytes:
    """One line of the log."""
    return f'{{"log":{quoted(message)},"stream":"{stream}","time":"{time}"}}\n'.encode()


def records(line: bytes, stream: str, time: str) -> list[bytes]:
    """The records of one line of output; the last line may lack a newline."""
    pieces = [line[start : start + PART] for start in range(0, len(line), PART)]
    if len(pieces) > 1 and pieces[-1] == b"\n":
        pieces[-2:] = [pieces[-2], b"\n"]
    return [record(piece, stream, time) for piece in pieces]


class JsonFileLog:
    """One container's folder: its log, rotated, and its `config.v2.json`."""

    def __init__(  # noqa: PLR0913 -- Docker's options
        self,
        root: Path,
        container_id: str,
        name: str,
        labels: dict[str, str],
        *,
        max_size: int = 1 << 20,
        max_file: int = 3,
    ) -> None:
        """Create the folder `root/CONTAINER_ID`. `max_size` is in bytes."""
        self.folder = root / container_id
        self.folder.mkdir(parents=True)
        self.path = self.folder / f"{container_id}-json.log"
        self._max_size, self._max_file = max_size, max_file
        self._lock = threading.Lock()
        self._file = self.path.open("ab", buffering=0)
        config = {
            "ID": container_id,
            "Name": f"/{name}",
            "Config": {"Image": f"{name}:demo", "Labels": labels},
            "LogPath": str(self.path),
            "State": {"Running": True},
        }
        (self.folder / "config.v2.json").write_text(json.dumps(config), encoding="utf-8")

    def write(self, line: bytes, stream: str) -> None:
        """Log one line of output."""
        with self._lock:
            for record in records(line, stream, now()):
                if self._file.tell() + len(record) > self._max_size:
                    self._rotate()
                self._file.write(record)

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._max_file - 1, 0, -1):
            older = f"{self.path}.{number - 1}" if number > 1 else str(self.path)
            if os.path.exists(older):
                os.replace(older, f"{self.path}.{number}")
        self._file = self.path.open("ab", buffering=0)

    def pump(self, output: BinaryIO, stream: str) -> threading.Thread:
        """Log all output of a pipe, in a thread that ends with it."""

        def run() -> None:
            for line in output:
                self.write(line, stream)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Close the log."""
        self._file.close()
