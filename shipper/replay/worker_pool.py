"""Worker pool: processes that read and process segments; the results are returned in the order of the logs.

A process reads a segment, returns the start of the next one, and then processes its own, while another process reads
the next. No process stores anything, so that a killed one loses nothing that was committed.
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

from shipper.model.documents import Document, Documents
from shipper.replay.job import Job, ReadingFailed, tune_garbage_collection
from shipper.replay.segment import Processor, Segment, SegmentReader, Task
from shipper.system.errors import ShipperError
from shipper.system.logging_setup import configure_own_log

IDLE_S = 0.2
JOIN_S = 5.0
READ, DONE, FAILED = "read", "done", "failed"
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Document])


@dataclass(slots=True, eq=False)
class Worker:
    """A process and its present task."""

    process: BaseProcess
    connection: "Connection[Any, Any]"
    task: Task | None = None


class Pool:
    """`number` processes that work on `tasks`, the first task of each unit.

    A thread assigns tasks and collects results. It is at most `ahead` segments ahead of the consumer, which bounds the
    memory.
    """

    def __init__(self, job: Job, tasks: Iterable[Task], number: int) -> None:
        """Start the processes."""
        self._units = iter(tasks)
        self._ahead = 2 * number + 2
        self._ready: list[tuple[int, int, Task]] = []
        self._results: dict[tuple[int, int], tuple[Segment, bytes]] = {}
        self._last_number: dict[int, int] = {}
        """Number of the last segment of a unit, once known."""
        self._due = (0, 0)
        self._assigned = self._consumed = 0
        self._closing = False
        self._out: queue.SimpleQueue[tuple[Segment, bytes] | BaseException | None] = queue.SimpleQueue()
        self._wakes, self._wake = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        self._workers = [_start_worker(context, job, name) for name in range(number)]
        self._thread = Thread(target=self._run, name="replay-pool", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the processes, which store nothing."""
        self._closing = True
        for worker in self._workers:
            worker.process.kill()
        self._wake.send_bytes(b"-")
        self._thread.join()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()

    def segments(self) -> Iterator[Segment | None]:
        """Yield all segments in the order of the logs; None after `IDLE_S` without one. Raises ReadingFailed."""
        while True:
            try:
                result = self._out.get(timeout=IDLE_S)
            except queue.Empty:
                yield None
                continue
            if result is None:
                return
            if isinstance(result, BaseException):
                raise result
            self._wake.send_bytes(b"+")
            yield replace(result[0], documents=Documents.of(_decoder.decode(result[1])))

    # --- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._assign_tasks()
            while self._is_busy() and not self._closing:
                for ready in wait([self._wakes, *(worker.connection for worker in self._workers)]):
                    if ready is self._wakes:
                        self._consumed += self._wakes.recv_bytes() == b"+"
                    else:
                        self._receive(next(worker for worker in self._workers if worker.connection is ready))
                self._assign_tasks()
            self._out.put(None)
        except BaseException as error:  # noqa: BLE001 -- raised to the consumer of the segments
            self._out.put(error)

    def _is_busy(self) -> bool:
        return bool(self._ready) or any(worker.task is not None for worker in self._workers)

    def _assign_tasks(self) -> None:
        """Assign the earliest tasks to idle processes; the segment due next is assigned even beyond the limit."""
        for worker in self._workers:
            if worker.task is not None:
                continue
            if not self._ready and (unit := next(self._units, None)) is not None:
                heappush(self._ready, (unit.unit, unit.number, unit))
            if not self._ready:
                return
            if self._assigned - self._consumed >= self._ahead and self._ready[0][:2] != self._due:
                return
            worker.task = heappop(self._ready)[2]
            self._assigned += 1
            try:
                worker.connection.send(worker.task)
            except OSError:
                raise _process_failed(worker) from None

    def _receive(self, worker: Worker) -> None:
        """Process a message of a worker. Raises ReadingFailed if it failed or was killed."""
        try:
            kind, *payload = worker.connection.recv()
            documents = worker.connection.recv_bytes() if kind == DONE else b""
        except (EOFError, OSError):
            raise _process_failed(worker) from None
        task = worker.task
        assert task is not None  # noqa: S101 -- a process sends messages about its task only
        if kind == FAILED:
            raise ReadingFailed(*payload)
        if kind == DONE:
            worker.task = None
            self._results[task.unit, task.number] = (payload[0], documents)
            self._emit_due()
        elif payload[0] is None:
            self._last_number[task.unit] = task.number
        else:
            heappush(self._ready, (task.unit, task.number + 1, payload[0]))

    def _emit_due(self) -> None:
        """Return the result due next, and those that waited for it."""
        while (result := self._results.pop(self._due, None)) is not None:
            self._out.put(result)
            unit, number = self._due
            self._due = (unit + 1, 0) if self._last_number.get(unit) == number else (unit, number + 1)


def _start_worker(context: multiprocessing.context.SpawnContext, job: Job, name: int) -> Worker:
    parent, child = context.Pipe()
    process = context.Process(target=_work, args=(child, job), daemon=True, name=f"replay-{name}")
    process.start()
    child.close()
    return Worker(process, parent)


def _process_failed(worker: Worker) -> ReadingFailed:
    """Return the error of a process that has ended."""
    worker.process.join(JOIN_S)
    code = worker.process.exitcode
    how = f"was killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"ended with code {code}"
    at = "while idle" if worker.task is None else f"while reading {worker.task.start_point()}"
    hint = "run the same command again; if memory ran out, with fewer --workers"
    return ReadingFailed(f"replay process {worker.process.pid} {how} {at}", hint)


def _work(connection: "Connection[Any, Any]", job: Job) -> None:
    """Run a worker process. It ignores interrupts, which the parent handles, and ends with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure_own_log(job.settings.log_format, job.settings.log_level)
    tune_garbage_collection()
    try:
        processor = Processor(replace(job, settings=job.settings.model_copy(update={"threads": 1})))
        reader = SegmentReader(job, fast_chain=processor.fast_chain, pair_rules=processor.pair_rules)
        while True:
            reading = reader.read(connection.recv())
            connection.send((READ, reading.following))
            segment = processor.process(reading)
            connection.send((DONE, replace(segment, documents=Documents())))
            connection.send_bytes(_encoder.encode(list(segment.documents)))
    except ShipperError as error:
        connection.send((FAILED, error.what, error.hint))
    except (EOFError, ConnectionError):
        os._exit(1)  # the parent has ended, and nothing is stored here
