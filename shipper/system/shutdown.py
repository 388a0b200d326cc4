"""A stop request that a signal handler may set."""

import os
import select
from contextlib import suppress
from queue import Empty, SimpleQueue


class StopEvent:
    """Event that is safe to set in a signal handler.

    `threading.Event.set` deadlocks if the signal interrupts `wait` while it holds the lock.
    """

    def __init__(self) -> None:
        """Start without a stop request."""
        self._requested = False
        self._pipe: tuple[int, int] | None = None
        """Created by the first `wait_readable`; a byte in it ends the wait."""
        self._woken: SimpleQueue[None] = SimpleQueue()
        """Its `put` may interrupt its `get`: https://docs.python.org/3/library/queue.html#simplequeue-objects."""

    def set(self) -> None:
        """Request a stop, from any thread or signal handler."""
        self._requested = True
        self._woken.put(None)
        if self._pipe is not None:
            os.write(self._pipe[1], b"\0")

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

    def wait_readable(self, descriptor: int, timeout: float) -> bool:
        """Wait up to `timeout` seconds for a stop request or until `descriptor` is readable; return True if it is."""
        if self._pipe is None:
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[1], False)
        if self._requested:
            return False
        poller = select.poll()
        poller.register(self._pipe[0], select.POLLIN)
        poller.register(descriptor, select.POLLIN)
        return any(ready == descriptor for ready, _ in poller.poll(max(0.0, timeout) * 1000))

    def __del__(self) -> None:
        """Close the pipe."""
        for descriptor in self._pipe or ():
            os.close(descriptor)
