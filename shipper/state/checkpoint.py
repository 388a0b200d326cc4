"""Rows of the state: saved logs, files and cursors."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

PREFIX_BYTES = 1024
"""Bytes from the beginning of a file that `prefix_hash` covers, if so many were read."""
TAIL_BYTES = 128
"""Bytes before the offset that `tail_hash` covers, if there are so many."""
HASH_SIZE = 16
LATE = "//rotated-"
"""Separates the path of a log from the number of its rotated file; no real path contains it."""


def hashed(data: bytes) -> bytes:
    """Return the hash of content by which files are recognised."""
    return blake2b(data, digest_size=HASH_SIZE).digest()


def late_path(path: str, key: int) -> str:
    """Return the path under which the state keeps the late lines of a log's file number `key`."""
    return f"{path}{LATE}{key}"


def split_late_path(path: str) -> tuple[str, int] | None:
    """Return the log's path and the number of its file; None if `path` is that of a log."""
    log, mark, key = path.rpartition(LATE)
    return (log, int(key)) if mark and key.isdecimal() else None


def late_paths_of(log: str, paths: Iterable[str]) -> dict[str, int]:
    """Return those of `paths` that are of late lines of a log, with the numbers of its files."""
    return {path: of[1] for path in paths if (of := split_late_path(path)) is not None and of[0] == log}


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A row of `file`: one file of a log, as `shipper.inputs.files.log_file.LogFile` holds it."""

    key: int
    path: str
    device: int
    inode: int
    prefix_size: int
    prefix_hash: bytes
    offset: int
    tail_hash: bytes
    repeat: int
    begun: bool
    passed: bool
    landmarks: bytes = b""
    time: bytes = b""


@dataclass(frozen=True, slots=True)
class Position:
    """Position of a cursor: file key, byte offset, partial state of the assembler."""

    file: int
    offset: int
    partial_state: bytes


@dataclass(frozen=True, slots=True)
class SavedLog:
    """Checkpoint of a log: everything needed to resume reading it."""

    path: str
    kind: str
    origin: bytes
    """`shipper_schemas.entry.Origin` as JSON: the provenance outlives the container."""
    count_position: Position
    ship_position: Position | None
    """None if shipping resumes at `count_position`."""
    next_key: int
    beginnings: bytes
    files: list[SavedFile] = field(default_factory=list)
    boot: bytes = b""
    """Identity of the machine's start in which it was saved; empty if unknown."""
