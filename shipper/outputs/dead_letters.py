"""Dead letters: documents that neither their index nor the quarantine would have, kept in a local file.

The last place, so that nothing is lost and nothing goes round in circles. One JSON object a line:
`{"index", "id", "reason", "document"}`, `document` being the body as text.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import structlog

from shipper.model.documents import Document
from shipper.system.errors import OutputUnavailable, StoreUnreadable
from shipper.system.private_dirs import make_private, sync_folder

FILE = "dead-letters.ndjson"
MOST_REMEMBERED = 65_536
"""Letters that are not written again when their batch comes again; more than any batch holds."""


class DeadLetters:
    """The file `dead-letters.ndjson` in a state directory; for any number of threads and processes."""

    def __init__(self, directory: Path, remembered: int = MOST_REMEMBERED) -> None:
        """Touches nothing yet. `remembered`: how many letters are known to be written."""
        self.path = directory / FILE
        self._lock = threading.Lock()
        self._written: dict[tuple[str, bytes], None] = {}
        self._most = remembered
        self._log = structlog.get_logger("shipper.dead_letters")

    def add(self, document: Document, reason: str) -> None:
        """Append durably. Raises OutputUnavailable where that cannot be done: then the document is not done with.

        A batch that comes again, since others of it could not be stored, adds nothing here. A crash before the
        position is committed may bring the same letter again; readers go by index and id.
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
                "make it writable with space left",
                resumes=True,
            ) from error

    def _append(self, line: bytes) -> None:
        """Append the whole line or nothing; one that a crash left without its end is ended first. Raises OSError.

        An indexer has no state beside, so that the directory may not be there yet.
        """
        make_private(self.path.parent)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
        """All letters, each once, oldest first; a last line without its end is one being written.

        A damaged line is passed over with a warning. Raises StoreUnreadable where the file cannot be read.
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
            raise StoreUnreadable(what, "read it as a user who may") from error


def _letter(line: bytes) -> dict[str, Any] | None:
    """The letter that a line holds; None where it holds none."""
    try:
        found = orjson.loads(line)
    except ValueError:
        return None
    whole = isinstance(found, dict) and all(isinstance(found.get(name), str) for name in ("index", "id", "document"))
    return found if whole else None
