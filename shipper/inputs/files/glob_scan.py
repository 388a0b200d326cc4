"""Glob scan: the logs that match an input's glob; unchanged folders cost one stat each."""

import os
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import translate

from shipper.inputs.files.rotated_names import base_name
from shipper.inputs.files.watches import Watches

SETTLED_NS = 100_000_000
COARSE_NS = 2_000_000_000
"""A folder changed more recently than this may change again with the same timestamp; the second value is for file
systems with timestamps of whole seconds."""
GONE = -1
"""Timestamp of a missing folder."""


class Folders:
    """Cached listings of folders, valid while the folder's modification time is unchanged."""

    def __init__(self, now_ns: Callable[[], int] = time.time_ns, watches: Watches | None = None) -> None:
        """Use `now_ns` as the clock of the file systems' timestamps; watch what is listed, if there are `watches`."""
        self._now_ns = now_ns
        self._watches = watches
        self._listings: dict[str, tuple[int, Sequence[str]]] = {}

    def names(self, folder: str) -> Sequence[str]:
        """Return the names in `folder`, sorted; empty if it cannot be listed."""
        known = self._listings.get(folder)
        if known is not None and self._watches is not None and self._watches.reports(folder):
            return known[1]  # `changed` would have dropped it
        try:
            return self._listed(folder)
        except OSError:
            return ()

    def changed(self, folder: str) -> None:
        """Drop the cached listing of a folder in which a change of names was reported."""
        self._listings.pop(folder, None)

    def changed_everywhere(self) -> None:
        """Drop all listings, since reports were lost."""
        self._listings.clear()

    def _listed(self, folder: str) -> Sequence[str]:
        """Return the names in `folder`, sorted. Raises OSError."""
        if self._watches is not None:
            self._watches.watch(folder)  # before it is listed: later changes are reported
        known = self._listings.pop(folder, None)
        changed = os.stat(folder).st_mtime_ns
        names = known[1] if known is not None and known[0] == changed else tuple(sorted(os.listdir(folder)))
        if self._is_settled(changed):
            self._listings[folder] = (changed, names)
        return names

    def stamp(self, folder: str) -> int | None:
        """Return a value that changes with the names in `folder`; None if the folder changed too recently to know."""
        try:
            changed = os.stat(folder).st_mtime_ns
        except OSError:
            return GONE
        return changed if self._is_settled(changed) else None

    def _is_settled(self, changed: int) -> bool:
        return self._now_ns() - changed > (SETTLED_NS if changed % 1_000_000_000 else COARSE_NS)

    def forget(self, folder: str) -> None:
        """Drop the cached listing of `folder`, which is deleted or no longer used."""
        self._listings.pop(folder, None)
        if self._watches is not None:
            self._watches.polled.pop(folder, None)

    def beginning_with(self, folder: str, prefix: str) -> Sequence[str]:
        """Return the names in `folder` that start with `prefix`. Raises OSError if it exists and cannot be listed."""
        try:
            names = self._listed(folder)
        except FileNotFoundError:
            return []
        start = bisect_left(names, prefix)
        end = bisect_left(names, prefix + "\U0010ffff", start)
        return names[start:end]


class Scanner:
    """Expands one glob repeatedly; lists only folders that changed."""

    def __init__(self, pattern: str, folders: Folders) -> None:
        """Parse `pattern`, an absolute or relative path with `*`, `?` and `[…]` in any of its parts."""
        self._folders = folders
        self.pattern = pattern
        parts = os.path.abspath(pattern).split("/")[1:]
        first = next((i for i, part in enumerate(parts) if _is_glob(part)), len(parts) - 1)
        self._root = "/" + "/".join(parts[:first])
        self._parts = [re.compile(translate(part)) for part in parts[first:]]
        self._visited: dict[str, int] = {}
        """Folders of the last scan, with their place in the glob."""

    def look_in(self, folders: Folders) -> None:
        """List folders through `folders` from now on."""
        self._folders = folders

    def concerns(self, folder: str, name: str) -> bool:
        """Return True if a new name in a folder may be a log that matches the glob, or a folder on the way to one."""
        place = self._visited.get(folder)
        if place is None:
            return False
        last = place == len(self._parts) - 1
        return bool(self._live_name(name, self._parts[place]) if last else self._parts[place].match(name))

    def matches(self, path: str) -> bool:
        """Return True if the glob matches a path, whatever is there now."""
        if not path.startswith(self._root.rstrip("/") + "/"):
            return False
        names = path[len(self._root.rstrip("/")) + 1 :].split("/")
        if len(names) != len(self._parts):
            return False
        if not all(part.match(name) for name, part in zip(names[:-1], self._parts[:-1], strict=True)):
            return False
        return self._live_name(names[-1], self._parts[-1]) is not None

    def folders(self) -> Iterable[str]:
        """Return the folders of the last scan."""
        return self._visited

    def paths(self) -> Iterator[str]:
        """Yield the live paths of the logs that match the glob; a rotated name yields the path of its log.

        Folders that cannot be read are skipped; `shipper check` reports them.
        """
        folders = [self._root]
        visited = dict.fromkeys(folders, 0)
        for place, part in enumerate(self._parts[:-1], 1):
            folders = [
                f"{folder}/{name}" for folder in folders for name in self._folders.names(folder) if part.match(name)
            ]
            visited.update(dict.fromkeys(folders, place))
        for gone in self._visited.keys() - visited.keys():
            self._folders.forget(gone)
        self._visited = visited
        last = self._parts[-1]
        seen: set[str] = set()
        for folder in folders:
            for name in self._folders.names(folder):
                live = self._live_name(name, last)
                if live is not None and (path := f"{folder}/{live}") not in seen:
                    seen.add(path)
                    yield path

    @staticmethod
    def _live_name(name: str, part: re.Pattern[str]) -> str | None:
        base = base_name(name)
        if base is not None and part.match(base):
            return base
        return name if part.match(name) else None


def _is_glob(part: str) -> bool:
    return any(sign in part for sign in "*?[")
