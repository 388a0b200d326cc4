"""Watches: folders in which the kernel reports changes, and those that have to be polled, with the reason."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from shipper.inputs.files.inotify import APPEARED, ENDED, MOVE_SELF, NAMES, OVERFLOW, Inotify

REPORTING = frozenset(
    "ext2 ext3 ext4 xfs btrfs zfs f2fs bcachefs jfs reiserfs tmpfs ramfs overlay aufs".split()  # noqa: SIM905 -- a list to read
)
"""File systems on which all changes pass this kernel, so that it reports them; others are polled."""
MOUNTS = "/proc/self/mountinfo"
NO_WATCHES = "no watches are left: raise fs.inotify.max_user_watches"
UNREPORTED = "changes there were not reported"


@dataclass(slots=True)
class Changes:
    """What changed since the last call."""

    paths: set[tuple[str, str]] = field(default_factory=set)
    """Files that were written, created, removed or renamed: folder and name."""
    renamed: set[str] = field(default_factory=set)
    """Folders whose names changed."""
    ended: set[str] = field(default_factory=set)
    """Folders that were removed or renamed themselves, and are no longer watched."""
    appeared: set[tuple[str, str]] = field(default_factory=set)
    """New names: folder and name."""
    everything: bool = False
    """True if events were lost."""


class Watches:
    """The folders of one tail. Not for several threads."""

    def __init__(self, queue: Inotify, file_system: Callable[[str], str] | None = None) -> None:
        """Report changes through `queue`; `file_system` returns the type of the one that holds a folder."""
        self._queue = queue
        self._file_system = file_system or FileSystems().of
        self._watch_of: dict[str, int] = {}
        self._folders_of: dict[int, tuple[str, ...]] = {}
        """Several where a folder has more than one path."""
        self.polled: dict[str, str] = {}
        """Folders that are not watched, with the reason."""

    def fileno(self) -> int:
        """Return the descriptor that is readable after a change."""
        return self._queue.fileno()

    def __len__(self) -> int:
        return len(self._watch_of)

    def reports(self, folder: str) -> bool:
        """Return True if changes in a folder are reported."""
        return folder in self._watch_of

    def watch(self, folder: str) -> None:
        """Watch a folder, before it is listed for the first time; one that cannot be watched is polled."""
        if folder in self._watch_of or folder in self.polled:
            return
        try:
            kind = self._file_system(folder)
            if kind not in REPORTING:
                self.polled[folder] = f"{kind or 'unknown file system'} does not report all changes"
                return
            watch = self._queue.watch(folder)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return  # it is tried again when it is listed
            self.polled[folder] = NO_WATCHES if error.errno == errno.ENOSPC else str(error.strerror or error)
            return
        self._watch_of[folder], self._folders_of[watch] = watch, (*self._folders_of.get(watch, ()), folder)

    def distrust(self, folder: str) -> None:
        """Poll a folder from now on: a file in it changed, and that was not reported."""
        watch = self._watch_of.get(folder)
        if watch is not None:
            self._queue.forget(watch)
            self._ended(watch)
        self.polled[folder] = UNREPORTED

    def _ended(self, watch: int) -> tuple[str, ...]:
        """Forget a watch, and return the paths of its folder."""
        folders = self._folders_of.pop(watch, ())
        for folder in folders:
            self._watch_of.pop(folder, None)
        return folders

    def changes(self) -> Changes:
        """Return the changes since the last call."""
        changes = Changes()
        for event in self._queue.events():
            if event.mask & OVERFLOW:
                changes.everything = True
                continue
            if event.mask & ENDED and not event.name:
                if event.mask & MOVE_SELF:
                    self._queue.forget(event.watch)
                changes.ended.update(self._ended(event.watch))
                continue
            for folder in self._folders_of.get(event.watch, ()):
                changes.paths.add((folder, event.name))
                if event.mask & NAMES:
                    changes.renamed.add(folder)
                if event.mask & APPEARED:
                    changes.appeared.add((folder, event.name))
        return changes

    def close(self) -> None:
        """End all watches."""
        self._queue.close()


class FileSystems:
    """Types of the file systems that hold folders, from the kernel's table of mounts."""

    def __init__(self, mounts: str = MOUNTS) -> None:
        """Read the table `mounts`, and again for each device that it does not know yet."""
        self._mounts = mounts
        self._of_device: dict[int, str] = {}

    def of(self, folder: str) -> str:
        """Return the type of the file system of a folder; empty if it is unknown. Raises OSError without the folder."""
        device = os.stat(folder).st_dev
        if device not in self._of_device:
            self._of_device[device] = self._type_at(os.path.realpath(folder))
        return self._of_device[device]

    def _type_at(self, path: str) -> str:
        longest, kind = "", ""
        try:
            with open(self._mounts, encoding="utf-8", errors="surrogateescape") as table:
                for line in table:
                    before, _, after = line.partition(" - ")
                    point = before.split(" ")[4].encode("latin-1", "surrogateescape").decode("unicode_escape")
                    inside = path == point or path.startswith(point.rstrip("/") + "/")
                    if inside and len(point) >= len(longest):
                        longest, kind = point, after.partition(" ")[0]
        except (OSError, IndexError, UnicodeError):
            return ""
        return kind


def open_watches() -> tuple[Watches | None, str]:
    """Return the watches of a tail, or None and the reason why all files are polled."""
    try:
        return Watches(Inotify()), ""
    except OSError as error:
        if error.errno == errno.EMFILE:
            return None, "no inotify instances are left: raise fs.inotify.max_user_instances"
        return None, str(error.strerror or error)
