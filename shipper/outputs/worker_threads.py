"""Workers: threads that send batches over a network.

They are daemon threads, unlike those of `concurrent.futures`, so that a stop never waits for a server that hangs.
"""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class Workers(Generic[Argument, Result]):
    """`number` threads that call `work` with each submitted task, in the order of submission."""

    def __init__(self, number: int, work: Callable[[Argument], Result], name: str) -> None:
        """Start the threads."""
        self._work = work
        self._queue: SimpleQueue[tuple[Argument, Future[Result]] | None] = SimpleQueue()
        self._threads = [Thread(target=self._run, name=f"{name}-{n}", daemon=True) for n in range(number)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Argument) -> Future[Result]:
        """Queue a task; the future receives the result or the error."""
        future: Future[Result] = Future()
        self._queue.put((task, future))
        return future

    def close(self, seconds: float) -> None:
        """Let the threads finish their current tasks, and wait at most `seconds` for them."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(seconds / len(self._threads))

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            argument, future = task
            try:
                future.set_result(self._work(argument))
            except BaseException as error:  # noqa: BLE001 -- passed on to the waiter
                future.set_exception(without_frames(error))
            del task, argument, future


def without_frames(error: BaseException) -> BaseException:
    """Strip the traceback frames of `error` and its causes, which would keep whole batches in memory."""
    links: list[object] = [error]
    while links:
        link = links.pop()
        if isinstance(link, BaseException) and link.__traceback__ is not None:
            link.__traceback__ = None
            links += [link.__cause__, link.__context__, *getattr(link, "errors", ())]
    return error
