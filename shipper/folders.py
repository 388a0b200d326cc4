"""Folders that the shipper makes: their owner's alone, with all of those above them that it has to make."""

from pathlib import Path


def make_private(folder: Path) -> None:
    """Make a folder where there is none. Raises OSError.

    `Path.mkdir` gives its mode to the innermost one alone, and leaves those above it to the umask.
    """
    if not folder.is_dir():
        if folder.parent != folder:
            make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
