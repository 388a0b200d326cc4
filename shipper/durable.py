"""What has to outlive a loss of power."""

import os
from pathlib import Path


def keep_names(folder: Path) -> None:
    """Have the names of new files in a folder outlive it: content without a name is not found. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
