"""A wish to stop reaches whoever waits, wherever a signal interrupts the waiting."""

import sys
import threading
import time
from types import FrameType
from typing import Any

import pytest

from shipper.system.shutdown import Stopping


def wait_interrupted(stopping: Stopping, at: int, timeout: float) -> tuple[bool, int]:
    """What `wait` says where `stopping` is set by what interrupts it before instruction `at`; instructions it had."""
    done = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal done
        if frame.f_code is not Stopping.wait.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            done += 1
            if done == at:
                sys.settrace(None)
                stopping.set()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return stopping.wait(timeout), done
    finally:
        sys.settrace(before)


def test_a_signal_may_come_between_any_two_instructions() -> None:
    """`set` returns, and so does `wait`, at once; where it comes after the last look, the next look sees it."""
    _, instructions = wait_interrupted(Stopping(), -1, 0.0)
    assert instructions > 10
    for at in range(1, instructions + 1):
        stopping = Stopping()
        began = time.monotonic()
        wait_interrupted(stopping, at, 60.0 if at < instructions // 2 else 0.0)
        assert stopping.is_set()
        assert stopping.wait(60.0)
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("waiting", [1, 3])
def test_all_who_wait_are_woken(waiting: int) -> None:
    """Not one of them alone."""
    stopping, found = Stopping(), []
    threads = [threading.Thread(target=lambda: found.append(stopping.wait(60.0))) for _ in range(waiting)]
    for thread in threads:
        thread.start()
    stopping.set()
    for thread in threads:
        thread.join(30)
    assert found == [True] * waiting


def test_nobody_asked() -> None:
    """The time passes, and nothing is there."""
    assert not Stopping().wait(0.01)
