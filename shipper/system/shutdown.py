"""A wish to stop, as a signal handler can tell it."""

from contextlib import suppress
from queue import Empty, SimpleQueue


class Stopping:
    """Like `threading.Event`, whose `set` waits for ever where a signal interrupts `wait` while it holds its lock."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self._asked = False
        self._woken: SimpleQueue[None] = SimpleQueue()
        """Its `put` may interrupt its `get`: https://docs.python.org/3/library/queue.html#simplequeue-objects."""

    def set(self) -> None:
        """Ask for the end, from anywhere."""
        self._asked = True
        self._woken.put(None)

    def is_set(self) -> bool:
        """Whether somebody has asked."""
        return self._asked

    def wait(self, timeout: float) -> bool:
        """Whether somebody has asked, or asks within `timeout` (seconds)."""
        if not self._asked:
            with suppress(Empty):
                self._woken.get(timeout=timeout)
                self._woken.put(None)  # for whoever waits beside
        return self._asked
