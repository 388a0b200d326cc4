"""The embedded store: one SQLite file a day and index, each document exactly once.

`write` returns after the transaction is on the disk, because the agent then commits its position. A batch that was
written and not committed comes again, and its ids are found: it is stored once.
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
from shipper.outputs.base import settled
from shipper.outputs.sqlite.day_file import (
    BLOCK,
    GENERATION_BITS,
    SEVERITY,
    DayFile,
    Unusable,
    aside,
    day_file,
    open_to_write,
    trace,
)
from shipper.outputs.sqlite.retention import remove_expired
from shipper.outputs.worker_threads import without_frames
from shipper.system.errors import ConfigurationError, OutputUnavailable, StoreUnreadable
from shipper.system.private_dirs import make_private
from shipper_processors.route import is_daily

OPEN_FILES = 8
CURES = {
    sqlite3.SQLITE_FULL: "free space there, or lower the retention",
    sqlite3.SQLITE_IOERR: "look for a full or failing disk",
    sqlite3.SQLITE_BUSY: "another process holds it for long: end that one",
    sqlite3.SQLITE_READONLY: "make it writable for this user",
    sqlite3.SQLITE_CANTOPEN: "make the directory writable for this user",
}
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
PRIMARY_CODE = 0xFF


@dataclass(frozen=True, slots=True)
class _Handle:
    db: sqlite3.Connection
    identity: tuple[int, int]
    """Device and inode, by which a file that was deleted or replaced underneath is noticed."""

    def check(self, path: Path) -> None:
        """Raise FileNotFoundError where what was committed is no longer what `path` names."""
        if _identity(path) != self.identity:
            raise FileNotFoundError(None, "it was deleted while it was written")


class LocalStore:
    """Writes documents into `DIR/<index>.db`; for one thread at a time, beside other processes."""

    window = 1

    def __init__(self, directory: Path, quarantine_prefix: str = "keneyapp-quarantine") -> None:
        """Touches nothing yet: a directory that cannot be used now may be usable when something is written."""
        self.url = f"local:{directory}"
        self.directory = directory
        self.quarantine_prefix = quarantine_prefix
        self._open: OrderedDict[DayFile, _Handle] = OrderedDict()

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """`write`, which is done when this returns; the refusal of a disk is the result, not raised."""
        try:
            return settled(self.write(documents))
        except OutputUnavailable as error:
            refused: Future[Written] = Future()
            refused.set_exception(without_frames(error))
            return refused

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
        """Note that a quarantined entry has gone to its main index. Raises OutputUnavailable, StoreUnreadable."""
        file = self._file(index)
        statement = "INSERT OR IGNORE INTO released SELECT seq, ? FROM entry WHERE id = ? RETURNING seq"
        with self._transaction(file) as db:
            db.execute(statement, (now_ms, bytes.fromhex(document_id))).fetchall()
            found = db.execute("SELECT 1 FROM entry WHERE id = ?", (bytes.fromhex(document_id),)).fetchone()
        if found is None:
            raise StoreUnreadable(f"{file.path} holds no entry {document_id}", "see `shipper quarantine list`")

    def expire(self, now_ms: int, days: int | None, max_bytes: int | None) -> list[str]:
        """Delete whole oldest days, and return the names of the indices that went. Raises OutputUnavailable.

        A day goes when it is more than `days` days before today, or while all files together exceed `max_bytes`.
        Today stays. A quarantine that holds unreleased entries goes by its age alone.
        """
        try:
            return remove_expired(self.directory, now_ms, days, max_bytes, self.quarantine_prefix, before=self._forget)
        except OSError as error:
            what = f"{self.url}: old days cannot be deleted: {error.strerror or error}"
            raise OutputUnavailable(what, "make the directory writable for this user") from error

    def close(self) -> None:
        """Close all day files."""
        for file in list(self._open):
            self._forget(file)

    def _file(self, index: str) -> DayFile:
        file = day_file(self.directory, index)
        if file is None:
            raise ConfigurationError(
                f"{index!r} is no name for an index: lower case letters, digits, `.`, `_` and `-`, then a day",
                "correct index.prefix and index.quarantine_prefix",
            )
        return file

    @contextmanager
    def _transaction(self, file: DayFile) -> Iterator[sqlite3.Connection]:
        """One durable transaction; whatever goes wrong closes the file, so that the next one begins afresh."""
        try:
            handle = self._handle(file)
            handle.db.execute("BEGIN IMMEDIATE")
            yield handle.db
            handle.db.execute("COMMIT")
            handle.check(file.path)
        except (sqlite3.Error, OSError, Unusable) as error:
            self._forget(file)
            raise _unavailable(file.path, error) from error
        except BaseException:
            self._forget(file)
            raise

    def _handle(self, file: DayFile) -> _Handle:
        handle = self._open.get(file)
        if handle is not None and _identity(file.path) != handle.identity:
            self._forget(file)
            handle = None
        if handle is None:
            while len(self._open) >= OPEN_FILES:
                self._forget(next(iter(self._open)))
            make_private(self.directory)
            handle = self._open[file] = _opened(file.path)
        self._open.move_to_end(file)
        return handle

    def _forget(self, file: DayFile) -> None:
        handle = self._open.pop(file, None)
        if handle is not None:
            with suppress(sqlite3.Error):
                handle.db.close()


def _opened(path: Path) -> _Handle:
    db = open_to_write(path)
    identity = _identity(path)
    if identity is None:
        db.close()
        raise FileNotFoundError(None, "it was deleted while it was opened")
    return _Handle(db, identity)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _insert(db: sqlite3.Connection, documents: list[Document]) -> int:
    """Insert what is not there yet, and index it in blocks; how many that were."""
    (before,) = db.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()
    generation = before >> GENERATION_BITS
    severity: Callable[[str | None], int | None] = SEVERITY.get  # type: ignore[assignment]
    rows = [
        (id_, time_ms, severity(level), trace(asked_for, generation) if asked_for else None, body)
        for _, id_, time_ms, asked_for, _, level, _, _, body in documents
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
    keys |= {key("l", level) for level in {document.level for document in documents} if level}
    texts = [text if text.isascii() else folded(text) for document in documents if (text := document.text)]
    db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (first, "\n".join([*texts, *keys])))


def _unavailable(path: Path, error: Exception) -> OutputUnavailable:
    if isinstance(error, Unusable):
        return OutputUnavailable(error.what, error.hint)
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY_CODE
        what = f"store {path} cannot be written: {error}"
        if code in DAMAGED:
            return OutputUnavailable(what, aside(path))
        return OutputUnavailable(what, CURES.get(code, ""), resumes=True)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    hint = f"make {path.parent} a directory that this user can write to, with space left"
    return OutputUnavailable(f"store {path} cannot be written: {reason}", hint, resumes=True)
