"""Folders that the shipper makes: their owner's alone, with all of those above them that it has to make."""

import os
from pathlib import Path


def make_private(folder: Path) -> None:
    """Make a folder where there is none. Raises OSError.

    `Path.mkdir` gives its mode to the innermost one alone, and leaves those above it to the umask.
    """
    if not folder.is_dir():
        if folder.parent != folder:
            make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def keep_names(folder: Path) -> None:
    """Have the names of new files outlive a loss of power: content without a name is not found. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
