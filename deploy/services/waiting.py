"""Waiting for what another process has to do."""

import time
from collections.abc import Callable

LOOK_S = 0.02


def waited(condition: Callable[[], object], seconds: float) -> bool:
    """Whether a condition came true within the time; it is looked at again and again."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_S)
    return True
