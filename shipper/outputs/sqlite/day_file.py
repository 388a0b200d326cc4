"""Day files: the SQLite database of one index and day, its schema, and functions that open it.

    entry     one row a document, numbered in the order of arrival; `id` makes writing idempotent
    block     up to BLOCK entries that arrived together: their numbers and the range of their times
    words     full-text index whose rows are blocks: all their words, and a key for each event, level and trace id
    released  quarantined entries that were written to a main index

Only ids and correlation ids are indexed for each entry. All other indexes point to blocks, which costs a third of an
index for each entry and keeps the file small.

`trace` is the hash of the correlation id below the entry's generation, a number that grows every GENERATION entries:
random ids are then inserted at the end of the B-tree, which is cached, and a lookup runs once for each generation.
"""

import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from shipper.model.text_search import hashed
from shipper.system import sqlite_files
from shipper_schemas.event import LEVELS

APPLICATION_ID = 0x73_68_6C_67  # "shlg"
VERSION = 1
BLOCK = 256
GENERATION_BITS = 17
PAGE_SIZE = 8192
CACHE_KIB = 4096
MS_PER_DAY = 86_400_000
SEVERITY = {name: number for number, name in enumerate(LEVELS)}

SCHEMA = """
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, time INTEGER NOT NULL, severity INTEGER, trace INTEGER,
    body BLOB NOT NULL
);
CREATE INDEX entry_trace ON entry (trace) WHERE trace IS NOT NULL;
CREATE TABLE block (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0, detail=none, tokenize='ascii');
CREATE TABLE released (seq INTEGER PRIMARY KEY, released_ms INTEGER NOT NULL);
"""
_INDEX = re.compile(r"(?P<prefix>[a-z0-9]+(?:[._-][a-z0-9]+)*)-(?P<day>\d{4}\.\d\d\.\d\d)", re.ASCII)
LONGEST_NAME = 200


class InvalidDayFile(Exception):
    """A file that is not a day file of this version, with a hint."""

    def __init__(self, what: str, hint: str) -> None:
        """Message and hint; the caller translates them into its own error."""
        super().__init__(what)
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class DayFile:
    """Path, prefix and day of a day file, from its name."""

    path: Path
    prefix: str
    day: int
    """Days since the epoch."""

    @property
    def index(self) -> str:
        """`PREFIX-YYYY.MM.dd`."""
        return self.path.name.removesuffix(".db")

    def overlaps(self, since: int | None, until: int | None) -> bool:
        """Return True if this day overlaps [since, until), in milliseconds since the epoch."""
        begin = self.day * MS_PER_DAY
        return (since is None or since < begin + MS_PER_DAY) and (until is None or until > begin)


def day_file(directory: Path, index: str) -> DayFile | None:
    """The day file of `index`; None if the name is invalid."""
    match = _INDEX.fullmatch(index)
    if match is None or len(index) > LONGEST_NAME:
        return None
    try:
        day = datetime.strptime(match["day"], "%Y.%m.%d").replace(tzinfo=UTC).date() - date(1970, 1, 1)
    except ValueError:
        return None
    return DayFile(directory / f"{index}.db", match["prefix"], day.days)


def day_files(directory: Path) -> list[DayFile]:
    """All day files of `directory`, oldest first. Raises OSError."""
    names = (path.name.removesuffix(".db") for path in directory.iterdir() if path.name.endswith(".db"))
    files = (file for name in names if (file := day_file(directory, name)))
    return sorted(files, key=lambda file: (file.day, file.path))


def trace(correlation_id: str, generation: int) -> int:
    """The value of `entry.trace`."""
    return generation << 32 | hashed(correlation_id)


@contextmanager
def exclusive(directory: Path) -> Iterator[int]:
    """Lock `directory` against other processes that create or delete day files; yields its descriptor."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def create(path: Path) -> None:
    """Create an empty day file, unless it exists. Raises OSError, sqlite3.Error."""
    with exclusive(path.parent):
        if not path.exists():
            sqlite_files.create(path, _write_schema)


def _write_schema(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA page_size={PAGE_SIZE}")
    identity = f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={VERSION};"
    db.executescript(f"BEGIN; {SCHEMA} {identity} COMMIT;")


def remove(file: DayFile) -> None:
    """Delete a day file. Raises OSError."""
    with exclusive(file.path.parent):
        sqlite_files.remove_database(file.path)


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open a day file, and create it if it does not exist. Raises sqlite3.Error, OSError, InvalidDayFile."""
    if not path.exists():
        create(path)
    with _connecting(path):
        db = sqlite_files.open_to_write(path)
    try:
        _check(db, path)
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        db.execute("PRAGMA secure_delete=OFF")  # only merged segments of the index are deleted
    except BaseException:
        db.close()
        raise
    return db


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a day file read-only, also while an agent writes to it. Raises sqlite3.Error, OSError, InvalidDayFile."""
    with _connecting(path):
        db = sqlite_files.open_to_read(path)
    try:
        _check(db, path)
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def _connecting(path: Path) -> Iterator[None]:
    """Raise InvalidDayFile for a file that is not a database."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise InvalidDayFile(f"{path} is not a readable database: {error}", damaged_hint(path)) from error


def _check(db: sqlite3.Connection, path: Path) -> None:
    with _connecting(path):
        (application,), (version,) = _pragma(db, "application_id"), _pragma(db, "user_version")
    if application != APPLICATION_ID:
        raise InvalidDayFile(f"{path} is not a store of shipper", damaged_hint(path))
    if version != VERSION:
        raise InvalidDayFile(
            f"{path} has version {version}; this shipper supports version {VERSION}",
            f"use the shipper version that wrote it, or rename it: `mv {path} {path}.v{version}`",
        )


def _pragma(db: sqlite3.Connection, name: str) -> tuple[int]:
    row: tuple[int] = db.execute(f"PRAGMA {name}").fetchone()
    return row


def damaged_hint(path: Path) -> str:
    """The hint for a damaged file."""
    return (
        f"rename it (`mv {path} {path}.damaged`, and its -journal): a new one is created,"
        " and `shipper replay` fills it from the logs that still exist"
    )


def holds_unreleased(file: DayFile) -> bool:
    """Return True if a quarantine file has an entry that is not released. Raises sqlite3.Error, InvalidDayFile."""
    db = open_to_read(file.path)
    try:
        row = db.execute("SELECT EXISTS (SELECT 1 FROM entry WHERE seq NOT IN (SELECT seq FROM released))").fetchone()
    finally:
        db.close()
    return bool(row[0])
