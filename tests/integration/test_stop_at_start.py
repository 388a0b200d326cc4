"""A stop request at any moment of a start, as the first process of a container gets it from `docker stop`."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipper.state.store import State
from tests.waiting import until

TRIALS = int(os.environ.get("SHIPPER_TEST_TRIALS", "6"))
GRACE_S = 10.0
"""Seconds after which `docker stop` kills."""
pytestmark = [pytest.mark.integration, pytest.mark.timeout(60 + 15 * TRIALS)]
SHOWS_LOADED = """
import sys
import shipper.__main__ as entry
loaded = {name.partition(".")[0] for name in sys.modules}
sys.exit(str(loaded & {"click", "pydantic", "orjson", "structlog"}) if loaded & {"click", "pydantic"} else 0)
"""


@contextmanager
def first_process(*arguments: object) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a command as process 1 of its own namespace; yield the process around it, and its number outside."""
    around = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-m", "shipper", *map(str, arguments)],
        stderr=subprocess.DEVNULL,
    )
    children = Path(f"/proc/{around.pid}/task/{around.pid}/children")
    try:
        until(lambda: children.read_text().split())
        yield around, int(children.read_text().split()[0])
    finally:
        around.kill()
        around.wait()


def catches(process: int, number: int) -> bool:
    """Return True if a process handles a signal: the kernel discards it for process 1 before."""
    status = Path(f"/proc/{process}/status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1], 16)
    return bool(caught >> (number - 1) & 1)


def test_nothing_is_imported_before_stop_requests_are_handled() -> None:
    """What takes a second on a slow machine comes afterwards."""
    subprocess.run([sys.executable, "-c", SHOWS_LOADED], check=True)


@pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="run the tests as root: a namespace needs it"
)
def test_a_stop_request_at_any_moment_of_a_start_ends_the_first_process(tmp_path: Path) -> None:
    """It ends within the grace with exit code 0, and the next start finds a sound state."""
    dice = random.Random(os.environ.get("SHIPPER_TEST_SEED", "0"))
    state, logs = tmp_path / "state", tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text("INFO started\n" * 1000)
    options = (
        "--input",
        f"plain:{logs}/*.log",
        "--listen",
        "off",
        "--state-dir",
        state,
        "--output",
        f"local:{tmp_path}/o",
    )
    for trial in range(TRIALS):
        with first_process("run", *options) as (around, process):
            until(lambda: catches(process, signal.SIGTERM))
            time.sleep(dice.uniform(0, 2) if trial else 0)
            os.kill(process, signal.SIGTERM)
            assert around.wait(GRACE_S) == 0, f"trial {trial}"
    State(state).close()


@pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="run the tests as root: a namespace needs it"
)
def test_other_commands_end_by_the_signal(tmp_path: Path) -> None:
    """As process 1, with the exit code that a shell shows for it."""
    with first_process("tail", "--input", f"plain:{tmp_path}/*.log") as (around, process):
        until(lambda: catches(process, signal.SIGTERM))
        os.kill(process, signal.SIGTERM)
        assert around.wait(GRACE_S) == 128 + signal.SIGTERM
