"""Folders created for their owner alone, including the parents that are created with them."""

import os
from pathlib import Path


def make_private(folder: Path) -> None:
    """Create a folder and its missing parents, accessible to their owner alone. Raises OSError.

    `Path.mkdir` applies its mode to the innermost folder alone, and the umask to its parents.
    """
    if not folder.is_dir():
        if folder.parent != folder:
            make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that the names of new files survive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
