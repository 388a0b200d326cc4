"""Dead letters: documents that neither their index nor the quarantine would have, kept in a local file.

The last place, so that nothing is lost and nothing goes round in circles. One JSON object a line:
`{"index", "id", "reason", "document"}`, `document` being the body as text.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from shipper.errors import OutputUnavailable, StoreUnreadable
from shipper.ports import Document

FILE = "dead-letters.ndjson"


class DeadLetters:
    """The file `dead-letters.ndjson` in a state directory; for any number of threads."""

    def __init__(self, directory: Path) -> None:
        """Touches nothing yet."""
        self.path = directory / FILE
        self._lock = threading.Lock()

    def add(self, document: Document, reason: str) -> None:
        """Append durably. Raises OutputUnavailable where that cannot be done: then the document is not done with.

        A crash before the position is committed brings the same letter again; readers go by index and id.
        """
        letter = {
            "index": document.index,
            "id": document.id.hex(),
            "reason": reason,
            "document": document.body.decode("utf-8", "replace"),
        }
        try:
            with self._lock, open(self.path, "ab", opener=_private) as file:
                file.write(orjson.dumps(letter) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputUnavailable(
                f"dead letter file {self.path} cannot be written: {error.strerror or error}",
                "make it writable with space left; nothing is lost meanwhile",
            ) from error

    def letters(self) -> Iterator[dict[str, Any]]:
        """All letters, each once, oldest first; a last line without its end is one being written."""
        seen: set[tuple[str, str]] = set()
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    letter = orjson.loads(line)
                    key = (letter["index"], letter["id"])
                    if key not in seen:
                        seen.add(key)
                        yield letter
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError) as error:
            cure = "read it as a user who may; mend or remove the damaged line"
            raise StoreUnreadable(f"dead letter file {self.path} cannot be read: {error}", cure) from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
