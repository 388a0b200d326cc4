"""Segment: a part of the logs, read and processed, and the start of the next one.

Each segment is read as by an agent that was restarted from the checkpoint of the segment before: with partial lines and
stack traces, the ordinal of byte-identical neighbours, and the running digest of a plain file. So entries do not depend
on the segment borders, nor on the process that reads a segment.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from shipper.bootstrap import build_pipeline
from shipper.inputs.files.glob_scan import Folders
from shipper.inputs.files.handles import CompressedHandle
from shipper.inputs.files.incidents import Incidents
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.read_batch import ReadBatch
from shipper.inputs.files.tailer import Input, Tail, restore
from shipper.model.batch import Batch
from shipper.model.documents import Documents
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper.pipeline.service_bounds import ServiceBounds
from shipper.replay.discover import RUN_AGAIN, DiscoveredFolders, DiscoveredPaths, Problem, is_complete, unreadable
from shipper.replay.job import Job, ReplayLog
from shipper.replay.time_filter import Span, TimeFilteredPipeline
from shipper.state.checkpoint import SavedLog
from shipper_processors.assemble import Bounds
from shipper_processors.fast_path import KINDS as NATIVE_KINDS
from shipper_processors.fast_path import FastBatch, FastChain
from shipper_processors.request_pairs import PairRules
from shipper_processors.sanitize import printable
from shipper_schemas.entry import Entry
from shipper_schemas.metrics import Increment, SeriesKey

if TYPE_CHECKING:
    from shipper.metrics.openmetrics_history import History

POLL_S = 0.05
OPEN_LOGS = 8
MAX_SERIES = 10_000
"""Number of series after which a process drops its pipeline: without a limit, there may be as many as lines."""
UNBOUNDED = 1 << 62
DRY_RUN_KEY = b"nothing of a dry run is kept"


class Task(NamedTuple):
    """Start of a segment: a unit from its log number `at` on, each log from its checkpoint."""

    unit: int
    number: int
    """Number of the segment within its unit."""
    logs: tuple[ReplayLog, ...]
    saved: dict[str, SavedLog]
    """Checkpoints of the unit's logs, by path."""
    at: int = 0

    def start_point(self) -> str:
        """Return path and offset for messages."""
        path = self.logs[self.at].log.path
        saved = self.saved.get(path)
        return (
            path
            if saved is None or not saved.count_position.offset
            else f"{path} from byte {saved.count_position.offset:,}"
        )


@dataclass(slots=True)
class Segment:
    """Results of a segment. Counter labels are not bounded yet, since that depends on the segments before."""

    documents: Documents
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
    """Entries of a segment, read but not processed."""

    entries: list[tuple[Source, list[Entry | FastBatch]]] = field(default_factory=list)
    saved: list[SavedLog] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    bytes: int = 0
    following: Task | None = None
    """Start of the next segment; None at the end of the unit."""

    def add(self, batches: Iterable[ReadBatch], entries: list[Entry | FastBatch]) -> None:
        """Add the entries of batches of one log to its list `entries`."""
        for batch in batches:
            entries += batch.entries
            self.bytes += batch.bytes


@dataclass(slots=True)
class SegmentReader:
    """Reads segments of any logs; keeps the last few open, since compressed files can only be read forward."""

    job: Job
    wall_s: Callable[[], float] = time.time
    fast_chain: FastChain | None = None
    """Native path of the processor that processes these entries."""
    pair_rules: PairRules | None = None
    """The rules of requests of that processor."""
    _folders: Folders = field(default_factory=Folders)
    _open: OrderedDict[str, LogReader] = field(default_factory=OrderedDict)

    def read(self, task: Task) -> Reading:
        """Read about as many bytes as a segment has, log after log."""
        reading = Reading()
        saved = dict(task.saved)
        for at in range(task.at, len(task.logs)):
            replay_log = task.logs[at]
            try:
                reader = self._reader(replay_log, saved.pop(replay_log.log.path, None), reading.problems)
            except OSError as error:
                reading.problems.append(unreadable(error, replay_log.log.path))
                continue
            ended = self._read_log(replay_log, reader, reading)
            reading.saved.append(reader.checkpoint())
            if not ended:
                saved[reader.path] = reading.saved[-1]
                reading.following = task._replace(number=task.number + 1, saved=saved, at=at)
                break
            self.forget(reader.path)
        return reading

    def _read_log(self, replay_log: ReplayLog, reader: LogReader, reading: Reading) -> bool:
        """Read one log until the segment is full; return True if the log is finished."""
        entries: list[Entry | FastBatch] = []
        reading.entries.append((reader.source, entries))
        ended = True
        try:
            ended = self._read_segment(replay_log, reader, reading, entries)
        except OSError as error:
            reading.problems.append(unreadable(error, reader.path))
        reading.problems += _damaged(reader, ended=ended)
        reading.problems += _incidents(reader)
        return ended

    def _read_segment(
        self, replay_log: ReplayLog, reader: LogReader, reading: Reading, entries: list[Entry | FastBatch]
    ) -> bool:
        """Read until the segment is full, or to the end with the partial entries; return True if the log ended."""
        while reading.bytes < self.job.segment_bytes:
            now, before = time.monotonic(), reader.progress_token()
            if reader.poll(now):
                reading.add(reader.read(now, self._wall_ms()), entries)
            if reader.progress_token() != before:
                continue
            if reader.log.after(reader.count_cursor.key) is not None:  # the runtime may still write to the earlier file
                time.sleep(POLL_S)
            elif replay_log.log.complete or all(is_complete(file.path, self.wall_s()) for file in reader.log.files):
                reading.add(reader.read_to_end(), entries)
                return True
            elif not reader.count_cursor.assembler.has_waiting:
                return True
            else:
                time.sleep(POLL_S)
                reading.add(reader.overdue(now, self._wall_ms()), entries)
        return False

    def _wall_ms(self) -> int:
        return int(self.wall_s() * 1000)

    def _reader(self, replay_log: ReplayLog, saved: SavedLog | None, problems: list[Problem]) -> LogReader:
        """Return a reader at the checkpoint `saved`. Raises OSError."""
        path = replay_log.log.path
        reader = self._open.pop(path, None)
        if reader is None or saved is None or not _try_restore(reader, saved):
            if reader is not None:
                _close(reader)
            reader = self._new(replay_log, saved)
            reader.poll(time.monotonic())
            problems += _missing(replay_log, reader, saved)
        self._open[path] = reader
        while len(self._open) > OPEN_LOGS:
            _close(self._open.popitem(last=False)[1])
        return reader

    def _new(self, replay_log: ReplayLog, saved: SavedLog | None) -> LogReader:
        log, settings = replay_log.log, self.job.settings
        tail, join = settings.tail, settings.join
        chunk = self.job.chunk_bytes
        waits = {"rotate_wait": 0.0, "late_wait": 0.0, "join_wait": join.wait}
        limits = Limits(chunk_bytes=chunk, line_bytes=tail.max_line_bytes, **waits)
        bounds = Bounds(join.max_lines, join.max_bytes, tail.max_line_bytes, join.wait)
        source = Input(log.kind, DiscoveredPaths((log,)), lambda _path, _real: replay_log.origin)
        states = {} if saved is None else {log.path: saved}
        folders = DiscoveredFolders(log, self._folders)
        (reader,) = Tail(
            [source], bounds, limits, states, folders, fast_chain=self.fast_chain, pair_rules=self.pair_rules
        ).scan()
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


def _try_restore(reader: LogReader, saved: SavedLog) -> bool:
    """Set a reader to a checkpoint of another process and keep its files open; False if the files differ."""
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


def _missing(replay_log: ReplayLog, reader: LogReader, saved: SavedLog | None) -> Iterator[Problem]:
    """Yield a problem for files that were deleted before they were read."""
    where = printable(replay_log.log.path)
    present = {(file.fingerprint.device, file.fingerprint.inode) for file in reader.log.files}
    if saved is None:
        if number := len(replay_log.log.files - present):
            what = f"{number} of the {len(replay_log.log.files)} files of {where} were deleted before they were read"
            yield Problem(what, "find what removes or compresses them, and replay the files that it created")
        return
    kept = {file.key for file in reader.log.files}
    for row in saved.files:
        is_present = row.key in kept or (row.offset == 0 and (row.device, row.inode) in present)
        if row.key >= saved.count_position.file and not row.passed and not is_present:
            what = f"{printable(row.path)} was deleted or truncated before it was read to its end (byte {row.offset:,})"
            yield Problem(what, "find what removes or compresses it, and replay the file that it created")


def _damaged(reader: LogReader, *, ended: bool) -> Iterator[Problem]:
    """Yield a problem for each damaged compressed file that was read to its damage."""
    for file in reader.log.files:
        if (ended or file is not reader.count_cursor.file) and (damage := _damage(file)) is not None:
            at = f"after {file.fingerprint.offset:,} decompressed bytes"
            yield Problem(
                f"{printable(file.path)} is damaged {at}: {damage}",
                f"events before the damage are stored; replace the file with an intact copy, {RUN_AGAIN}",
            )


def _damage(file: LogFile) -> str | None:
    """Return and reset the damage of a file."""
    handle = file.handle
    if not isinstance(handle, CompressedHandle):
        return None
    damage, handle.damage = handle.damage, None
    return damage


def _incidents(reader: LogReader) -> Iterator[Problem]:
    """Yield a problem for files that were truncated or deleted while they were read."""
    incidents, reader.log.incidents = reader.log.incidents, Incidents()
    for number, what in ((incidents.truncations, "truncated"), (incidents.lost, "deleted before being read")):
        if number:
            files = "1 file was" if number == 1 else f"{number} files were"
            hint = "the unread lines are lost, unless a copy of the log contains them"
            yield Problem(f"{printable(reader.path)}: {files} {what}", hint)


class Processor:
    """Turns the entries of a segment into documents and counter increments."""

    def __init__(self, job: Job) -> None:
        """Build the pipeline. A dry run redacts with a fixed key, since nothing is stored."""
        self.job = job
        self._redactor = build_pipeline.redactor_of(job.settings, DRY_RUN_KEY if job.dry_run else None)
        self._history = build_pipeline.history_of(job.settings) if job.history else None
        self._pipeline, self._series = self._new_pipeline(), 0

    def _new_pipeline(self) -> Pipeline:
        counters = self.job.settings.counters.model_copy(update={"max_label_values": UNBOUNDED})
        settings = self.job.settings.model_copy(update={"counters": counters})
        counting, services = build_pipeline.counting_of(settings, ()), ServiceBounds(most=UNBOUNDED)
        pipeline = build_pipeline.pipeline_of(settings, counting, self._redactor, services)
        return replace(pipeline, skew=pipeline.skew.of_any_age())

    @property
    def pair_rules(self) -> PairRules:
        """The rules by which the two entries of one request are matched."""
        return self._pipeline.pair_rules

    def takes_native_path(self, logs: Iterable[ReplayLog]) -> bool:
        """Return True if threads of the native path process all logs, so that more processes are not faster."""
        return self.fast_chain is not None and all(log.log.kind in NATIVE_KINDS for log in logs)

    @cached_property
    def fast_chain(self) -> FastChain | None:
        """Native path of the first pipeline; None if events are filtered by time or recorded in a history."""
        if self._history is not None or self.job.span != Span():
            return None
        return build_pipeline.chain_of(self.job.settings, self._pipeline).native

    def process(self, reading: Reading) -> Segment:
        """Run all entries through the pipeline."""
        batch, history = Batch(), self._new_history()
        pipeline = self._filtered(history)
        for source, entries in reading.entries:
            pipeline.process(entries, source, batch, self.job.now_ms, count=True, ship=True)
        counted = batch.counted
        self._series += len(counted.sums) + len({increment[:2] for increment in counted.observations})
        if self._series > MAX_SERIES:
            self._pipeline, self._series = self._new_pipeline(), 0
        return Segment(
            Documents() if self.job.dry_run else batch.documents,
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

    def _filtered(self, history: "History | None") -> Pipeline:
        """Return the pipeline, with the time filter and the history if there are any."""
        pipeline, span = self._pipeline, self.job.span
        if history is None and span == Span():
            return pipeline
        steps = {name: getattr(pipeline, name) for name in pipeline.__dataclass_fields__}
        return TimeFilteredPipeline(**steps, span=span, history=history)
