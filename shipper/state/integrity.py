"""The seal of a state: what SQLite itself does not notice.

SQLite checks neither the content of its rows nor whether the end of its write-ahead log is still there: a flipped byte
in a row gives another value, one in the log silently gives the state of some commits ago. Hence a digest over all rows,
saved in each transaction, and beside the database a mark of the last commit, written after it.

The digest is the XOR of one digest a part (a log with its files, a series, a problem), so that a commit pays for what
it changes.
The mark is not synced: after a loss of power it may be behind the database, never before it.
"""

import os
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

MARK = "state.mark"
SIZE = 16
NUMBER_BYTES = 8
Part = tuple[str | bytes, ...]
"""What is digested as one: `("log", PATH)`, `("series", METRIC, LABELS)` or `("problem", WHAT, HINT)`."""


class Seal:
    """Digests of all parts, as committed."""

    def __init__(self, parts: Mapping[Part, object] = {}, commits: int = 0) -> None:
        """Of the rows that are there; `commits` is how many made them."""
        self.commits = commits
        self._digests: dict[Part, int] = {}
        self._total = 0
        self._take({part: _digest(part, rows) for part, rows in parts.items()})

    def value(self) -> bytes:
        """What is saved beside the rows."""
        return _value(self.commits, self._total)

    def after(self, changed: Mapping[Part, object], removed: Iterable[Part]) -> "Draft":
        """The seal that a commit of these rows has; nothing is changed by asking."""
        digests: dict[Part, int | None] = dict.fromkeys(removed)
        digests |= {part: _digest(part, rows) for part, rows in changed.items()}
        total = self._total
        for part, digest in digests.items():
            total ^= self._digests.get(part, 0) ^ (digest or 0)
        return Draft(self, digests, total)

    def _take(self, digests: Mapping[Part, int | None]) -> None:
        for part, digest in digests.items():
            self._total ^= self._digests.pop(part, 0)
            if digest is not None:
                self._digests[part] = digest
                self._total ^= digest


class Draft:
    """The seal of a commit that is not through yet."""

    def __init__(self, seal: Seal, digests: Mapping[Part, int | None], total: int) -> None:
        """`digests` of the parts that change, None for one that goes."""
        self._seal, self._digests = seal, digests
        self.commits = seal.commits + 1
        self.value = _value(self.commits, total)

    def done(self) -> None:
        """The commit went through."""
        self._seal._take(self._digests)  # noqa: SLF001 -- the other half of one thing
        self._seal.commits = self.commits


class CommitMarker:
    """The file that tells how far the state was committed; opened once, overwritten in place."""

    def __init__(self, directory: Path) -> None:
        """Open or create it. Raises OSError."""
        self.path = directory / MARK
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def read(self) -> int | None:
        """The number of the last commit; 0 where nothing was noted, None where the file is damaged."""
        content = os.pread(self._file, NUMBER_BYTES + SIZE + 1, 0)
        if not any(content):
            return 0
        number, check = content[:NUMBER_BYTES], content[NUMBER_BYTES:]
        return int.from_bytes(number, "big") if check == blake2b(number, digest_size=SIZE).digest() else None

    def write(self, commits: int) -> None:
        """Note a commit. Raises OSError; a mark that is behind does no harm."""
        number = commits.to_bytes(NUMBER_BYTES, "big")
        os.pwrite(self._file, number + blake2b(number, digest_size=SIZE).digest(), 0)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._file)


def _digest(part: Part, rows: object) -> int:
    return int.from_bytes(blake2b(msgspec.msgpack.encode((part, rows)), digest_size=SIZE).digest(), "big")


def _value(commits: int, total: int) -> bytes:
    counted = commits.to_bytes(NUMBER_BYTES, "big")
    return blake2b(counted + total.to_bytes(SIZE, "big"), digest_size=SIZE).digest()
