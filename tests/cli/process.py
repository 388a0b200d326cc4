"""The command line in a process of its own, without the half second that starting Python and importing takes.

A server that has imported every command forks a process a call, with its own folder, variables, streams and signals.
The agent that goes on running in the tests, and all tests over real servers, start in the ordinary way.
"""

import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from shipper.cli import COMMANDS, main

TIMEOUT = 60.0
"""Seconds a command may take."""

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload([__name__, *(f"shipper.cli.commands.{command}" for command in COMMANDS)])


def run(
    home: Path, arguments: Sequence[str], stdin: str | None, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder `home`, as in a pipe, with these variables and no other."""
    with tempfile.TemporaryDirectory() as streams:
        (Path(streams) / "0").write_text(stdin or "", encoding="utf-8")
        process = _FORKED.Process(target=_command, args=(home, arguments, dict(environ), Path(streams)))
        process.start()
        process.join(TIMEOUT)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(arguments), TIMEOUT)
        out, err = ((Path(streams) / number).read_text(encoding="utf-8") for number in "12")
        return subprocess.CompletedProcess(list(arguments), process.exitcode, out, err)


def _command(home: Path, arguments: Sequence[str], environ: dict[str, str], streams: Path) -> None:
    for number, mode in enumerate([os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT]):
        opened = os.open(streams / str(number), mode, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(number, mode, closefd=False), encoding="utf-8", line_buffering=number == 2)
        for number, mode in enumerate(["rb", "wb", "wb"])
    )
    os.chdir(home)
    os.environ.clear()
    os.environ.update(environ)
    try:
        main(list(arguments))
    finally:
        sys.stdout.flush()
