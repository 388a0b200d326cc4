"""Saved logs, files and cursors: the rows of the state."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A row of `file`: one file of a log, as `shipper.inputs.files.rotated_log.LogFile` remembers it."""

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
    """Where a head stands: file key, byte offset, residue of the assembler."""

    file: int
    offset: int
    residue: bytes


@dataclass(frozen=True, slots=True)
class SavedLog:
    """Everything that must be known to read a log on."""

    path: str
    kind: str
    origin: bytes
    """`shipper_schemas.entry.Origin` as JSON: the provenance outlives the container."""
    counted: Position
    shipped: Position | None
    next_key: int
    beginnings: bytes
    files: list[SavedFile] = field(default_factory=list)
