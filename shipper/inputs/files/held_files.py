"""Held files: rotated and deleted files that the output has not yet, and that cannot be opened again.

While the output is unavailable they are held open for a while; then what is not shipped of them moves to the spool, and
is shipped from there under the same ids. Where the spool has no room, files are let go of, counted and named.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from shipper.inputs.files.handles import CompressedHandle, PlainHandle
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.tailer import Tail
from shipper.state.checkpoint import Position
from shipper.state.spool import Spool
from shipper.state.spool_file import SpoolWriter
from shipper.system.own_log import own_log
from shipper_processors.sanitize import printable

STEP_BYTES = 16 * 1024 * 1024
"""Bytes that are spooled in one step, so that reading goes on."""
UNBOUNDED = 1 << 62
LEAST_OPEN = 4
_log: Any = own_log("shipper.spool")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of what is held open, and of the spool."""

    after: float = 10.0
    """Seconds after which a deleted file moves to the spool."""
    held_bytes: int = 64 * 1024 * 1024
    """Unshipped bytes of deleted files that are held open."""
    held_files: int = 64
    """Rotated files that are held open."""
    max_bytes: int = 1024 * 1024 * 1024
    """Bytes of the spool on disk."""
    max_age: float = 7 * 86_400.0
    """Seconds after which a spooled file is let go of."""
    drop: Literal["oldest", "newest"] = "oldest"
    """Files that are let go of where the spool has no room."""


class Held(NamedTuple):
    """A file that is held open."""

    log: LogReader
    file: LogFile
    offset: int
    """Offset of its first unshipped byte."""
    unshipped: int
    """Unshipped bytes."""


@dataclass(slots=True)
class HeldFiles:
    """Moves held files of a tail to the spool. Times are monotonic seconds."""

    tail: Tail
    spool: Spool
    bounds: Bounds = field(default_factory=Bounds)
    number: int = 0
    """Files held open at the last step."""
    unshipped: int = 0
    """Unshipped bytes of the deleted ones among them."""
    error: str | None = None
    """Error of the last try to spool a file; None if it succeeded."""
    _writing: tuple[Held, SpoolWriter] | None = None
    _since: dict[int, float] = field(default_factory=dict)
    """Times since which deleted files are held, by identity."""
    _reserve: int | None = None
    """Descriptor that is closed before a file is spooled, so that there is one when all are in use."""

    def __post_init__(self) -> None:
        """Reserve a descriptor."""
        self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def is_pressing(self) -> bool:
        """Return True if too many files are held open, so that a commit should not wait."""
        return sum(1 for _ in self._held()) > self.bounds.held_files

    def step(self, now: float, *, wall_s: float) -> dict[str, LogReader]:
        """Spool for a while what is over the bounds; return the logs of which a file was let go of.

        Call it right after a commit: a spooled file is found again by its checkpoint.
        """
        touched: dict[str, LogReader] = {}
        self._drop_old(wall_s, touched)
        while (held := self._next(now)) is not None:
            if not self._spooled(held, touched, STEP_BYTES) or self._writing is not None or not held.file.spooled:
                break
        return touched

    def spool_deleted(self) -> None:
        """Spool all deleted files that are not read or not shipped, before the agent ends; right after a commit."""
        touched: dict[str, LogReader] = {}
        for log in list(self.tail.logs.values()):
            for file in list(log.log.files):
                if not file.passed and _is_deleted(file):
                    held = next(_unshipped(log, file, log.unshipped_from() or log.count_cursor.position()), None)
                    if held is not None:
                        self._spooled(held, touched, UNBOUNDED)

    def close(self) -> None:
        """Give up a draft."""
        if self._writing is not None:
            self._writing[1].abandon()
            self._writing = None
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    # --- choosing ---------------------------------------------------------------------------------

    def _held(self) -> Iterator[Held]:
        """Yield the open files that were counted and are not shipped to their end, oldest first within a log."""
        for log in self.tail.logs.values():
            position = log.unshipped_from()
            if position is None:
                continue
            for file in log.log.files:
                if isinstance(file.handle, PlainHandle | CompressedHandle) and _is_counted(log, file):
                    yield from _unshipped(log, file, position)

    def _next(self, now: float) -> Held | None:
        """Return the file to spool next: the one being spooled, one that was deleted long ago, or one too many."""
        held = [held for held in self._held() if held.file.handle is not None]
        present = {id(entry.file) for entry in held}
        self._since = {at: since for at, since in self._since.items() if at in present}
        deleted = sorted(
            (entry for entry in held if _is_deleted(entry.file)), key=lambda entry: self._held_since(entry, now)
        )
        old = [entry for entry in deleted if entry.log.has_ended(entry.file, now)]
        self.number, self.unshipped = len(held), sum(entry.unshipped for entry in deleted)
        if self._writing is not None:
            entry, writer = self._writing
            if id(entry.file) in present:
                return entry
            writer.abandon()  # it was shipped meanwhile
            self._writing = None
        if old and now - self._held_since(old[0], now) >= self.bounds.after:
            return old[0]
        if deleted and (self.unshipped > self.bounds.held_bytes or len(held) > self.bounds.held_files):
            return (old or deleted)[0]
        return held[0] if len(held) > self.bounds.held_files else None

    def _held_since(self, held: Held, now: float) -> float:
        return self._since.setdefault(id(held.file), now)

    # --- spooling ---------------------------------------------------------------------------------

    def _spooled(self, held: Held, touched: dict[str, LogReader], size: int) -> bool:
        """Copy up to `size` bytes of a file to the spool; return False if there is no room now."""
        try:
            if self._writing is not None and self._writing[0].file is not held.file:
                self._writing[1].abandon()
                self._writing = None
            self._copy(held, touched, size)
        except OSError as error:
            self._failed(held, error, touched)
            return False
        finally:
            if self._reserve is None:
                self._reserve = _reserved()
        self.error = None
        return True

    def _copy(self, held: Held, touched: dict[str, LogReader], size: int) -> None:
        log, file = held.log, held.file
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None
        if self._writing is None and self._has_late_lines(held):
            return
        if self._writing is None:
            if self.bounds.max_bytes <= 0:
                self._let_go(log, file, held.offset, "the spool is off (spool.max_bytes: 0)", touched)
                return
            assert file.handle is not None  # noqa: S101 -- only open files are held
            writer = self.spool.writer(log.path, file.key, file.handle, held.offset, _end(log, file))
            self._writing = (held, writer)
        writer = self._writing[1]
        is_copied = writer.step(size)
        while self.spool.stored + writer.written > self.bounds.max_bytes:
            oldest = self.spool.oldest() if self.bounds.drop == "oldest" else None
            if oldest is None:
                writer.abandon()
                self._writing = None
                self._let_go(log, file, held.offset, "the spool is full (spool.max_bytes)", touched)
                return
            self._drop(oldest, "the spool is full, and holds newer files (spool.max_bytes, spool.drop)", touched)
        if is_copied:
            reader = self.spool.finish(writer)
            self._writing = None
            file.close()
            file.handle, file.spooled = reader, True
            _log.info("file_spooled", path=printable(file.path), offset=held.offset, end=reader.size())

    @staticmethod
    def _has_late_lines(held: Held) -> bool:
        """Let a reader of its own read late lines of a file first, if it has some that nobody has noticed."""
        log, file = held.log, held.file
        if file.has_late_reader or not log.has_left(file):
            return False
        size = file.present_size()
        if size is None or size <= file.fingerprint.offset:
            return False
        file.grown = True
        log.attention.wake(log.path)
        return True

    def _failed(self, held: Held, error: OSError, touched: dict[str, LogReader]) -> None:
        """Report an error of the disk; let a file go if the bounds of what is held open are exceeded."""
        if self._writing is not None:
            self._writing[1].abandon()
            self._writing = None
        what = printable(str(error))
        if self.error is None:
            _log.warning(
                "cannot_spool", path=printable(held.file.path), error=what,
                hint="free disk space under the state directory; until then files are held open up to the bounds",
            )  # fmt: skip
        self.error = what
        oldest = self.spool.oldest() if self.bounds.drop == "oldest" else None
        if self.number <= self.bounds.held_files and self.unshipped <= self.bounds.held_bytes:
            return
        if oldest is not None:
            self._drop(oldest, f"the disk of the spool is full: {what}", touched)
        else:
            self._let_go(held.log, held.file, held.offset, f"it cannot be spooled: {what}", touched)

    # --- letting go -------------------------------------------------------------------------------

    def _drop_old(self, wall_s: float, touched: dict[str, LogReader]) -> None:
        while (oldest := self.spool.oldest()) is not None:
            if wall_s - self.spool.files[oldest].since < self.bounds.max_age:
                return
            self._drop(oldest, "it was in the spool for longer than spool.max_age", touched)

    def _drop(self, at: tuple[str, int], why: str, touched: dict[str, LogReader]) -> None:
        """Let a spooled file go."""
        log = self.tail.logs.get(at[0])
        file = None if log is None else next((file for file in log.log.files if file.key == at[1]), None)
        self.spool.release(*at)
        if log is not None and file is not None and file.spooled:
            position = log.unshipped_from()
            offset = position.offset if position is not None and position.file == file.key else 0
            self._let_go(log, file, offset, why, touched)

    @staticmethod
    def _let_go(log: LogReader, file: LogFile, offset: int, why: str, touched: dict[str, LogReader]) -> None:
        if file.spooled or _is_deleted(file):
            log.let_go(file, offset, why)
            touched[log.path] = log
        else:
            file.close()  # it has a name: it is opened again if it still exists then


def _reserved() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _is_counted(log: LogReader, file: LogFile) -> bool:
    """Return True if the count cursor needs no more of a file."""
    if file.rotated_at is None or file.passed or file.spooled:
        return False
    return log.has_left(file) or (file.gone and log.at_end and log.count_cursor.file is file)


def _is_deleted(file: LogFile) -> bool:
    """Return True if an open file has no name any more."""
    if not isinstance(file.handle, PlainHandle | CompressedHandle):
        return False
    try:
        return file.gone or not file.handle.names()
    except OSError:
        return False


def _end(log: LogReader, file: LogFile) -> int:
    """Return the end of what is read of a file: its size, unless the count cursor has left it before late lines."""
    size = None if file.handle is None or log.has_left(file) else file.handle.size()
    return max(file.fingerprint.offset, size or 0)


def _unshipped(log: LogReader, file: LogFile, position: Position) -> Iterator[Held]:
    if position.file > file.key:
        return
    offset = position.offset if position.file == file.key else 0
    yield Held(log, file, offset, max(0, file.fingerprint.offset - offset))
