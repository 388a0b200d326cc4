"""The state: checkpoints and counters, committed together in one SQLite transaction.

Crash order: documents are written to the output, then checkpoints and counters are committed, then counters are shown.
A kill before the commit leaves the old checkpoint and the old counters, so the same lines are read again and lead to
the same ids and values. SQLite runs with `synchronous=FULL`: a commit survives a power cut. `shipper.state.integrity`
detects damage on the disk at the start.

Partial entries have not been redacted yet: they are encrypted before SQLite sees them.
"""

import fcntl
import hashlib
import os
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from errno import EADDRINUSE
from pathlib import Path
from types import NoneType
from typing import IO, Any

import msgspec
import orjson

from shipper.config.files.key_files import STATE, read_or_create_key
from shipper.state.checkpoint import Position, SavedFile, SavedLog
from shipper.state.database import FILE, HELD, LOCK, _damage_error, _open, _open_error, _rolled_back_error
from shipper.state.encryption import Cipher, DecryptionError
from shipper.state.integrity import CommitMarker, Part, Seal, sealed_parts
from shipper.system.errors import StateError
from shipper.system.private_dirs import make_private, require_private
from shipper_processors.envelope import LONE_SURROGATES
from shipper_processors.partial_state import holds_text
from shipper_processors.sanitize import printable
from shipper_schemas.metrics import Distribution, SeriesKey, Value

BYTES, NUMBER, TEXT, PATH = (bytes,), (int,), (str,), (str, bytes)
LOG_TYPES = (
    PATH, TEXT, BYTES, NUMBER, NUMBER, BYTES, (int, NoneType), (int, NoneType), (bytes, NoneType), NUMBER, BYTES, BYTES,
)  # fmt: skip
FILE_TYPES = (PATH, NUMBER, PATH, NUMBER, NUMBER, NUMBER, BYTES, NUMBER, BYTES, NUMBER, NUMBER, NUMBER, BYTES, BYTES)
SERIES_TYPES = (TEXT, TEXT, (float, int), (str, NoneType), (float, int))
PROBLEM_TYPES = (PATH, PATH)
"""Types of the columns: SQLite itself accepts any type in any column, and a damaged page may be well-formed."""


class State:
    """The state directory, locked for one agent."""

    def __init__(self, directory: Path, key: bytes | None = None) -> None:
        """Create or open it. Raises StateError if it is in use, damaged, of another version, or not writable.

        `key` encrypts partial entries; without one, the directory's own key does, which is created on first use.
        """
        self.directory = directory
        self.commits = 0
        with ExitStack() as opened:
            with _usable(directory):
                make_private(directory)
                require_private(directory)
                self._lock = opened.enter_context(closing(_locked(directory)))
                opened.enter_context(_address(directory))
                self._mark = opened.enter_context(closing(CommitMarker(directory)))
                held = _held_state(self._lock)
            self.cipher = Cipher(_own_key(directory / STATE) if key is None else key)
            database = _open(directory / FILE, self._mark, expected=held)
            self._db = opened.enter_context(closing(database))
            self._seal = self._checked()
            with _usable(directory):
                _note(
                    self._lock, f"{os.getpid()}\n{HELD}\n"
                )  # after the schema: a kill before this leaves a first start
            self._inode = _inode(directory / FILE)
            self._opened = opened.pop_all()  # no error: everything stays open

    @property
    def gone(self) -> bool:
        """True if the database at the path is not the open one: it was removed, or replaced, and holds no commits."""
        return _inode(self.directory / FILE) != self._inode

    def _checked(self) -> Seal:
        """Return the seal after verifying all rows against it. Raises StateError."""
        path = self.directory / FILE
        try:
            ((commits, value),) = self._db.execute("SELECT commits, value FROM seal").fetchall()
            seal = Seal(dict(sealed_parts(self._db)), commits)
            damage = None if seal.value() == value else "its rows differ from the last commit"
        except (sqlite3.DatabaseError, ValueError, TypeError, OverflowError) as error:
            raise _open_error(path, error) from error
        if damage is not None:
            raise _damage_error(path, damage)
        noted = self._mark.read()
        if noted is None or commits < noted:
            raise _rolled_back_error(path, self._mark.path, commits, noted)
        return seal

    def logs(self) -> dict[str, SavedLog]:
        """Return all saved logs by path. Raises StateError."""
        files: dict[str, list[SavedFile]] = {}
        for log, key, path, *rest in self._rows("SELECT * FROM file ORDER BY log, key", FILE_TYPES):
            live = os.fsdecode(log)
            name = live if path == log else os.fsdecode(path)  # one text for both
            files.setdefault(live, []).append(SavedFile(key, name, *rest))
        saved = {}
        for path, kind, origin, *cursors, next_key, beginnings, boot in self._rows("SELECT * FROM log", LOG_TYPES):
            log, ship = os.fsdecode(path), cursors[3:]
            count = self._position(log, *cursors[:3])
            ship_position = None if None in ship else self._position(log, *ship)
            if ship_position is None and ship != [None, None, None]:
                raise self._damaged("incomplete checkpoint")
            known = files.pop(log, [])
            saved[log] = SavedLog(log, kind, origin, count, ship_position, next_key, beginnings, known, boot)
        return saved

    def _position(self, log: str, file: int, offset: int, partial_state: bytes) -> Position:
        try:
            return Position(file, offset, self.cipher.decrypt(partial_state))
        except DecryptionError as error:
            raise StateError(
                f"cannot decrypt the partial entry of {printable(log)} in the state {self.directory}: {error}",
                f"use the key that it was written with ({STATE} beside it, or state_key_file), or move the directory"
                " away to start with an empty state",
            ) from error

    def series(self) -> tuple[dict[SeriesKey, Value], dict[SeriesKey, float]]:
        """Return all saved counter values and their creation times (seconds since the epoch). Raises StateError."""
        values: dict[SeriesKey, Value] = {}
        created: dict[SeriesKey, float] = {}
        for metric, labels, value, counts, since in self._rows("SELECT * FROM series", SERIES_TYPES):
            with self._readable():
                key = (metric, msgspec.json.decode(labels, type=tuple[str, ...]))
                known = None if counts is None else msgspec.json.decode(counts, type=list[int])
            values[key] = value if known is None else Distribution(known, value)
            created[key] = since
        return values, created

    def problems(self) -> list[tuple[str, str]]:
        """Return all saved problems of a replay, each with its hint. Raises StateError."""
        rows = self._rows("SELECT * FROM problem", PROBLEM_TYPES)
        return [(os.fsdecode(what), os.fsdecode(hint)) for what, hint in rows]

    def _rows(self, query: str, types: tuple[tuple[type, ...], ...]) -> Iterator[tuple[Any, ...]]:
        """Yield rows after checking their column types; whole numbers must not be negative. Raises StateError."""
        with self._readable():
            rows = self._db.execute(query)
        while True:
            with self._readable():
                row = rows.fetchone()  # not all at once: 10,000 logs have 20 MB of rows
            if row is None:
                return
            for value, wanted in zip(row, types, strict=True):
                if not isinstance(value, wanted) or (float not in wanted and isinstance(value, int) and value < 0):
                    raise self._damaged(f"expected {wanted[0].__name__} not below zero, got {type(value).__name__}")
            yield row

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, why: str) -> StateError:
        return _damage_error(self.directory / FILE, why)

    def commit(
        self,
        logs: Iterable[SavedLog],
        removed: Iterable[str],
        series: Mapping[SeriesKey, Value],
        created: Mapping[SeriesKey, float],
        problems: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Save checkpoints, counters and problems in one transaction. Raises StateError; then nothing is saved."""
        if self.gone:
            raise StateError(
                f"state directory {self.directory} was removed or replaced while it was in use",
                "put it back, or start the agent again, which then counts the logs on disk from their beginning",
            )
        rows = {_path(log.path): self._log_rows(log) for log in logs}
        values = [_series_row(key, value, created[key]) for key, value in series.items()]
        removed_paths = {_path(path) for path in removed}
        parts: dict[Part, object] = {("log", path): log_rows for path, log_rows in rows.items()}
        parts |= {("series", row[0], row[1]): row for row in values}
        problem_rows = [(_path(what), _path(hint)) for what, hint in dict.fromkeys(problems)]
        parts |= {("problem", *row): row for row in problem_rows}
        seal = self._seal.after(parts, [("log", path) for path in removed_paths])
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                for path in removed_paths:
                    self._db.execute("DELETE FROM log WHERE path = ?", (path,))
                    self._db.execute("DELETE FROM file WHERE log = ?", (path,))
                for path, (log, files) in rows.items():
                    self._save(path, log, files)
                self._db.executemany("INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?)", values)
                self._db.executemany("INSERT OR IGNORE INTO problem VALUES (?, ?)", problem_rows)
                self._db.execute("UPDATE seal SET commits = ?, value = ?", (seal.commits, seal.value))
        except sqlite3.Error as error:
            raise StateError(
                f"cannot write state in {self.directory}: {error}",
                "free disk space or restore access; reading resumes as soon as the state is writable",
            ) from error
        seal.done()
        with suppress(OSError):  # a mark that is behind does no harm
            self._mark.write(seal.commits)
        self.commits += 1

    def _save(self, path: str | bytes, log: "LogRow", files: "list[FileRow]") -> None:
        self._db.execute("INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", log)
        self._db.execute("DELETE FROM file WHERE log = ?", (path,))  # also files that were reopened under another key
        self._db.executemany(
            "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [(path, *file) for file in files]
        )

    def _log_rows(self, log: SavedLog) -> "tuple[LogRow, list[FileRow]]":
        ship = (None, None, None) if log.ship_position is None else self._cursor_row(log.ship_position)
        count = self._cursor_row(log.count_position)
        row = (_path(log.path), log.kind, log.origin, *count, *ship, log.next_key, log.beginnings, log.boot)
        return row, sorted(_file_row(file) for file in log.files)

    def _cursor_row(self, cursor: Position) -> tuple[int, int, bytes]:
        state = cursor.partial_state
        return cursor.file, cursor.offset, self.cipher.encrypt(state) if holds_text(state) else state

    def close(self) -> None:
        """Close the database and release the lock."""
        self._opened.close()


LogRow = tuple[object, ...]
FileRow = tuple[int, *tuple[object, ...]]
SeriesRow = tuple[str, str, float, str | None, float]


def _path(path: str) -> str | bytes:
    """Return a path, or a text that names one; as bytes if it is not UTF-8, which SQLite cannot store as text."""
    return os.fsencode(path) if LONE_SURROGATES.search(path) else path


def _file_row(file: SavedFile) -> FileRow:
    return (
        file.key, _path(file.path), file.device, file.inode, file.prefix_size, file.prefix_hash, file.offset,
        file.tail_hash, file.repeat, int(file.begun), int(file.passed), file.landmarks, file.time,
    )  # fmt: skip


def _series_row(key: SeriesKey, value: Value, created: float) -> SeriesRow:
    labels = orjson.dumps(key[1]).decode()
    if isinstance(value, Distribution):
        return key[0], labels, float(value.sum), orjson.dumps(value.counts).decode(), float(created)
    return key[0], labels, float(value), None, float(created)


def _own_key(path: Path) -> bytes:
    """The directory's own key. Raises ShipperError, also for an empty one, under which nothing would be hidden."""
    found = read_or_create_key(path, "state_key_file")
    if not found.strip():
        raise StateError(f"key {path} is empty", "restore it from a backup, or remove it to create a new one")
    return found


@contextmanager
def _usable(directory: Path) -> Iterator[None]:
    """Raise errors of the file system as StateError."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"cannot use state directory {directory}: {error.strerror}",
            "free disk space, make it writable for this user alone, or set --state-dir to a new folder",
        ) from error


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def _address(directory: Path) -> Iterator[None]:
    """Hold an address that follows from the path: a lock file in a directory that was removed refuses nobody.

    The address is in Linux's abstract namespace, so nothing is left of it after a kill.
    """
    parent = directory.resolve().parent
    name = hashlib.blake2b(f"{_inode(parent)} {directory.resolve()}".encode(errors="surrogateescape"), digest_size=16)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
        try:
            held.bind(f"\0shipper-state-{name.hexdigest()}")
        except OSError as error:
            if error.errno != EADDRINUSE:
                raise
            raise _in_use(directory) from error
        yield


def _in_use(directory: Path, holder: str = "unknown") -> StateError:
    return StateError(
        f"state directory {directory} is in use by another agent (process {holder})",
        "stop that agent first, or choose another directory with --state-dir",
    )


def _locked(directory: Path) -> IO[str]:
    lock = open(directory / LOCK, "a+", encoding="ascii", opener=_private)  # noqa: SIM115 -- held while the agent lives
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.readline().strip() or "unknown"
        lock.close()
        raise _in_use(directory, holder) from error
    return lock


def _held_state(lock: IO[str]) -> bool:
    """Return True if the lock file shows that this directory held state before; record this process as its holder."""
    lock.seek(0)
    before = lock.read(64)
    held = HELD in before
    _note(lock, f"{os.getpid()}\n{HELD}\n" if held else f"{os.getpid()}\n")
    return held


def _note(lock: IO[str], text: str) -> None:
    lock.truncate(0)
    os.write(lock.fileno(), text.encode())  # unbuffered: a buffer would be written once more on close


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
