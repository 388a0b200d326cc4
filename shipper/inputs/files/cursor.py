"""A reading cursor over a rotated log: one counts, one ships."""

from dataclasses import dataclass

from shipper.inputs.files.rotated_log import NEVER, LogFile
from shipper_processors.assemble import Assembler


@dataclass(slots=True)
class Cursor:
    """A reading position with what it carries."""

    file: LogFile | None
    offset: int
    assembler: Assembler
    past: int = 0
    """Number of the last file it was in."""
    overdue_at: float = NEVER
    """When what it holds back has waited long enough."""
    _awaited: float | None = None

    @property
    def key(self) -> int:
        """Number of the file it is in, or was in before there was none for it."""
        return self.past if self.file is None else self.file.key

    @property
    def next_key(self) -> int:
        """Number of the first file that it reads, now or when one comes."""
        return self.past + 1 if self.file is None else self.file.key

    def wait(self, read_at: float, now: float, wall_ms: int, patience: float) -> None:
        """Set `overdue_at` for what it holds back: from the time in the line, where it has one, else from `read_at`.

        Once for each line: a wall clock that steps meanwhile does not shorten the waiting.
        """
        latest = self.assembler.latest_ms()
        awaited = read_at if latest is None else latest
        if awaited != self._awaited:
            self._awaited = awaited
            begun = read_at if latest is None else now - max(0, wall_ms - latest) / 1000
            self.overdue_at = begun + patience
