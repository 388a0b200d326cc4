"""Servers as processes of ours: none outlives an interruption of who waits for it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from deploy.services import docker_engine
from deploy.services.processes import ServerProcess
from deploy.services.unavailable import Unavailable
from tests.integration.conftest import missing
from tests.waiting import until

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
    with pytest.raises(Unavailable, match="does not respond"):
        server.start(FOREVER, lambda: False, seconds=0.2)
    assert server.pid is None


@pytest.mark.integration
def test_an_engine_whose_start_is_interrupted_is_ended() -> None:
    """Before it has written its own pid file; its folder and what is mounted there go too."""
    try:
        docker_engine.require()
    except Unavailable as error:
        missing(str(error), "run the tests as root, where docker.io can be installed")
    folder = Path(tempfile.mkdtemp(prefix="shipper-docker-"))  # short, for the socket
    started = folder / "started.pid"
    with subprocess.Popen([docker_engine.SCRIPT, "start", str(folder)], stdout=subprocess.DEVNULL) as starting:
        until(lambda: started.exists() and bool(started.read_text().strip()))
        starting.kill()
    pid = int(started.read_text())
    docker_engine.run_script("stop", str(folder))
    assert not folder.exists()
    until(lambda: not Path(f"/proc/{pid}").exists())  # its parent is gone: init takes note of its end in its own time
