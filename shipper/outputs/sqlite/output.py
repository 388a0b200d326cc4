"""The embedded store: one SQLite file a day and index, each document exactly once.

`write` returns after the transaction is on disk, because the agent then commits its checkpoint. A batch that was
written but not committed is written again, and its existing ids are ignored, so it is stored once.
"""

import sqlite3
import stat
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.model.text_search import folded, key
from shipper.outputs.base import completed
from shipper.outputs.sqlite.day_file import (
    BLOCK,
    GENERATION_BITS,
    SEVERITY,
    DayFile,
    InvalidDayFile,
    damaged_hint,
    day_file,
    open_to_write,
    trace,
)
from shipper.outputs.sqlite.retention import Expired, remove_expired
from shipper.outputs.worker_threads import without_frames
from shipper.system import sqlite_files
from shipper.system.errors import ConfigurationError, OutputUnavailable, StoreUnreadable
from shipper.system.private_dirs import make_private, require_private
from shipper_processors.route import is_daily

OPEN_FILES = 8
HINTS = {
    sqlite3.SQLITE_FULL: "free disk space, or lower the retention",
    sqlite3.SQLITE_IOERR: "check the disk for free space and errors",
    sqlite3.SQLITE_BUSY: "stop the other process that keeps it locked",
    sqlite3.SQLITE_READONLY: "make it writable for this user",
    sqlite3.SQLITE_CANTOPEN: "make the directory writable for this user",
}
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
PRIMARY_CODE = 0xFF


@dataclass(frozen=True, slots=True)
class _Handle:
    db: sqlite3.Connection
    identity: tuple[int, int]
    """Device and inode, to detect a file that was deleted or replaced."""

    def check(self, path: Path) -> None:
        """Raise FileNotFoundError if `path` is no longer the file that was committed to."""
        if _identity(path) != self.identity:
            raise FileNotFoundError(None, "it was deleted while it was written")


class LocalStore:
    """Writes documents into `DIR/<index>.db`; for one thread at a time, safe with other processes."""

    window = 1

    def __init__(self, directory: Path, quarantine_prefix: str = "keneyapp-quarantine") -> None:
        """Does no I/O: a directory that is unusable now may be usable at the first write."""
        self.url = f"local:{directory}"
        self.directory = directory
        self.quarantine_prefix = quarantine_prefix
        self._open: OrderedDict[DayFile, _Handle] = OrderedDict()

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Write before returning; OutputUnavailable is set on the future, not raised."""
        try:
            return completed(self.write(documents))
        except OutputUnavailable as error:
            failed: Future[Written] = Future()
            failed.set_exception(without_frames(error))
            return failed

    def write(self, documents: Sequence[Document]) -> Written:
        """Store all `documents` durably, one transaction a day file. Raises OutputUnavailable, ConfigurationError."""
        by_index: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            by_index[document.index].append(document)
        files = {index: self._file(index) for index in by_index}
        stored = entries = 0
        for index, group in by_index.items():
            with self._transaction(files[index]) as db:
                new = _insert(db, group)
            stored += new
            if is_daily(index, self.quarantine_prefix):
                entries += len(group) - new
        return Written(stored, len(documents) - stored, duplicate_entries=entries)

    def mark_released(self, index: str, document_id: str, now_ms: int) -> None:
        """Mark a quarantined entry as released. Raises OutputUnavailable, StoreUnreadable."""
        file = self._file(index)
        statement = "INSERT OR IGNORE INTO released SELECT seq, ? FROM entry WHERE id = ? RETURNING seq"
        with self._transaction(file) as db:
            db.execute(statement, (now_ms, bytes.fromhex(document_id))).fetchall()
            row = db.execute("SELECT 1 FROM entry WHERE id = ?", (bytes.fromhex(document_id),)).fetchone()
        if row is None:
            raise StoreUnreadable(f"no entry {document_id} in {file.path}", "see `shipper quarantine list --entries`")

    def expire(self, now_ms: int, days: int | None, max_bytes: int | None) -> Expired:
        """Delete the oldest days. Raises OutputUnavailable.

        A day is deleted if it is more than `days` days before today, or while all files together exceed `max_bytes`.
        Today is kept. A quarantine with unreleased entries is deleted only for its age.
        """
        try:
            return remove_expired(
                self.directory, now_ms, days, max_bytes, self.quarantine_prefix, before=self._close_file
            )
        except OSError as error:
            what = f"{self.url}: old days cannot be deleted: {error.strerror or error}"
            raise OutputUnavailable(what, "make the directory writable for this user") from error

    def close(self) -> None:
        """Close all day files."""
        for file in list(self._open):
            self._close_file(file)

    def _file(self, index: str) -> DayFile:
        file = day_file(self.directory, index)
        if file is None:
            raise ConfigurationError(
                f"invalid index name {index!r}: expected lower-case letters, digits, `.`, `_` and `-`, then a day",
                "correct index.prefix and index.quarantine_prefix",
            )
        return file

    @contextmanager
    def _transaction(self, file: DayFile) -> Iterator[sqlite3.Connection]:
        """One durable transaction; any error closes the file, so that the next transaction reopens it."""
        try:
            handle = self._handle(file)
            handle.db.execute("BEGIN IMMEDIATE")
            yield handle.db
            handle.db.execute("COMMIT")
            handle.check(file.path)
        except (sqlite3.Error, OSError, InvalidDayFile) as error:
            self._close_file(file)
            raise _unavailable(file.path, error) from error
        except BaseException:
            self._close_file(file)
            raise

    def _handle(self, file: DayFile) -> _Handle:
        handle = self._open.get(file)
        if handle is not None and _identity(file.path) != handle.identity:
            self._close_file(file)
            handle = None
        if handle is None:
            while len(self._open) >= OPEN_FILES:
                self._close_file(next(iter(self._open)))
            make_private(self.directory)
            require_private(self.directory)
            handle = self._open[file] = _open_handle(file.path)
        self._open.move_to_end(file)
        return handle

    def _close_file(self, file: DayFile) -> None:
        handle = self._open.pop(file, None)
        if handle is not None:
            with suppress(sqlite3.Error):
                sqlite_files.close_written(handle.db)


def _open_handle(path: Path) -> _Handle:
    db = open_to_write(path)
    identity = _identity(path)
    if identity is None:
        db.close()
        raise FileNotFoundError(None, "it was deleted while it was opened")
    return _Handle(db, identity)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _insert(db: sqlite3.Connection, documents: list[Document]) -> int:
    """Insert the documents that are not stored yet, index them in blocks, and return their number."""
    (before,) = db.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()
    generation = before >> GENERATION_BITS
    severity: Callable[[str | None], int | None] = SEVERITY.get  # type: ignore[assignment]
    rows = [
        (id_, time_ms, severity(level), trace(correlation_id, generation) if correlation_id else None, body)
        for _, id_, time_ms, correlation_id, _, level, _, _, body, _ in documents
    ]
    statement = "INSERT OR IGNORE INTO entry (id, time, severity, trace, body) VALUES (?, ?, ?, ?, ?)"
    stored = db.executemany(statement, rows).rowcount
    if 0 < stored < len(documents):
        new = {id_ for (id_,) in db.execute("SELECT id FROM entry WHERE seq > ?", (before,))}
        firsts: dict[bytes, Document] = {}
        for document in documents:
            if document.id in new:
                firsts.setdefault(document.id, document)
        documents = list(firsts.values())
    if stored:
        for start in range(0, len(documents), BLOCK):
            _index_block(db, before + 1 + start, documents[start : start + BLOCK])
    return stored


def _index_block(db: sqlite3.Connection, first: int, documents: list[Document]) -> None:
    times = [document.time_ms for document in documents]
    db.execute("INSERT INTO block VALUES (?, ?, ?, ?)", (first, first + len(documents) - 1, min(times), max(times)))
    keys = {key("e", event) for event in {document.event for document in documents} if event}
    keys |= {key("t", trace_id) for document in documents if (trace_id := document.trace_id)}
    keys |= {key("l", level) for level in {document.level for document in documents} if level}
    texts = [text if text.isascii() else folded(text) for document in documents if (text := document.text)]
    db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (first, "\n".join([*texts, *keys])))


def _unavailable(path: Path, error: Exception) -> OutputUnavailable:
    if isinstance(error, InvalidDayFile):
        return OutputUnavailable(error.what, error.hint)
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY_CODE
        what = f"store {path} cannot be written: {error}"
        if code in DAMAGED:
            return OutputUnavailable(what, damaged_hint(path))
        return OutputUnavailable(what, HINTS.get(code, ""), resumes=True)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    hint = f"make {path.parent} a directory that this user alone can write to, with free disk space"
    return OutputUnavailable(f"store {path} cannot be written: {reason}", hint, resumes=True)
