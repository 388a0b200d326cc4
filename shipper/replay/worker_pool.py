"""A pool of processes that read and process stretches; what they make is given on in the order of the logs.

A process reads a stretch, hands back where the next one begins, and then processes what it read, while another reads
on. None of them keeps anything or writes anything: one that is killed has lost nothing that was committed.
"""

import multiprocessing
import os
import queue
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Thread
from types import TracebackType
from typing import Any, Self

import msgspec

from shipper.model.documents import Document
from shipper.replay.job import Job, ReadingFailed, collect_seldom
from shipper.replay.segment import Processor, Stretch, StretchReader, Task
from shipper.system.errors import ShipperError
from shipper.system.logging_setup import configure_own_log

LOOK_S = 0.2
JOIN_S = 5.0
HANDED, DONE, FAILED = "handed", "done", "failed"
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Document])


@dataclass(slots=True, eq=False)
class Worker:
    """One process, and what it is at."""

    process: BaseProcess
    connection: "Connection[Any, Any]"
    task: Task | None = None


class Pool:
    """`number` processes over the stretches of `tasks`, each the beginning of a unit.

    A thread gives out what is to be read next and takes what was made. It runs ahead of whoever takes the stretches,
    but not by more than `ahead`: that bounds the memory.
    """

    def __init__(self, job: Job, tasks: Iterable[Task], number: int) -> None:
        """Start the processes."""
        self._units = iter(tasks)
        self._ahead = 2 * number + 2
        self._ready: list[tuple[int, int, Task]] = []
        self._made: dict[tuple[int, int], tuple[Stretch, bytes]] = {}
        self._last: dict[int, int] = {}
        """Number of the last stretch of a unit, as soon as it is known."""
        self._due = (0, 0)
        self._given = self._taken = 0
        self._closing = False
        self._out: queue.SimpleQueue[tuple[Stretch, bytes] | BaseException | None] = queue.SimpleQueue()
        self._wakes, self._wake = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        self._workers = [_started(context, job, name) for name in range(number)]
        self._thread = Thread(target=self._serve, name="replay-pool", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, whatever they are at: they keep nothing."""
        self._closing = True
        for worker in self._workers:
            worker.process.kill()
        self._wake.send_bytes(b"-")
        self._thread.join()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()

    def stretches(self) -> Iterator[Stretch | None]:
        """All stretches in the order of the logs; None now and then while there is none. Raises ReadingFailed."""
        while True:
            try:
                found = self._out.get(timeout=LOOK_S)
            except queue.Empty:
                yield None
                continue
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            self._wake.send_bytes(b"+")
            yield replace(found[0], documents=_decoder.decode(found[1]))

    # --- the thread ---------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._give_out()
            while self._is_busy() and not self._closing:
                for ready in wait([self._wakes, *(worker.connection for worker in self._workers)]):
                    if ready is self._wakes:
                        self._taken += self._wakes.recv_bytes() == b"+"
                    else:
                        self._hear(next(worker for worker in self._workers if worker.connection is ready))
                self._give_out()
            self._out.put(None)
        except BaseException as error:  # noqa: BLE001 -- whoever takes the stretches is told
            self._out.put(error)

    def _is_busy(self) -> bool:
        return bool(self._ready) or any(worker.task is not None for worker in self._workers)

    def _give_out(self) -> None:
        """Give idle processes what comes earliest in the logs; what is due is given out even to a full house."""
        for worker in self._workers:
            if worker.task is not None:
                continue
            if not self._ready and (unit := next(self._units, None)) is not None:
                heappush(self._ready, (unit.unit, unit.number, unit))
            if not self._ready:
                return
            if self._given - self._taken >= self._ahead and self._ready[0][:2] != self._due:
                return
            worker.task = heappop(self._ready)[2]
            self._given += 1
            try:
                worker.connection.send(worker.task)
            except OSError:
                raise _killed(worker) from None

    def _hear(self, worker: Worker) -> None:
        """Take what a process says. Raises ReadingFailed where it failed or is gone."""
        try:
            kind, *said = worker.connection.recv()
            documents = worker.connection.recv_bytes() if kind == DONE else b""
        except (EOFError, OSError):
            raise _killed(worker) from None
        task = worker.task
        assert task is not None  # noqa: S101 -- a process speaks of what it was given
        if kind == FAILED:
            raise ReadingFailed(*said)
        if kind == DONE:
            worker.task = None
            self._made[task.unit, task.number] = (said[0], documents)
            self._pass_on()
        elif said[0] is None:
            self._last[task.unit] = task.number
        else:
            heappush(self._ready, (task.unit, task.number + 1, said[0]))

    def _pass_on(self) -> None:
        """Give on what is due, and what was waiting for it."""
        while (found := self._made.pop(self._due, None)) is not None:
            self._out.put(found)
            unit, number = self._due
            self._due = (unit + 1, 0) if self._last.get(unit) == number else (unit, number + 1)


def _started(context: multiprocessing.context.SpawnContext, job: Job, name: int) -> Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, job), daemon=True, name=f"replay-{name}")
    process.start()
    theirs.close()
    return Worker(process, ours)


def _killed(worker: Worker) -> ReadingFailed:
    """What is told of a process that is gone."""
    worker.process.join(JOIN_S)
    code = worker.process.exitcode
    how = f"was killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"ended with code {code}"
    at = "while it waited" if worker.task is None else f"while it was at {worker.task.whereabouts()}"
    hint = "run it again; where memory ran out, with fewer --workers"
    return ReadingFailed(f"process {worker.process.pid} of the replay {how} {at}", hint)


def _work(connection: "Connection[Any, Any]", job: Job) -> None:
    """One process: interrupts are the parent's to handle, and its end is the end of this one too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure_own_log(job.settings.log_format, job.settings.log_level)
    collect_seldom()
    try:
        processor = Processor(job)
        reader = StretchReader(job, compiled=processor.compiled)
        while True:
            reading = reader.read(connection.recv())
            connection.send((HANDED, reading.following))
            made = processor.process(reading)
            connection.send((DONE, replace(made, documents=[])))
            connection.send_bytes(_encoder.encode(made.documents))
    except ShipperError as error:
        connection.send((FAILED, error.what, error.hint))
    except (EOFError, ConnectionError):
        os._exit(1)  # whoever asked is gone, and nothing of this is kept
