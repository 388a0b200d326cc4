"""Tail: all logs that match the globs of the inputs, each with its checkpoint, read in turn."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, NamedTuple, Protocol

import msgspec

from shipper.inputs.files.attention import SAFETY_S, Attention
from shipper.inputs.files.cursor import Cursor
from shipper.inputs.files.envelope_check import RUNTIMES, Envelopes
from shipper.inputs.files.fingerprint import Fingerprint
from shipper.inputs.files.glob_scan import Folders
from shipper.inputs.files.incidents import Incidents
from shipper.inputs.files.late_lines import new_late_reader
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.moved_files import KnownFile, KnownLog, KnownLogs
from shipper.inputs.files.pod_metadata import PodMetadata
from shipper.inputs.files.rotated_log import Claims, LogFiles
from shipper.model.source import Source
from shipper.state.checkpoint import SavedFile, SavedLog, late_path, late_paths_of, split_late_path
from shipper.state.spool import Spool
from shipper.system.boot import boot_id
from shipper.system.errors import StateError
from shipper.system.own_log import own_log
from shipper_processors.assemble import ASSEMBLERS, Assembler, Bounds
from shipper_processors.envelope import without_surrogates
from shipper_processors.fast_path import FastChain, FastLog
from shipper_processors.request_pairs import PairRules, RequestPairs
from shipper_processors.sanitize import printable
from shipper_schemas.entry import Origin


class Paths(Protocol):
    """Source of the paths of an input's logs."""

    def paths(self) -> Iterator[str]:
        """Yield the present live paths of the logs."""

    def look_in(self, folders: Folders) -> None:
        """List folders through `folders` from now on."""

    def folders(self) -> Iterable[str]:
        """Return the folders in which the last call of `paths` looked."""

    def concerns(self, folder: str, name: str) -> bool:
        """Return True if a new name in one of the folders may lead to a log."""

    def matches(self, path: str) -> bool:
        """Return True if a log may be at this path, whatever is there now."""


DEPARTED = 1000
"""Most deleted logs whose checkpoint is kept, in case that they were moved."""
CLAIMS = 1000
"""Files of logs that are no longer followed, beyond which these are dropped."""
OriginOf = Callable[[str, str], Origin]
"""Function from the path of a log in the glob and its real path to its provenance."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input: its type, its paths, and the start position of logs that are new to the state."""

    kind: str
    scanner: Paths
    origin: OriginOf
    from_end: bool = False
    other_origin: OriginOf | None = None
    """As `origin`, for a log of the other container runtime."""
    is_described: Callable[[str], bool] = lambda _real: True
    """False while a new log, by its real path, waits for its metadata."""
    signature: Callable[[str], object] = lambda _real: None
    """A value that changes with the file that describes a log, by its real path; None without such a file."""

    def origin_of(self, kind: str, path: str, real: str) -> Origin:
        """Return the provenance of a log that is read as `kind`."""
        other = self.other_origin if kind != self.kind else None
        origin = (other or self.origin)(path, real)
        return origin if path == real else replace(origin, link=without_surrogates(path))


class NewPath(NamedTuple):
    """A path that is not in the state: the input, the path in its glob, and the real path."""

    source: Input
    path: str
    real: str


@dataclass(slots=True)
class NewAssembler:
    """Creates the assemblers of a log; smaller than a closure, and there is one for each log."""

    assembler: Callable[..., Assembler]
    origin: Origin
    bounds: Bounds
    fast_log: FastLog | None
    rules: PairRules | None

    def __call__(self) -> Assembler:
        """Return a new assembler."""
        return self.assembler(self.origin.source, self.bounds, self.fast_log, self._pairs())

    def apply_rules(self, assembler: Assembler) -> None:
        """Let an assembler of the log go on with the native path and the rules of new ones."""
        assembler.use_rules(self.fast_log, self._pairs())

    def _pairs(self) -> RequestPairs | None:
        return self.rules.of_log(self.origin) if self.rules else None


@dataclass(slots=True)
class Tail:
    """Follows the logs of `inputs`. Times are monotonic seconds; no method blocks."""

    inputs: list[Input]
    bounds: Bounds
    limits: Limits
    saved: dict[str, SavedLog]
    folders: Folders = field(default_factory=Folders)
    max_open: int = 1 << 20
    fast_chain: FastChain | None = None
    """Native path for runs of ordinary lines, if the extension is installed."""
    pair_rules: PairRules | None = None
    """Matches the two entries of one request, for the counters; None where nothing is counted."""
    logs: dict[str, LogReader] = field(default_factory=dict)
    unreadable: dict[str, OSError] = field(default_factory=dict)
    spool: Spool | None = None
    """Where the unshipped rest of deleted files is kept."""
    pods: PodMetadata | None = None
    """Labels of pods for the inputs; ends with the tail."""
    described: dict[str, tuple[Input, str, object]] = field(default_factory=dict)
    """By real path of a log with a describing file: its input, its path in the glob, and the file's signature."""
    renamed: list[LogReader] = field(default_factory=list)
    """Logs whose provenance has changed since the list was last emptied."""
    scanned: bool = False
    boot: bytes = field(default_factory=boot_id)
    """Identity of the machine's present start."""
    envelopes: Envelopes = field(default_factory=Envelopes)
    attention: Attention = field(default_factory=Attention)
    _seen: dict[str, str] = field(default_factory=dict)
    """Real path by path in a glob."""
    _resume_at: str | None = None
    """Log at which the last round was interrupted; None if it was finished."""
    _known: KnownLogs | None = None
    """Logs that were known when a scan found a new one."""
    moving: dict[str, "NewPath"] = field(default_factory=dict)
    """New paths of followed logs that are not read until they are followed there, by their old paths."""
    left: set[str] = field(default_factory=set)
    """Old paths of logs that moved, which the next commit removes from the state."""
    _departed: dict[str, SavedLog] = field(default_factory=dict)
    """The last checkpoints of deleted logs, which may have been moved to a path that is not scanned yet."""
    _incidents: Incidents = field(default_factory=Incidents)
    """Those of all logs."""
    _claims: Claims = field(default_factory=dict)
    """Logs by the device and inode of their files: a file is read by one log."""
    _postponed: bool = False
    """True if the last scan left a log to the next one."""

    def scan(self) -> list[LogReader]:
        """Start to follow new logs and return them; deleted logs are released once they are read."""
        before, self._known, self._postponed = set(self.logs), None, False
        unknown: list[NewPath] = []
        links: list[NewPath] = []
        if len(self._seen) > len(before):
            self._seen = {path: real for path, real in self._seen.items() if real in before}
        for source in self.inputs:
            for path in source.scanner.paths():
                if not self._is_same_log(path, seen := self._seen.get(path)):
                    real = os.path.realpath(path)
                    path, real = (real, real) if path == real else (path, real)  # one text for both  # noqa: PLW2901
                    self._seen[path] = real
                    if real in self.logs:
                        continue
                    if not self._may_follow(source, real):
                        self._postponed = True
                    elif real in self.saved:
                        self._add(self._follow(source, path, real))
                    else:  # one that was a link to another file is one again
                        (unknown if seen is None else links).append(NewPath(source, path, real))
        for new in (*self._known_names_first(unknown), *links):
            self._follow_unknown(new)
        if not self.scanned:
            self._follow_gone()
        self.scanned = True
        return [reader for path, reader in self.logs.items() if path not in before]

    def _known_names_first(self, unknown: list["NewPath"]) -> list["NewPath"]:
        """Return new paths, those first that have the name of a known log: a log that moved before a link beside it."""
        if len(unknown) < 2 or not (self.saved or self.logs):  # noqa: PLR2004
            return unknown
        names = {os.path.basename(path) for path in (*self.saved, *self.logs)}
        return sorted(unknown, key=lambda new: os.path.basename(new.real) not in names)

    def _may_follow(self, source: Input, real: str) -> bool:
        """Return False while a new log waits for its metadata, so that none of its entries counts without."""
        return not self.scanned or real in self.saved or source.is_described(real)

    def _is_same_log(self, path: str, known: str | None) -> bool:
        """Return True if a path still leads to the same log; a symbolic link in it may have changed."""
        if known not in self.logs:
            return False
        if known == path:
            return True  # also a link by now: the log reads what it leads to
        try:
            return os.path.samefile(path, known)
        except OSError:
            return False

    def _follow(self, source: Input, path: str, real: str) -> LogReader:
        self._note_description(source, path, real)
        saved = self.saved.pop(real, None)
        if saved is not None:
            kind = saved.kind if {saved.kind, source.kind} <= set(RUNTIMES) else source.kind
            origin = source.origin_of(kind, path, real)
            if saved.kind == kind:
                origin = _with_known_labels(origin, _origin(saved))
            self.envelopes.compare(source.kind, real)
            reader = self._reader(real, kind, origin)
            restore(reader, saved)
            return reader
        kind = self.envelopes.compare(source.kind, real)
        origin, known = source.origin_of(kind, path, real), self._known_logs()
        if source.kind == "plain":
            origin = replace(origin, source=known.identity(origin.source))
        known.add(real, origin.source)
        reader = self._reader(real, kind, origin)
        if source.from_end and not self.scanned:
            self._start_at_end(reader)
        return reader

    def _follow_unknown(self, new: "NewPath") -> None:
        """Follow a path that is not in the state: a log that moved there, or a new one; no other name of a file."""
        if new.real in self.logs or any(new.real == moving.real for moving in self.moving.values()):
            return
        known = self._known_logs()
        other = known.same_file(new.real)
        if other is not None and other in self.logs:
            self._seen[new.path] = other
            return
        old = other or known.moved_to(new.real, self._paths_of)
        if old in self.logs:
            self.moving[old] = new
            for reader in self.readers_of(old):
                reader.moving = True
            self.attention.wake(old)
            return
        saved = self.saved.pop(old, None) or self._departed.pop(old, None) if old is not None else None
        if saved is not None:
            self._move(saved, new)
        self._add_moved(new)

    def _add_moved(self, new: "NewPath") -> list[LogReader]:
        """Follow a log at its new path, with the late lines of its rotated files."""
        reader = self._follow(*new)
        self._add(reader)
        self._known_logs().add(reader.path, reader.source.origin.source)  # other names of it may follow in this scan
        late = late_paths_of(reader.path, self.saved)
        for path, key in late.items():
            self._follow_late(path, reader.path, key)
        return [reader, *(self.logs[path] for path in late if path in self.logs)]

    def _move(self, saved: SavedLog, new: "NewPath") -> None:
        """Save a log under its new path; the next commit removes the old one from the state."""
        self.saved[new.real] = replace(saved, path=new.real)
        self._move_spooled(saved, new.real)
        self.left.add(saved.path)
        for path, key in late_paths_of(saved.path, self.saved).items():
            late, moved = self.saved.pop(path), late_path(new.real, key)
            self.saved[moved] = replace(late, path=moved)
            self._move_spooled(late, moved)
            self.left.add(path)
        own_log("shipper.inputs").info("log_moved", old=printable(saved.path), path=printable(new.real))

    def _move_spooled(self, saved: SavedLog, path: str) -> None:
        if self.spool is not None:
            for row in saved.files:
                self.spool.move((saved.path, row.key), (path, row.key))

    def readers_of(self, path: str) -> list[LogReader]:
        """Return the readers of a log: of its late lines, and its own as the last one."""
        return [*(self.logs[late] for late in late_paths_of(path, self.logs)), self.logs[path]]

    def follow_moved(self, path: str) -> list[LogReader]:
        """Follow a log in `moving` at its new path; to be called with none of its entries in flight."""
        new = self.moving.pop(path)
        for reader in self.readers_of(path):
            self.saved[reader.path] = reader.checkpoint()
            self._release(reader)
        self._move(self.saved.pop(path), new)
        return self._add_moved(new)

    def _paths_of(self, real: str) -> list[str]:
        """Return the path of a new log and those of its rotated files, the newest first."""
        try:
            return [real, *reversed([path for path in LogFiles(real, self.folders).paths() if path != real])]
        except OSError:
            return [real]

    def _known_logs(self) -> KnownLogs:
        if self._known is None:
            self._known = KnownLogs([*self._followed_logs(), *self._saved_logs()])
            for path, reader in self.logs.items():  # a live file that was replaced since is not known yet
                self._known.add(path, reader.source.origin.source)
        return self._known

    def _followed_logs(self) -> Iterator[KnownLog]:
        for path, reader in self.logs.items():
            if split_late_path(path) is not None:
                continue
            files, source = reader.log.files, reader.source.origin.source
            read = [file.fingerprint for file in files if file.fingerprint.offset]
            newest = read[-1] if read else Fingerprint(0, 0)
            known = [KnownFile(file.path, file.fingerprint.inode) for file in files if not file.gone]
            prefix = (newest.prefix_size, newest.prefix_hash)
            yield KnownLog(path, reader.kind, source, known, prefix, partial(_itself, newest))

    def _saved_logs(self) -> Iterator[KnownLog]:
        for path, saved in (*self.saved.items(), *self._departed.items()):
            read = [file for file in saved.files if file.offset]
            if read and split_late_path(path) is None:
                newest = read[-1]
                known = [KnownFile(file.path, file.inode) for file in saved.files]
                prefix = (newest.prefix_size, newest.prefix_hash)
                yield KnownLog(
                    path, saved.kind, _origin(saved).source, known, prefix, partial(_restored, saved, newest)
                )

    def follow(self, inputs: list[Input]) -> None:
        """Replace the inputs; to be called with no batch in flight.

        A log that no input matches keeps its checkpoint, and resumes there if it is matched again. A log whose file is
        deleted is read to its end. The settings of an input also apply to logs that are followed already.
        """
        for source in inputs:
            source.scanner.look_in(self.folders)
        named = self.named(inputs)
        for path, reader in sorted(self.logs.items(), reverse=True):  # late lines before their log
            log = split_late_path(path)
            at = path if log is None else log[0]
            if at in named:
                if log is None:
                    self._note_description(named[path][0], named[path][1], path)
                    self._describe(reader, *named[path])
            elif os.path.exists(at):
                self.saved[path] = reader.checkpoint()
                self.forget(reader)
        self.inputs, self._seen, self.scanned = inputs, {}, False
        self.attention.all_again(self.logs)

    @staticmethod
    def named(inputs: list[Input]) -> dict[str, tuple[Input, str]]:
        """Return the present logs of `inputs`: real path to the first input that matches, and the path in its glob."""
        logs: dict[str, tuple[Input, str]] = {}
        for source in inputs:
            for path in source.scanner.paths():
                logs.setdefault(os.path.realpath(path), (source, path))
        return logs

    @staticmethod
    def _describe(reader: LogReader, source: Input, path: str) -> None:
        """Update the provenance of a log; a removed container, whose metadata is deleted, keeps its name.

        The identity of the log stays as it was first seen.
        """
        known = reader.source.origin
        origin = _with_known_labels(source.origin_of(reader.kind, path, reader.path), known)
        if origin != known and (origin.container_name or not known.container_name):
            reader.source = Source.of(origin)

    def _note_description(self, source: Input, path: str, real: str) -> None:
        """Note the file that describes a log, as it is before it is read."""
        if (signature := source.signature(real)) is not None:
            self.described[real] = (source, path, signature)

    def _update_description(self, reader: LogReader) -> None:
        """Read the file that describes a log again if it has changed, as by `docker rename`, before its next lines."""
        if (known := self.described.get(reader.path)) is None:
            return
        source, path, before = known
        signature = source.signature(reader.path)
        if signature is None or signature == before:
            return
        self.described[reader.path] = (source, path, signature)
        provenance = reader.source
        self._describe(reader, source, path)
        if reader.source is not provenance:
            self._use_rules(reader)
            self.renamed.append(reader)

    def _follow_gone(self) -> None:
        """Follow saved logs that no glob leads to any more: their files are deleted, or their link leads elsewhere."""
        late = {path: of for path in self.saved if (of := split_late_path(path)) is not None}
        for path, saved in list(self.saved.items()):
            if path in late:
                continue
            origin = _origin(saved)
            if not os.path.exists(path) or self._was_linked(origin):
                reader = self._reader(path, saved.kind, origin)
                restore(reader, saved)
                self._add(reader)
                del self.saved[path]
        for path, (log, key) in late.items():
            self._follow_late(path, log, key)

    def _was_linked(self, origin: Origin) -> bool:
        """Return True if an input still has the link that led to a log before."""
        link = origin.link
        return link is not None and any(source.scanner.matches(link) for source in self.inputs)

    def _follow_late(self, path: str, log: str, key: int) -> None:
        """Resume reading late lines, if their log is followed."""
        parent = self.logs.get(log)
        file = None if parent is None else next((file for file in parent.log.files if file.key == key), None)
        if parent is None or path not in self.saved:
            return
        saved = self.saved[path]
        with _readable(saved):
            if file is None:  # the log needs it no more, and it is deleted
                file = LogFile.restored(saved.files[0]) if saved.files else LogFile(key, Fingerprint(0, 0), log)
                file.gone = file.passed = True
            self._add(new_late_reader(parent, file, saved=self.saved.pop(path)))

    def _add(self, reader: LogReader) -> None:
        self.logs[reader.path] = reader
        self.attention.add(reader)

    def _reader(self, path: str, kind: str, origin: Origin) -> LogReader:
        source = Source.of(origin)
        new_assembler = self._new_assembler(kind, source)
        if len(self._claims) > CLAIMS + 4 * len(self.logs):
            self._claims = {claim: log for claim, log in self._claims.items() if log.files}
        claims, incidents = self._claims, self._incidents
        log = LogFiles(path, self.folders, incidents=incidents, kind=kind, claims=claims, spool=self.spool)
        cursor = Cursor(log, None, 0, new_assembler())
        return LogReader(path, kind, source, new_assembler, self.limits, log, cursor, self.attention, boot=self.boot)

    def _new_assembler(self, kind: str, source: Source) -> NewAssembler:
        """Return the function that creates assemblers of a log."""
        assembler, origin = ASSEMBLERS[kind], source.origin  # type: ignore[index]
        fast_log = self.fast_chain.of_log(kind, origin, source.renderer) if self.fast_chain else None
        return NewAssembler(assembler, origin, self.bounds, fast_log, self.pair_rules)

    def use_rules(self, fast_chain: FastChain | None, pair_rules: PairRules | None) -> None:
        """Replace the native path and the rules of requests, also for logs that are followed already."""
        self.fast_chain, self.pair_rules = fast_chain, pair_rules
        for reader in self.logs.values():
            self._use_rules(reader)

    def _use_rules(self, reader: LogReader) -> None:
        """Let a log go on with the present rules, native path and provenance."""
        reader.new_assembler = new_assembler = self._new_assembler(reader.kind, reader.source)
        for cursor in filter(None, (reader.count_cursor, reader.ship_cursor)):
            new_assembler.apply_rules(cursor.assembler)

    @property
    def reads_ahead(self) -> int:
        """Number of reads that keep the threads of the native path busy while one is processed; 0 without threads."""
        threads = None if self.fast_chain is None else self.fast_chain.threads
        return 0 if threads is None else threads.number

    def _start_at_end(self, reader: LogReader) -> None:
        try:
            reader.poll(0.0)
            reader.start_at_end()
        except OSError as error:
            self.unreadable[reader.path] = error

    def ready(self, now: float) -> Iterator[LogReader]:
        """Poll each log that may have changed, and yield those that may have new data.

        An interrupted round resumes at the same log, so that busy logs do not starve the others.
        """
        readers = self.attention.due(self.logs, now)
        resume_at, opened = self._resume_at, False
        first = 0 if resume_at is None else next((n for n, reader in enumerate(readers) if reader.path == resume_at), 0)
        try:
            for reader in (*readers[first:], *readers[:first]):
                self._resume_at = reader.path
                try:
                    has_data = reader.poll(now)
                except OSError as error:
                    self.unreadable[reader.path] = error
                    self.attention.failed(reader)
                    continue
                for late in self._late_readers(reader, now):
                    opened = True
                    yield late
                if has_data:
                    opened = True
                    self.unreadable.pop(reader.path, None)
                    self.attention.has_data(reader)
                    self._update_description(reader)
                    yield reader
                elif reader.is_quiet():
                    self.attention.is_quiet(reader)
            self._resume_at = None
        finally:
            if opened:
                self._spare_descriptors()

    def _late_readers(self, reader: LogReader, now: float) -> Iterator[LogReader]:
        """Follow the rotated files of a log that have grown, and yield those with late lines."""
        for file in reader.take_grown():
            late = new_late_reader(reader, file)
            self._add(late)
            if late.poll(now):
                yield late

    def follow_grown(self, now: float) -> dict[str, LogReader]:
        """Look for late lines in all rotated files now, and return the new readers of those that have some."""
        late: dict[str, LogReader] = {}
        for reader in list(self.logs.values()):
            with suppress(OSError):
                reader.check_rotated(now)
                late |= {new.path: new for new in self._late_readers(reader, now)}
        return late

    def waiting(self) -> list[LogReader]:
        """Return the logs whose partial entries wait for a continuation."""
        return [reader for reader in self._active() if reader.count_cursor.assembler.has_waiting]

    def _active(self) -> Collection[LogReader]:
        """Return the logs that may change by themselves: all but those that are quiet."""
        return self.attention.active(self.logs)

    def scan_is_due(self) -> bool:
        """Take the changes that were reported, and return True if there may be new logs."""
        changes = self.attention.take_changes(self.logs)
        if changes is None:
            return False
        if changes.everything:
            self.folders.changed_everywhere()
        for folder in (*changes.renamed, *changes.ended):
            self.folders.changed(folder)
        scanners = [source.scanner for source in self.inputs]
        return changes.everything or any(
            scanner.concerns(folder, name) for folder, name in changes.appeared for scanner in scanners
        )

    def scan_interval(self, interval: float) -> float:
        """Return the seconds to the next scan: `interval`, or longer where new names are reported."""
        folders = (folder for source in self.inputs for folder in source.scanner.folders())
        if self._postponed:
            return interval
        return max(interval, SAFETY_S) if self.attention.reports_all(folders) else interval

    def _spare_descriptors(self) -> None:
        """Close the files that were idle the longest if too many are open, except those that cannot be opened again."""
        if len(self.logs) <= self.max_open:
            return
        opened = [reader for reader in self.logs.values() if any(file.handle for file in reader.log.files)]
        for reader in sorted(opened, key=lambda reader: reader.read_at)[: max(0, len(opened) - self.max_open)]:
            for file in reader.log.files:
                if not file.gone:
                    file.close()

    def removed(self, now: float) -> list[LogReader]:
        """Return the logs whose files are deleted and read; call `forget` once their rest is processed."""
        return [reader for reader in self._active() if not reader.moving and reader.finished(now)]

    def forget(self, reader: LogReader) -> None:
        """Stop following a log; the checkpoint of a deleted one is kept for a while."""
        if reader.gone_at is not None and reader.path not in self.saved:
            self._departed[reader.path] = reader.checkpoint()
            if len(self._departed) > DEPARTED:
                del self._departed[next(iter(self._departed))]
        self._release(reader)

    def _release(self, reader: LogReader) -> None:
        reader.close()
        reader.log.files = []
        del self.logs[reader.path]
        self.described.pop(reader.path, None)
        self.attention.forget(reader)
        self.unreadable.pop(reader.path, None)
        self.folders.forget(os.path.dirname(reader.path))

    def incidents(self) -> Incidents:
        """Return and reset the incidents of all logs since the last call."""
        total = Incidents()
        for name in Incidents.__slots__:
            setattr(total, name, getattr(self._incidents, name))
            setattr(self._incidents, name, 0)
        return total

    def close(self) -> None:
        """Close all descriptors."""
        for reader in self.logs.values():
            reader.log.close()
        if self.pods is not None:
            self.pods.close()
        self.attention.close()


def _origin(saved: SavedLog) -> Origin:
    """Return the provenance of a log from its checkpoint. Raises StateError."""
    with _readable(saved):
        origin = msgspec.json.decode(saved.origin, type=Origin)
        msgspec.convert(saved.kind, Literal["docker", "cri", "plain"])
        return origin


def _with_known_labels(origin: Origin, known: Origin) -> Origin:
    """Return the origin of a followed log with its identity, and as it was known if its pod is deleted."""
    if origin.kubernetes and known.labels and not origin.labels:
        return replace(known, path=origin.path)
    return replace(origin, source=known.source)


@contextmanager
def _readable(saved: SavedLog) -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateError(
            f"cannot read the checkpoint of {printable(saved.path)}: {error}",
            "restore the state directory from a backup, or move it away to start from scratch",
        ) from error


def _itself(fingerprint: Fingerprint) -> Fingerprint:
    return fingerprint


def _restored(saved: SavedLog, file: SavedFile) -> Fingerprint:
    """Return the fingerprint of a saved log's file. Raises StateError."""
    with _readable(saved):
        return LogFile.restored(file).fingerprint


def restore(reader: LogReader, saved: SavedLog) -> None:
    """Set a reader to a checkpoint, with none of its files open. Raises StateError."""
    with _readable(saved):
        reader.restore(saved)
