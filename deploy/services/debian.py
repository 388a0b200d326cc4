"""Programs from Debian packages, installed if they are missing and this user is root."""

import shutil
import subprocess
from fcntl import LOCK_EX, flock
from pathlib import Path

from deploy.services.unavailable import Unavailable

SCRIPT = Path(__file__).with_name("debian.sh")


def program(name: str, package: str) -> str:
    """The path of a program, after installing its package if needed. Raises Unavailable."""
    if (path := shutil.which(name)) is None:
        install(package)
        path = shutil.which(name)
    if path is None:
        raise Unavailable(f"no {name}: install the package {package}")
    return path


def install(*packages: str) -> None:
    """Install packages, one process at a time. Raises Unavailable."""
    with Path("/tmp/shipper-debian.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        done = subprocess.run([SCRIPT, *packages], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(packages)} cannot be installed: {done.stderr.strip()[-2000:]}")
