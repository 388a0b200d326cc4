"""The command line as a process forked from a server that has imported it.

Starting Python and importing takes half a second, and up to some seconds on a busy machine. The forked process runs the
same `main` with the same arguments, variables, streams and signals, and ends with the server: nobody else would end it
if a test run is interrupted.
"""

import ctypes
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from shipper.cli import COMMANDS
from tests.chaos import launcher

PR_SET_PDEATHSIG = 1
"""From <sys/prctl.h>."""
_LOCK = threading.Lock()
"""Held around `waitpid`: two threads must not wait for one process, and a start waits for all ended ones."""
_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(
    [__name__, *launcher.LOADED, *(f"shipper.cli.commands.{command}" for command in COMMANDS)]
)


class Launch(NamedTuple):
    """A command: its arguments, all its variables, its folder, and the files of its streams."""

    arguments: list[str]
    environ: dict[str, str]
    folder: Path
    stdin: Path
    stdout: Path
    """Appended to."""
    stderr: Path
    """Appended to; may be the same file."""


class Forked:
    """A process forked from the server."""

    def __init__(self, launch: Launch) -> None:
        """Start it."""
        self._arguments = launch.arguments
        self._process = _FORKED.Process(target=_run, args=(launch,))
        with _LOCK:
            self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        with _LOCK:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises subprocess.TimeoutExpired."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self._arguments, timeout or 0.0)
            time.sleep(0.01)
        return code

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()


def completed(
    folder: Path, arguments: Sequence[str], stdin: str | None, environ: Mapping[str, str], streams: Path, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with its streams in files of a folder. Raises subprocess.TimeoutExpired."""
    paths = [streams / number for number in "012"]
    paths[0].write_text(stdin or "", encoding="utf-8")
    process = Forked(Launch(list(arguments), dict(environ), folder, *paths))
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    return subprocess.CompletedProcess(list(arguments), code, *(path.read_text(encoding="utf-8") for path in paths[1:]))


def _run(launch: Launch) -> None:
    """Become the command, in the forked process."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    appended = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    files = ((launch.stdin, os.O_RDONLY), (launch.stdout, appended), (launch.stderr, appended))
    for number, (path, flags) in enumerate(files):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(number, mode, closefd=False), encoding="utf-8", line_buffering=number == 2)
        for number, mode in enumerate(["rb", "wb", "wb"])
    )
    os.chdir(launch.folder)
    os.environ.clear()
    os.environ.update(launch.environ)
    sys.argv = ["shipper", *launch.arguments]
    try:
        launcher.main()
    finally:
        sys.stdout.flush()
