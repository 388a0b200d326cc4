"""Assemble entries from runtime lines: join the parts of a message, and the lines of a stack trace, for each stream.

The result depends on the lines and their runtime times alone, not on when they are read, so that a second reading
groups them alike and gives the same ids. Unfinished entries are the *partial state*; it is committed with the offset.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import msgspec

from shipper_processors.envelope import (
    STREAMS,
    EnvelopeError,
    RuntimeLine,
    parse_cri,
    parse_json_file,
    parse_plain,
    parse_records,
)
from shipper_processors.fast_path import FastBatch, FastLog
from shipper_processors.partial_state import OpenEntry, PartialState
from shipper_processors.record_id import (
    DIGEST_SIZE,
    broken_record,
    canonical_record,
    cut_record,
    log_seed,
    ordinal_digest,
    plain_record,
    record_digest,
    seeded_digest,
)
from shipper_processors.redact import without_cut_end
from shipper_processors.stack_traces import Trace, can_be_continued
from shipper_processors.times import parse_ms
from shipper_schemas.entry import Entry

MOST_PYTHON_LINES = 64
"""Most lines that take the Python path before the native path is tried again."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of what is joined into one entry: lines, bytes of text, and seconds between two lines."""

    lines: int = 1000
    bytes: int = 256 * 1024
    message_bytes: int = 1024 * 1024
    wait: float = 1.0


class Assembler:
    """Turns chunks of complete runtime lines of one log into entries. Subclasses parse the envelope."""

    @staticmethod
    def parse_line(raw: bytes) -> RuntimeLine:
        """Parse the envelope of one line. Raises EnvelopeError."""
        raise NotImplementedError

    def __init__(self, source: str, bounds: Bounds, fast_path: FastLog | None = None) -> None:
        """`source` seeds the digests: the log's identity, `Origin.source`.

        With `fast_path`, the native extension processes ordinary lines.
        """
        self._fast_path = fast_path
        self._source = source
        self._bounds = bounds
        self._parts: dict[str, OpenEntry] = {}
        self._texts: dict[str, tuple[OpenEntry, Trace]] = {}
        self._last = b""
        self._ordinal = 0
        self._seen: str | None = None

    # --- the state of a checkpoint ---------------------------------------------------------------

    def partial_state(self) -> bytes:
        """Return the state of unfinished entries as bytes; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            PartialState(
                parts=[self._parts[stream] for stream in sorted(self._parts)],
                texts=[self._texts[stream][0] for stream in sorted(self._texts)],
                last=self._last,
                ordinal=self._ordinal,
                seen=self._seen,
            )
        )

    def restore(self, encoded: bytes) -> None:
        """Restore a state from `partial_state`. Raises msgspec.MsgspecError if it is damaged."""
        try:
            state = msgspec.msgpack.decode(encoded, type=PartialState)
        except UnicodeDecodeError as error:  # not translated by msgspec
            raise msgspec.DecodeError(str(error)) from error
        if not all(text.text for text in state.texts):
            raise msgspec.ValidationError("a partial entry without a line")
        if not all(len(unfinished.digest) == DIGEST_SIZE for unfinished in (*state.parts, *state.texts)):
            raise msgspec.ValidationError(f"a partial entry whose digest is not {DIGEST_SIZE} bytes long")
        self._parts = {part.stream: part for part in state.parts}
        self._texts = {text.stream: (text, _trace_of(text.text)) for text in state.texts}
        self._last, self._ordinal, self._seen = state.last, state.ordinal, state.seen

    @property
    def has_partial(self) -> bool:
        """True while partial entries wait for lines that may still follow."""
        return bool(self._parts or self._texts)

    def latest_ms(self) -> int | None:
        """Return the latest runtime time of the partial entries, in milliseconds; None if the log has no times."""
        times = [o.last_time for o in [*self._parts.values(), *(text for text, _ in self._texts.values())]]
        known = [ms for time in times if time and (ms := parse_ms(time)) is not None]
        return max(known, default=None)

    # --- lines in, entries out -------------------------------------------------------------------

    def feed(self, lines: bytes, offset: int) -> Iterator[Entry | FastBatch]:
        """Yield the entries that `lines` complete: whole lines, the first of which begins at byte `offset` of the file.

        Finish processing an entry or a batch before requesting the next.
        """
        if self._fast_path is None:
            return self.python_path(lines, offset)
        return self._native_path(lines, offset, self._fast_path)

    def python_path(self, lines: bytes, offset: int) -> Iterator[Entry]:
        """Yield the entries that `lines` complete, without the native extension."""
        for raw in lines.split(b"\n")[:-1]:
            yield from self.line(raw, offset)
            offset += len(raw) + 1

    def _native_path(self, lines: bytes, offset: int, fast_path: FastLog) -> Iterator[Entry | FastBatch]:
        """Yield batches of ordinary lines, and the entries between them.

        Consecutive lines that need the Python path double the number of lines that take it at once.
        """
        at, python_lines = 0, 1
        while at < len(lines):
            held = self._parts.keys() | self._texts.keys()
            idle = ("stdout" not in held, "stderr" not in held)
            try:
                scanned = fast_path.scan(lines, at, offset, (self._last, self._ordinal), idle)
            except RuntimeError:  # a bug in the extension: from this line on, only the Python path is used
                self._fast_path = None
                yield from self.python_path(lines[at:], offset + at)
                return
            if scanned.lines:
                at += scanned.taken
                self._last, self._ordinal, self._seen = scanned.last, scanned.ordinal, scanned.seen
                python_lines = 1
                yield fast_path.batch_of(scanned)
            if scanned.stop == "unknown":
                line = self.parse_line(lines[at : lines.index(b"\n", at)])
                fast_path.evaluate_group(scanned.group, line.log.removesuffix("\n"), line.stream)
            elif scanned.stop == "python":
                end = _offset_after(lines, at, python_lines)
                yield from self.python_path(lines[at:end], offset + at)
                at, python_lines = end, min(python_lines * 2, MOST_PYTHON_LINES)

    def use_fast_path(self, fast_path: FastLog | None) -> None:
        """Process ordinary lines by this native chain from the next line on; None selects the Python path."""
        self._fast_path = fast_path

    def line(self, raw: bytes, offset: int) -> Iterator[Entry]:
        """Yield the entries that one line, without its newline, completes."""
        try:
            line = self.parse_line(raw)
        except EnvelopeError as error:
            text, digest = raw.decode("utf-8", "replace"), self.digest(broken_record(raw))
            yield Entry(text, "unknown", self._seen, offset, 1, digest, broken=str(error))
            return
        self._seen = line.time
        part = self._parts.get(line.stream)
        if part is not None and self._same_message(part, line):
            yield from self._continue(part, line)
            return
        if part is not None:
            del self._parts[line.stream]
            yield from self._finish_message(part)
        # Only records that begin a message count as neighbours: long messages may begin with the same part.
        yield from self._begin(line, offset, self.digest(self.canonical(raw, line)))

    @cached_property
    def _seed(self) -> "blake2b":
        """The hash state after the log's seed, where all its digests start; quiet logs never need it."""
        return seeded_digest(log_seed(self._source))

    @staticmethod
    def canonical(raw: bytes, line: RuntimeLine) -> bytes:  # noqa: ARG004 -- plain files use the raw line
        """Return the line in canonical form, which its digest covers."""
        time, whole = line.time or "", line.whole
        return canonical_record(time, line.stream, line.log, whole=whole)

    def overlong(self, beginning: bytes, offset: int, length: int) -> Iterator[Entry]:
        """Yield the entry of a line of `length` bytes that is too long to read whole; its text is `beginning`."""
        yield from self.flush()
        digest = self.digest(cut_record(beginning, length))
        cut = f"a line of {length} bytes after the first {len(beginning)}"
        try:
            line = self.parse_line(beginning)
        except EnvelopeError as error:
            text = without_cut_end(beginning.decode("utf-8", "replace"))
            yield Entry(text, "unknown", self._seen, offset, 1, digest, broken=f"{cut} was cut off: {error}", cut=cut)
            return
        yield Entry(without_cut_end(line.log), line.stream, line.time, offset, 1, digest, cut=cut)

    def flush(self) -> Iterator[Entry]:
        """Finish all partial entries, oldest first."""
        held = [*self._parts.values(), *(text for text, _ in self._texts.values())]
        self._parts, self._texts = {}, {}
        for unfinished in sorted(held, key=lambda o: (o.offset, o.stream)):  # offsets may be of two files
            yield self._entry_of(unfinished)

    def digest(self, canonical: bytes) -> bytes:
        """Return the digest of a record in canonical form; an equal neighbour gets another by its ordinal."""
        digest = record_digest(self._seed, canonical)
        if digest != self._last:
            self._last, self._ordinal = digest, 0
            return digest
        self._ordinal += 1
        return ordinal_digest(self._seed, digest, self._ordinal)

    # --- parts of one message --------------------------------------------------------------------

    def _begin(self, line: RuntimeLine, offset: int, digest: bytes) -> Iterator[Entry]:
        if line.whole:
            log = line.log.removesuffix("\n").removesuffix("\r")
            yield from self._add_text(log, line.stream, line.time, offset, digest)
            return
        part = OpenEntry([], line.stream, line.time, line.time, offset, 0, 0, digest)
        self._parts[line.stream] = part
        self._append(part, line)

    def _continue(self, part: OpenEntry, line: RuntimeLine) -> Iterator[Entry]:
        self._append(part, line)
        if line.whole:
            del self._parts[line.stream]
            yield from self._finish_message(part)

    def _same_message(self, part: OpenEntry, line: RuntimeLine) -> bool:
        """True if `line` continues `part`; the runtime decides by time or by its tags."""
        return is_near(part.last_time, line.time, self._bounds.wait)

    def _append(self, part: OpenEntry, line: RuntimeLine) -> None:
        part.lines += 1
        part.last_time = line.time
        log = line.log.removesuffix("\n").removesuffix("\r") if line.whole else line.log
        room = self._bounds.message_bytes - part.size
        if len(log) > room:
            part.cut += len(log) - max(0, room)
            log = log[: max(0, room)]
        part.size += len(log)
        part.text.append(log)

    def _finish_message(self, part: OpenEntry) -> Iterator[Entry]:
        cut = f"{part.cut} characters after the first {part.size}" if part.cut else None
        text = "".join(part.text)
        yield from self._add_text(
            without_cut_end(text) if cut else text, part.stream, part.time, part.offset, part.digest, part.lines, cut
        )

    # --- texts of several lines ------------------------------------------------------------------

    def _add_text(  # noqa: PLR0913, PLR0917 -- the columns of one line, passed on the hot path without a wrapper
        self,
        text: str,
        stream: str,
        time: str | None,
        offset: int,
        digest: bytes,
        lines: int = 1,
        cut: str | None = None,
    ) -> Iterator[Entry]:
        held = self._texts.get(stream)
        if held is not None:
            unfinished, trace = held
            if self._belongs(unfinished, trace, text, time):
                unfinished.text.append(text)
                unfinished.last_time = time
                unfinished.lines += lines
                unfinished.size += len(text) + 1
                return
            del self._texts[stream]
            yield self._entry_of(unfinished)
        if cut is None and can_be_continued(text):
            unfinished = OpenEntry([text], stream, time, time, offset, lines, len(text), digest, joint="\n")
            self._texts[stream] = (unfinished, Trace(text))
        else:
            yield Entry(text, stream, time, offset, lines, digest, None, cut)

    def _belongs(self, unfinished: OpenEntry, trace: Trace, text: str, time: str | None) -> bool:
        bounds = self._bounds
        return (
            unfinished.lines < bounds.lines
            and unfinished.size + len(text) < bounds.bytes
            and is_near(unfinished.last_time, time, bounds.wait)
            and trace.accepts(text)
        )

    def _entry_of(self, unfinished: OpenEntry) -> Entry:
        cut = f"{unfinished.cut} characters after the first {unfinished.size}" if unfinished.cut else None
        text = unfinished.joint.join(unfinished.text)
        text = without_cut_end(text) if cut else text
        return Entry(
            text, unfinished.stream, unfinished.time, unfinished.offset, unfinished.lines, unfinished.digest, None, cut
        )


def _offset_after(lines: bytes, at: int, number: int) -> int:
    """Return the offset at which the line `number` lines after the one at `at` begins, or the end of `lines`."""
    for _ in range(number):
        at = lines.index(b"\n", at) + 1
        if at == len(lines):
            break
    return at


def is_near(earlier: str | None, later: str | None, seconds: float) -> bool:
    """True if two runtime times are at most `seconds` apart, in either direction, or if one is unknown."""
    if earlier is None or later is None or earlier == later:
        return True
    first, second = parse_ms(earlier), parse_ms(later)
    return first is None or second is None or abs(second - first) <= seconds * 1000


def _trace_of(lines: list[str]) -> Trace:
    trace = Trace(lines[0])
    for line in lines[1:]:
        trace.accepts(line)
    return trace


class JsonFileAssembler(Assembler):
    """Entries of Docker's json-file driver: all parts of a message have the same time."""

    parse_line = staticmethod(parse_json_file)

    def python_path(self, lines: bytes, offset: int) -> Iterator[Entry]:
        """As `Assembler.python_path`; decodes whole chunks at once, which suffices for most lines."""
        raws = lines.split(b"\n")
        raws.pop()
        decoded = parse_records(lines)
        if decoded is None or len(decoded) != len(raws):
            yield from super().python_path(lines, offset)
            return
        parts, texts, digest = self._parts, self._texts, self.digest
        new = tuple.__new__  # a NamedTuple's own constructor takes twice as long
        for raw, decoded_line in zip(raws, decoded, strict=True):
            log, stream, time = decoded_line.log, decoded_line.stream, decoded_line.time
            if (
                log[:1] == "{"
                and log[-2:] == "}\n"
                and stream not in texts
                and stream not in parts
                and stream in STREAMS
            ):
                self._seen, text = time, log[:-1]
                canonical = canonical_record(time, stream, text, whole=True)
                yield new(Entry, (text, stream, time, offset, 1, digest(canonical), None, None))
            else:
                yield from self.line(raw, offset)
            offset += len(raw) + 1

    def _same_message(self, part: OpenEntry, line: RuntimeLine) -> bool:
        return part.time == line.time


class CriAssembler(Assembler):
    """Entries of the CRI format: a message ends with the part that has the tag `F`."""

    parse_line = staticmethod(parse_cri)


class PlainAssembler(Assembler):
    """Entries of a plain file, whose lines have no time: all preceding lines distinguish a line from equal ones.

    The digest covers the file from its beginning. `begin_file` starts a file; `repeat` counts earlier files of this log
    that began with the same line, so that a log whose files always start alike loses no line.
    """

    parse_line = staticmethod(parse_plain)

    def begin_file(self, repeat: int) -> None:
        """Start a new file of this log; partial entries continue across the boundary."""
        self._last = repeat.to_bytes(DIGEST_SIZE, "big")

    @staticmethod
    def canonical(raw: bytes, line: RuntimeLine) -> bytes:  # noqa: ARG004 -- the raw line is all there is
        """Return the raw line after a space."""
        return b" " + raw

    def digest(self, canonical: bytes) -> bytes:
        """Return the digest of the file up to and including this line."""
        self._last = record_digest(self._seed, plain_record(self._last, canonical))
        return self._last


ASSEMBLERS: dict[Literal["docker", "cri", "plain"], type[Assembler]] = {
    "docker": JsonFileAssembler,
    "cri": CriAssembler,
    "plain": PlainAssembler,
}
