"""Assemble entries from runtime lines: join the parts of a message, and the lines of a stack trace, for each stream.

The result depends on the lines and their runtime times alone, not on when they are read, so that a second reading
groups them alike and gives the same ids. Unfinished entries are the *partial state*; it is committed with the offset.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from shipper_processors.envelope import (
    STREAMS,
    EnvelopeError,
    RuntimeLine,
    parse_cri,
    parse_cut_record,
    parse_json_file,
    parse_plain,
    parse_records,
    split_records,
)
from shipper_processors.fast_path import Ahead, FastBatch, FastLog
from shipper_processors.lenient_json import is_unfinished_object
from shipper_processors.messages import begins_anew, cri_continues, docker_continues, is_docker_piece
from shipper_processors.partial_state import OpenEntry, PartialState, RequestState
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
from shipper_processors.request_pairs import RequestPairs
from shipper_processors.text_cleanup import clean
from shipper_processors.texts import Bounds, Texts
from shipper_processors.times import parse_ms
from shipper_schemas.entry import Entry

Lines = TypeVar("Lines", Entry, Entry | FastBatch)
if TYPE_CHECKING:
    import shipper_native as native

JOINED = "joined"
"""Why the native path declines a line of a stream with a partial entry, and one that may continue a text."""
MOST_PYTHON_LINES = 64
"""Most lines that take the Python path before the native path is tried again."""


class Assembler:
    """Turns chunks of complete runtime lines of one log into entries. Subclasses parse the envelope."""

    __slots__ = (
        "_bounds",
        "_fast_path",
        "_last",
        "_ordinal",
        "_pairs",
        "_parts",
        "_seed_state",
        "_seen",
        "_source",
        "_texts",
    )

    @staticmethod
    def parse_line(raw: bytes) -> RuntimeLine:
        """Parse the envelope of one line. Raises EnvelopeError."""
        raise NotImplementedError

    @staticmethod
    def parse_foreign(raw: bytes) -> RuntimeLine:  # noqa: ARG004 -- overridden where there is one
        """Parse a line of the other container runtime, which a log of the wrong input type holds.

        Raises EnvelopeError if it is not exactly that.
        """
        raise EnvelopeError("no other runtime writes such a log")

    @staticmethod
    def same_foreign_message(part: OpenEntry, line: RuntimeLine) -> bool:
        """True if a line of the other runtime continues `part`."""
        raise NotImplementedError

    def __init__(
        self, source: str, bounds: Bounds, fast_path: FastLog | None = None, pairs: RequestPairs | None = None
    ) -> None:
        """`source` seeds the digests: the log's identity, `Origin.source`.

        With `fast_path`, the native extension processes ordinary lines. With `pairs`, the two entries of one request
        are matched, for the counters.
        """
        self._fast_path = fast_path
        self._pairs = pairs
        self._source = source
        self._seed_state: blake2b | None = None
        self._bounds = bounds
        self._parts: dict[str, OpenEntry] = {}
        self._texts = Texts(bounds)
        self._last = b""
        self._ordinal = 0
        self._seen: str | None = None

    # --- the state of a checkpoint ---------------------------------------------------------------

    def partial_state(self) -> bytes:
        """Return the state of unfinished entries as bytes; equal states give equal bytes."""
        state = self.partials()
        if self._pairs is not None and self._pairs.state.is_started:
            state.requests = self._pairs.state
        return msgspec.msgpack.encode(state)

    def has_same_partials(self, other: "Assembler") -> bool:
        """Return True if two assemblers of a log have the same partial entries; open requests feed counters alone."""
        return self.partials() == other.partials()

    def partials(self) -> PartialState:
        """Return the partial entries, and the last line's digest for an equal neighbour."""
        texts, uncertain = self._texts.entries()
        return PartialState(
            parts=[self._parts[stream] for stream in sorted(self._parts)],
            texts=texts,
            last=self._last,
            ordinal=self._ordinal,
            seen=self._seen,
            uncertain=uncertain,
        )

    def restore(self, encoded: bytes) -> None:
        """Restore a state from `partial_state`. Raises msgspec.MsgspecError if it is damaged."""
        try:
            state = msgspec.msgpack.decode(encoded, type=PartialState)
        except UnicodeDecodeError as error:  # not translated by msgspec
            raise msgspec.DecodeError(str(error)) from error
        if not all(text.text for text in (*state.texts, *state.uncertain)):
            raise msgspec.ValidationError("a partial entry without a line")
        unfinished_entries = (*state.parts, *state.texts, *state.uncertain)
        if not all(len(unfinished.digest) == DIGEST_SIZE for unfinished in unfinished_entries):
            raise msgspec.ValidationError(f"a partial entry whose digest is not {DIGEST_SIZE} bytes long")
        self._parts = {part.stream: part for part in state.parts}
        self._texts.restore(state.texts, state.uncertain)
        self._last, self._ordinal, self._seen = state.last, state.ordinal, state.seen
        if self._pairs is not None:
            self._pairs.state = state.requests or RequestState()

    @property
    def has_partial(self) -> bool:
        """True while partial entries wait for lines that may still follow."""
        return bool(self._parts or self._texts.held)

    def latest_ms(self) -> int | None:
        """Return the latest runtime time of the partial entries, in milliseconds; None if the log has no times."""
        times = [part.last_time for part in self._parts.values()]
        times += [text.last_time for text in self._texts.held.values()]
        known = [ms for time in times if time and (ms := parse_ms(time)) is not None]
        return max(known, default=None)

    # --- lines in, entries out -------------------------------------------------------------------

    def feed(self, lines: bytes, offset: int) -> Iterator[Entry | FastBatch]:
        """Yield the entries that `lines` complete: whole lines, the first of which begins at byte `offset` of the file.

        Threads may begin to scan `lines` now. Finish processing an entry or a batch before requesting the next, and
        all of them before the next call.
        """
        fast_path = self._fast_path
        if fast_path is None:
            return self._matched(self.python_path(lines, offset))
        ended = self._ended(lines, 0, fast_path)
        before = [] if ended is None else [self._texts.complete(ended)]
        last, begins = (self._last, self._ordinal), self._begins()
        ahead = fast_path.scan_ahead(lines, offset, last, self._idle(), begins=begins)
        return self._matched(chain(before, self._native_path(lines, offset, fast_path, ahead)))

    def _idle(self) -> tuple[bool, bool]:
        """Return True for stdout and stderr if the stream has no partial entry."""
        parts, texts = self._parts, self._texts.held
        return "stdout" not in parts and "stdout" not in texts, "stderr" not in parts and "stderr" not in texts

    def _begins(self) -> bool:
        """Return True if entries that begin a request are remembered."""
        return self._pairs is not None and self._pairs.begins

    def _matched(self, entries: Iterator[Lines]) -> Iterator[Lines]:
        """Match the two entries of one request."""
        return entries if self._pairs is None else self._pairs.match(entries)

    def python_path(self, lines: bytes, offset: int) -> Iterator[Entry]:
        """Yield the entries that `lines` complete, without the native extension."""
        for raw in lines.split(b"\n")[:-1]:
            yield from self.line(raw, offset)
            offset += len(raw) + 1

    def _native_path(self, lines: bytes, offset: int, fast_path: FastLog, ahead: Ahead) -> Iterator[Entry | FastBatch]:
        """Yield batches of lines of the native path, and the entries of the lines between them.

        Consecutive lines that need the Python path double the number of lines that take it at once, except lines that
        may be joined: their text ends with a line that need not take it.
        """
        at, python_lines = 0, 1
        while at < len(lines):
            if ended := self._ended(lines, at, fast_path):
                yield self._texts.complete(ended)
            idle, begins = self._idle(), self._begins()
            try:
                scanned = ahead.result(at, self._last, idle, begins=begins)
                if scanned is None:
                    end, last = ahead.end(lines), (self._last, self._ordinal)
                    scanned = fast_path.scan(lines, at, end, offset, last, idle, begins=begins)
            except RuntimeError:  # a bug in the extension: from this line on, only the Python path is used
                self._fast_path = None
                yield from self.python_path(lines[at:], offset + at)
                return
            batch = scanned.batch
            if batch.taken:
                self._take(batch, lines, at, offset)
                at += batch.taken
                python_lines = 1
            end, number = at, 0
            if batch.stop == "python" and not (batch.taken and self._ended(lines, at, fast_path)):
                end, number = _offset_after(lines, at, 1 if batch.declined == JOINED else python_lines)
                python_lines = min(python_lines * 2, MOST_PYTHON_LINES)
            if batch.lines or number:
                yield fast_path.batch_of(scanned, (batch.declined, number) if number else None)
            if number:
                yield from self.python_path(lines[at:end], offset + at)
                at = end
            elif batch.stop == "unknown":
                line = self.parse_line(lines[at : lines.index(b"\n", at)])
                text = clean(line.log.removesuffix("\n").removesuffix("\r"))
                fast_path.evaluate_group(scanned, text, line.stream)

    def _take(self, batch: "native.FastBatch", lines: bytes, at: int, offset: int) -> None:
        """Take over the state after the lines from `at` that the native path has read; hold a text that may go on."""
        for place, digest in batch.held:
            begin = at + place
            line = self.parse_line(lines[begin : lines.index(b"\n", begin)])
            text = line.log.removesuffix("\n").removesuffix("\r")
            self._texts.hold(clean(text), line.stream, line.time, offset + begin, digest)
        self._last, self._ordinal, self._seen = batch.last, batch.ordinal, batch.seen

    def _ended(self, lines: bytes, at: int, fast_path: FastLog) -> str | None:
        """Return the stream whose held text of one line the line at `at` ends; None if there is none."""
        for stream, text in self._texts.held.items():
            one_line = text.entry.text if stream not in self._parts and not text.uncertain else []
            if len(one_line) == 1 and fast_path.ends_text(one_line[0], stream, lines, at, begins=self._begins()):
                return stream
        return None

    def use_rules(self, fast_path: FastLog | None, pairs: RequestPairs | None) -> None:
        """Process ordinary lines by this native chain from the next line on; None selects the Python path.

        Open requests stay open if requests are still matched.
        """
        self._fast_path = fast_path
        if pairs is not None and self._pairs is not None:
            pairs.state = self._pairs.state
        self._pairs = pairs

    def line(self, raw: bytes, offset: int) -> Iterator[Entry]:
        """Return the entries that one line, without its newline, completes."""
        try:
            line = self.parse_line(raw)
        except EnvelopeError as error:
            return self._other_line(raw, offset, error)
        return self._parsed_line(raw, line, offset, self._same_message)

    def _other_line(self, raw: bytes, offset: int, error: EnvelopeError) -> Iterator[Entry]:
        """Yield the entries of a line without this envelope: of the other runtime, or broken."""
        if (line := self._foreign_line(raw)) is not None:
            yield from self._parsed_line(raw, line, offset, self.same_foreign_message)
            return
        text, digest = raw.decode("utf-8", "replace"), self.digest(broken_record(raw))
        yield Entry(text, "unknown", self._seen, offset, 1, digest, broken=str(error))

    def _foreign_line(self, raw: bytes) -> RuntimeLine | None:
        """Parse a line as one of the other container runtime; None if it is not exactly that."""
        try:
            return self.parse_foreign(raw)
        except EnvelopeError:
            return None

    def _parsed_line(
        self, raw: bytes, line: RuntimeLine, offset: int, same_message: Callable[[OpenEntry, RuntimeLine], bool]
    ) -> Iterator[Entry]:
        self._seen = line.time
        part = self._parts.get(line.stream)
        if part is not None and same_message(part, line) and not begins_anew(part, line):
            yield from self._continue(part, line)
            return
        if part is not None:
            del self._parts[line.stream]
            yield from self._finish_message(part)
        # Only records that begin a message count as neighbours: long messages may begin with the same part.
        yield from self._begin(line, offset, self.digest(self.canonical(raw, line)))

    @property
    def _seed(self) -> "blake2b":
        """The hash state after the log's seed, where all its digests start; quiet logs never need it."""
        if self._seed_state is None:
            self._seed_state = seeded_digest(log_seed(self._source))
        return self._seed_state

    @staticmethod
    def canonical(raw: bytes, line: RuntimeLine) -> bytes:  # noqa: ARG004 -- plain files use the raw line
        """Return the line in canonical form, which its digest covers."""
        time, whole = line.time or "", line.whole
        return canonical_record(time, line.stream, line.log, whole=whole)

    def overlong(self, beginning: bytes, offset: int, length: int, ending: bytes = b"") -> Iterator[Entry]:
        """Yield the entry of a line of `length` bytes that is too long to read whole; its text is `beginning`.

        `ending` holds the last bytes of the line, where json-file records have stream and time.
        """
        return self._matched(self._overlong(beginning, offset, length, ending))

    def _overlong(self, beginning: bytes, offset: int, length: int, ending: bytes) -> Iterator[Entry]:
        yield from self._flush()
        digest = self.digest(cut_record(beginning, length))
        cut = f"a line of {length} bytes after the first {len(beginning)}"
        try:
            line = self.parse_line(beginning)
        except EnvelopeError as error:
            cut_line = parse_cut_record(beginning, ending)
            if cut_line is None:
                text, why = without_cut_end(beginning.decode("utf-8", "replace")), f"{cut} was cut off: {error}"
                yield Entry(text, "unknown", self._seen, offset, 1, digest, broken=why, cut=cut)
                return
            line = cut_line
        text = clean(without_cut_end(line.log))
        yield Entry(text, line.stream, line.time or self._seen, offset, 1, digest, cut=cut)

    def flush_waiting(self) -> Iterator[Entry]:
        """Finish the partial entries that no longer wait for a continuation; keep pieces whose end must follow."""
        return self._matched(self._flush_waiting())

    def _flush_waiting(self) -> Iterator[Entry]:
        kept = {stream: part for stream, part in self._parts.items() if self._is_piece(part)}
        self._parts = {stream: part for stream, part in self._parts.items() if stream not in kept}
        yield from self._flush()
        self._parts = kept

    @property
    def has_waiting(self) -> bool:
        """True while partial entries exist that `flush_waiting` finishes."""
        return bool(self._texts.held) or not all(self._is_piece(part) for part in self._parts.values())

    def flush(self) -> Iterator[Entry]:
        """Finish all partial entries, oldest first."""
        return self._matched(self._flush())

    def _flush(self) -> Iterator[Entry]:
        parts, texts = self._parts, self._texts.held
        self._parts, self._texts.held = {}, {}
        unfinished = [*parts.values(), *(text.entry for text in texts.values())]
        for entry in sorted(unfinished, key=lambda o: (o.offset, o.stream)):  # offsets may be of two files
            text = texts.get(entry.stream)
            if text is None or text.entry is not entry:
                yield from self._finish_part(entry)
            else:
                yield from self._texts.finish(text)

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
            yield from self._texts.add(log, line.stream, line.time, offset, digest)
            return
        part = OpenEntry([], line.stream, line.time, line.time, offset, 0, 0, digest)
        self._parts[line.stream] = part
        self._append(part, line)

    def _continue(self, part: OpenEntry, line: RuntimeLine) -> Iterator[Entry]:
        self._append(part, line)
        if line.whole:
            del self._parts[line.stream]
            yield from self._finish_message(part)

    @staticmethod
    def _same_message(part: OpenEntry, line: RuntimeLine) -> bool:
        """True if `line` continues `part`; the runtime decides by time, by size or by its tags."""
        raise NotImplementedError

    @staticmethod
    def _is_piece(part: OpenEntry) -> bool:  # noqa: ARG004 -- depends on the runtime
        """True if the runtime has cut a message after `part`, so that its rest follows, however late."""
        return True

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
        yield from self._texts.add(
            without_cut_end(text) if cut else text, part.stream, part.time, part.offset, part.digest, part.lines, cut
        )

    def _finish_part(self, part: OpenEntry) -> Iterator[Entry]:
        """Yield a message whose end is missing as an entry of its own."""
        cut = f"{part.cut} characters after the first {part.size}" if part.cut else None
        text = "".join(part.text)
        text = clean(without_cut_end(text) if cut else text)
        if cut is None and is_unfinished_object(text):
            cut = f"the end of a JSON object after the first {part.size} characters was not written"
        yield Entry(text, part.stream, part.time, part.offset, part.lines, part.digest, None, cut)


def _offset_after(lines: bytes, at: int, number: int) -> tuple[int, int]:
    """Return the offset of the line that is `number` lines after the one at `at`, or the end, and the lines between."""
    for passed in range(1, number + 1):
        at = lines.index(b"\n", at) + 1
        if at == len(lines):
            return at, passed
    return at, number


class JsonFileAssembler(Assembler):
    """Entries of Docker's json-file driver: all parts of a message have the same time."""

    __slots__ = ()

    parse_line = staticmethod(parse_json_file)

    parse_foreign = staticmethod(parse_cri)

    @staticmethod
    def same_foreign_message(part: OpenEntry, line: RuntimeLine) -> bool:
        """True if a CRI line continues `part`."""
        return cri_continues(part, line)

    def _other_line(self, raw: bytes, offset: int, error: EnvelopeError) -> Iterator[Entry]:
        """As `Assembler._other_line`; a torn record has no newline, and whole ones may follow it on its line."""
        pieces = split_records(raw)
        parsed = [self._parsed(piece) for piece in pieces] if len(pieces) > 1 else []
        if not any(line is not None for line, _ in parsed):
            yield from super()._other_line(raw, offset, error)
            return
        for piece, (line, why) in zip(pieces, parsed, strict=True):
            if line is not None:
                yield from self._parsed_line(piece, line, offset, self._same_message)
            else:
                text, digest = piece.decode("utf-8", "replace"), self.digest(broken_record(piece))
                yield Entry(text, "unknown", self._seen, offset, 0, digest, broken=f"torn record: {why}")
            offset += len(piece)

    def _parsed(self, piece: bytes) -> tuple[RuntimeLine | None, str]:
        try:
            return self.parse_line(piece), ""
        except EnvelopeError as error:
            return None, str(error)

    def python_path(self, lines: bytes, offset: int) -> Iterator[Entry]:
        """As `Assembler.python_path`; decodes whole chunks at once, which suffices for most lines."""
        raws = lines.split(b"\n")
        raws.pop()
        decoded = parse_records(lines)
        if decoded is None or len(decoded) != len(raws):
            yield from super().python_path(lines, offset)
            return
        parts, texts, digest = self._parts, self._texts.held, self.digest
        new = tuple.__new__  # a NamedTuple's own constructor takes twice as long
        for raw, decoded_line in zip(raws, decoded, strict=True):
            log, stream, time = decoded_line.log, decoded_line.stream, decoded_line.time
            if (
                log[:1] == "{"
                and log[-2:] == "}\n"
                and stream not in texts
                and stream not in parts
                and stream in STREAMS
                and "\x1b" not in log
            ):
                self._seen, text = time, log[:-1]
                canonical = canonical_record(time, stream, text, whole=True)
                yield new(Entry, (text, stream, time, offset, 1, digest(canonical), None, None, None))
            elif stream in STREAMS:
                line = RuntimeLine(log, stream, time, log[-1:] == "\n")
                yield from self._parsed_line(raw, line, offset, self._same_message)
            else:
                yield from self.line(raw, offset)
            offset += len(raw) + 1

    @staticmethod
    def _same_message(part: OpenEntry, line: RuntimeLine) -> bool:
        return docker_continues(part, line)

    @staticmethod
    def _is_piece(part: OpenEntry) -> bool:
        return is_docker_piece(part)


class CriAssembler(Assembler):
    """Entries of the CRI format: a message ends with the part that has the tag `F`."""

    __slots__ = ()

    parse_line = staticmethod(parse_cri)
    parse_foreign = staticmethod(parse_json_file)

    @staticmethod
    def same_foreign_message(part: OpenEntry, line: RuntimeLine) -> bool:
        """True if a json-file line continues `part`."""
        return docker_continues(part, line)

    @staticmethod
    def _same_message(part: OpenEntry, line: RuntimeLine) -> bool:
        return cri_continues(part, line)


class PlainAssembler(Assembler):
    """Entries of a plain file, whose lines have no time: all preceding lines distinguish a line from equal ones.

    The digest covers the file from its beginning. `begin_file` starts a file; `repeat` counts earlier files of this log
    that began with the same line, so that a log whose files always start alike loses no line.
    """

    __slots__ = ()

    parse_line = staticmethod(parse_plain)

    def begin_file(self, repeat: int) -> None:
        """Start a new file of this log; partial entries continue across the boundary."""
        self._last = repeat.to_bytes(DIGEST_SIZE, "big")

    @staticmethod
    def canonical(raw: bytes, line: RuntimeLine) -> bytes:  # noqa: ARG004 -- the raw line is all there is
        """Return the raw line after a space, without the hole of a truncated file before it."""
        return b" " + raw.lstrip(b"\0")

    def digest(self, canonical: bytes) -> bytes:
        """Return the digest of the file up to and including this line."""
        self._last = record_digest(self._seed, plain_record(self._last, canonical))
        return self._last


__all__ = ["ASSEMBLERS", "Assembler", "Bounds", "CriAssembler", "JsonFileAssembler", "PlainAssembler"]
ASSEMBLERS: dict[Literal["docker", "cri", "plain"], type[Assembler]] = {
    "docker": JsonFileAssembler,
    "cri": CriAssembler,
    "plain": PlainAssembler,
}
