"""Logs at new paths: a file that moved continues its log, and another name of a file that is followed is no log."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from itertools import count
from typing import NamedTuple

from shipper.inputs.files.continuation import Verdict, compared, verdict
from shipper.inputs.files.fingerprint import Fingerprint
from shipper.inputs.files.handles import Handle, inode_of, open_handle
from shipper.state.checkpoint import PREFIX_BYTES, hashed


class KnownFile(NamedTuple):
    """A file of a log, where it was last seen."""

    path: str
    inode: int


class KnownLog(NamedTuple):
    """A log that is followed or saved, with the newest file of which something was read."""

    path: str
    kind: str
    source: str
    """Its identity."""
    files: list[KnownFile]
    prefix: tuple[int, bytes]
    """Size and hash of the beginning of that file; 0 and empty if there is none."""
    newest: Callable[[], Fingerprint]
    """Fingerprint of that file."""


class KnownLogs:
    """Logs that are followed or saved, by what may be found at a new path."""

    def __init__(self, logs: Iterable[KnownLog]) -> None:
        """Index `logs`."""
        self._by_inode: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
        self._by_prefix: defaultdict[int, defaultdict[bytes, list[KnownLog]]] = defaultdict(lambda: defaultdict(list))
        self._sources: set[str] = set()
        for log in logs:
            for file in log.files:
                self._by_inode[file.inode].append((log.path, file.path))
            if log.prefix[0]:
                self._by_prefix[log.prefix[0]][log.prefix[1]].append(log)
            self._sources.add(log.source)

    def add(self, real: str, source: str) -> None:
        """Index a new log, of which nothing is read yet."""
        self._sources.add(source)
        with suppress(OSError):  # it is reported when the log is read
            self._by_inode[inode_of(os.stat(real))].append((real, real))

    def identity(self, source: str) -> str:
        """Return the identity of a new log, by default `source`; another one if a log that moved took it along."""
        names = (source if number == 0 else f"{source}?{number}" for number in count())
        return next(name for name in names if name not in self._sources)

    def same_file(self, real: str) -> str | None:
        """Return the path of the log that reads the file at `real` under another name; None if there is none."""
        try:
            inode = inode_of(os.stat(real))
        except OSError:
            return None
        for log, path in self._by_inode.get(inode, ()):
            if log != real and _is_same(path, real):
                return log
        return None

    def moved_to(self, real: str, paths: Callable[[str], list[str]]) -> str | None:
        """Return the path of the log whose newest file is at `real`, or at one of the `paths` of its rotated files.

        Its old path no longer exists, or leads to the new one: a copy beside the original is another log.
        """
        for path in paths(real) if self._by_prefix else ():
            try:
                with closing(open_handle(path)) as file:
                    beginning = file.read(0, PREFIX_BYTES)
                    for log in self._beginning_like(beginning):
                        if _is_left(log.path, real) and _continues(log, file):
                            return log.path
            except OSError:
                continue  # it is reported when the log is read
        return None

    def _beginning_like(self, beginning: bytes) -> list[KnownLog]:
        """Return the logs whose newest file begins like this, the one that was read farthest first."""
        alike = [
            log
            for size, logs in self._by_prefix.items()
            if size <= len(beginning)
            for log in logs.get(hashed(beginning[:size]), ())
        ]
        return sorted(alike, key=lambda log: log.newest().offset, reverse=True)


def _is_same(path: str, real: str) -> bool:
    try:
        return os.path.samefile(path, real)
    except OSError:
        return False


def _is_left(old: str, new: str) -> bool:
    """Return True if there is nothing at an old path, or a link to the new one."""
    return not os.path.exists(old) or (old != new and os.path.realpath(old) == new)


def _continues(log: KnownLog, file: Handle) -> bool:
    evidence = compared(log.newest(), file, log.kind, rebooted=False, elsewhere=False)
    return verdict(evidence) in (Verdict.CONTINUES, Verdict.SHORTENED)
