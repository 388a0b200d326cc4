"""Discovery: the logs at the paths of a replay, their types and sizes."""

import fcntl
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO, Literal, NamedTuple

import orjson

from shipper.inputs.files.compression import SUFFIXES, unpacked_name
from shipper.inputs.files.envelope_check import RUNTIMES, runtime_of_line
from shipper.inputs.files.glob_scan import Folders
from shipper.inputs.files.handles import CompressedHandle, Handle, inode_of, open_handle
from shipper.inputs.files.rotated_names import base_name, oldest_first
from shipper.system.errors import ShipperError, hint_unreadable
from shipper.system.private_dirs import make_private
from shipper_processors.sanitize import printable

Kind = Literal["docker", "cri", "plain"]
LOG = ".log"
SPOOL = "stdin.log"
SPOOL_PREFIX = "stdin-"
SNIFFED_BYTES = (4 * 1024, 256 * 1024)
"""Bytes at the beginning of a file in which its first line is searched; more only if the first ones hold none."""
CRI = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP](?::\w+)* ")
DOCKER_KEYS = {"log", "stream", "time"}
GZIP_LENGTH = 18
"""Size of the shortest gzip file in bytes (RFC 1952)."""
RUN_AGAIN = "then run the same command again; stored events are not duplicated"


class Problem(NamedTuple):
    """Something that could not be read completely, and the fix."""

    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class DiscoveredLog:
    """One log: the path of its live file, which may not exist, and its existing files."""

    path: str
    kind: Kind
    names: tuple[str, ...]
    """Names of its files in the folder of `path`, oldest first."""
    files: frozenset[tuple[int, int]]
    """Device and inode of each file, to find it after a rename by a rotation."""
    bytes: int
    """Size of its files in bytes, decompressed, as far as known before reading."""
    first_time: str | None = None
    """Time in its oldest record."""
    complete: bool = False
    """True if it is not written to any more, whatever the age of its files."""
    original: str = ""
    """Path that it is read as; empty if that is `path`."""
    original_root: str = ""
    """Original path of the folder or file named on the command line."""


class Discovery(NamedTuple):
    """Logs at the paths of a replay."""

    logs: list[DiscoveredLog]
    problems: list[Problem]
    """Files that could not be read and are in none of the logs."""


class DiscoveredFolders(Folders):
    """Folders that list only the files of one log, under their present names."""

    def __init__(self, log: DiscoveredLog, folders: Folders) -> None:
        """List the files of `log` among those in `folders`."""
        super().__init__()
        self._files, self._folders = log.files, folders

    def beginning_with(self, folder: str, prefix: str) -> list[str]:
        """Return the names of the log's files that start with `prefix`."""
        return [name for name in self._folders.beginning_with(folder, prefix) if self._is_in_log(f"{folder}/{name}")]

    def _is_in_log(self, path: str) -> bool:
        try:
            stat_result = os.stat(path)
        except OSError:
            return False
        return (stat_result.st_dev, inode_of(stat_result)) in self._files


@dataclass(frozen=True, slots=True)
class DiscoveredPaths:
    """Fixed list of logs, in place of a scanner."""

    logs: tuple[DiscoveredLog, ...]

    def paths(self) -> Iterator[str]:
        """Return the live paths of the logs."""
        return (log.path for log in self.logs)

    def folders(self) -> Iterable[str]:
        """Return nothing: there is nothing to notice."""
        return ()

    def matches(self, path: str) -> bool:  # noqa: ARG002 -- for scanners
        """Return False: the logs of a replay do not change."""
        return False

    def concerns(self, folder: str, name: str) -> bool:  # noqa: ARG002 -- for scanners
        """Return False: no log is added."""
        return False

    def look_in(self, folders: Folders) -> None:
        """Do nothing: no folder is listed."""


def find(paths: Iterable[Path], kind: Kind | None) -> Discovery:
    """Return the logs in `paths`, which are files and folders, with rotated files joined to their log, sorted by path.

    Raises ShipperError for a path that does not exist or contains no log, and if nothing can be read.
    """
    names_by_log: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    problems: list[Problem] = []
    for path in paths:
        for file in _files(path, problems):
            real = os.path.realpath(file)
            folder, name = os.path.split(real)
            names_by_log[folder, base_name(name) or name].add(name)
    logs = [_log_of(folder, base, names, kind, problems) for (folder, base), names in sorted(names_by_log.items())]
    readable = [log for log in logs if log.names]
    if not readable:
        raise ShipperError(*problems[0])
    return Discovery(readable, problems)


def _files(path: Path, problems: list[Problem]) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        state = "is neither a file nor a folder" if path.exists() else "does not exist"
        raise ShipperError(f"{printable(str(path))} {state}", "specify files, folders, or - for the standard input")
    before = len(problems)
    walk = os.walk(path, onerror=lambda error: problems.append(unreadable(error, str(path))))
    files = [Path(folder) / name for folder, _, names in walk for name in names if _is_log(name)]
    if not files and len(problems) == before:
        what = f"{printable(str(path))} contains no *{LOG} files, nor rotated ones"
        raise ShipperError(what, "specify the files themselves")
    return files


def unreadable(error: OSError, path: str) -> Problem:
    """Return an error of the file system as a problem; `path` is reported if the error names none."""
    where = printable(str(error.filename or path))
    return Problem(f"cannot read {where}: {error.strerror or error}", f"{hint_unreadable(error)}, {RUN_AGAIN}")


def _is_log(name: str) -> bool:
    return (base_name(name) or unpacked_name(name)).endswith(LOG)


def _log_of(folder: str, base: str, names: set[str], kind: Kind | None, problems: list[Problem]) -> DiscoveredLog:
    readable: dict[str, tuple[int, int]] = {}
    first, size, is_incomplete = b"", 0, False
    for name in [*oldest_first(base, names), *sorted({base} & names)]:
        path = f"{folder}/{name}"
        try:
            with closing(open_handle(path)) as handle:
                first = first or first_line(handle)
                if is_incomplete and (kind or kind_of(first)) == "plain":
                    problems.append(_follows_unreadable(path))
                    continue
                size += length(path, handle)
                readable[name] = (handle.device, handle.inode)
        except OSError as error:
            problems.append(unreadable(error, path))
            is_incomplete = True
    files = frozenset(readable.values())
    if kind in RUNTIMES:
        kind = runtime_of_line(first) or kind
    return DiscoveredLog(f"{folder}/{base}", kind or kind_of(first), tuple(readable), files, size, time_in(first))


def _follows_unreadable(path: str) -> Problem:
    """Return the problem of a plain file after an unreadable one: ids depend on earlier files that begin alike."""
    what = f"skipped {printable(path)}, since an earlier file of its log cannot be read"
    return Problem(what, f"make the earlier file readable for this user, {RUN_AGAIN}")


def first_line(handle: Handle) -> bytes:
    """Return the first non-empty line of a file, truncated if very long. Raises OSError."""
    lines: list[bytes] = []
    for size in SNIFFED_BYTES:
        data = handle.read(0, size)
        lines = data.split(b"\n")
        whole = next((line for line in lines[:-1] if line.strip()), None)
        if whole is not None:
            return whole
        if len(data) < size:
            break
    return next((line for line in lines if line.strip()), b"")


def kind_of(line: bytes) -> Kind:
    """Return the type of a line: Docker's json-file, CRI, or plain."""
    if CRI.match(line):
        return "cri"
    return "docker" if line.startswith(b"{") and _record(line).keys() >= DOCKER_KEYS else "plain"


def _record(line: bytes) -> dict[str, object]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return record if isinstance(record, dict) else {}


def time_in(line: bytes) -> str | None:
    """Return the runtime's time in a line of Docker or a CRI runtime."""
    if CRI.match(line):
        return line.partition(b" ")[0].decode("ascii", "replace")
    time = _record(line).get("time") if line.startswith(b"{") else None
    return time if isinstance(time, str) else None


def length(path: str, handle: Handle) -> int:
    """Return the size of a file in bytes: for gzip decompressed, from its trailer, modulo 4 GiB. Raises OSError."""
    size = os.stat(path).st_size
    if not (isinstance(handle, CompressedHandle) and handle.method == "gzip") or size < GZIP_LENGTH:
        return size
    with open(path, "rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(4), "little")


def is_complete(path: str, now_s: float, quiet_s: float = 60.0) -> bool:
    """Return True if a file is not written to any more, so that a last line without a newline is complete."""
    if path.endswith(SUFFIXES) or base_name(os.path.basename(path)) is not None:
        return True
    try:
        return now_s - os.stat(path).st_mtime >= quiet_s
    except OSError:
        return True


@contextmanager
def spooled(stream: BinaryIO, folder: Path) -> Iterator[Path]:
    """Save the standard input as a temporary file, since a log is read more than once, and by several processes.

    The file is in a separate, locked folder below `folder`, so that no other process uses or removes it. Raises
    ShipperError.
    """
    with ExitStack() as stack:
        try:
            spool = stack.enter_context(_private_folder(folder)) / SPOOL
            with open(spool, "xb", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
                shutil.copyfileobj(stream, file, 1 << 20)
        except OSError as error:
            what = f"cannot save the standard input in {folder}: {error.strerror}"
            raise ShipperError(what, "free space there, or set another --state-dir") from error
        yield spool


@contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    """Create a locked folder in `parent`, removed at the end; remove those that killed processes left."""
    make_private(parent)
    lock = _lock(parent)
    try:
        for orphan in parent.glob(f"{SPOOL_PREFIX}*"):
            with suppress(OSError):
                os.close(_lock(orphan, fcntl.LOCK_NB))
                shutil.rmtree(orphan, ignore_errors=True)
        own = Path(mkdtemp(prefix=SPOOL_PREFIX, dir=parent))
        held = _lock(own)
    finally:
        os.close(lock)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        os.close(held)


def _lock(folder: Path, flags: int = 0) -> int:
    """Lock a folder until the descriptor is closed. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
