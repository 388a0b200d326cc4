"""A stop request that a signal handler may set."""

from contextlib import suppress
from queue import Empty, SimpleQueue


class StopEvent:
    """Event that is safe to set in a signal handler.

    `threading.Event.set` deadlocks if the signal interrupts `wait` while it holds the lock.
    """

    def __init__(self) -> None:
        """Start without a stop request."""
        self._requested = False
        self._woken: SimpleQueue[None] = SimpleQueue()
        """Its `put` may interrupt its `get`: https://docs.python.org/3/library/queue.html#simplequeue-objects."""

    def set(self) -> None:
        """Request a stop, from any thread or signal handler."""
        self._requested = True
        self._woken.put(None)

    def is_set(self) -> bool:
        """Return True once a stop is requested."""
        return self._requested

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for a stop request; return True if there is one."""
        if not self._requested:
            with suppress(Empty):
                self._woken.get(timeout=timeout)
                self._woken.put(None)  # for other waiting threads
        return self._requested
