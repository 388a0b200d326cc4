"""Small file systems that can be filled and emptied again."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.services.unavailable import Unavailable

FILE_SYSTEMS = ("tmpfs", "ext4")
KIB = 1024


class SmallDisk:
    """A file system of `mebibytes` MiB at a folder; only root can mount one."""

    def __init__(self, folder: Path, mebibytes: int, kind: str = "tmpfs") -> None:
        """Mount it. Raises Unavailable."""
        self.folder, self.ballast = folder, folder / "ballast"
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "tmpfs":
            _done("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "tmpfs", str(folder))
        else:
            image = folder.with_name(f"{folder.name}.{kind}")
            with image.open("wb") as file:
                file.truncate(mebibytes * KIB * KIB)
            _done(f"mkfs.{kind}", "-q", "-m", "0", str(image))
            _done("mount", "-o", "loop", str(image), str(folder))

    def fill(self) -> None:
        """Fill it completely."""
        with self.ballast.open("ab", buffering=0) as file:
            for size in (1 << 16, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def leave(self, kibibytes: int) -> None:
        """Fill it until `kibibytes` KiB are free, or less by what the file system needs itself."""
        os.sync()  # blocks that are not allocated yet
        with self.ballast.open("wb") as file:
            size = 0
            while (step := self._free() - kibibytes * KIB) >= KIB:
                while step >= KIB and not _allocated(file.fileno(), size, step):
                    step //= 2
                if step < KIB:
                    break
                size += step

    def _free(self) -> int:
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def release(self) -> None:
        """Free the filled space."""
        self.ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Unmount it; its content is lost."""
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


def _allocated(file: int, offset: int, size: int) -> bool:
    try:
        os.posix_fallocate(file, offset, size)
    except OSError:
        return False
    return True


def _done(*command: str) -> None:
    """Run a command. Raises Unavailable with its output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} not found: install it (Debian: e2fsprogs, mount)") from error
    if done.returncode:
        raise Unavailable(f"`{' '.join(command)}` failed: {done.stderr.strip()}")


@contextlib.contextmanager
def kept(disks: list[SmallDisk]) -> Iterator[None]:
    """Unmount the disks at the end."""
    try:
        yield
    finally:
        for disk in disks:
            disk.unmount()
