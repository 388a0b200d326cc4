"""Inotify, by the three functions of the C library: inotify(7)."""

import ctypes
import os
import struct
from contextlib import suppress
from typing import NamedTuple

MODIFY, CREATE, DELETE, MOVED_FROM, MOVED_TO = 0x2, 0x100, 0x200, 0x40, 0x80
DELETE_SELF, MOVE_SELF, UNMOUNT, OVERFLOW, IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
ONLY_FOLDERS = 0x1000000
NAMES = CREATE | DELETE | MOVED_FROM | MOVED_TO
"""Changes of the names in a folder."""
APPEARED = CREATE | MOVED_TO
ENDED = DELETE_SELF | MOVE_SELF | UNMOUNT | IGNORED
"""The folder is no longer at its path, or is no longer watched."""
WATCHED = MODIFY | NAMES | DELETE_SELF | MOVE_SELF | ONLY_FOLDERS
HEAD = struct.Struct("iIII")
READ_BYTES = 256 * 1024


class Event(NamedTuple):
    """A change in a watched folder: its watch, the kind, and the name of the file, empty for the folder itself."""

    watch: int
    mask: int
    name: str


class Inotify:
    """One queue of events. Not for several threads."""

    def __init__(self) -> None:
        """Create the queue. Raises OSError where the system has none, or too many are in use."""
        library = ctypes.CDLL(None, use_errno=True)
        try:
            init, self._add, self._remove = (
                library.inotify_init1, library.inotify_add_watch, library.inotify_rm_watch,
            )  # fmt: skip
        except AttributeError as error:
            raise OSError("this system has no inotify") from error
        self._fd = _checked(init(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """Return the descriptor, which is readable while there are events."""
        return self._fd

    def watch(self, folder: str) -> int:
        """Watch a folder; return the number of its watch. Raises OSError."""
        return _checked(self._add(self._fd, os.fsencode(folder), WATCHED))

    def forget(self, watch: int) -> None:
        """End a watch; one that has ended is no error."""
        self._remove(self._fd, watch)

    def events(self) -> list[Event]:
        """Return the events of the queue, each once; empty if there are none."""
        seen: dict[bytes, None] = {}
        with suppress(BlockingIOError):
            while data := os.read(self._fd, READ_BYTES):
                at = 0
                while at < len(data):
                    end = at + HEAD.size + HEAD.unpack_from(data, at)[3]
                    seen[data[at:end]] = None
                    at = end
        return [_event(raw) for raw in seen]

    def close(self) -> None:
        """Close the queue and end its watches."""
        os.close(self._fd)


def _event(raw: bytes) -> Event:
    watch, mask, _cookie, _length = HEAD.unpack_from(raw)
    return Event(watch, mask, os.fsdecode(raw[HEAD.size :].rstrip(b"\0")))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
