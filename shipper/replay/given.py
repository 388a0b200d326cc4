"""Given: which logs the paths of a replay hold, of what kind they are, and how much there is to read."""

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import orjson

from processors.escape import printable
from shipper.errors import ShipperError
from shipper.sources.files import open_handle
from shipper.sources.scan import Folders
from shipper.sources.siblings import GZIP, base_name, oldest_first

Kind = Literal["docker", "cri", "plain"]
LOG = ".log"
SNIFFED = 256 * 1024
CRI = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP](?::\w+)* ")
DOCKER_KEYS = {"log", "stream", "time"}
GZIP_LENGTH = 18
"""Bytes of the shortest gzip file (RFC 1952)."""


@dataclass(frozen=True, slots=True)
class GivenLog:
    """One log: the path of its live file, whether that is there or not, and the files of it that are."""

    path: str
    kind: Kind
    names: tuple[str, ...]
    """Names of its files in the folder of `path`."""
    bytes: int
    """To read, decompressed, as far as it can be told beforehand."""
    first_time: str | None = None
    """What its oldest record says of its time."""


class GivenFolders(Folders):
    """Folders in which nothing but the given files is seen."""

    def __init__(self, logs: Iterable[GivenLog]) -> None:
        """The files of `logs`."""
        super().__init__()
        given: defaultdict[str, set[str]] = defaultdict(set)
        for log in logs:
            given[os.path.dirname(log.path)].update(log.names)
        self._given = {folder: sorted(names) for folder, names in given.items()}

    def names(self, folder: str) -> list[str]:
        """The given files in `folder` that are still there."""
        return [name for name in self._given.get(folder, ()) if os.path.lexists(f"{folder}/{name}")]


@dataclass(frozen=True, slots=True)
class GivenPaths:
    """Stands for a scanner where the logs are known beforehand."""

    logs: tuple[GivenLog, ...]

    def paths(self) -> Iterator[str]:
        """Live paths of the logs."""
        return (log.path for log in self.logs)


def find(paths: Iterable[Path], kind: Kind | None) -> list[GivenLog]:
    """The logs that `paths` hold, files and whole folders, rotated files joined to their log.

    Raises ShipperError for a path that is not there, cannot be read, or holds no log.
    """
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for path in paths:
        for file in _files(path):
            real = os.path.realpath(file)
            folder, name = os.path.split(real)
            found[folder, base_name(name) or name].add(name)
    return [_given(folder, base, names, kind) for (folder, base), names in sorted(found.items())]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        state = "is neither file nor folder" if path.exists() else "is not there"
        raise ShipperError(f"{printable(str(path))} {state}", "give files, folders, or - for the standard input")
    found = [
        Path(folder) / name for folder, _, names in os.walk(path, onerror=_raise) for name in names if _is_log(name)
    ]
    if not found:
        what = f"{printable(str(path))} holds no files named *{LOG}, nor rotated ones"
        raise ShipperError(what, "name the files themselves")
    return found


def _raise(error: OSError) -> None:
    raise ShipperError(f"{error.filename} cannot be listed: {error.strerror}", "run as a user who may read it")


def _is_log(name: str) -> bool:
    return (base_name(name) or name.removesuffix(GZIP)).endswith(LOG)


def _given(folder: str, base: str, names: set[str], kind: Kind | None) -> GivenLog:
    older = oldest_first(base, names)
    files = [f"{folder}/{name}" for name in [*older, *({base} & names)]]
    try:
        line = next((first for file in files if (first := first_line(file))), b"")
        return GivenLog(
            f"{folder}/{base}", kind or kind_of(line), tuple(sorted(names)), sum(map(length, files)), time_in(line)
        )
    except OSError as error:
        raise ShipperError(
            f"{printable(str(error.filename))} cannot be read: {error.strerror}", "run as a user who may read it"
        ) from error


def first_line(path: str) -> bytes:
    """The first line of a file that is not empty, or its beginning where that is very long. Raises OSError."""
    handle = open_handle(path)
    try:
        return next((line for line in handle.read(0, SNIFFED).split(b"\n") if line.strip()), b"")
    finally:
        handle.close()


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


def spool(stream: BinaryIO, folder: Path, name: str) -> Path:
    """The standard input as a file, since a log is read more than once: to tell its kind, and after an outage."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    try:
        with open(path, "wb", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
            shutil.copyfileobj(stream, file, 1 << 20)
    except OSError as error:
        what = f"the standard input cannot be kept in {folder}: {error.strerror}"
        raise ShipperError(what, "free space there, or give another --state-dir") from error
    return path
