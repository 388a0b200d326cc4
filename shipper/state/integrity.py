"""The seal of a state: a checksum that detects damage which SQLite does not notice.

SQLite verifies neither the content of its rows nor that the end of its write-ahead log still exists: a flipped byte in
a row gives another value, one in the log silently gives the state of some commits ago. Therefore each transaction saves
a digest over all rows, and a mark of the last commit is written beside the database after it.

The digest is the XOR of one digest per part (a log with its files, a series, a problem), so that the cost of a commit
depends on its changes alone. The mark is not synced: after a power cut it may be behind the database, never ahead.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

MARK = "state.mark"
SIZE = 16
NUMBER_BYTES = 8
Part = tuple[str | bytes, ...]
"""Unit of one digest: `("log", PATH)`, `("series", METRIC, LABELS)` or `("problem", WHAT, HINT)`."""


class Seal:
    """Digests of all committed parts."""

    def __init__(self, parts: Mapping[Part, object] = {}, commits: int = 0) -> None:
        """Compute the digests of the rows after `commits` commits."""
        self.commits = commits
        self._digests: dict[Part, int] = {}
        self._total = 0
        self._take({part: _digest(part, rows) for part, rows in parts.items()})

    def value(self) -> bytes:
        """Return the checksum that is saved beside the rows."""
        return _value(self.commits, self._total)

    def after(self, changed: Mapping[Part, object], removed: Iterable[Part]) -> "Draft":
        """Return the checksum that the state has after a commit of these rows; the seal itself does not change."""
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
    """Checksum of a pending transaction; call `done()` after the commit."""

    def __init__(self, seal: Seal, digests: Mapping[Part, int | None], total: int) -> None:
        """Use the `digests` of the changed parts; None for a removed part."""
        self._seal, self._digests = seal, digests
        self.commits = seal.commits + 1
        self.value = _value(self.commits, total)

    def done(self) -> None:
        """Apply the checksum to the seal: the transaction is committed."""
        self._seal._take(self._digests)  # noqa: SLF001 -- the two classes are one unit
        self._seal.commits = self.commits


class CommitMarker:
    """The file with the number of the last commit; opened once, overwritten in place."""

    def __init__(self, directory: Path) -> None:
        """Open or create the file. Raises OSError."""
        self.path = directory / MARK
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def read(self) -> int | None:
        """Return the number of the last commit; 0 if there was none, None if the file is damaged."""
        content = os.pread(self._file, NUMBER_BYTES + SIZE + 1, 0)
        if not any(content):
            return 0
        number, check = content[:NUMBER_BYTES], content[NUMBER_BYTES:]
        return int.from_bytes(number, "big") if check == blake2b(number, digest_size=SIZE).digest() else None

    def write(self, commits: int) -> None:
        """Record a commit. Raises OSError; a mark that is behind does no harm."""
        number = commits.to_bytes(NUMBER_BYTES, "big")
        os.pwrite(self._file, number + blake2b(number, digest_size=SIZE).digest(), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def sealed_parts(db: sqlite3.Connection) -> Iterator[tuple[Part, object]]:
    """Yield all saved rows by part, as they are sealed."""
    files: dict[str, list[tuple[object, ...]]] = {}
    for log, *row in db.execute("SELECT * FROM file ORDER BY log, key"):
        files.setdefault(log, []).append(tuple(row))
    for row in db.execute("SELECT * FROM log"):
        yield ("log", row[0]), (row, files.pop(row[0], []))
    for log, rows in files.items():
        yield ("file", log), rows
    for row in db.execute("SELECT * FROM series"):
        yield ("series", row[0], row[1]), row
    for row in db.execute("SELECT * FROM problem"):
        yield ("problem", *row), row


def _digest(part: Part, rows: object) -> int:
    return int.from_bytes(blake2b(msgspec.msgpack.encode((part, rows)), digest_size=SIZE).digest(), "big")


def _value(commits: int, total: int) -> bytes:
    counted = commits.to_bytes(NUMBER_BYTES, "big")
    return blake2b(counted + total.to_bytes(SIZE, "big"), digest_size=SIZE).digest()
