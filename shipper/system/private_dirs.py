"""Folders created for their owner alone, including the parents that are created with them."""

import os
from contextlib import suppress
from errno import ELOOP, EPERM
from pathlib import Path
from stat import S_IWOTH


def make_private(folder: Path) -> None:
    """Create a folder and its missing parents, accessible to their owner alone. Raises OSError.

    `Path.mkdir` applies its mode to the innermost folder alone, and the umask to its parents.
    """
    if not folder.is_dir():
        if folder.parent != folder:
            make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def require_private(folder: Path) -> None:
    """Raise OSError if another user may have prepared a folder, or may change what is in it.

    A symbolic link in such a folder would lead writes to a file elsewhere, and the owner of a file can read what is
    written to it.
    """
    _require_own(folder.stat(), "it", folder)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                raise OSError(ELOOP, f"{entry.name} in it is a symbolic link", str(folder))
            with suppress(FileNotFoundError):  # a journal comes and goes
                _require_own(entry.stat(follow_symlinks=False), f"{entry.name} in it", folder)


def _require_own(status: os.stat_result, what: str, folder: Path) -> None:
    if status.st_uid not in {os.geteuid(), 0}:
        raise OSError(EPERM, f"{what} belongs to another user (uid {status.st_uid})", str(folder))
    if status.st_mode & S_IWOTH:
        raise OSError(EPERM, f"every user can write to {what}", str(folder))


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that the names of new files survive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
