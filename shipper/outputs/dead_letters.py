"""Dead letters: documents that both their index and the quarantine reject, kept in a local file.

The last resort, so that nothing is lost and nothing is retried forever. One JSON object a line:
`{"index", "id", "reason", "document"}`, where `document` is the body as text.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from shipper.model.documents import Document
from shipper.system.errors import OutputUnavailable, StoreUnreadable
from shipper.system.own_log import own_log
from shipper.system.private_dirs import make_private, require_private, sync_folder

FILE = "dead-letters.ndjson"
MOST_REMEMBERED = 65_536
"""Number of letters remembered, so that a retried batch does not write them twice; more than any batch holds."""


class DeadLetters:
    """The file `dead-letters.ndjson` in a state directory; safe for several threads and processes."""

    def __init__(self, directory: Path, remembered: int = MOST_REMEMBERED) -> None:
        """Does no I/O. `remembered`: number of written letters to remember."""
        self.path = directory / FILE
        self._lock = threading.Lock()
        self._written: dict[tuple[str, bytes], None] = {}
        self._most = remembered
        self._log = own_log("shipper.dead_letters")

    def add(self, document: Document, reason: str) -> None:
        """Append durably. Raises OutputUnavailable if that fails, so that the batch is retried.

        A retried batch adds no letter twice. A crash before the checkpoint is committed may duplicate a letter;
        readers deduplicate by index and id.
        """
        letter = {
            "index": document.index,
            "id": document.id.hex(),
            "reason": reason,
            "document": document.body.decode("utf-8", "replace"),
        }
        key = (document.index, document.id)
        try:
            with self._lock:
                if key not in self._written:
                    self._append(orjson.dumps(letter) + b"\n")
                    self._remember(key)
        except OSError as error:
            raise OutputUnavailable(
                f"dead letter file {self.path} cannot be written: {error.strerror or error}",
                "make it writable, with free disk space",
                resumes=True,
            ) from error

    def _append(self, line: bytes) -> None:
        """Append the whole line or nothing, after ending a line that a crash cut off. Raises OSError.

        An indexer keeps no other state, so the directory may not exist yet.
        """
        make_private(self.path.parent)
        require_private(self.path.parent)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            try:
                while line:
                    line = line[os.write(descriptor, line) :]
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
            if size == 0:
                sync_folder(self.path.parent)
        finally:
            os.close(descriptor)

    def _remember(self, key: tuple[str, bytes]) -> None:
        if len(self._written) >= self._most:
            del self._written[next(iter(self._written))]
        self._written[key] = None

    def letters(self) -> Iterator[dict[str, Any]]:
        """Yield all letters once each, oldest first, without a last line that is still being written.

        A damaged line is skipped with a warning. Raises StoreUnreadable if the file cannot be read.
        """
        seen: set[tuple[str, str]] = set()
        try:
            with self.path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if not line.endswith(b"\n"):
                        return
                    letter = _letter(line)
                    if letter is None:
                        self._log.warning("dead_letter_damaged", file=str(self.path), line=number)
                    elif (key := (letter["index"], letter["id"])) not in seen:
                        seen.add(key)
                        yield letter
        except FileNotFoundError:
            return
        except OSError as error:
            what = f"dead letter file {self.path} cannot be read: {error.strerror or error}"
            raise StoreUnreadable(what, "run as a user who can read it") from error


def _letter(line: bytes) -> dict[str, Any] | None:
    """Parse a letter from its line; None if the line is damaged."""
    try:
        letter = orjson.loads(line)
    except ValueError:
        return None
    whole = isinstance(letter, dict) and all(isinstance(letter.get(name), str) for name in ("index", "id", "document"))
    return letter if whole else None
