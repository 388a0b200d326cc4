"""SQLite databases that survive a full disk: made whole before they take their name, and never mapped into memory.

In SQLite's WAL mode, processes share an index of the log that is mapped into memory (`-shm`). On a full disk a write to
such memory ends the process with SIGBUS. A rollback journal is written by calls that fail with an error instead. The
journal file is kept between transactions, so that a full disk has room for the next one.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from errno import ENOSPC
from pathlib import Path
from urllib.parse import quote

from shipper.system.private_dirs import sync_folder

SUFFIXES = ("", "-journal", "-wal", "-shm")
"""Endings of the files of a database; the last two belong to WAL mode, which earlier versions used."""
ROOM = 1024 * 1024
"""Free bytes that a new database needs."""
LARGEST_KEPT_JOURNAL = 4 * 1024 * 1024
BUSY_S = 5.0
_FORMAT_AT, _WAL_FORMAT = 18, 2
"""Place of the file format's write version in the header, and its value for WAL: https://www.sqlite.org/fileformat.html"""


def database_files(path: Path) -> list[Path]:
    """Return the paths of a database and its belongings, the database first.

    They are deleted in this order: a journal without its database is discarded, a database without it may lose data.
    """
    return [path.with_name(path.name + suffix) for suffix in SUFFIXES]


def remove_database(path: Path) -> None:
    """Delete a database with its belongings. Raises OSError."""
    for belonging in database_files(path):
        belonging.unlink(missing_ok=True)


def require_room(folder: Path) -> None:
    """Raise OSError if the file system of a folder has no room for a new database."""
    status = os.statvfs(folder)
    if status.f_bavail * status.f_frsize < ROOM:
        raise OSError(ENOSPC, f"less than {ROOM // 1024} KiB free", str(folder))


def create(path: Path, schema: Callable[[sqlite3.Connection], None]) -> None:
    """Create a database atomically: a crash, a second writer or a full disk never leaves a partial one.

    `schema` is called in a transaction. Raises OSError, sqlite3.Error; then there is no database at `path`.
    """
    require_room(path.parent)
    draft = path.with_name(f".{path.name}.draft")
    try:
        remove_database(draft)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous=FULL")
            schema(db)
        _verify(draft)
        remove_database(path)  # SQLite would replay the journal of a deleted database into the new one
        draft.rename(path)
        sync_folder(path.parent)
    finally:
        remove_database(draft)


def _verify(path: Path) -> None:
    """Read a new database as the disk has it. Raises sqlite3.DatabaseError."""
    with closing(sqlite3.connect(f"{_uri(path)}?mode=ro", uri=True)) as db:
        (verdict,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open an existing database, durable at each commit, in autocommit mode. Raises sqlite3.Error, OSError."""
    db = sqlite3.connect(f"{_uri(path)}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_S)
    try:
        if _is_wal(path):  # of an earlier version; with an exclusive lock SQLite keeps the index in its own memory
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA journal_mode=DELETE")
            path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
            db.execute("PRAGMA locking_mode=NORMAL")
            db.execute("PRAGMA user_version")  # the lock is released at the next access
        db.execute("PRAGMA journal_mode=PERSIST")
        db.execute(f"PRAGMA journal_size_limit={LARGEST_KEPT_JOURNAL}")
        db.execute("PRAGMA synchronous=FULL")
    except BaseException:
        db.close()
        raise
    return db


def close_written(db: sqlite3.Connection) -> None:
    """Close a database that is not to be written soon, and delete its journal. Raises sqlite3.Error; it is closed."""
    try:
        db.execute("PRAGMA journal_mode=DELETE")
    finally:
        db.close()


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a database read-only, also while another process writes it. Raises sqlite3.Error, OSError."""
    address = f"{_uri(path)}?mode=ro"
    if _is_wal(path):
        return _open_wal_to_read(address, path)
    try:
        return _read_only(address)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
    with closing(open_to_write(path)) as db:  # its writer was killed in a transaction, which is rolled back first
        db.execute("PRAGMA user_version")
    return _read_only(address)


def _open_wal_to_read(address: str, path: Path) -> sqlite3.Connection:
    """Open a database of an earlier version that nothing wrote to since."""
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size:
        require_room(path.parent)  # for the index that is mapped into memory
        return _read_only(address)
    return _read_only(f"{address}&immutable=1")


def _read_only(address: str) -> sqlite3.Connection:
    db = sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_S)
    try:
        db.execute("PRAGMA user_version").fetchone()
        db.execute("PRAGMA query_only=ON")
    except BaseException:
        db.close()
        raise
    return db


def _is_wal(path: Path) -> bool:
    """Return True for a database in WAL mode; False too if it is unreadable, which SQLite then reports."""
    try:
        with path.open("rb") as file:
            header = file.read(_FORMAT_AT + 1)
    except OSError:
        return False
    return len(header) > _FORMAT_AT and header[_FORMAT_AT] == _WAL_FORMAT


def _uri(path: Path) -> str:
    return f"file:{quote(os.fsencode(path.resolve()))}"
