"""Map of paths in a copy to the original paths, which determine the ids of plain logs."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shipper.replay.discover import DiscoveredLog
from shipper.system.errors import ShipperError
from shipper_processors.sanitize import printable

STDIN = "-"
STDIN_PATH = "/dev/stdin"
"""Default path of the standard input."""


@dataclass(frozen=True, slots=True)
class PathMap:
    """Folders and files of a copy and their original paths; the longest match wins."""

    originals: Mapping[str, str]
    """Original path by real path of the copy."""
    folders: tuple[str, ...] = ()
    """Real paths of the folders on the command line."""

    @classmethod
    def of(cls, mappings: Iterable[tuple[str, str]], named: Iterable[Path], spool: Path | None = None) -> "PathMap":
        """Return the map of command line `mappings`; `-` is the standard input, saved in the file `spool`."""
        originals = {} if spool is None else {os.path.realpath(spool): STDIN_PATH}
        for backup, original in mappings:
            originals[os.path.realpath(spool if spool is not None and backup == STDIN else backup)] = original
        real = [os.path.realpath(path) for path in named]
        return cls(originals, tuple(path if os.path.isdir(path) else os.path.dirname(path) for path in real))

    def applied(self, logs: Sequence[DiscoveredLog]) -> list[DiscoveredLog]:
        """Return the logs with their original paths. Raises ShipperError for a mapping that matches none of them."""
        for copy, original in self.originals.items():
            if not any(_contains(copy, log.path) for log in logs):
                raise ShipperError(
                    f"--map-path {printable(copy)}={printable(original)} matches none of the logs",
                    "specify a replayed folder, one inside it, or the live path of a log: app.log, not app.log.1",
                )
        return [self._mapped(log) for log in logs]

    def _mapped(self, log: DiscoveredLog) -> DiscoveredLog:
        root = _longest((*self.originals, *self.folders), log.path) or os.path.dirname(log.path)
        return replace(log, original=self.original(log.path), original_root=self.original(root))

    def original(self, path: str) -> str:
        """Return the original path of `path`."""
        copy = _longest(self.originals, path)
        if copy is None:
            return path
        return os.path.normpath(self.originals[copy] + path[len(copy.rstrip("/")) :])


def _longest(prefixes: Iterable[str], path: str) -> str | None:
    """Return the longest of `prefixes` that contains `path`."""
    return max((prefix for prefix in prefixes if _contains(prefix, path)), key=len, default=None)


def _contains(prefix: str, path: str) -> bool:
    """Return True if `prefix` is `path` or a folder above it."""
    return path == prefix or path.startswith(f"{prefix.rstrip('/')}/")


def plain_roots(logs: Sequence[DiscoveredLog]) -> Iterator[str]:
    """Yield the original folders and files of all plain logs, each once."""
    yield from sorted({log.original_root for log in logs if log.kind == "plain"})
