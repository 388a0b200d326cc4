"""Retention by age waits where the clock jumped ahead: a clock that is years ahead would delete every day.

The store keeps the time of its last look. A look more than JUMP_MS later may follow a jump of the clock, or a long stop
of the agent: either way, retention waits until the clock has gone on for WAIT_MS, in which it can be corrected.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from shipper.outputs.sqlite.day_file import MS_PER_DAY, DayFile

FILE = ".clock"
JUMP_MS = 2 * MS_PER_DAY
WAIT_MS = 3 * MS_PER_DAY


class Look(NamedTuple):
    """A look at the clock, and when the last jump was found; None without one. Milliseconds since the epoch."""

    at_ms: int
    jump_ms: int | None = None

    def next(self, now_ms: int) -> "Look":
        """Return the look at `now_ms`."""
        if now_ms - self.at_ms > JUMP_MS:
            return Look(now_ms, now_ms)
        if self.jump_ms is None or not 0 <= now_ms - self.jump_ms < WAIT_MS:
            return Look(now_ms)
        return Look(now_ms, self.jump_ms)

    @property
    def waits_until_ms(self) -> int | None:
        """The end of the wait; None if days may be deleted by their age."""
        return None if self.jump_ms is None else self.jump_ms + WAIT_MS


def look(directory: Path, files: list[DayFile], now_ms: int) -> Look:
    """Look at the clock and keep that; without an earlier one, the last write counts. Raises OSError."""
    seen = _last(directory / FILE) or Look(max((_written_ms(file) for file in files), default=now_ms))
    now = seen.next(now_ms)
    with suppress(OSError):  # on a full disk, retention is what makes room
        _write(directory / FILE, orjson.dumps(list(now)))
    return now


def _write(path: Path, content: bytes) -> None:
    """Write a file of the store; a symbolic link in its place is not followed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _written_ms(file: DayFile) -> int:
    return file.path.stat().st_mtime_ns // 1_000_000


def _last(path: Path) -> Look | None:
    try:
        at_ms, jump_ms = orjson.loads(path.read_bytes())
    except (OSError, ValueError, TypeError):
        return None
    valid = type(at_ms) is int and (jump_ms is None or type(jump_ms) is int)
    return Look(at_ms, jump_ms) if valid else None
