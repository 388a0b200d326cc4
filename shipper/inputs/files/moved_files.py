"""Identities of plain logs that are new at their path: a file that moved there keeps the one it was first seen with."""

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
    """The youngest file of a plain log, with the log's path and identity."""

    path: str
    source: str
    file: LogFile


class NewLog(NamedTuple):
    """What a log begins with: its identity, and `LogFiles.beginnings`."""

    source: str
    beginnings: dict[bytes, int]


class KnownFiles:
    """The plain logs that are known, followed or saved."""

    def __init__(self, files: Iterable[PlainFile]) -> None:
        """`files`: one of each log."""
        self._by_inode: defaultdict[int, list[PlainFile]] = defaultdict(list)
        self._sources: set[str] = set()
        for plain in files:
            self._by_inode[plain.file.identity.inode].append(plain)
            self._sources.add(plain.source)

    def new_log(self, real: str, source: str, line_bytes: int) -> NewLog:
        """A log at the path `real`, whose own identity is `source`; lines are read up to `line_bytes`.

        A file whose former path is gone keeps the identity that it had there, and lines that are read again get the ids
        that they have. Where a moved file took the identity of this path along, the log gets another.
        """
        try:
            for plain in self._by_inode.get(inode_of(os.stat(real)), ()):
                if plain.file.identity.offset and not os.path.exists(plain.path):
                    beginnings = _beginnings(plain.file, real, line_bytes)
                    if beginnings is not None:
                        return NewLog(plain.source, beginnings)
        except OSError:
            return NewLog(source, {})  # whoever reads it meets the error
        names = (source if number == 0 else f"{source}?{number}" for number in count())
        return NewLog(next(name for name in names if name not in self._sources), {})


def _beginnings(file: LogFile, real: str, line_bytes: int) -> dict[bytes, int] | None:
    """`LogFiles.beginnings` before `file`, now at `real`, is begun; None where another file is there."""
    with closing(open_handle(real)) as handle:
        if not file.identity.describes(handle):
            return None
        return {hashed(handle.read(0, line_bytes).partition(b"\n")[0]): file.repeat}
