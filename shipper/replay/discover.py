"""Given: which logs the paths of a replay hold, of what kind they are, and how much there is to read."""

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

from shipper.inputs.files.glob_scan import Folders
from shipper.inputs.files.handles import Handle, inode_of, open_handle
from shipper.inputs.files.rotated_names import GZIP, base_name, oldest_first
from shipper.system.errors import ShipperError, hint_unreadable
from shipper.system.private_dirs import make_private
from shipper_processors.sanitize import printable

Kind = Literal["docker", "cri", "plain"]
LOG = ".log"
SPOOL = "stdin.log"
OWN = "stdin-"
SNIFFED = 256 * 1024
CRI = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP](?::\w+)* ")
DOCKER_KEYS = {"log", "stream", "time"}
GZIP_LENGTH = 18
"""Bytes of the shortest gzip file (RFC 1952)."""
FOUND_AGAIN = "then run the same command again: what is stored already is found"


class Problem(NamedTuple):
    """Something of which not everything could be read, and what to do about it."""

    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class GivenLog:
    """One log: the path of its live file, whether that is there or not, and the files of it that are."""

    path: str
    kind: Kind
    names: tuple[str, ...]
    """Names of its files in the folder of `path`, the oldest first."""
    files: frozenset[tuple[int, int]]
    """Device and inode of each: by these they are known when a rotation renames them meanwhile."""
    bytes: int
    """To read, decompressed, as far as it can be told beforehand."""
    first_time: str | None = None
    """What its oldest record says of its time."""
    whole: bool = False
    """Nobody writes to it any more, whatever its files look like."""
    original: str = ""
    """The path that it is read as; empty where that is `path`."""
    original_root: str = ""
    """The part of it that was named: a folder, or the file itself."""


class Given(NamedTuple):
    """What the paths of a replay hold."""

    logs: list[GivenLog]
    problems: list[Problem]
    """What could not be read, and is in none of the logs."""


class GivenFolders(Folders):
    """Folders in which nothing but the files of one log is seen, under whatever name they have now."""

    def __init__(self, log: GivenLog, folders: Folders) -> None:
        """The files of `log`, of what is listed in `folders`."""
        super().__init__()
        self._files, self._folders = log.files, folders

    def beginning_with(self, folder: str, prefix: str) -> list[str]:
        """The names of the given files that begin with `prefix`."""
        return [name for name in self._folders.beginning_with(folder, prefix) if self._is_given(f"{folder}/{name}")]

    def _is_given(self, path: str) -> bool:
        try:
            found = os.stat(path)
        except OSError:
            return False
        return (found.st_dev, inode_of(found)) in self._files


@dataclass(frozen=True, slots=True)
class GivenPaths:
    """Stands for a scanner where the logs are known beforehand."""

    logs: tuple[GivenLog, ...]

    def paths(self) -> Iterator[str]:
        """Live paths of the logs."""
        return (log.path for log in self.logs)


def find(paths: Iterable[Path], kind: Kind | None) -> Given:
    """The logs that `paths` hold, files and whole folders, rotated files joined to their log, in the order of paths.

    Raises ShipperError for a path that is not there or holds no log, and where nothing at all can be read.
    """
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    problems: list[Problem] = []
    for path in paths:
        for file in _files(path, problems):
            real = os.path.realpath(file)
            folder, name = os.path.split(real)
            found[folder, base_name(name) or name].add(name)
    logs = [_given(folder, base, names, kind, problems) for (folder, base), names in sorted(found.items())]
    readable = [log for log in logs if log.names]
    if not readable:
        raise ShipperError(*problems[0])
    return Given(readable, problems)


def _files(path: Path, problems: list[Problem]) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        state = "is neither file nor folder" if path.exists() else "is not there"
        raise ShipperError(f"{printable(str(path))} {state}", "give files, folders, or - for the standard input")
    before = len(problems)
    walk = os.walk(path, onerror=lambda error: problems.append(unreadable(error, str(path))))
    found = [Path(folder) / name for folder, _, names in walk for name in names if _is_log(name)]
    if not found and len(problems) == before:
        what = f"{printable(str(path))} holds no files named *{LOG}, nor rotated ones"
        raise ShipperError(what, "name the files themselves")
    return found


def unreadable(error: OSError, path: str) -> Problem:
    """What an error of the file system comes to; `path` is told where it names none."""
    where = printable(str(error.filename or path))
    return Problem(f"{where} cannot be read: {error.strerror or error}", f"{hint_unreadable(error)}, {FOUND_AGAIN}")


def _is_log(name: str) -> bool:
    return (base_name(name) or name.removesuffix(GZIP)).endswith(LOG)


def _given(folder: str, base: str, names: set[str], kind: Kind | None, problems: list[Problem]) -> GivenLog:
    readable: dict[str, tuple[int, int]] = {}
    first, size, refused = b"", 0, False
    for name in [*oldest_first(base, names), *sorted({base} & names)]:
        path = f"{folder}/{name}"
        try:
            with closing(open_handle(path)) as handle:
                first = first or first_line(handle)
                if refused and (kind or kind_of(first)) == "plain":
                    problems.append(_follows_unreadable(path))
                    continue
                size += length(path)
                readable[name] = (handle.device, handle.inode)
        except OSError as error:
            problems.append(unreadable(error, path))
            refused = True
    files = frozenset(readable.values())
    return GivenLog(f"{folder}/{base}", kind or kind_of(first), tuple(readable), files, size, time_in(first))


def _follows_unreadable(path: str) -> Problem:
    """Ids of a plain log's lines follow from earlier files that begin alike: read without these, they could differ."""
    what = f"{printable(path)} is left out, since an earlier file of its log cannot be read"
    return Problem(what, f"make that one readable for this user, {FOUND_AGAIN}")


def first_line(handle: Handle) -> bytes:
    """The first line of a file that is not empty, or its beginning where that is very long. Raises OSError."""
    return next((line for line in handle.read(0, SNIFFED).split(b"\n") if line.strip()), b"")


def kind_of(line: bytes) -> Kind:
    """What wrote a line: Docker's json-file, a CRI runtime, or neither."""
    if CRI.match(line):
        return "cri"
    return "docker" if line.startswith(b"{") and _record(line).keys() >= DOCKER_KEYS else "plain"


def _record(line: bytes) -> dict[str, object]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def time_in(line: bytes) -> str | None:
    """The runtime's time in a line of Docker's or of a CRI runtime."""
    if CRI.match(line):
        return line.partition(b" ")[0].decode("ascii", "replace")
    said = _record(line).get("time") if line.startswith(b"{") else None
    return said if isinstance(said, str) else None


def length(path: str) -> int:
    """Bytes of a file, decompressed: for a compressed one by its trailer, which counts modulo 4 GiB. Raises OSError."""
    size = os.stat(path).st_size
    if not path.endswith(GZIP) or size < GZIP_LENGTH:
        return size
    with open(path, "rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(4), "little")


def complete(path: str, now_s: float, quiet_s: float = 60.0) -> bool:
    """Whether nobody writes to a file any more, so that a last line without its end is one."""
    if path.endswith(GZIP) or base_name(os.path.basename(path)) is not None:
        return True
    try:
        return now_s - os.stat(path).st_mtime >= quiet_s
    except OSError:
        return True


@contextmanager
def spooled(stream: BinaryIO, folder: Path) -> Iterator[Path]:
    """The standard input as a file while this lasts: a log is read more than once, and by several processes.

    It is in a folder of its own below `folder`, so that nobody else uses or removes it. Raises ShipperError.
    """
    with ExitStack() as stack:
        try:
            spool = stack.enter_context(_own_folder(folder)) / SPOOL
            with open(spool, "xb", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
                shutil.copyfileobj(stream, file, 1 << 20)
        except OSError as error:
            what = f"the standard input cannot be kept in {folder}: {error.strerror}"
            raise ShipperError(what, "free space there, or give another --state-dir") from error
        yield spool


@contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, locked, and removed in the end; those that a killed process has left go as well."""
    make_private(parent)
    lock = _lock(parent)
    try:
        for left in parent.glob(f"{OWN}*"):
            with suppress(OSError):
                os.close(_lock(left, fcntl.LOCK_NB))
                shutil.rmtree(left, ignore_errors=True)
        own = Path(mkdtemp(prefix=OWN, dir=parent))
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
