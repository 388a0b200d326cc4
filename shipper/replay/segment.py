"""A stretch: a piece of the logs, read and processed, and where the next one begins.

Reading is what it is for an agent that is started anew for each stretch, with what the one before it had saved: open
partial lines and stack traces, the ordinal of byte-identical neighbours, the running digest of a plain file. So an
entry does not show where stretches end, and it does not matter who reads which.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from shipper.bootstrap import build_pipeline
from shipper.inputs.files.glob_scan import Folders
from shipper.inputs.files.handles import GzipHandle
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.read_batch import ReadBatch
from shipper.inputs.files.rotated_log import Incidents
from shipper.inputs.files.tailer import Input, Tail, restore
from shipper.model.batch import Batch
from shipper.model.documents import Document
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper.replay.discover import FOUND_AGAIN, GivenFolders, GivenPaths, Problem, complete, unreadable
from shipper.replay.job import Job, Located
from shipper.replay.time_filter import Selecting, Span
from shipper.state.checkpoint import SavedLog
from shipper_processors.assemble import Bounds
from shipper_processors.fast_path import FastBatch, FastChain
from shipper_processors.sanitize import printable
from shipper_schemas.entry import Entry
from shipper_schemas.metrics import Increment, SeriesKey

if TYPE_CHECKING:
    from shipper.metrics.openmetrics_history import History

POLL_S = 0.05
OPEN_LOGS = 8
MOST_SERIES = 10_000
"""How many series a process may have met before it forgets them: without a bound, they could be as many as lines."""
UNBOUNDED = 1 << 62
DRY_KEY = b"nothing of a dry run is kept"


class Task(NamedTuple):
    """What is to be read next: a unit from its log number `at` on, each log from where it was left."""

    unit: int
    number: int
    """Of the stretch within its unit."""
    logs: tuple[Located, ...]
    saved: dict[str, SavedLog]
    """Where logs of the unit were left, by path."""
    at: int = 0

    def whereabouts(self) -> str:
        """What this begins with, for people."""
        path = self.logs[self.at].log.path
        saved = self.saved.get(path)
        return path if saved is None or not saved.counted.offset else f"{path} from byte {saved.counted.offset:,}"


@dataclass(slots=True)
class Stretch:
    """What a stretch came to. Labels of counters are not bounded yet, since that depends on what came before."""

    documents: list[Document]
    indices: Counter[str]
    ended: dict[tuple[str, int], int]
    lines: int
    bytes: int
    sums: dict[SeriesKey, float]
    observations: list[Increment]
    saved: list[SavedLog]
    problems: list[Problem]
    history: "History | None" = None


@dataclass(slots=True)
class Reading:
    """What was read, before anyone looked at what it says."""

    entries: list[tuple[Source, list[Entry | FastBatch]]] = field(default_factory=list)
    saved: list[SavedLog] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    bytes: int = 0
    following: Task | None = None
    """What is to be read after it; None at the end of the unit."""

    def take(self, batches: Iterable[ReadBatch], entries: list[Entry | FastBatch]) -> None:
        """Add the entries of batches of one log to its `entries`."""
        for batch in batches:
            entries += batch.entries
            self.bytes += batch.bytes


@dataclass(slots=True)
class StretchReader:
    """Reads stretches of any logs; keeps the last few open, since a compressed one is only read forward."""

    job: Job
    wall_s: Callable[[], float] = time.time
    compiled: FastChain | None = None
    """Of the processor that takes what is read here."""
    _folders: Folders = field(default_factory=Folders)
    _open: OrderedDict[str, LogReader] = field(default_factory=OrderedDict)

    def read(self, task: Task) -> Reading:
        """Read about as much as the job has in a stretch, log after log."""
        found = Reading()
        saved = dict(task.saved)
        for at in range(task.at, len(task.logs)):
            located = task.logs[at]
            try:
                reader = self._reader(located, saved.pop(located.log.path, None), found.problems)
            except OSError as error:
                found.problems.append(unreadable(error, located.log.path))
                continue
            ended = self._take(located, reader, found)
            found.saved.append(reader.checkpoint())
            if not ended:
                saved[reader.path] = found.saved[-1]
                found.following = task._replace(number=task.number + 1, saved=saved, at=at)
                break
            self.forget(reader.path)
        return found

    def _take(self, located: Located, reader: LogReader, found: Reading) -> bool:
        """Read on in one log until the stretch is full. Whether the log is done with."""
        entries: list[Entry | FastBatch] = []
        found.entries.append((reader.source, entries))
        ended = True
        try:
            ended = self._read_on(located, reader, found, entries)
        except OSError as error:
            found.problems.append(unreadable(error, reader.path))
        found.problems += _damaged(reader, ended=ended)
        found.problems += _incidents(reader)
        return ended

    def _read_on(self, located: Located, reader: LogReader, reading: Reading, entries: list[Entry | FastBatch]) -> bool:
        """Read until the segment is full, or to the end with the partial entries; return True where the log ended."""
        while reading.bytes < self.job.stretch_bytes:
            now, before = time.monotonic(), reader.place()
            if reader.look(now):
                reading.take(reader.read(now, self._wall_ms()), entries)
            if reader.place() != before:
                continue
            if reader.log.after(reader.count_cursor.key) is not None:  # the runtime may still write to the earlier file
                time.sleep(POLL_S)
            elif located.log.whole or all(complete(file.path, self.wall_s()) for file in reader.log.files):
                reading.take(reader.last_words(), entries)
                return True
            elif not reader.count_cursor.assembler.waiting:
                return True
            else:
                time.sleep(POLL_S)
                reading.take(reader.overdue(now, self._wall_ms()), entries)
        return False

    def _wall_ms(self) -> int:
        return int(self.wall_s() * 1000)

    def _reader(self, located: Located, saved: SavedLog | None, problems: list[Problem]) -> LogReader:
        """A reader that stands where `saved` says. Raises OSError."""
        path = located.log.path
        reader = self._open.pop(path, None)
        if reader is None or saved is None or not _moved(reader, saved):
            if reader is not None:
                _close(reader)
            reader = self._new(located, saved)
            reader.look(time.monotonic())
            problems += _missing(located, reader, saved)
        self._open[path] = reader
        while len(self._open) > OPEN_LOGS:
            _close(self._open.popitem(last=False)[1])
        return reader

    def _new(self, located: Located, saved: SavedLog | None) -> LogReader:
        log, settings = located.log, self.job.settings
        tail, join = settings.tail, settings.join
        chunk = self.job.chunk_bytes
        limits = Limits(chunk_bytes=chunk, line_bytes=tail.max_line_bytes, rotate_wait=0.0, join_wait=join.wait)
        bounds = Bounds(join.max_lines, join.max_bytes, tail.max_line_bytes, join.wait)
        source = Input(log.kind, GivenPaths((log,)), lambda _path, _real: located.origin)
        states = {} if saved is None else {log.path: saved}
        folders = GivenFolders(log, self._folders)
        (reader,) = Tail([source], bounds, limits, states, folders, compiled=self.compiled).scan()
        return reader

    def forget(self, path: str) -> None:
        """Close a log."""
        if (reader := self._open.pop(path, None)) is not None:
            _close(reader)

    def close(self) -> None:
        """Close all logs."""
        for path in list(self._open):
            self.forget(path)


def _close(reader: LogReader) -> None:
    reader.log.close()


def _moved(reader: LogReader, saved: SavedLog) -> bool:
    """Let a reader go on where another process left, its files still open; False where it knows other files."""
    known = {file.key: file for file in reader.log.files}
    if not all(row.key in known or row.passed for row in saved.files) or saved.next_key != reader.log.next_key:
        return False
    restore(reader, saved)
    for file in reader.log.files:
        before = known.pop(file.key, None)
        if before is not None:
            file.rotated_at, file.verified = before.rotated_at, before.verified
            file.handle, before.handle = before.handle, None
        if file.passed:
            file.close()
    for gone in known.values():
        gone.close()
    return True


def _missing(located: Located, reader: LogReader, saved: SavedLog | None) -> Iterator[Problem]:
    """Files that were there to be read, and are not any more."""
    where = printable(located.log.path)
    here = {(file.identity.device, file.identity.inode) for file in reader.log.files}
    if saved is None:
        if number := len(located.log.files - here):
            what = f"{number} of the {len(located.log.files)} files of {where} went before they were read"
            yield Problem(what, "see what removes or compresses them, and replay what it made of them")
        return
    kept = {file.key for file in reader.log.files}
    for row in saved.files:
        there = row.key in kept or (row.offset == 0 and (row.device, row.inode) in here)
        if row.key >= saved.counted.file and not row.passed and not there:
            what = f"{printable(row.path)} went, or was cut short, before it was read to its end (byte {row.offset:,})"
            yield Problem(what, "see what removes or compresses it, and replay what it made of it")


def _damaged(reader: LogReader, *, ended: bool) -> Iterator[Problem]:
    """Compressed files that end in the middle, once they are done with."""
    for file in reader.log.files:
        if (ended or file is not reader.count_cursor.file) and (damage := _damage(file)) is not None:
            at = f"after {file.identity.offset:,} bytes of what it unpacks to"
            yield Problem(
                f"{printable(file.path)} is damaged {at}: {damage}",
                f"what comes before is stored; put a whole copy in its place, {FOUND_AGAIN}",
            )


def _damage(file: LogFile) -> str | None:
    """What was found of a file, once."""
    handle = file.handle
    if not isinstance(handle, GzipHandle):
        return None
    damage, handle.damage = handle.damage, None
    return damage


def _incidents(reader: LogReader) -> Iterator[Problem]:
    """What happened to files while they were read."""
    found, reader.log.incidents = reader.log.incidents, Incidents()
    for number, what in ((found.truncations, "cut short in place"), (found.lost, "gone before they were read")):
        if number:
            files = "a file of it was" if number == 1 else f"{number} files of it were"
            hint = "what stood there is in no file any more, unless a copy of it is"
            yield Problem(f"{printable(reader.path)}: {files} {what}", hint)


class Processor:
    """Makes of what was read what is to be stored and counted."""

    def __init__(self, job: Job) -> None:
        """Wire the steps. A dry run masks with any key, since nothing of it is kept."""
        self._job = job
        self._redactor = build_pipeline.redactor_of(job.settings, DRY_KEY if job.dry_run else None)
        self._history = build_pipeline.history_of(job.settings) if job.history else None
        self._pipeline, self._series = self._wired(), 0

    def _wired(self) -> Pipeline:
        counters = self._job.settings.counters.model_copy(update={"max_label_values": UNBOUNDED})
        settings = self._job.settings.model_copy(update={"counters": counters})
        pipeline = build_pipeline.pipeline_of(settings, build_pipeline.counting_of(settings, ()), self._redactor)
        return replace(pipeline, skew=pipeline.skew.of_any_age())

    @property
    def compiled(self) -> FastChain | None:
        """The same steps, compiled, where events are neither chosen nor noted one by one."""
        if self._history is not None or self._job.span != Span():
            return None
        return build_pipeline.compiled_of(self._job.settings, self._pipeline)

    def process(self, reading: Reading) -> Stretch:
        """Run all entries through the steps of the agent."""
        batch, history = Batch(), self._new_history()
        pipeline = self._selecting(history)
        for source, entries in reading.entries:
            pipeline.process(entries, source, batch, self._job.now_ms, count=True, ship=True)
        counted = batch.counted
        self._series += len(counted.sums) + len({found[:2] for found in counted.observations})
        if self._series > MOST_SERIES:
            self._pipeline, self._series = self._wired(), 0
        return Stretch(
            [] if self._job.dry_run else list(batch.documents),
            batch.documents.by_index(),
            batch.ended,
            batch.lines,
            reading.bytes,
            dict(counted.sums),
            counted.observations,
            reading.saved,
            reading.problems,
            history,
        )

    def _new_history(self) -> "History | None":
        if self._history is None:
            return None
        history = copy(self._history)
        history.added = {}
        return history

    def _selecting(self, history: "History | None") -> Pipeline:
        """The pipeline itself, where all events are taken."""
        plain, span = self._pipeline, self._job.span
        if history is None and span == Span():
            return plain
        steps = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
        return Selecting(**steps, span=span, history=history)
