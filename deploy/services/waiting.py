"""Waits for conditions in other processes."""

import time
from collections.abc import Callable

POLL_S = 0.02


def waited(condition: Callable[[], object], seconds: float) -> bool:
    """Poll a condition; True if it becomes true within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True
