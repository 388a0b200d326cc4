"""A log: one live path and the files it was rotated into, in the order they were written.

What is on disk is matched with what is known by content, in `discover`; names and inodes only say where to look first.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import ESTALE

from shipper.inputs.files.fingerprint import SEAM, Identity, hashed
from shipper.inputs.files.glob_scan import Folders
from shipper.inputs.files.handles import Handle, inode_of, open_handle
from shipper.inputs.files.log_file import LogFile, Signature
from shipper.inputs.files.rotated_names import GZIP, oldest_first

ATTEMPTS = 8
NEVER = float("-inf")
BEGINNINGS = 64
"""First lines of plain files that a log remembers."""


@dataclass(slots=True)
class Found:
    """A file that `discover` met on disk."""

    path: str
    live: bool
    handle: Handle
    signature: Signature


@dataclass(slots=True)
class Incidents:
    """What happened to the files of a log since this was last taken."""

    rotations: int = 0
    truncations: int = 0
    lost: int = 0
    """Files that were gone before they were read to their end."""
    damaged: int = 0
    """Compressed files that end in the middle."""


@dataclass(slots=True)
class LogFiles:
    """The files of one log, oldest first; the last is the live one unless it was rotated or removed."""

    path: str
    folders: Folders
    files: list[LogFile] = field(default_factory=list)
    next_key: int = 1
    beginnings: dict[bytes, int] = field(default_factory=dict)
    """Number of plain files by the hash of the line that they began with."""
    incidents: Incidents = field(default_factory=Incidents)
    fresh: bool = True
    """No look at the disk yet: what is rotated now was so before the agent came."""
    _stamp: int | None = None
    """Of the folder, before it was looked at."""

    def live(self) -> LogFile | None:
        """The file that the live path names, None where there is none now."""
        return self.files[-1] if self.files and self.files[-1].rotated_at is None else None

    def after(self, key: int) -> LogFile | None:
        """The next file to be read after number `key`; the first one after 0."""
        return next((found for found in self.files if found.key > key and not found.passed), None)

    def begin(self, file: LogFile, first_line: bytes) -> int:
        """Return the number of earlier files that began with the same line; fixed when the first cursor asks."""
        if not file.begun:
            beginning = hashed(first_line)
            file.repeat, file.begun = self.beginnings.pop(beginning, 0), True
            self.beginnings[beginning] = file.repeat + 1
            while len(self.beginnings) > BEGINNINGS:
                del self.beginnings[next(iter(self.beginnings))]
        return file.repeat

    def close(self) -> None:
        """Give all descriptors back; files that still have a name can be opened again."""
        for file in self.files:
            file.close()

    def release(self, first: int) -> None:
        """Let go of the files before number `first`, which nobody reads again; those that are gone are forgotten."""
        for file in self.files:
            if file.key < first and not file.passed:
                file.passed = True
                file.close()
        self.files = [file for file in self.files if not (file.passed and file.gone)]

    def vanished(self) -> bool:
        """Whether no file of this log is on disk any more, as far as can be told."""
        try:
            return not self._paths()
        except OSError:
            return False

    def moved(self) -> bool:
        """Whether a file may have come, gone or got another name since `discover`."""
        return self._stamp is None or self.folders.stamp(os.path.dirname(self.path)) != self._stamp

    def discover(self, now: float) -> None:
        """Look at the folder: recognise known files under their present names, take up new ones in order of age.

        Raises OSError where a file that is there cannot be opened, and where it cannot be told what is there.
        """
        stamp = self.folders.stamp(os.path.dirname(self.path))
        found = self._listing()
        with _given_back(found):
            owners = self._recognise(found)
        self._stamp = stamp
        fresh: list[LogFile] = []
        for position, file in enumerate(found):
            known = owners.get(position)
            if known is not None:
                self._rebind(known, file)
                for older in fresh:  # was there before the first position: history, not news
                    older.close()
                fresh = []
            else:
                identity = Identity(file.handle.device, file.handle.inode)
                fresh.append(LogFile(0, identity, file.path, handle=file.handle, verified=file.signature))
        recognised = {id(known) for known in owners.values()}
        for known in self.files:
            known.gone = id(known) not in recognised
        kept = [file for file in self.files if not file.gone or self._readable(file, fresh)]
        for new in fresh:
            new.key, self.next_key = self.next_key, self.next_key + 1
        self.files = kept + fresh
        self._mark_rotated(found, now)
        self.fresh = False

    def _listing(self) -> list[Found]:
        """Every file of the log, opened, oldest first; looked at again until no name moved meanwhile."""
        for attempt in range(1, ATTEMPTS + 1):
            found = self._open_all()
            with _given_back(found):
                settled = [(file.path, file.signature[:2]) for file in found] == self._names()
            if settled or attempt == ATTEMPTS:
                break
            for file in found:
                file.handle.close()
        return _once_each(found)

    def _names(self) -> list[tuple[str, tuple[int, int]]]:
        named = []
        for path in self._paths():
            try:
                stat = os.stat(path)
            except FileNotFoundError:
                continue
            named.append((path, (stat.st_dev, inode_of(stat))))
        return named

    def _paths(self) -> list[str]:
        folder, base = os.path.split(self.path)
        names = self.folders.beginning_with(folder, base)
        return [f"{folder}/{name}" for name in [*oldest_first(base, names), base] if name in names]

    def _open_all(self) -> list[Found]:
        found: list[Found] = []
        with _given_back(found):
            for path in self._paths():
                if (file := _opened(path, live=path == self.path)) is not None:
                    found.append(file)  # noqa: PERF401 -- one by one, so that an error finds those that are open
        return found

    def _recognise(self, found: list[Found]) -> dict[int, LogFile]:
        """Which known file each found one is: first where inodes agree, then by content alone."""
        owners: dict[int, LogFile] = {}
        unowned = list(self.files)
        for by_inode in (True, False):
            for position, file in enumerate(found):
                if position in owners:
                    continue
                known = next((known for known in unowned if _is(known, file, by_inode=by_inode)), None)
                if known is not None:
                    owners[position] = known
                    unowned = [other for other in unowned if other is not known]
        return owners

    @staticmethod
    def _rebind(known: LogFile, file: Found) -> None:
        known.path, known.verified = file.path, file.signature
        if known.passed:
            file.handle.close()
            return
        known.close()
        known.handle = file.handle
        known.identity.device, known.identity.inode = file.handle.device, file.handle.inode

    def _readable(self, file: LogFile, fresh: list[LogFile]) -> bool:
        """Whether a file that was not recognised can still be read to its end by its handle.

        One of which nothing was read yet is taken up anew instead, in its place among the `fresh`. Where the disk does
        not tell, whoever reads it meets the error.
        """
        try:
            anew = None if file.identity.offset else next((other for other in fresh if _holds(other, file)), None)
            if anew is not None:
                anew.rotated_at = file.rotated_at
            if file.passed or anew is not None:
                file.close()
                return False
            if file.handle is not None and file.identity.describes(file.handle):
                size = file.handle.size()
                if size is None or size >= file.identity.offset:
                    return True
        except OSError as error:
            if error.errno != ESTALE:
                return True
            file.close()  # on a network file system the handle ends with the name
        if file.handle is None:
            self.incidents.lost += not self.fresh
        else:
            self.incidents.truncations += 1
            file.close()
        return False

    def _mark_rotated(self, found: list[Found], now: float) -> None:
        live = found[-1].path if found and found[-1].live else None
        for file in self.files:
            is_live = file.path == live and file is self.files[-1]
            if is_live:
                file.rotated_at = None
            elif file.rotated_at is None:
                file.rotated_at = NEVER if self.fresh else now
                self.incidents.rotations += not self.fresh


def _opened(path: str, *, live: bool) -> Found | None:
    """The file at a path; None where it is gone. Raises OSError."""
    try:
        handle = open_handle(path)
    except FileNotFoundError:
        return None
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        handle.close()
        return None
    return Found(path, live, handle, (handle.device, handle.inode, stat.st_size, stat.st_mtime_ns))


def _once_each(found: Sequence[Found]) -> list[Found]:
    """The files under the youngest of their names: some rotate by a hard link, or keep one to what is written now."""
    youngest = {file.signature[:2]: file for file in found}
    kept = []
    for file in found:
        if youngest[file.signature[:2]] is file:
            kept.append(file)
        else:
            file.handle.close()
    return kept


@contextmanager
def _given_back(found: Sequence[Found]) -> Iterator[None]:
    """Close what was opened where an error comes: it is met again at each look, and descriptors would run out."""
    try:
        yield
    except OSError:
        for file in found:
            file.handle.close()
        raise


def _is(known: LogFile, file: Found, *, by_inode: bool) -> bool:
    """Whether `file` on disk is the `known` one."""
    same_inode = known.identity.inode == file.handle.inode and not file.path.endswith(GZIP)
    if by_inode != same_inode:
        return False
    if known.verified == file.signature and known.path == file.path and known.identity.offset > 0:
        return True
    if file.live and (known.passed or not same_inode):
        return False  # a rotated file does not come back, and another inode at the live path is another file
    return known.identity.offset > 0 and known.identity.describes(file.handle)


def _holds(file: LogFile, other: LogFile) -> bool:
    """Whether `file` is `other`, of which nothing was read, or a copy of it."""
    if (file.identity.device, file.identity.inode) == (other.identity.device, other.identity.inode):
        return True
    size = other.handle.size() if other.handle is not None else None
    if not size or other.handle is None or file.handle is None:
        return False
    whole = Identity(0, 0)
    whole.grow(other.handle, size, other.handle.read(max(0, size - SEAM), SEAM))
    return whole.describes(file.handle)
