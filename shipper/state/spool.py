"""The spool: parts of log files that would be lost, kept in the state directory until the output has them.

A spooled file is named by its log's path and its number in the log, so that a checkpoint finds it again.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from shipper.state.checkpoint import PREFIX_BYTES, TAIL_BYTES, SavedFile, SavedLog, hashed, split_late_path
from shipper.state.encryption import Cipher
from shipper.state.spool_file import DRAFT, Header, Source, SpoolReader, SpoolWriter
from shipper.system.own_log import own_log
from shipper.system.private_dirs import make_private
from shipper_processors.sanitize import printable

FOLDER = "spool"
SUFFIX = ".spool"
_log: Any = own_log("shipper.spool")


@dataclass(slots=True)
class Spooled:
    """A spooled file."""

    path: Path
    stored: int
    """Its size on disk."""
    raw: int
    """Number of raw bytes in it."""
    since: float
    """Time at which it was spooled (seconds since the epoch)."""


class Spool:
    """The spooled files of one state directory. For one thread."""

    def __init__(self, directory: Path, cipher: Cipher, now_s: Callable[[], float] = time.time) -> None:
        """Use a folder in the state directory, which is created with the first file."""
        self._folder, self._cipher, self._now_s = directory / FOLDER, cipher, now_s
        self.files: dict[tuple[str, int], Spooled] = {}
        """By path of the log and number of the file."""
        self._released: set[tuple[str, int]] = set()

    def load(self, logs: Iterable[SavedLog]) -> None:
        """List the files of an earlier run; remove those that none of the checkpoints refers to.

        The content decides, and not the path, since a log may have moved.
        """
        wanted: defaultdict[tuple[int, int], list[tuple[str, SavedFile]]] = defaultdict(list)
        for log in logs:
            for row in log.files:
                if not row.passed:
                    wanted[row.key, row.inode].append((log.path, row))
        try:
            paths = sorted(self._folder.iterdir())
        except OSError:
            return
        for path in paths:
            if path.name.endswith(DRAFT):
                _unlink(path)
            elif (opened := self._opened(path)) is not None:
                reader, spooled = opened
                path_of_log = _log_of(reader, wanted.get((reader.header.key, reader.inode), []))
                if path_of_log is None:
                    _unlink(path)
                else:
                    self.files[path_of_log, reader.header.key] = spooled

    def _opened(self, path: Path) -> tuple[SpoolReader, Spooled] | None:
        try:
            reader = SpoolReader(path, self._cipher)
            since = path.stat().st_mtime
        except OSError as error:
            _log.warning(
                "spooled_file_damaged", path=printable(str(path)), error=printable(str(error)),
                hint="remove it; the lines in it are lost",
            )  # fmt: skip
            return None
        return reader, Spooled(path, reader.stored, reader.size() - reader.header.start, since)

    # --- writing ----------------------------------------------------------------------------------

    def writer(self, log: str, key: int, source: Source, unshipped: int, end: int) -> SpoolWriter:
        """Begin to spool the bytes of a file from `unshipped` to `end`. Raises OSError."""
        make_private(self._folder)
        start = max(0, unshipped - TAIL_BYTES)  # by the bytes before it a checkpoint recognises the file
        header = Header(os.fsencode(log), key, source.device, source.inode, source.read(0, PREFIX_BYTES), start)
        name = f"{blake2b(header.log, digest_size=12).hexdigest()}-{key}{SUFFIX}"
        return SpoolWriter(self._folder / name, self._cipher, source, header, end)

    def finish(self, writer: SpoolWriter) -> SpoolReader:
        """Complete a file, and return its reader. Raises OSError."""
        writer.finish()
        reader = SpoolReader(writer.path, self._cipher)
        self.files[_key(reader)] = Spooled(
            writer.path, reader.stored, reader.size() - reader.header.start, self._now_s()
        )
        return reader

    # --- reading and removing ---------------------------------------------------------------------

    def open(self, log: str, key: int) -> SpoolReader | None:
        """Return the reader of a spooled file; None if there is none, or it is damaged."""
        spooled = self.files.get((log, key))
        if spooled is None:
            return None
        try:
            return SpoolReader(spooled.path, self._cipher)
        except OSError as error:
            _log.warning("spooled_file_damaged", path=printable(str(spooled.path)), error=printable(str(error)))
            return None

    def move(self, old: tuple[str, int], new: tuple[str, int]) -> None:
        """Note the new path of a file's log."""
        if old in self.files:
            self.files[new] = self.files.pop(old)

    def release(self, log: str, key: int) -> None:
        """Note that a file is not read again; the next `remove_released` removes it."""
        if (log, key) in self.files:
            self._released.add((log, key))

    def remove_released(self) -> None:
        """Remove the files released before the last commit."""
        while self._released:
            spooled = self.files.pop(self._released.pop(), None)
            if spooled is not None:
                _unlink(spooled.path)

    def oldest(self) -> tuple[str, int] | None:
        """Return the file that was spooled first; None if there is none."""
        held = {at: spooled for at, spooled in self.files.items() if at not in self._released}
        return min(held, key=lambda at: held[at].since, default=None)

    @property
    def stored(self) -> int:
        """Bytes on disk, without those of released files."""
        return sum(spooled.stored for at, spooled in self.files.items() if at not in self._released)

    @property
    def ratio(self) -> float | None:
        """Bytes on disk per raw byte; None while nothing is spooled."""
        raw = sum(spooled.raw for spooled in self.files.values())
        return sum(spooled.stored for spooled in self.files.values()) / raw if raw else None


def _key(reader: SpoolReader) -> tuple[str, int]:
    return os.fsdecode(reader.header.log), reader.header.key


def _log_of(reader: SpoolReader, rows: Iterable[tuple[str, SavedFile]]) -> str | None:
    """Return the path of the log that a spooled file belongs to; None if there is none in the checkpoints."""
    header, known = reader.header, os.fsdecode(reader.header.log)
    logs = [log for log, row in rows if hashed(header.prefix[: row.prefix_size]) == (row.prefix_hash or EMPTY)]
    if known in logs:
        return known
    is_late = split_late_path(known) is not None
    return next((log for log in logs if (split_late_path(log) is not None) == is_late), None)


EMPTY = hashed(b"")


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
