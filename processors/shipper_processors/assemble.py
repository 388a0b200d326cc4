"""Assemble entries out of runtime lines: parts of one message joined, and the lines of a stack trace, per stream.

The outcome depends on the lines and their runtime times alone, not on when they were read, so that a second reading
groups them alike and gives the same ids. What is not finished yet is the *residue*; it is committed with the position.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import msgspec

from shipper_processors.envelope import STREAMS, EnvelopeError, Piece, open_cri, open_json_file, open_plain, records
from shipper_processors.fast_path import FastBatch, FastLog
from shipper_processors.record_id import (
    DIGEST_SIZE,
    broken_record,
    cut_record,
    log_seed,
    ordinal_digest,
    plain_record,
    record,
    record_digest,
    seeded_digest,
)
from shipper_processors.redact import unsplit
from shipper_processors.residue import Open, PartialState
from shipper_processors.stack_traces import Trace, opens
from shipper_processors.times import parse_ms
from shipper_schemas.entry import Entry

MOST_PATIENCE = 64
"""Lines that are taken one by one before another run is looked for."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be joined into one entry: lines, bytes of text, and seconds between two lines."""

    lines: int = 1000
    bytes: int = 256 * 1024
    message_bytes: int = 1024 * 1024
    wait: float = 1.0


class Assembler:
    """Turns chunks of complete runtime lines of one log into entries. Subclasses open the envelope."""

    @staticmethod
    def opener(raw: bytes) -> Piece:
        """Open the envelope of one line. Raises EnvelopeError."""
        raise NotImplementedError

    def __init__(self, source: str, bounds: Bounds, compiled: FastLog | None = None) -> None:
        """`source` seeds the digests: the log's identity, `Origin.source`.

        With `compiled`, runs of ordinary lines are taken by the extension.
        """
        self._compiled = compiled
        self._source = source
        self._bounds = bounds
        self._parts: dict[str, Open] = {}
        self._texts: dict[str, tuple[Open, Trace]] = {}
        self._last = b""
        self._ordinal = 0
        self._seen: str | None = None

    # --- what a position carries -----------------------------------------------------------------

    def residue(self) -> bytes:
        """The unfinished state, as bytes; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            PartialState(
                parts=[self._parts[stream] for stream in sorted(self._parts)],
                texts=[self._texts[stream][0] for stream in sorted(self._texts)],
                last=self._last,
                ordinal=self._ordinal,
                seen=self._seen,
            )
        )

    def restore(self, residue: bytes) -> None:
        """Take up a state that `residue` gave. Raises msgspec.MsgspecError where it is damaged."""
        try:
            state = msgspec.msgpack.decode(residue, type=PartialState)
        except UnicodeDecodeError as error:  # msgspec lets this one through
            raise msgspec.DecodeError(str(error)) from error
        if not all(text.text for text in state.texts):
            raise msgspec.ValidationError("an unfinished entry without a line")
        if not all(len(unfinished.digest) == DIGEST_SIZE for unfinished in (*state.parts, *state.texts)):
            raise msgspec.ValidationError(f"an unfinished entry whose digest is not of {DIGEST_SIZE} bytes")
        self._parts = {part.stream: part for part in state.parts}
        self._texts = {text.stream: (text, _replayed(text.text)) for text in state.texts}
        self._last, self._ordinal, self._seen = state.last, state.ordinal, state.seen

    @property
    def waiting(self) -> bool:
        """Whether anything is held back for a line that may still come."""
        return bool(self._parts or self._texts)

    def latest_ms(self) -> int | None:
        """Runtime time of the youngest line held back, None where the log has no times."""
        times = [o.last_time for o in [*self._parts.values(), *(text for text, _ in self._texts.values())]]
        known = [ms for time in times if time and (ms := parse_ms(time)) is not None]
        return max(known, default=None)

    # --- lines in, entries out -------------------------------------------------------------------

    def feed(self, lines: bytes, offset: int) -> Iterator[Entry | FastBatch]:
        """Entries finished by `lines`: complete lines, the first of which begins at byte `offset` of the file.

        What comes of one entry or run must be done with before the next is asked for.
        """
        return self.plain(lines, offset) if self._compiled is None else self._runs(lines, offset, self._compiled)

    def plain(self, lines: bytes, offset: int) -> Iterator[Entry]:
        """The same, line by line."""
        for raw in lines.split(b"\n")[:-1]:
            yield from self.line(raw, offset)
            offset += len(raw) + 1

    def _runs(self, lines: bytes, offset: int, compiled: FastLog) -> Iterator[Entry | FastBatch]:
        """Runs of ordinary lines, and the entries between them; the more of these in a row, the more at once."""
        at, patience = 0, 1
        while at < len(lines):
            held = self._parts.keys() | self._texts.keys()
            free = ("stdout" not in held, "stderr" not in held)
            try:
                found = compiled.scan(lines, at, offset, (self._last, self._ordinal), free)
            except RuntimeError:  # a mistake of ours: the plain way goes on alone, and takes this line as well
                self._compiled = None
                yield from self.plain(lines[at:], offset + at)
                return
            if found.lines:
                at += found.taken
                self._last, self._ordinal, self._seen = found.last, found.ordinal, found.seen
                patience = 1
                yield compiled.run(found)
            if found.stop == "unknown":
                piece = self.opener(lines[at : lines.index(b"\n", at)])
                compiled.learn(found.group, piece.log.removesuffix("\n"), piece.stream)
            elif found.stop == "python":
                end = _after(lines, at, patience)
                yield from self.plain(lines[at:end], offset + at)
                at, patience = end, min(patience * 2, MOST_PATIENCE)

    def take_runs(self, compiled: FastLog | None) -> None:
        """Have runs of ordinary lines taken by this chain from the next line on; None leaves them to the plain way."""
        self._compiled = compiled

    def line(self, raw: bytes, offset: int) -> Iterator[Entry]:
        """Entries finished by one line, given without its newline."""
        try:
            piece = self.opener(raw)
        except EnvelopeError as error:
            text, digest = raw.decode("utf-8", "replace"), self.digest(broken_record(raw))
            yield Entry(text, "unknown", self._seen, offset, 1, digest, broken=str(error))
            return
        self._seen = piece.time
        yield from self._piece(piece, offset, self.digest(self.canonical(raw, piece)))

    @cached_property
    def _seed(self) -> "blake2b":
        """The hash that all digests of the log go on from; most logs of a node are quiet and never need it."""
        return seeded_digest(log_seed(self._source))

    @staticmethod
    def canonical(raw: bytes, piece: Piece) -> bytes:  # noqa: ARG004 -- plain files have nothing but the raw line
        """The line in the form that its digest covers."""
        time, whole = piece.time or "", piece.whole
        return record(time, piece.stream, piece.log, whole=whole)

    def overlong(self, beginning: bytes, offset: int, length: int) -> Iterator[Entry]:
        """The entry of a line of `length` bytes that is too long to be read whole; `beginning` is what is kept."""
        yield from self.flush()
        digest = self.digest(cut_record(beginning, length))
        cut = f"a line of {length} bytes after the first {len(beginning)}"
        try:
            piece = self.opener(beginning)
        except EnvelopeError as error:
            text = unsplit(beginning.decode("utf-8", "replace"))
            yield Entry(text, "unknown", self._seen, offset, 1, digest, broken=f"{cut} was cut off: {error}", cut=cut)
            return
        yield Entry(unsplit(piece.log), piece.stream, piece.time, offset, 1, digest, cut=cut)

    def flush(self) -> Iterator[Entry]:
        """Finish everything that is held back, oldest first."""
        held = [*self._parts.values(), *(text for text, _ in self._texts.values())]
        self._parts, self._texts = {}, {}
        for unfinished in sorted(held, key=lambda o: (o.offset, o.stream)):  # offsets may be of two files
            yield self._finished(unfinished)

    def digest(self, canonical: bytes) -> bytes:
        """Digest of one record in canonical form; an equal neighbour gets another by its ordinal."""
        digest = record_digest(self._seed, canonical)
        if digest != self._last:
            self._last, self._ordinal = digest, 0
            return digest
        self._ordinal += 1
        return ordinal_digest(self._seed, digest, self._ordinal)

    # --- parts of one message --------------------------------------------------------------------

    def _piece(self, piece: Piece, offset: int, digest: bytes) -> Iterator[Entry]:
        part = self._parts.get(piece.stream)
        if part is not None and not self._same_message(part, piece):
            del self._parts[piece.stream]
            yield from self._message(part)
            part = None
        if part is None and piece.whole:
            log = piece.log.removesuffix("\n").removesuffix("\r")
            yield from self._text(log, piece.stream, piece.time, offset, digest)
            return
        if part is None:
            part = Open([], piece.stream, piece.time, piece.time, offset, 0, 0, digest)
            self._parts[piece.stream] = part
        self._append(part, piece)
        if piece.whole:
            del self._parts[piece.stream]
            yield from self._message(part)

    def _same_message(self, part: Open, piece: Piece) -> bool:
        """Whether `piece` goes on where `part` ended; the runtime decides by time or by its tags."""
        return near(part.last_time, piece.time, self._bounds.wait)

    def _append(self, part: Open, piece: Piece) -> None:
        part.lines += 1
        part.last_time = piece.time
        log = piece.log.removesuffix("\n").removesuffix("\r") if piece.whole else piece.log
        room = self._bounds.message_bytes - part.size
        if len(log) > room:
            part.cut += len(log) - max(0, room)
            log = log[: max(0, room)]
        part.size += len(log)
        part.text.append(log)

    def _message(self, part: Open) -> Iterator[Entry]:
        cut = f"{part.cut} characters after the first {part.size}" if part.cut else None
        text = "".join(part.text)
        yield from self._text(
            unsplit(text) if cut else text, part.stream, part.time, part.offset, part.digest, part.lines, cut
        )

    # --- texts that go on ------------------------------------------------------------------------

    def _text(  # noqa: PLR0913, PLR0917 -- the columns of one line, passed on the hot path without a wrapper
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
            opened, trace = held
            if self._joins(opened, trace, text, time):
                opened.text.append(text)
                opened.last_time = time
                opened.lines += lines
                opened.size += len(text) + 1
                return
            del self._texts[stream]
            yield self._finished(opened)
        if cut is None and opens(text):
            opened = Open([text], stream, time, time, offset, lines, len(text), digest, joint="\n")
            self._texts[stream] = (opened, Trace(text))
        else:
            yield Entry(text, stream, time, offset, lines, digest, None, cut)

    def _joins(self, opened: Open, trace: Trace, text: str, time: str | None) -> bool:
        bounds = self._bounds
        return (
            opened.lines < bounds.lines
            and opened.size + len(text) < bounds.bytes
            and near(opened.last_time, time, bounds.wait)
            and trace.accepts(text)
        )

    def _finished(self, opened: Open) -> Entry:
        cut = f"{opened.cut} characters after the first {opened.size}" if opened.cut else None
        text = opened.joint.join(opened.text)
        text = unsplit(text) if cut else text
        return Entry(text, opened.stream, opened.time, opened.offset, opened.lines, opened.digest, None, cut)


def _after(lines: bytes, at: int, number: int) -> int:
    """Where the line begins that stands `number` lines after the one at `at`, or the end."""
    for _ in range(number):
        at = lines.index(b"\n", at) + 1
        if at == len(lines):
            break
    return at


def near(earlier: str | None, later: str | None, seconds: float) -> bool:
    """Whether two runtime times are at most `seconds` apart, in either direction; unknown times are near."""
    if earlier is None or later is None or earlier == later:
        return True
    first, second = parse_ms(earlier), parse_ms(later)
    return first is None or second is None or abs(second - first) <= seconds * 1000


def _replayed(lines: list[str]) -> Trace:
    trace = Trace(lines[0])
    for line in lines[1:]:
        trace.accepts(line)
    return trace


class JsonFileAssembler(Assembler):
    """Entries of Docker's json-file driver: all parts of a message carry one and the same time."""

    opener = staticmethod(open_json_file)

    def plain(self, lines: bytes, offset: int) -> Iterator[Entry]:
        """As `Assembler.plain`; whole chunks go through the compiled decoder, and most lines need nothing else."""
        raws = lines.split(b"\n")
        raws.pop()
        found = records(lines)
        if found is None or len(found) != len(raws):
            yield from super().plain(lines, offset)
            return
        parts, texts, digest = self._parts, self._texts, self.digest
        new = tuple.__new__  # a NamedTuple's own constructor takes twice as long
        for raw, opened in zip(raws, found, strict=True):
            log, stream, time = opened.log, opened.stream, opened.time
            if (
                log[:1] == "{"
                and log[-2:] == "}\n"
                and stream not in texts
                and stream not in parts
                and stream in STREAMS
            ):
                self._seen, text = time, log[:-1]
                yield new(
                    Entry, (text, stream, time, offset, 1, digest(record(time, stream, text, whole=True)), None, None)
                )
            else:
                yield from self.line(raw, offset)
            offset += len(raw) + 1

    def _same_message(self, part: Open, piece: Piece) -> bool:
        return part.time == piece.time


class CriAssembler(Assembler):
    """Entries of the CRI format: a message goes on until its tag says `F`."""

    opener = staticmethod(open_cri)


class PlainAssembler(Assembler):
    """Entries of a plain file, whose lines have no time: a line is told from its twins by all that stands before it.

    The digest runs over the file from its beginning. `begin` starts a file; `repeat` counts earlier files of this
    log that began with the same line, so that a log which always starts alike loses no line.
    """

    opener = staticmethod(open_plain)

    def begin(self, repeat: int) -> None:
        """A new file of this log begins; unfinished entries go on over the boundary."""
        self._last = repeat.to_bytes(DIGEST_SIZE, "big")

    @staticmethod
    def canonical(raw: bytes, piece: Piece) -> bytes:  # noqa: ARG004 -- see above
        """The line as it stands in the file."""
        return b" " + raw

    def digest(self, canonical: bytes) -> bytes:
        """Digest of the file up to and with this line."""
        self._last = record_digest(self._seed, plain_record(self._last, canonical))
        return self._last


ASSEMBLERS: dict[Literal["docker", "cri", "plain"], type[Assembler]] = {
    "docker": JsonFileAssembler,
    "cri": CriAssembler,
    "plain": PlainAssembler,
}
