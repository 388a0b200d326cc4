"""Servers as processes of ours: none outlives an interruption of who waits for it."""

import os
import sys
from pathlib import Path

import pytest

from deploy.services.processes import ServerProcess
from deploy.services.unavailable import Unavailable

FOREVER = [sys.executable, "-c", "import signal; signal.pause()"]


def test_ctrl_c_while_a_server_starts_ends_it(tmp_path: Path) -> None:
    """Nobody else knows of the process yet, so nobody else would end it."""
    server, seen = ServerProcess(tmp_path, "server"), []

    def interrupted() -> bool:
        seen.append(server.pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        server.start(FOREVER, interrupted)
    (pid,) = seen
    assert pid is not None
    assert server.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_ends_says_its_last_words(tmp_path: Path) -> None:
    """The end of its log is in the error."""
    server = ServerProcess(tmp_path, "server")
    with pytest.raises(Unavailable, match="no such port"):
        server.start([sys.executable, "-c", "raise SystemExit('no such port')"], lambda: False)


def test_a_server_that_never_answers_is_given_up_and_ended(tmp_path: Path) -> None:
    """After the seconds that it may take."""
    server = ServerProcess(tmp_path, "server")
    with pytest.raises(Unavailable, match="does not answer"):
        server.start(FOREVER, lambda: False, seconds=0.2)
    assert server.pid is None
