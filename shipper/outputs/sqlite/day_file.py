"""Day files: the SQLite database of one index and day, its schema, and how it is opened.

    entry     one row a document, numbered in the order of arrival; `id` makes writing idempotent
    block     up to BLOCK entries that arrived together: their numbers and the span of their times
    words     full-text index whose rows are blocks: all their words, and a key for each event and level in them
    released  quarantined entries that have gone back into a main index

Only ids and correlation ids are indexed entry by entry. For everything else the index says which blocks to look
into, which costs a third of an index an entry and keeps the file small.

`trace` is the hash of the correlation id below the entry's generation, a number that rises every GENERATION
entries: random ids then land in the small end of the B-tree that is in the cache, and a look-up asks once a
generation.
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
from urllib.parse import quote

from shipper.model.text_search import hashed
from shipper_schemas.event import LEVELS

APPLICATION_ID = 0x73_68_6C_67  # "shlg"
VERSION = 1
BLOCK = 256
GENERATION_BITS = 17
PAGE_SIZE = 8192
CACHE_KIB = 4096
BUSY_S = 5.0
MS_PER_DAY = 86_400_000
SEVERITY = {name: number for number, name in enumerate(LEVELS)}
SUFFIXES = ("", "-wal", "-shm")

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


class Unusable(Exception):
    """A file that is no day file of this version, and what to do about it."""

    def __init__(self, what: str, hint: str) -> None:
        """Both sentences; the caller translates them into its own error."""
        super().__init__(what)
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class DayFile:
    """A day file by its name."""

    path: Path
    prefix: str
    day: int
    """Days since the epoch."""

    @property
    def index(self) -> str:
        """`PREFIX-YYYY.MM.dd`."""
        return self.path.name.removesuffix(".db")

    def may_hold(self, since: int | None, until: int | None) -> bool:
        """Whether a time of this day lies in [since, until), milliseconds since the epoch."""
        begin = self.day * MS_PER_DAY
        return (since is None or since < begin + MS_PER_DAY) and (until is None or until > begin)


def day_file(directory: Path, index: str) -> DayFile | None:
    """The day file of `index`; None where that is no name that may become a file's."""
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
    found = (file for name in names if (file := day_file(directory, name)))
    return sorted(found, key=lambda file: (file.day, file.path))


def trace(correlation_id: str, generation: int) -> int:
    """The value of `entry.trace`."""
    return generation << 32 | hashed(correlation_id)


@contextmanager
def exclusive(directory: Path) -> Iterator[int]:
    """Keep other processes from making and deleting day files of `directory`; gives its descriptor."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def create(path: Path) -> None:
    """Make an empty day file, whole at once: a crash or a second writer never meets half a one."""
    with exclusive(path.parent) as directory:
        if path.exists():
            return
        draft = path.with_name(f".{path.name}.draft")
        try:
            _remove(draft)
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
            _write_schema(draft)
            # SQLite would play the WAL of a deleted file into the new one.
            _remove(path)
            draft.rename(path)
            os.fsync(directory)
        finally:
            _remove(draft)


def _write_schema(path: Path) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute(f"PRAGMA page_size={PAGE_SIZE}")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        identity = f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={VERSION};"
        db.executescript(f"BEGIN; {SCHEMA} {identity} COMMIT;")
    finally:
        db.close()


def remove(file: DayFile) -> None:
    """Delete a day file with what belongs to it. Raises OSError."""
    with exclusive(file.path.parent):
        _remove(file.path)


def _remove(path: Path) -> None:
    # The database first: a WAL without its database is discarded, a database without its WAL has lost entries.
    for belonging in belongings(path):
        belonging.unlink(missing_ok=True)


def belongings(path: Path) -> Iterator[Path]:
    """The files that make up the day file at `path`, itself first."""
    for suffix in SUFFIXES:
        yield path.with_name(path.name + suffix)


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open a day file, made where there is none. Raises sqlite3.Error, OSError, Unusable."""
    if not path.exists():
        create(path)
    db = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_S)
    try:
        _check(db, path)
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        db.execute("PRAGMA secure_delete=OFF")  # nothing is deleted but the index's own merged segments
        db.execute("PRAGMA journal_size_limit=16777216")
    except BaseException:
        db.close()
        raise
    return db


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a day file without changing it, also while an agent writes it. Raises sqlite3.Error, Unusable."""
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        return _opened_to_read(address, path)
    except sqlite3.OperationalError:
        wal = path.with_name(path.name + "-wal")
        if not path.exists() or (wal.exists() and wal.stat().st_size):
            raise
        return _opened_to_read(f"{address}&immutable=1", path)  # a medium on which no -shm can be made


def _opened_to_read(address: str, path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_S)
    try:
        _check(db, path)
        db.execute("PRAGMA query_only=ON")
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection, path: Path) -> None:
    try:
        (application,), (version,) = _pragma(db, "application_id"), _pragma(db, "user_version")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise Unusable(f"{path} is no readable database: {error}", aside(path)) from error
    if application != APPLICATION_ID:
        raise Unusable(f"{path} is not a store of this program", aside(path))
    if version != VERSION:
        raise Unusable(
            f"{path} has version {version}, this shipper reads and writes version {VERSION}",
            f"use the shipper that wrote it, or move it away: `mv {path} {path}.v{version}`",
        )


def _pragma(db: sqlite3.Connection, name: str) -> tuple[int]:
    found: tuple[int] = db.execute(f"PRAGMA {name}").fetchone()
    return found


def aside(path: Path) -> str:
    """The hint for a damaged file."""
    return (
        f"move it away (`mv {path} {path}.damaged`, its -wal and -shm too): a new one is begun,"
        " and `shipper replay` fills it from the logs that are still there"
    )


def holds_unreleased(file: DayFile) -> bool:
    """Whether a quarantine file holds an entry that was not released. Raises sqlite3.Error, Unusable."""
    db = open_to_read(file.path)
    try:
        found = db.execute("SELECT EXISTS (SELECT 1 FROM entry WHERE seq NOT IN (SELECT seq FROM released))").fetchone()
    finally:
        db.close()
    return bool(found[0])
