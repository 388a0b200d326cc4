"""Rows of the state: saved logs, files and cursors."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A row of `file`: one file of a log, saved from `shipper.inputs.files.rotated_log.LogFile`."""

    key: int
    path: str
    device: int
    inode: int
    prefix_size: int
    prefix: bytes
    offset: int
    seam: bytes
    repeat: int
    begun: bool
    passed: bool


@dataclass(frozen=True, slots=True)
class Position:
    """Offset of a cursor: file key, byte offset, and the assembler's residue."""

    file: int
    offset: int
    residue: bytes


@dataclass(frozen=True, slots=True)
class SavedLog:
    """Everything that is needed to resume a log."""

    path: str
    kind: str
    origin: bytes
    """`shipper_schemas.entry.Origin` as JSON: the provenance outlives the container."""
    counted: Position
    shipped: Position | None
    next_key: int
    beginnings: bytes
    files: list[SavedFile] = field(default_factory=list)
