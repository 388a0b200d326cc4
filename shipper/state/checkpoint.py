"""Rows of the state: saved logs, files and cursors."""

from dataclasses import dataclass, field


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
