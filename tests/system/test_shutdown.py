"""A stop request reaches every waiting thread, wherever a signal interrupts the wait."""

import sys
import threading
import time
from types import FrameType
from typing import Any

import pytest

from shipper.system.shutdown import StopEvent


def wait_interrupted(stopping: StopEvent, at: int, timeout: float) -> tuple[bool, int]:
    """Return the result of `wait` where `stopping` is set before instruction `at`, and the number of instructions."""
    done = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal done
        if frame.f_code is not StopEvent.wait.__code__:
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
    """`set` and `wait` return immediately; a signal after the last check is seen by the next one."""
    _, instructions = wait_interrupted(StopEvent(), -1, 0.0)
    assert instructions > 10
    for at in range(1, instructions + 1):
        stopping = StopEvent()
        began = time.monotonic()
        wait_interrupted(stopping, at, 60.0 if at < instructions // 2 else 0.0)
        assert stopping.is_set()
        assert stopping.wait(60.0)
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("waiting", [1, 3])
def test_all_waiting_threads_are_woken(waiting: int) -> None:
    """All of them, not only one."""
    stopping, results = StopEvent(), []
    threads = [threading.Thread(target=lambda: results.append(stopping.wait(60.0))) for _ in range(waiting)]
    for thread in threads:
        thread.start()
    stopping.set()
    for thread in threads:
        thread.join(30)
    assert results == [True] * waiting


def test_without_a_request_the_wait_times_out() -> None:
    """It returns False."""
    assert not StopEvent().wait(0.01)
