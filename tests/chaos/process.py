"""Processes of the command, started as people start it, or forked from one that has imported it.

Kills while Python starts and imports tell nothing, so most agents are forked.
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


def start(arguments: Sequence[str], environment: Mapping[str, str], log: Path, *, fresh: bool) -> Process:
    """The command with these arguments; its output goes to `log`; `fresh`: by an interpreter of its own."""
    environ = {**os.environ, **environment}
    if not fresh:
        return Forked(Launch(list(arguments), environ, ROOT, Path(os.devnull), log, log))
    ours = any(name.startswith("CHAOS_") for name in environment)
    program = [sys.executable, "-m", "tests.chaos.launcher" if ours else "shipper", *arguments]
    with log.open("ab") as out:
        return subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=ROOT, env=environ)
