"""A private Docker engine, for machines without a running one, if this user may start it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.services.debian import install
from deploy.services.unavailable import Unavailable

SCRIPT = Path(__file__).with_name("docker.sh")
PACKAGES = {"dockerd": "docker.io", "busybox": "busybox-static"}


def require() -> None:
    """Install the engine if it is not there. Raises Unavailable."""
    if os.geteuid() != 0:
        raise Unavailable("no Docker engine is available to this user, and starting one needs root")
    if wanted := [package for program, package in PACKAGES.items() if shutil.which(program) is None]:
        install(*wanted)


@contextmanager
def private() -> Iterator[str]:
    """Start a private engine, yield its address, and stop it at the end of the block. Raises Unavailable."""
    require()
    folder = tempfile.mkdtemp(prefix="shipper-docker-")  # short: the path of a socket is limited to 108 bytes
    try:
        yield run_script("start", folder)
    finally:
        run_script("stop", folder)


def run_script(what: str, folder: str, *options: str) -> str:
    """Run the script and return its output. Raises Unavailable with its error message."""
    done = subprocess.run([SCRIPT, what, folder, *options], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise Unavailable(f"cannot start a Docker engine: {done.stderr.strip()[-2000:]}")
    return done.stdout.strip()
