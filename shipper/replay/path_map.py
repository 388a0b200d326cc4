"""Paths of a copy, read as those of the original: ids of plain logs follow from them."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shipper.replay.discover import GivenLog
from shipper.system.errors import ShipperError
from shipper_processors.sanitize import printable

STDIN = "-"
STDIN_PATH = "/dev/stdin"
"""The path of the standard input, unless one is given for it."""


@dataclass(frozen=True, slots=True)
class PathMap:
    """Folders and files of a copy with the path that each had; the longest that contains a path decides."""

    originals: Mapping[str, str]
    """Original path by real path of the copy."""
    folders: tuple[str, ...] = ()
    """Real folders that were named to be read."""

    @classmethod
    def of(cls, mappings: Iterable[tuple[str, str]], named: Iterable[Path], spool: Path | None = None) -> "PathMap":
        """`mappings` as they were given; `-` is the standard input, which is in the file `spool`."""
        originals = {} if spool is None else {os.path.realpath(spool): STDIN_PATH}
        for backup, original in mappings:
            originals[os.path.realpath(spool if spool is not None and backup == STDIN else backup)] = original
        real = [os.path.realpath(path) for path in named]
        return cls(originals, tuple(path if os.path.isdir(path) else os.path.dirname(path) for path in real))

    def applied(self, logs: Sequence[GivenLog]) -> list[GivenLog]:
        """The logs with the paths that they are read as. Raises ShipperError for an entry that holds none of them."""
        for copy, original in self.originals.items():
            if not any(_contains(copy, log.path) for log in logs):
                raise ShipperError(
                    f"--map-path {printable(copy)}={printable(original)} holds none of the logs",
                    "give a folder that is replayed, one in it, or the live path of a log: app.log, and not app.log.1",
                )
        return [self._mapped(log) for log in logs]

    def _mapped(self, log: GivenLog) -> GivenLog:
        root = _longest((*self.originals, *self.folders), log.path) or os.path.dirname(log.path)
        return replace(log, original=self.original(log.path), original_root=self.original(root))

    def original(self, path: str) -> str:
        """The path that `path` is read as."""
        copy = _longest(self.originals, path)
        if copy is None:
            return path
        return os.path.normpath(self.originals[copy] + path[len(copy.rstrip("/")) :])


def _longest(prefixes: Iterable[str], path: str) -> str | None:
    """The longest of `prefixes` that contains `path`."""
    return max((prefix for prefix in prefixes if _contains(prefix, path)), key=len, default=None)


def _contains(prefix: str, path: str) -> bool:
    """Whether `prefix` is `path` or a folder above it."""
    return path == prefix or path.startswith(f"{prefix.rstrip('/')}/")


def plain_roots(logs: Sequence[GivenLog]) -> Iterator[str]:
    """The original folders and files of all plain logs, each once."""
    yield from sorted({log.original_root for log in logs if log.kind == "plain"})
