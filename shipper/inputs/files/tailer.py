"""Tail: all logs of all inputs, found by their globs, each with its saved position, read in turns."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import msgspec

from shipper.inputs.files.cursor import Cursor
from shipper.inputs.files.glob_scan import Folders
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.moved_files import KnownFiles, PlainFile
from shipper.inputs.files.rotated_log import Incidents, LogFiles
from shipper.model.source import Source
from shipper.state.checkpoint import SavedLog
from shipper.system.errors import StateError
from shipper_processors.assemble import ASSEMBLERS, Assembler, Bounds
from shipper_processors.fast_path import FastChain, FastLog
from shipper_processors.sanitize import printable
from shipper_schemas.entry import Origin


class Paths(Protocol):
    """What names the logs of an input."""

    def paths(self) -> Iterator[str]:
        """Live paths of the logs, as they are now."""


OriginOf = Callable[[str, str], Origin]
"""Provenance of a log, from the path that the glob named and the real one."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input: its type, what it names, and where logs that were never seen begin."""

    kind: str
    scanner: Paths
    origin: OriginOf
    from_end: bool = False


@dataclass(slots=True)
class Tail:
    """Follows the logs of `inputs`. Times are monotonic seconds; nothing here waits."""

    inputs: list[Input]
    bounds: Bounds
    limits: Limits
    saved: dict[str, SavedLog]
    folders: Folders = field(default_factory=Folders)
    max_open: int = 1 << 20
    compiled: FastChain | None = None
    """Takes runs of ordinary lines, where the extension is installed."""
    logs: dict[str, LogReader] = field(default_factory=dict)
    unreadable: dict[str, OSError] = field(default_factory=dict)
    scanned: bool = False
    _seen: dict[str, str] = field(default_factory=dict)
    """Real path by the path that a glob named."""
    _left_at: str | None = None
    """The log at which the last round was broken off; None where it was finished."""
    _known: KnownFiles | None = None
    """Plain logs that were known when a scan met a new one."""

    def scan(self) -> list[LogReader]:
        """Look for logs that came since, and give them; logs that went are let go when they are read."""
        before, self._known = set(self.logs), None
        if len(self._seen) > len(before):
            self._seen = {path: real for path, real in self._seen.items() if real in before}
        for source in self.inputs:
            for path in source.scanner.paths():
                if not self._leads_to(path, self._seen.get(path)):
                    real = os.path.realpath(path)
                    self._seen[path] = real
                    if real not in self.logs:
                        self.logs[real] = self._follow(source, path, real)
        if not self.scanned:
            self._follow_gone()
        self.scanned = True
        return [reader for path, reader in self.logs.items() if path not in before]

    def _leads_to(self, path: str, known: str | None) -> bool:
        """Whether a path still means the log that it meant; a link on the way to it may lead elsewhere by now."""
        if known not in self.logs:
            return False
        if known == path:
            return not os.path.islink(path)
        try:
            return os.path.samefile(path, known)
        except OSError:
            return False

    def _follow(self, source: Input, path: str, real: str) -> LogReader:
        saved, origin = self.saved.pop(real, None), source.origin(path, real)
        if saved is not None:
            if saved.kind == source.kind:
                origin = replace(origin, source=_origin(saved).source)
            reader = self._reader(real, source.kind, origin)
            restore(reader, saved)
            return reader
        beginnings: dict[bytes, int] = {}
        if source.kind == "plain":
            self._known = self._known or KnownFiles(self._plain_files())
            own, beginnings = self._known.new_log(real, origin.source, self.limits.line_bytes)
            origin = replace(origin, source=own)
        reader = self._reader(real, source.kind, origin)
        reader.log.beginnings = beginnings
        if source.from_end and not self.scanned:
            self._start_at_end(reader)
        return reader

    def _plain_files(self) -> Iterator[PlainFile]:
        """The youngest file of each plain log, followed or saved."""
        for path, reader in self.logs.items():
            if reader.kind == "plain" and reader.log.files:
                yield PlainFile(path, reader.source.origin.source, reader.log.files[-1])
        for path, saved in self.saved.items():
            if saved.kind == "plain" and saved.files:
                yield PlainFile(path, _origin(saved).source, LogFile.restored(saved.files[-1]))

    def follow(self, inputs: list[Input]) -> None:
        """Follow what `inputs` name, in place of what was named before; to be called with nothing on its way.

        A log that none of them names rests where it stands: named again, it is read on from there. One whose file is
        gone is read to its end. What an input says of its logs holds for those followed already.
        """
        named = self.named(inputs)
        for path, reader in list(self.logs.items()):
            if path in named:
                self._describe(reader, *named[path])
            elif os.path.exists(path):
                self.saved[path] = reader.checkpoint()
                self.forget(reader)
        self.inputs, self._seen, self.scanned = inputs, {}, False

    @staticmethod
    def named(inputs: list[Input]) -> dict[str, tuple[Input, str]]:
        """The logs that `inputs` name now: real path to the input that is asked first, and the path it gave."""
        found: dict[str, tuple[Input, str]] = {}
        for source in inputs:
            for path in source.scanner.paths():
                found.setdefault(os.path.realpath(path), (source, path))
        return found

    @staticmethod
    def _describe(reader: LogReader, source: Input, path: str) -> None:
        """Take over what is said of a log; a container whose metadata went with it keeps its name.

        Its identity stays as it was first seen.
        """
        known = reader.source.origin
        origin = replace(source.origin(path, reader.path), source=known.source)
        if origin != known and (origin.container_name or not known.container_name):
            reader.source = Source.of(origin)

    def _follow_gone(self) -> None:
        """Take up what is left of saved logs that no glob finds any more: entries that were held back."""
        for path, saved in list(self.saved.items()):
            if not os.path.exists(path):
                reader = self._reader(path, saved.kind, _origin(saved))
                restore(reader, saved)
                self.logs[path] = reader
                del self.saved[path]

    def _reader(self, path: str, kind: str, origin: Origin) -> LogReader:
        source = Source.of(origin)
        new_assembler = self._assembler(kind, source)[0]
        log = LogFiles(path, self.folders)
        return LogReader(path, kind, source, new_assembler, self.limits, log, Cursor(log, None, 0, new_assembler()))

    def _assembler(self, kind: str, source: Source) -> tuple[Callable[[], Assembler], FastLog | None]:
        """What makes assemblers of a log, and the chain that takes its runs of ordinary lines."""
        assembler, origin = ASSEMBLERS[kind], source.origin  # type: ignore[index]
        compiled = self.compiled.of_log(kind, origin, source.renderer) if self.compiled else None
        return lambda: assembler(origin.source, self.bounds, compiled), compiled

    def recompile(self, compiled: FastChain | None) -> None:
        """Have another chain take runs of ordinary lines, of logs that are followed already too."""
        self.compiled = compiled
        for reader in self.logs.values():
            reader.new_assembler, own = self._assembler(reader.kind, reader.source)
            reader.count_cursor.assembler.take_runs(own)
            if reader.ship_cursor is not None:
                reader.ship_cursor.assembler.take_runs(own)

    def _start_at_end(self, reader: LogReader) -> None:
        try:
            reader.look(0.0)
            reader.start_at_end()
        except OSError as error:
            self.unreadable[reader.path] = error

    def ready(self, now: float) -> Iterator[LogReader]:
        """The logs in which something may be read, each looked at once.

        A round that is broken off goes on where it was left, so that no log waits for ever behind busier ones.
        """
        readers = list(self.logs.values())
        left_at = self._left_at
        first = 0 if left_at is None else next((n for n, reader in enumerate(readers) if reader.path == left_at), 0)
        try:
            for reader in (*readers[first:], *readers[:first]):
                self._left_at = reader.path
                try:
                    found = reader.look(now)
                except OSError as error:
                    self.unreadable[reader.path] = error
                    continue
                if found:
                    self.unreadable.pop(reader.path, None)
                    yield reader
            self._left_at = None
        finally:
            self._spare_descriptors()

    def _spare_descriptors(self) -> None:
        """Close the files that were quiet for longest, where more are open than allowed and can be opened again."""
        if len(self.logs) <= self.max_open:
            return
        opened = [reader for reader in self.logs.values() if any(file.handle for file in reader.log.files)]
        for reader in sorted(opened, key=lambda reader: reader.read_at)[: max(0, len(opened) - self.max_open)]:
            for file in reader.log.files:
                if not file.gone:
                    file.close()

    def removed(self, now: float) -> list[LogReader]:
        """Logs whose files are gone and were read; `forget` them once their last words are said."""
        return [reader for reader in self.logs.values() if reader.finished(now)]

    def forget(self, reader: LogReader) -> None:
        """Stop following a log that is gone."""
        reader.log.close()
        del self.logs[reader.path]
        self.unreadable.pop(reader.path, None)
        self.folders.forget(os.path.dirname(reader.path))

    def incidents(self) -> Incidents:
        """What happened to files since this was last asked, over all logs."""
        total = Incidents()
        for reader in self.logs.values():
            found, reader.log.incidents = reader.log.incidents, Incidents()
            for name in Incidents.__slots__:
                setattr(total, name, getattr(total, name) + getattr(found, name))
        return total

    def close(self) -> None:
        """Give all descriptors back."""
        for reader in self.logs.values():
            reader.log.close()


def _origin(saved: SavedLog) -> Origin:
    """The provenance of a log, as it was known. Raises StateError."""
    with _readable(saved):
        found = msgspec.json.decode(saved.origin, type=Origin)
        msgspec.convert(saved.kind, Literal["docker", "cri", "plain"])
        return found


@contextmanager
def _readable(saved: SavedLog) -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateError(
            f"the saved position of {printable(saved.path)} cannot be read: {error}",
            "restore the state from a copy, or move the state directory away to start anew",
        ) from error


def restore(reader: LogReader, saved: SavedLog) -> None:
    """Bring a reader to a checkpoint, with none of its files open. Raises StateError."""
    with _readable(saved):
        reader.restore(saved)
