"""Watch: whether the content of files has changed, whatever way they are replaced.

Content decides: an editor renames a new file into place, a ConfigMap's volume swaps a symbolic link, `cp -p` keeps the
time of change. A change counts once two looks in a row have found the same, so that no half-written file is read.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

LONGEST = 16 * 1024 * 1024
"""Bytes of a file that are looked at; no configuration is longer."""
Contents = Mapping[Path, bytes | None]
"""Digest of each file's content; None where it cannot be read."""


def contents(files: Iterable[Path]) -> Contents:
    """What files hold now."""
    return {path: _digest(path) for path in files}


def _digest(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return blake2b(file.read(LONGEST), digest_size=16).digest()
    except OSError:
        return None


class Watch:
    """The files that `files` names, which may be others after each change."""

    def __init__(self, files: Callable[[], Iterable[Path]]) -> None:
        """Take what is there now as known."""
        self._files = files
        self.known = contents(files())
        self._before = self.known

    def changed(self) -> bool:
        """Whether the content is another than the known one, and the same as at the last look."""
        found = contents(self._files())
        settled, self._before = found == self._before, found
        return settled and found != self.known

    def accept(self) -> None:
        """Take what is there now as known."""
        self.known = self._before = contents(self._files())
