"""Small file systems that can be filled and emptied again."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.services.unavailable import Unavailable


class SmallDisk:
    """A tmpfs of `mebibytes` MiB at a folder; only root can mount one."""

    def __init__(self, folder: Path, mebibytes: int) -> None:
        """Mount it. Raises Unavailable."""
        self.folder, self.ballast = folder, folder / "ballast"
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"cannot mount a tmpfs at {folder}: {done.stderr.strip()}")

    def fill(self) -> None:
        """Fill it completely."""
        with self.ballast.open("ab", buffering=0) as file:
            for size in (1 << 16, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def release(self) -> None:
        """Free the filled space."""
        self.ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Unmount it; its content is lost."""
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


@contextlib.contextmanager
def kept(disks: list[SmallDisk]) -> Iterator[None]:
    """Unmount the disks at the end."""
    try:
        yield
    finally:
        for disk in disks:
            disk.unmount()
