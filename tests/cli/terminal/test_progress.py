"""Progress: nothing for quick work, a spinner on a terminal, a line every few seconds elsewhere, never in results."""

import os
import pty
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from shipper.cli.terminal.progress import Count, working

SLOW = """
import sys, time
from shipper.cli.terminal.progress import working
with working("searching", soon=0.05, every=0.05) as count:
    for number in count(range(12345)):
        if number % 4000 == 0: time.sleep(0.1)
print("done")
"""


def test_quick_work_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Neither on a terminal nor elsewhere."""
    with working("searching") as count:
        assert list(count([1, 2])) == [1, 2]
    assert capfd.readouterr() == ("", "")


def test_without_a_terminal_lines_show_progress(capfd: pytest.CaptureFixture[str]) -> None:
    """On the standard error, also before the first result."""
    lines: list[str] = []
    with working("searching", every=0.01) as count:
        until = time.monotonic() + 20
        while len(lines) < 2:
            assert time.monotonic() < until
            lines += capfd.readouterr().err.splitlines()
            threading.Event().wait(0.01)
        list(count(range(1234)))
        while "1,234" not in lines[-1]:
            assert time.monotonic() < until
            lines += capfd.readouterr().err.splitlines()
            threading.Event().wait(0.01)
    assert lines[0].startswith("searching: nothing yet, ")
    assert lines[-1].startswith("searching: 1,234 entries, ")


def test_on_a_terminal_the_spinner_disappears_afterwards() -> None:
    """The standard output has only the result."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    out, _ = process.communicate(timeout=20)
    assert out == "done\n"
    assert b"searching" in shown
    assert b"entries" in shown
    assert shown.rstrip().endswith((b"\x1b[2K", b"\x1b[?25h"))


def test_an_error_ends_it() -> None:
    """No progress thread is left."""
    with pytest.raises(KeyError), working("searching", every=0.01):
        raise KeyError
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("progress")]


def test_a_count_is_empty_before_the_first_item() -> None:
    """Later it groups its digits."""
    count = Count("entries")
    assert str(count) == ""
    list(count(range(1500)))
    assert str(count) == "1,500 entries"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "--listen"], "querying the agent"),
        (["top", "--once", "--listen"], "querying the agent"),
        (["quarantine", "list", "--output"], "searching the quarantine"),
    ],
)
def test_waiting_for_a_server_shows_progress(arguments: list[str], said: str) -> None:
    """The user sees the reason for the wait."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        ours, theirs = pty.openpty()
        place = f"http://{address}" if "--output" in arguments else address
        command = [sys.executable, "-m", "shipper", *arguments, place]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # if it ends without output
            while said.encode() not in shown:
                shown += os.read(ours, 65536)
        process.kill()
        process.wait()
        os.close(ours)
    assert said.encode() in shown
