"""Workers: threads that carry batches to an output behind a network.

They are daemons, unlike those of `concurrent.futures`, so that a stop never waits for a server that does not answer.
"""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


class Workers(Generic[Given, Made]):
    """`number` threads that each do `work` on what is submitted, in the order of submission."""

    def __init__(self, number: int, work: Callable[[Given], Made], name: str) -> None:
        """Start the threads."""
        self._work = work
        self._queue: SimpleQueue[tuple[Given, Future[Made]] | None] = SimpleQueue()
        self._threads = [Thread(target=self._run, name=f"{name}-{n}", daemon=True) for n in range(number)]
        for thread in self._threads:
            thread.start()

    def submit(self, given: Given) -> Future[Made]:
        """Hand over work; the result or the error comes in the future."""
        future: Future[Made] = Future()
        self._queue.put((given, future))
        return future

    def close(self, seconds: float) -> None:
        """Let the threads end after what they are at, and wait that long for them."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(seconds / len(self._threads))

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            given, future = task
            try:
                future.set_result(self._work(given))
            except BaseException as error:  # noqa: BLE001 -- whoever waits for the result is told
                future.set_exception(without_frames(error))
            del task, given, future


def without_frames(error: BaseException) -> BaseException:
    """`error` and what led to it, without the frames they passed: those would keep whole batches in memory."""
    links: list[object] = [error]
    while links:
        link = links.pop()
        if isinstance(link, BaseException) and link.__traceback__ is not None:
            link.__traceback__ = None
            links += [link.__cause__, link.__context__, *getattr(link, "errors", ())]
    return error
