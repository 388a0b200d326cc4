"""Watch: detect changes of files by their content, independent of the way they are replaced.

An editor renames a new file into place, a ConfigMap volume swaps a symbolic link, `cp -p` keeps the modification time.
A change is reported once two checks in a row see the same content, so that no partially written file is read.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

LONGEST = 16 * 1024 * 1024
"""Maximum number of bytes compared; no configuration is longer."""
Digests = Mapping[Path, bytes | None]
"""Digest of each file's content; None if it cannot be read."""


def digests(files: Iterable[Path]) -> Digests:
    """Digest each file."""
    return {path: _digest(path) for path in files}


def _digest(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return blake2b(file.read(LONGEST), digest_size=16).digest()
    except OSError:
        return None


class Watch:
    """Watches the files that `files` returns; they may differ after each change."""

    def __init__(self, files: Callable[[], Iterable[Path]]) -> None:
        """Take the current content as known."""
        self._files = files
        self.known = digests(files())
        self._before = self.known

    def changed(self) -> bool:
        """Return True if the content differs from the known one and is the same as at the last check."""
        current = digests(self._files())
        settled, self._before = current == self._before, current
        return settled and current != self.known

    def accept(self) -> None:
        """Take the current content as known."""
        self.known = self._before = digests(self._files())
