"""Retention: which days of the embedded store go, and their going."""

import sqlite3
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from shipper.outputs.sqlite.day_file import (
    MS_PER_DAY,
    DayFile,
    Unusable,
    belongings,
    day_files,
    holds_unreleased,
    remove,
)


def remove_expired(  # noqa: PLR0913 -- the store's bounds, by name
    directory: Path,
    now_ms: int,
    days: int | None,
    max_bytes: int | None,
    quarantine_prefix: str,
    *,
    before: Callable[[DayFile], None],
) -> list[str]:
    """Delete the days that are too old, then the oldest while there are too many bytes; today and later stay.

    `before` is called with each file that is about to go. Returns the names of the indices that went, oldest first.
    Raises OSError; what was deleted by then stays deleted.
    """
    try:
        files = day_files(directory)
    except FileNotFoundError:
        return []
    today = now_ms // MS_PER_DAY
    total = sum(_bytes(file) for file in files)
    gone = []
    for day, group in groupby(files, key=lambda file: file.day):
        aged = days is not None and day < today - days
        crowded = max_bytes is not None and total > max_bytes
        if day >= today or not (aged or crowded):
            break
        for file in group:
            if aged or file.prefix != quarantine_prefix or not _holds_unreleased(file):
                before(file)
                total -= _bytes(file)
                remove(file)
                gone.append(file.index)
    return gone


def _holds_unreleased(file: DayFile) -> bool:
    try:
        return holds_unreleased(file)
    except (sqlite3.Error, Unusable):
        return True  # what cannot be read may still be repaired


def _bytes(file: DayFile) -> int:
    sizes = 0
    for path in belongings(file.path):
        try:
            sizes += path.stat().st_size
        except FileNotFoundError:
            continue
    return sizes
