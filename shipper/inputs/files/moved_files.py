"""Identities of plain logs at new paths: a file that moved keeps the identity it was first seen with."""

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from itertools import count
from typing import NamedTuple

from shipper.inputs.files.fingerprint import hashed
from shipper.inputs.files.handles import inode_of, open_handle
from shipper.inputs.files.log_file import LogFile


class PlainFile(NamedTuple):
    """The newest file of a plain log, with the log's path and identity."""

    path: str
    source: str
    file: LogFile


class NewLog(NamedTuple):
    """Identity of a new log, and its `LogFiles.beginnings`."""

    source: str
    beginnings: dict[bytes, int]


class KnownFiles:
    """Plain logs that are followed or saved."""

    def __init__(self, files: Iterable[PlainFile]) -> None:
        """Index `files`, one per log."""
        self._by_inode: defaultdict[int, list[PlainFile]] = defaultdict(list)
        self._sources: set[str] = set()
        for plain in files:
            self._by_inode[plain.file.fingerprint.inode].append(plain)
            self._sources.add(plain.source)

    def new_log(self, real: str, source: str, line_bytes: int) -> NewLog:
        """Return the identity of a log at the path `real`, by default `source`; lines are read up to `line_bytes`.

        A file whose former path no longer exists keeps its identity, so that lines that are read again keep their ids.
        If a moved file took the identity of this path with it, the log gets another one.
        """
        try:
            for plain in self._by_inode.get(inode_of(os.stat(real)), ()):
                if plain.file.fingerprint.offset and not os.path.exists(plain.path):
                    beginnings = _beginnings(plain.file, real, line_bytes)
                    if beginnings is not None:
                        return NewLog(plain.source, beginnings)
        except OSError:
            return NewLog(source, {})  # the error is reported when the log is read
        names = (source if number == 0 else f"{source}?{number}" for number in count())
        return NewLog(next(name for name in names if name not in self._sources), {})


def _beginnings(file: LogFile, real: str, line_bytes: int) -> dict[bytes, int] | None:
    """Return `LogFiles.beginnings` as before the first line of `file`; None if another file is at `real`."""
    with closing(open_handle(real)) as handle:
        if not file.fingerprint.matches(handle):
            return None
        return {hashed(handle.read(0, line_bytes).partition(b"\n")[0]): file.repeat}
