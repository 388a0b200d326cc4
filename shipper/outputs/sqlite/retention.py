"""Retention: selects and deletes expired days of the embedded store."""

import sqlite3
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from shipper.outputs.sqlite import clock_guard
from shipper.outputs.sqlite.day_file import (
    MS_PER_DAY,
    DayFile,
    InvalidDayFile,
    day_files,
    holds_unreleased,
    remove,
)
from shipper.system.sqlite_files import database_files


class Expired(NamedTuple):
    """The deleted indices, oldest first; and until when days are not deleted by age, since the clock jumped."""

    indices: list[str]
    waits_until_ms: int | None = None


def remove_expired(  # noqa: PLR0913 -- the bounds of the store, by name
    directory: Path,
    now_ms: int,
    days: int | None,
    max_bytes: int | None,
    quarantine_prefix: str,
    *,
    before: Callable[[DayFile], None],
) -> Expired:
    """Delete days that are too old, then the oldest while the total exceeds `max_bytes`; today and later are kept.

    No day is deleted for its age while that is doubtful (`clock_guard`). `before` is called with each file before its
    deletion. Raises OSError; files deleted before the error stay deleted.
    """
    try:
        files = day_files(directory)
    except FileNotFoundError:
        return Expired([])
    waits_until_ms = None if days is None else clock_guard.look(directory, files, now_ms).waits_until_ms
    today = now_ms // MS_PER_DAY
    total = sum(_bytes(file) for file in files)
    deleted = []
    for day, group in groupby(files, key=lambda file: file.day):
        too_old = days is not None and waits_until_ms is None and day < today - days
        too_large = max_bytes is not None and total > max_bytes
        if day >= today or not (too_old or too_large):
            break
        for file in group:
            if too_old or file.prefix != quarantine_prefix or not _holds_unreleased(file):
                before(file)
                total -= _bytes(file)
                remove(file)
                deleted.append(file.index)
    return Expired(deleted, waits_until_ms)


def _holds_unreleased(file: DayFile) -> bool:
    try:
        return holds_unreleased(file)
    except (sqlite3.Error, InvalidDayFile):
        return True  # an unreadable file may still be repaired


def _bytes(file: DayFile) -> int:
    sizes = 0
    for path in database_files(file.path):
        try:
            sizes += path.stat().st_size
        except FileNotFoundError:
            continue
    return sizes
