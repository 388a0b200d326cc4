"""Processes of the command: a new interpreter, or a fork of a server that has imported it.

Most agents are forked: a kill while Python starts and imports tests nothing.

"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.forked import Forked, Launch

ROOT = Path(__file__).parents[2]


class Process(Protocol):
    """Interface of both kinds of processes."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises subprocess.TimeoutExpired."""

    def kill(self) -> None:
        """Send SIGKILL."""

    def terminate(self) -> None:
        """Send SIGTERM."""


def start(arguments: Sequence[str], environment: Mapping[str, str], log: Path, *, fresh: bool) -> Process:
    """Start the command with its output in `log`; `fresh`: in a new interpreter."""
    environ = {**os.environ, **environment}
    if not fresh:
        return Forked(Launch(list(arguments), environ, ROOT, Path(os.devnull), log, log))
    ours = any(name.startswith("CHAOS_") for name in environment)
    program = [sys.executable, "-m", "tests.chaos.launcher" if ours else "shipper", *arguments]
    with log.open("ab") as out:
        return subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=ROOT, env=environ)
