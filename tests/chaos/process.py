"""Processes of the command, started as people start it, or forked from one that has imported it.

Starting Python and importing takes up to some seconds on a busy machine. Kills in that time tell nothing, so most
agents are forked; they run the same `main` with the same arguments, variables, descriptors and signals.
"""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.chaos import launcher

PR_SET_PDEATHSIG = 1
"""From <sys/prctl.h>."""
ROOT = Path(__file__).parents[2]
_LOCK = threading.Lock()
"""Two threads that ask after a process at once would both read its one status; a start asks after all of them."""
_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload([__name__, *launcher.LOADED])


class Process(Protocol):
    """What is asked of either."""

    pid: int

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The same, waited for. Raises subprocess.TimeoutExpired."""

    def kill(self) -> None:
        """SIGKILL."""

    def terminate(self) -> None:
        """SIGTERM."""


class Forked:
    """A process forked from the server."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Start it; its output goes to `log`."""
        self._arguments = arguments
        self._process = _FORKED.Process(target=command, args=(list(arguments), dict(environment), str(log)))
        with _LOCK:
            self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """See Process."""
        with _LOCK:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """See Process."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(list(self._arguments), timeout or 0.0)
            time.sleep(0.01)
        return code

    def kill(self) -> None:
        """See Process."""
        self._process.kill()

    def terminate(self) -> None:
        """See Process."""
        self._process.terminate()


def command(arguments: list[str], environment: dict[str, str], log: str) -> None:
    """In the forked process, which ends with the server: nobody else would end it where the harness is interrupted."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for number, opened in enumerate((null, out, out)):
        os.dup2(opened, number)
    os.environ.update(environment)
    sys.argv = ["shipper", *arguments]
    launcher.main()


def start(arguments: Sequence[str], environment: Mapping[str, str], log: Path, *, fresh: bool) -> Process:
    """The command with these arguments; `fresh`: by an interpreter of its own."""
    if not fresh:
        return Forked(arguments, environment, log)
    ours = any(name.startswith("CHAOS_") for name in environment)
    program = [sys.executable, "-m", "tests.chaos.launcher" if ours else "shipper", *arguments]
    with log.open("ab") as out:
        return subprocess.Popen(
            program, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=ROOT, env={**os.environ, **environment}
        )
