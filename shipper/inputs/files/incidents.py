"""Incidents of files: rotations, truncations, losses."""

from dataclasses import dataclass

from shipper.system.own_log import own_log
from shipper_processors.sanitize import printable

_log = own_log("shipper.inputs")


@dataclass(slots=True)
class Incidents:
    """Incidents of the files of a log since they were last reported."""

    rotations: int = 0
    truncations: int = 0
    lost: int = 0
    """Files whose end could not be read or shipped."""
    lost_bytes: int = 0
    """Bytes of these files that were not shipped, as far as they are known."""
    damaged: int = 0
    """Compressed files that are truncated or corrupt."""

    def lose(self, path: str, offset: int, number: int, why: str) -> None:
        """Count a lost file and `number` bytes of it after `offset`, and name it in the log."""
        self.lost += 1
        self.lost_bytes += number
        _log.warning(
            "file_lost", path=printable(path), offset=offset, lost_bytes=number, reason=why,
            hint="index a copy of the file with `shipper replay`, if there is one",
        )  # fmt: skip
