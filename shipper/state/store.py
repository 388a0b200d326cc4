"""The state: positions and counters, committed together in one SQLite transaction.

Crash order: documents are written to the output, then positions and counters are committed, then counters are shown.
A kill before the commit leaves the old position and the old counters, and the same lines come again to the same ids
and the same values. SQLite runs with `synchronous=FULL`: a commit survives a power cut. What was damaged on the disk is
noticed at the start, by `shipper.state.integrity`.

Pieces of lines that are not finished have not been redacted yet: they are hidden under a key before SQLite sees them.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import NoneType
from typing import IO, Any

import msgspec
import orjson

from shipper.config.files.key_files import STATE, read_or_create_key
from shipper.state.checkpoint import Position, SavedFile, SavedLog
from shipper.state.database import FILE, HELD, LOCK, _damaged, _gone_back, _opened, _parts, _refused
from shipper.state.encryption import Broken, Cipher
from shipper.state.integrity import CommitMarker, Part, Seal
from shipper.system.errors import StateError
from shipper.system.private_dirs import make_private
from shipper_processors.envelope import LONE_SURROGATES
from shipper_processors.residue import holds_text
from shipper_processors.sanitize import printable
from shipper_schemas.metrics import Distribution, SeriesKey, Value

BYTES, NUMBER, TEXT, PATH = (bytes,), (int,), (str,), (str, bytes)
LOG_TYPES = (
    PATH, TEXT, BYTES, NUMBER, NUMBER, BYTES, (int, NoneType), (int, NoneType), (bytes, NoneType), NUMBER, BYTES,
)  # fmt: skip
FILE_TYPES = (PATH, NUMBER, PATH, NUMBER, NUMBER, NUMBER, BYTES, NUMBER, BYTES, NUMBER, NUMBER, NUMBER)
SERIES_TYPES = (TEXT, TEXT, (float, int), (str, NoneType), (float, int))
PROBLEM_TYPES = (PATH, PATH)
"""What each column holds: SQLite itself keeps anything anywhere, and a damaged page may be well-formed."""


class State:
    """The state directory, locked for one agent."""

    def __init__(self, directory: Path, key: bytes | None = None) -> None:
        """Create or open it. Raises StateError where it is in use, damaged, of another version, or not writable.

        `key` hides what is unfinished; without one, the directory's own does, which is made on first use.
        """
        self.directory = directory
        self.commits = 0
        with ExitStack() as refused:
            with _usable(directory):
                make_private(directory)
                self._lock = refused.enter_context(closing(_locked(directory)))
                self._mark = refused.enter_context(closing(CommitMarker(directory)))
                held = _held_state(self._lock)
            self._cipher = Cipher(_own_key(directory / STATE) if key is None else key)
            opened = _opened(directory / FILE, self._mark, expected=held)
            self._db = refused.enter_context(closing(opened))
            self._seal = self._checked()
            with _usable(directory):
                _note(self._lock, f"{os.getpid()}\n{HELD}\n")  # after the schema: a kill before it leaves a first start
            refused.pop_all()  # nothing was: all of it stays open

    def _checked(self) -> Seal:
        """The seal, which all rows agree with. Raises StateError."""
        path = self.directory / FILE
        try:
            ((commits, value),) = self._db.execute("SELECT commits, value FROM seal").fetchall()
            seal = Seal(dict(_parts(self._db)), commits)
            damage = None if seal.value() == value else "its rows are not those that were committed"
        except (sqlite3.DatabaseError, ValueError, TypeError, OverflowError) as error:
            raise _refused(path, error) from error
        if damage is not None:
            raise _damaged(path, damage)
        noted = self._mark.read()
        if noted is None or commits < noted:
            raise _gone_back(path, self._mark.path, commits, noted)
        return seal

    def logs(self) -> dict[str, SavedLog]:
        """All saved logs by path. Raises StateError."""
        files: dict[str, list[SavedFile]] = {}
        for log, *row in self._rows("SELECT * FROM file ORDER BY log, key", FILE_TYPES):
            key, path, *rest = row
            files.setdefault(os.fsdecode(log), []).append(SavedFile(key, os.fsdecode(path), *rest))
        saved = {}
        for path, kind, origin, *cursors, next_key, beginnings in self._rows("SELECT * FROM log", LOG_TYPES):
            log, ship = os.fsdecode(path), cursors[3:]
            count = self._position(log, *cursors[:3])
            ship_position = None if None in ship else self._position(log, *ship)
            if ship_position is None and ship != [None, None, None]:
                raise self._damaged("half of a position")
            saved[log] = SavedLog(log, kind, origin, count, ship_position, next_key, beginnings, files.get(log, []))
        return saved

    def _position(self, log: str, file: int, offset: int, partial_state: bytes) -> Position:
        try:
            return Position(file, offset, self._cipher.open(partial_state))
        except Broken as error:
            raise StateError(
                f"what the state in {self.directory} holds back of {printable(log)} cannot be read: {error}",
                f"give the key it was written with ({STATE} beside it, or state_key_file), or move the directory away"
                " to start anew",
            ) from error

    def series(self) -> tuple[dict[SeriesKey, Value], dict[SeriesKey, float]]:
        """All saved counter values, and when each was created (seconds since the epoch). Raises StateError."""
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
        """All saved problems of a replay, each with its hint. Raises StateError."""
        rows = self._rows("SELECT * FROM problem", PROBLEM_TYPES)
        return [(os.fsdecode(what), os.fsdecode(hint)) for what, hint in rows]

    def _rows(self, query: str, types: tuple[tuple[type, ...], ...]) -> Iterator[tuple[Any, ...]]:
        """Rows whose columns are of these types, no whole number below zero. Raises StateError."""
        with self._readable():
            found = self._db.execute(query).fetchall()
        for row in found:
            for value, wanted in zip(row, types, strict=True):
                if not isinstance(value, wanted) or (float not in wanted and isinstance(value, int) and value < 0):
                    raise self._damaged(f"{type(value).__name__} where {wanted[0].__name__} belongs, or below zero")
            yield row

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, why: str) -> StateError:
        return _damaged(self.directory / FILE, why)

    def commit(
        self,
        logs: Iterable[SavedLog],
        removed: Iterable[str],
        series: Mapping[SeriesKey, Value],
        created: Mapping[SeriesKey, float],
        problems: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Save positions, counters and problems in one transaction. Raises StateError; then nothing of it is saved."""
        rows = {_path(log.path): self._log_rows(log) for log in logs}
        values = [_series_row(key, value, created[key]) for key, value in series.items()]
        gone = {_path(path) for path in removed}
        parts: dict[Part, object] = {("log", path): found for path, found in rows.items()}
        parts |= {("series", row[0], row[1]): row for row in values}
        problem_rows = [(_path(what), _path(hint)) for what, hint in dict.fromkeys(problems)]
        parts |= {("problem", *row): row for row in problem_rows}
        seal = self._seal.after(parts, [("log", path) for path in gone])
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                for path in gone:
                    self._db.execute("DELETE FROM log WHERE path = ?", (path,))
                    self._db.execute("DELETE FROM file WHERE log = ?", (path,))
                for path, (log, files) in rows.items():
                    self._save(path, log, files)
                self._db.executemany("INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?)", values)
                self._db.executemany("INSERT OR IGNORE INTO problem VALUES (?, ?)", problem_rows)
                self._db.execute("UPDATE seal SET commits = ?, value = ?", (seal.commits, seal.value))
        except sqlite3.Error as error:
            raise StateError(
                f"state in {self.directory} cannot be written: {error}",
                "free space or restore access; reading goes on from here as soon as it can be written",
            ) from error
        seal.done()
        with suppress(OSError):  # a mark that is behind does no harm
            self._mark.write(seal.commits)
        self.commits += 1

    def _save(self, path: str | bytes, log: "LogRow", files: "list[FileRow]") -> None:
        self._db.execute("INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", log)
        self._db.execute("DELETE FROM file WHERE log = ?", (path,))  # also those taken up anew under another key
        self._db.executemany(
            "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [(path, *file) for file in files]
        )

    def _log_rows(self, log: SavedLog) -> "tuple[LogRow, list[FileRow]]":
        ship = (None, None, None) if log.ship_position is None else self._cursor_row(log.ship_position)
        count = self._cursor_row(log.count_position)
        row = (_path(log.path), log.kind, log.origin, *count, *ship, log.next_key, log.beginnings)
        return row, sorted(_file_row(file) for file in log.files)

    def _cursor_row(self, cursor: Position) -> tuple[int, int, bytes]:
        state = cursor.partial_state
        return cursor.file, cursor.offset, self._cipher.close(state) if holds_text(state) else state

    def close(self) -> None:
        """Close the database and give the lock back."""
        self._db.close()
        self._mark.close()
        self._lock.close()


LogRow = tuple[object, ...]
FileRow = tuple[int, *tuple[object, ...]]
SeriesRow = tuple[str, str, float, str | None, float]


def _path(path: str) -> str | bytes:
    """A path, or text that names one: as bytes where the name is no UTF-8, which SQLite's text has no place for."""
    return os.fsencode(path) if LONE_SURROGATES.search(path) else path


def _file_row(file: SavedFile) -> FileRow:
    return (
        file.key, _path(file.path), file.device, file.inode, file.prefix_size, file.prefix_hash, file.offset,
        file.tail_hash, file.repeat, int(file.begun), int(file.passed),
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
        raise StateError(f"key {path} is empty", "restore it from a copy, or remove it to have another made")
    return found


@contextmanager
def _usable(directory: Path) -> Iterator[None]:
    """Errors of the file system as StateError."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"state directory {directory} cannot be used: {error.strerror}",
            "free space there, make it writable for this user, or name another with --state-dir",
        ) from error


def _locked(directory: Path) -> IO[str]:
    lock = open(directory / LOCK, "a+", encoding="ascii", opener=_private)  # noqa: SIM115 -- held while the agent lives
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.readline().strip() or "unknown"
        lock.close()
        raise StateError(
            f"state directory {directory} is in use by another agent (process {holder})",
            "stop that one first, or give this one a directory of its own with --state-dir",
        ) from error
    return lock


def _held_state(lock: IO[str]) -> bool:
    """Whether this directory has held state before, by the lock file; notes this process as its holder."""
    lock.seek(0)
    before = lock.read(64)
    held = HELD in before
    _note(lock, f"{os.getpid()}\n{HELD}\n" if held else f"{os.getpid()}\n")
    return held


def _note(lock: IO[str], text: str) -> None:
    lock.truncate(0)
    os.write(lock.fileno(), text.encode())  # past the buffer, which would be written once more when it is closed


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
