"""A log: one live path and its rotated files, in the order they were written.

`discover` matches the files on disk with the known ones by content; names and inodes are only hints.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from errno import ESTALE

from shipper.inputs.files.continuation import (
    Evidence,
    Verdict,
    agreement,
    begins_with,
    compared,
    has_times,
    resume_at,
    verdict,
)
from shipper.inputs.files.fingerprint import Fingerprint
from shipper.inputs.files.glob_scan import Folders
from shipper.inputs.files.handles import CompressedHandle, Handle, inode_of, open_handle
from shipper.inputs.files.incidents import Incidents
from shipper.inputs.files.log_file import LogFile, Signature
from shipper.inputs.files.rotated_names import oldest_first
from shipper.state.checkpoint import TAIL_BYTES, hashed
from shipper.state.spool import Spool

ATTEMPTS = 8
NEVER = float("-inf")
BEGINNINGS = 64
"""First lines of plain files that a log keeps."""
COPYING_NS = 60 * 1_000_000_000
"""Longest time from the last write to a copy until the live file is truncated."""


@dataclass(slots=True)
class FileOnDisk:
    """A file on disk, opened by `discover`."""

    path: str
    live: bool
    handle: Handle
    signature: Signature


@dataclass(slots=True)
class LogFiles:
    """The files of one log, oldest first; the last is the live one unless it was rotated or removed."""

    path: str
    folders: Folders
    files: list[LogFile] = field(default_factory=list)
    next_key: int = 1
    beginnings: dict[bytes, int] = field(default_factory=dict)
    """Number of plain files by the hash of their first line."""
    incidents: Incidents = field(default_factory=Incidents)
    fresh: bool = True
    """True before the first scan: files rotated now were rotated before the agent started."""
    kind: str = "plain"
    """Input type."""
    claims: "Claims" = field(default_factory=dict)
    """Logs by their files, as all logs of a tail know them."""
    rebooted: bool = False
    """True if the machine was started since the checkpoint."""
    spool: Spool | None = None
    """Where the unshipped rest of deleted files is; None where nothing is spooled."""
    missing: list[LogFile] = field(default_factory=list)
    """Files that the last scan did not find, and that cannot be read to their end."""
    _stamp: int | None = None
    """Timestamp of the folder before its last scan."""

    def live(self) -> LogFile | None:
        """Return the file at the live path; None if there is none now."""
        return self.files[-1] if self.files and self.files[-1].rotated_at is None else None

    def after(self, key: int) -> LogFile | None:
        """Return the next file to read after number `key`; the first one for 0."""
        return next((file for file in self.files if file.key > key and not file.passed), None)

    def begin(self, file: LogFile, first_line: bytes) -> int:
        """Return the number of earlier files with the same first line; set at the first call for a file."""
        if not file.begun:
            beginning = hashed(first_line)
            file.repeat, file.begun = self.beginnings.pop(beginning, 0), True
            self.beginnings[beginning] = file.repeat + 1
            while len(self.beginnings) > BEGINNINGS:
                del self.beginnings[next(iter(self.beginnings))]
        return file.repeat

    def close(self) -> None:
        """Close all descriptors; files that still have a name can be opened again."""
        for file in self.files:
            file.close()

    def release(self, first: int) -> None:
        """Release the files before number `first`, which are not read again; drop those that are deleted."""
        for file in self.files:
            if file.key < first and not file.passed:
                file.passed = True
                file.grown = file.grown or file.has_late_lines()
                if file.spooled or not file.is_held:
                    self._release(file)
        self.files = [file for file in self.files if file.is_held or not (file.passed and file.gone)]

    def _release(self, file: LogFile) -> None:
        file.close()
        if file.spooled and self.spool is not None:
            self.spool.release(self.path, file.key)
        file.spooled = False

    def forget(self, file: LogFile) -> None:
        """Drop a file that is not read any more."""
        self._release(file)
        self.files = [other for other in self.files if other is not file]

    def release_spooled(self) -> None:
        """Release all files in the spool: the log is not read any more."""
        for file in self.files:
            if file.spooled:
                self._release(file)

    def open_spooled(self, file: LogFile) -> None:
        """Open a file from the spool, if it is there."""
        if file.handle is not None or file.passed or self.spool is None:
            return
        file.handle = self.spool.open(self.path, file.key)
        file.spooled = file.handle is not None
        if file.spooled and file.rotated_at is None:
            file.rotated_at = NEVER

    def vanished(self) -> bool:
        """Return True if no file of this log is on disk; False if that is unknown."""
        try:
            return not self.paths()
        except OSError:
            return False

    def moved(self) -> bool:
        """Return True if a file may have been added, deleted or renamed since `discover`."""
        return self._stamp is None or self.folders.stamp(os.path.dirname(self.path)) != self._stamp

    def discover(self, now: float) -> None:
        """Scan the folder: find known files under their present names, add new ones in order of age.

        Raises OSError if an existing file cannot be opened or the folder cannot be read.
        """
        stamp = self.folders.stamp(os.path.dirname(self.path))
        files = self._listing()
        with _closed_on_error(files):
            owners = self._match_known(files)
            files = self._match_changed(files, owners)
            copies = self._copies(files, owners)
        self._stamp = stamp
        fresh: list[LogFile] = []
        for position, file in enumerate(files):
            known = owners.get(position)
            if known is not None:
                self._rebind(known, file)
                for older in fresh:  # older than a known file: it was there before the first start
                    older.close()
                fresh = []
            else:
                fingerprint = Fingerprint(file.handle.device, file.handle.inode)
                new = LogFile(0, fingerprint, file.path, handle=file.handle, verified=file.signature)
                if position in copies:
                    file.handle.close()
                else:
                    fresh.append(new)
                if file.live:
                    new.copy = next((files[copy].handle.inode for copy in copies), None)
        recognised = {id(known) for known in owners.values()}
        for known in self.files:
            known.gone = id(known) not in recognised
        kept = [file for file in self.files if not file.gone or self._is_readable(file, fresh)]
        for new in fresh:
            new.key, self.next_key = self.next_key, self.next_key + 1
        self.files = kept + fresh
        for followed in self.files:
            self.claims[followed.fingerprint.device, followed.fingerprint.inode] = self
        self._mark_rotated(files, now)
        self.fresh = self.rebooted = False

    def _listing(self) -> list[FileOnDisk]:
        """Open every file of the log, oldest first; repeat if a file was renamed in between."""
        for attempt in range(1, ATTEMPTS + 1):
            files = self._open_all()
            with _closed_on_error(files):
                settled = [(file.path, file.signature[:2]) for file in files] == self._names()
            if settled or attempt == ATTEMPTS:
                break
            for file in files:
                file.handle.close()
        return self._unclaimed(_deduplicated(files))

    def _unclaimed(self, files: list[FileOnDisk]) -> list[FileOnDisk]:
        """Return the files that no other log reads: one of them may be a link to a file of this log, or of that."""
        mine = []
        for file in files:
            owner = self.claims.get(file.signature[:2])
            if owner is None or owner is self or not owner.reads(file):
                mine.append(file)
            else:
                file.handle.close()
        return mine

    def reads(self, file: FileOnDisk) -> bool:
        """Return True if a file on disk is one of this log, under whatever name."""
        with suppress(OSError):
            return any(
                (known.fingerprint.device, known.fingerprint.inode) == file.signature[:2]
                and not known.gone
                and os.path.samefile(known.path, file.path)
                for known in self.files
            )
        return False

    def _names(self) -> list[tuple[str, tuple[int, int]]]:
        named = []
        for path in self.paths():
            try:
                stat = os.stat(path)
            except FileNotFoundError:
                continue
            named.append((path, (stat.st_dev, inode_of(stat))))
        return named

    def paths(self) -> list[str]:
        """Return the paths of its files, the oldest first. Raises OSError if the folder cannot be read."""
        folder, base = os.path.split(self.path)
        names = self.folders.beginning_with(folder, base)
        ordered = [*oldest_first(base, names), base]
        return [self.path if name == base else f"{folder}/{name}" for name in ordered if name in names]

    def _open_all(self) -> list[FileOnDisk]:
        files: list[FileOnDisk] = []
        with _closed_on_error(files):
            for path in self.paths():
                if (file := _opened(path, live=path == self.path)) is not None:
                    files.append(file)  # noqa: PERF401 -- one by one, so that an error closes those that are open
        return files

    def _match_known(self, files: list[FileOnDisk]) -> dict[int, LogFile]:
        """Return the known file of each file on disk by its index: first by equal inodes, then by content alone."""
        owners: dict[int, LogFile] = {}
        unowned = list(self.files)
        for by_inode in (True, False):
            for position, file in enumerate(files):
                if position in owners:
                    continue
                known = next((known for known in unowned if _is_same_file(known, file, by_inode=by_inode)), None)
                if known is not None:
                    owners[position] = known
                    unowned = [other for other in unowned if other is not known]
        return owners

    def _match_changed(self, files: list[FileOnDisk], owners: dict[int, LogFile]) -> list[FileOnDisk]:
        """Add the owner of a file that holds what was read of the newest known file under a new inode, or a part of it.

        Returns the files that are followed now: a copy at the live path waits until the known file is read to its end.
        """
        known = self.files[-1] if self.files else None
        if (
            known is None
            or known.passed
            or not known.fingerprint.offset
            or any(known is own for own in owners.values())
        ):
            return files
        for position in reversed(range(len(files))):
            file = files[position]
            if position in owners or isinstance(file.handle, CompressedHandle):
                continue
            evidence = self._evidence(known, file)
            relation = verdict(evidence)
            if not file.live and (relation is Verdict.EDITED or not (evidence.whole or evidence.timed)):
                continue
            if relation in (Verdict.CONTINUES, Verdict.EDITED, Verdict.SHORTENED):
                if file.live and known.handle is not None and not evidence.same_inode and _has_more(known):
                    known.copy = file.handle.inode
                    file.handle.close()
                    return files[:position] + files[position + 1 :]
                if relation is not Verdict.CONTINUES:
                    self._shorten(known, file, evidence)
                owners[position] = known
                break
        return files

    def _copies(self, files: list[FileOnDisk], owners: dict[int, LogFile]) -> list[int]:
        """Return the indexes of copies of a live file that is new and about to be truncated: it is read itself."""
        last = len(files) - 1
        if last < 1 or last in owners or not files[last].live or isinstance(files[last].handle, CompressedHandle):
            return []
        return [n for n in range(last) if n not in owners and is_truncated_soon(files[last], files[n], self.kind)]

    def _evidence(self, known: LogFile, file: FileOnDisk) -> Evidence:
        elsewhere = known.rotated_at is not None or _has_a_name(known)
        evidence = compared(known.fingerprint, file.handle, self.kind, rebooted=self.rebooted, elsewhere=elsewhere)
        is_copy = known.copy == file.handle.inode or (
            not file.live and known.fingerprint.last_landmark(file.handle.size()) == evidence.agrees
            and _was_never_renamed(file.path)
        )  # fmt: skip
        return replace(evidence, timed=True) if is_copy and evidence.agrees else evidence

    def _shorten(self, known: LogFile, file: FileOnDisk, evidence: Evidence) -> None:
        """Go to the end of what a changed file holds of the known one; count what is missing of a live file."""
        is_copy = known.handle is not None and not evidence.same_inode
        read, offset = known.fingerprint.offset, self._resume_at(known, file, evidence)
        known.fingerprint.cut(file.handle, offset)
        known.long_line = known.copy = None
        if file.live and offset < read and not is_copy and not evidence.edited:
            self.incidents.lose(
                self.path, offset, read - offset, "its end is missing, as after a loss of power; what follows is read"
            )

    def _resume_at(self, known: LogFile, file: FileOnDisk, evidence: Evidence) -> int:
        if evidence.edited:
            return evidence.edited
        if known.handle is not None and not evidence.same_inode:
            with suppress(OSError):
                if known.fingerprint.matches(known.handle):
                    return agreement(known.handle, file.handle, evidence.agrees)
        return resume_at(known.fingerprint, file.handle, self.kind, evidence.agrees)

    @staticmethod
    def _rebind(known: LogFile, file: FileOnDisk) -> None:
        changed, known.path, known.verified = known.verified != file.signature, file.path, file.signature
        if known.passed:
            if changed and not known.has_late_reader:
                known.grown = _has_grown(known, file.handle)
            file.handle.close()
            return
        if known.spooled:  # it has a name still, which may go
            file.handle.close()
            return
        known.close()
        known.handle = file.handle
        known.fingerprint.device, known.fingerprint.inode = file.handle.device, file.handle.inode

    def _is_readable(self, file: LogFile, fresh: list[LogFile]) -> bool:
        """Return True if a file that was not matched can still be read to its end by its handle.

        An unread file is replaced by its copy among the `fresh` files. A failed check counts as readable: the error is
        reported when the file is read.
        """
        self.open_spooled(file)
        try:
            copy = (
                None
                if file.fingerprint.offset or file.spooled
                else next((other for other in fresh if _is_copy(other, file)), None)
            )
            if copy is not None:
                copy.rotated_at = file.rotated_at
            if copy is not None or (file.passed and not file.is_held):
                file.close()
                return False
            if file.has_late_reader and (file.passed or file.handle is not None):
                return True
            if file.handle is not None and file.fingerprint.matches(file.handle):
                size = file.handle.size()
                if size is None or size >= file.fingerprint.offset:
                    return True
        except OSError as error:
            if error.errno != ESTALE:
                return True
            file.close()  # on a network file system the handle is invalid once the name is gone
        if file.handle is None:
            self.missing.append(file)
        else:
            self.incidents.truncations += 1
            file.close()
        return False

    def _mark_rotated(self, files: list[FileOnDisk], now: float) -> None:
        live = files[-1].path if files and files[-1].live else None
        for file in self.files:
            is_live = file.path == live and file is self.files[-1]
            if is_live:
                file.rotated_at = None
            elif file.rotated_at is None:
                file.rotated_at = NEVER if self.fresh else now
                self.incidents.rotations += not self.fresh


Claims = dict[tuple[int, int], LogFiles]
"""Logs by device and inode of their files."""


def _opened(path: str, *, live: bool) -> FileOnDisk | None:
    """Open the file at a path; None if it does not exist. Raises OSError."""
    try:
        handle = open_handle(path)
    except FileNotFoundError:
        return None
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        handle.close()
        return None
    return FileOnDisk(path, live, handle, (handle.device, handle.inode, stat.st_size, stat.st_mtime_ns))


def _deduplicated(files: Sequence[FileOnDisk]) -> list[FileOnDisk]:
    """Return each file once, under its newest name: some tools rotate by hard link, or link the live file."""
    youngest = {file.signature[:2]: file for file in files}
    kept = []
    for file in files:
        if youngest[file.signature[:2]] is file:
            kept.append(file)
        else:
            file.handle.close()
    return kept


def is_truncated_soon(live: FileOnDisk, copy: FileOnDisk, kind: str) -> bool:
    """Return True if a rotated file is the copy of the live one, which is truncated next, or a part of it.

    Without times in the lines, two files may begin alike. Then the moment of the copy shows it: it was just written,
    and is later than the last line of the live file, or nothing happened to it since, not even a new name.
    """
    size = None if isinstance(copy.handle, CompressedHandle) else copy.handle.size()
    if not size or not begins_with(live.handle, copy.handle, size):
        return False
    if kind != "plain" or has_times(kind, copy.handle, size):
        return True
    written_ns = os.stat(copy.path).st_mtime_ns
    if time.time_ns() - written_ns > COPYING_NS:
        return False
    return written_ns >= live.signature[3] or _was_never_renamed(copy.path)


def _was_never_renamed(path: str) -> bool:
    """Return True if nothing happened to a file since its last write, not even a change of its name."""
    status = os.stat(path)
    return status.st_ctime_ns == status.st_mtime_ns


def _has_more(known: LogFile) -> bool:
    """Return True if the open handle of a known file has bytes that were not read."""
    try:
        size = known.handle.size() if known.handle is not None else None
    except OSError:
        return False
    return size is not None and size > known.fingerprint.offset


def _has_a_name(known: LogFile) -> bool:
    """Return True if the open file of a known file has a name, wherever that is."""
    try:
        return known.handle is not None and known.handle.names() > 0
    except OSError:
        return False


@contextmanager
def _closed_on_error(files: Sequence[FileOnDisk]) -> Iterator[None]:
    """Close the opened files on an error, which recurs at each scan and would exhaust the descriptors."""
    try:
        yield
    except OSError:
        for file in files:
            file.handle.close()
        raise


def _is_same_file(known: LogFile, file: FileOnDisk, *, by_inode: bool) -> bool:
    """Return True if `file` on disk is the `known` one."""
    same_inode = known.fingerprint.inode == file.handle.inode and not isinstance(file.handle, CompressedHandle)
    if by_inode != same_inode:
        return False
    if known.verified == file.signature and known.path == file.path and known.fingerprint.offset > 0:
        return True
    if file.live and (known.passed or not same_inode):
        return False  # a rotated file does not return, and a new inode at the live path is a new file
    return known.fingerprint.offset > 0 and known.fingerprint.matches(file.handle)


def _has_grown(known: LogFile, handle: Handle) -> bool:
    """Return True if a file holds more than was read of it; of a compressed one, if it was compressed since."""
    offset, size = known.fingerprint.offset, handle.size()
    if size is not None:
        return size > offset
    if known.fingerprint.inode == handle.inode:
        return False
    known.fingerprint.device, known.fingerprint.inode = handle.device, handle.inode
    return bool(handle.read(offset, 1))


def _is_copy(file: LogFile, other: LogFile) -> bool:
    """Return True if `file` is the unread `other` or a copy of it."""
    if (file.fingerprint.device, file.fingerprint.inode) == (other.fingerprint.device, other.fingerprint.inode):
        return True
    size = other.handle.size() if other.handle is not None else None
    if not size or other.handle is None or file.handle is None:
        return False
    whole = Fingerprint(0, 0)
    whole.update(other.handle, size, other.handle.read(max(0, size - TAIL_BYTES), TAIL_BYTES))
    return whole.matches(file.handle)
