"""The state's SQLite file: created, opened, verified and upgraded."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from shipper.state.integrity import MARK, CommitMarker, Seal, sealed_parts
from shipper.state.upgrade import STEPS, copy_path, upgrade
from shipper.system import sqlite_files
from shipper.system.errors import StateError
from shipper_processors.sanitize import printable

VERSION = 2
"""Version of the schema; a state of an earlier one is upgraded, of a later one it is an error at the start."""
APPLICATION_ID = 0x73_68_69_70  # "ship"
FILE = "state.db"
LOCK = "lock"
HELD = "state was written"
PRIMARY_CODE = 0xFF
NOT_NOW = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY)
"""Error codes that do not mean damage."""
SCHEMA = """
CREATE TABLE log (
    path TEXT PRIMARY KEY, kind TEXT NOT NULL, origin BLOB NOT NULL,
    count_file INTEGER NOT NULL, count_offset INTEGER NOT NULL, count_partial_state BLOB NOT NULL,
    ship_file INTEGER, ship_offset INTEGER, ship_partial_state BLOB,
    next_key INTEGER NOT NULL, beginnings BLOB NOT NULL, boot BLOB NOT NULL DEFAULT x''
) WITHOUT ROWID;
CREATE TABLE file (
    log TEXT NOT NULL, key INTEGER NOT NULL, path TEXT NOT NULL,
    device INTEGER NOT NULL, inode INTEGER NOT NULL,
    prefix_size INTEGER NOT NULL, prefix_hash BLOB NOT NULL, offset INTEGER NOT NULL, tail_hash BLOB NOT NULL,
    repeat INTEGER NOT NULL, begun INTEGER NOT NULL, passed INTEGER NOT NULL,
    landmarks BLOB NOT NULL DEFAULT x'', time BLOB NOT NULL DEFAULT x'',
    PRIMARY KEY (log, key)
) WITHOUT ROWID;
CREATE TABLE series (
    metric TEXT NOT NULL, labels TEXT NOT NULL, value REAL NOT NULL, counts TEXT, created REAL NOT NULL,
    PRIMARY KEY (metric, labels)
) WITHOUT ROWID;
CREATE TABLE problem (
    what TEXT NOT NULL, hint TEXT NOT NULL,
    PRIMARY KEY (what, hint)
) WITHOUT ROWID;
CREATE TABLE seal (one INTEGER PRIMARY KEY CHECK (one = 1), commits INTEGER NOT NULL, value BLOB NOT NULL)
"""
"""Tables of the state. `problem` holds the logs that a replay could not read, for its report after an interruption."""


def _open(path: Path, mark: CommitMarker, *, expected: bool) -> sqlite3.Connection:
    with ExitStack() as opened:
        try:
            if not path.exists() or (not expected and not path.stat().st_size):  # empty: a start was killed there
                mark.write(0)  # a new state cannot be older than an earlier commit
                sqlite_files.create(path, _write_schema)
            db = opened.enter_context(closing(sqlite_files.open_to_write(path)))
            version = upgrade(db, path, _checked_version(db))
            if version == VERSION:
                _try_to_write(db, version)
        except (sqlite3.DatabaseError, ValueError, OSError) as error:  # ValueError: a name or a verdict is not UTF-8
            raise _open_error(path, error) from error
        if version != VERSION:
            raise _version_error(path, version)
        opened.pop_all()  # no error: it stays open
    return db


def _try_to_write(db: sqlite3.Connection, version: int) -> None:
    """Write once: a damaged header may forbid writing, which only a write shows. Raises sqlite3.Error."""
    db.execute("BEGIN IMMEDIATE")
    db.execute(f"PRAGMA user_version={version}")
    db.execute("ROLLBACK")


def _open_error(path: Path, error: Exception) -> StateError:
    """Return the error of opening: damage, or a failure of the file system."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & PRIMARY_CODE
    if not isinstance(error, OSError) and code not in NOT_NOW:
        return _damage_error(path, str(error))
    return StateError(
        f"cannot open state {path}: {error}", "free disk space or restore access, then start again; no data is lost"
    )


def _write_schema(db: sqlite3.Connection) -> None:
    """Create the tables of a new state."""
    db.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA.split(";"):  # `executescript` would commit the open transaction
        db.execute(statement)
    db.execute("INSERT INTO seal VALUES (1, 0, ?)", (Seal(dict(sealed_parts(db))).value(),))
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    db.execute(f"PRAGMA user_version={VERSION}")
    db.execute("COMMIT")


def _checked_version(db: sqlite3.Connection) -> int:
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (tables or version):
        raise sqlite3.DatabaseError("the file is the database of another program")
    if not tables:
        raise sqlite3.DatabaseError("the file is empty, and held state before")
    return int(version)


@contextmanager
def open_read_only(directory: Path) -> Iterator[sqlite3.Connection]:
    """Open the state in a directory for reading, also while an agent uses it.

    Raises StateError, with the hint that a start gives, where it is damaged, empty or of another version.
    """
    path = directory / FILE
    try:
        with closing(sqlite_files.open_to_read(path)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                raise StateError(f"state {path} is empty", "start the agent, which creates it or reports the damage")
            if version != VERSION:
                raise _version_error(path, version)
            yield db
    except (sqlite3.Error, OSError) as error:
        raise _open_error(path, error) from error


def _version_error(path: Path, version: int) -> StateError:
    if version in STEPS:
        return StateError(
            f"state {path} has version {version}, and this shipper's is version {VERSION}",
            "start the agent, which upgrades the state and keeps a copy of it",
        )
    back = ""
    if (copy := copy_path(path, VERSION)).exists():
        rest = " ".join(str(path.with_name(name)) for name in (MARK, f"{path.name}-wal", f"{path.name}-shm"))
        back = f", or step back to the state before its upgrade: `mv {copy} {path} && rm -f {rest}`"
    return StateError(
        f"state {path} has version {version}; this shipper needs version {VERSION}",
        f"run the shipper version that wrote it{back}, or move the directory away to start at the beginning of all"
        " files",
    )


def _damage_error(path: Path, why: str) -> StateError:
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d')}")
    return StateError(
        f"cannot read state {path}: {printable(why)}",
        f"restore {path.parent} from a backup, or start with an empty state: `mv {path} {aside}`. Events keep their"
        " ids, so the index gets no duplicates, but counters start at zero and count the logs on disk again",
    )


def _rolled_back_error(path: Path, mark: Path, commits: int, noted: int | None) -> StateError:
    known = f"{mark} is damaged" if noted is None else f"{mark} records commit {noted}"
    return StateError(
        f"state {path} may be older than its last commit: it is at commit {commits}, and {known}",
        f"restore all of {path.parent} from a backup. To use the older state on purpose, remove {mark}: counters return"
        " to their older values, and later lines are read again",
    )
