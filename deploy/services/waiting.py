"""Waiting for what another process has to do."""

import time
from collections.abc import Callable

LOOK_S = 0.02


def waited(condition: Callable[[], object], seconds: float) -> bool:
    """Wait for a condition, polling; True if it became true within the time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_S)
    return True
