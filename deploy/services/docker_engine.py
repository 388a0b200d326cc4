"""A private Docker engine: for machines where none answers, and where this user may start one."""

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


@contextmanager
def private() -> Iterator[str]:
    """The address of an engine that is this process's alone and ends with the block. Raises Unavailable."""
    if os.geteuid() != 0:
        raise Unavailable("no Docker engine answers this user, and starting one needs root")
    if wanted := [package for program, package in PACKAGES.items() if shutil.which(program) is None]:
        install(*wanted)
    folder = tempfile.mkdtemp(prefix="shipper-docker-")  # short: the path of a socket has to fit 108 bytes
    try:
        yield asked("start", folder)
    finally:
        asked("stop", folder)


def asked(what: str, folder: str, *options: str) -> str:
    """Return the output of the script. Raises Unavailable with its complaint."""
    done = subprocess.run([SCRIPT, what, folder, *options], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise Unavailable(f"no Docker engine can be started: {done.stderr.strip()[-2000:]}")
    return done.stdout.strip()
