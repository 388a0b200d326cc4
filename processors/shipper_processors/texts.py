"""Texts of several lines: for each stream, the text that further lines may continue."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from shipper_processors.partial_state import OpenEntry
from shipper_processors.stack_traces import Trace, Verdict, can_be_continued
from shipper_processors.text_cleanup import clean
from shipper_processors.times import parse_ms
from shipper_schemas.entry import Entry


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of what is joined into one entry: lines, bytes of text, and seconds between two lines."""

    lines: int = 1000
    bytes: int = 256 * 1024
    message_bytes: int = 1024 * 1024
    wait: float = 1.0


@dataclass(slots=True)
class OpenText:
    """A text that further lines may continue, with its grammar."""

    entry: OpenEntry
    trace: Trace
    uncertain: list[OpenEntry] = field(default_factory=list)
    """Lines after it that belong to it if a later line confirms that, else are entries of their own."""

    @property
    def last_time(self) -> str | None:
        """The runtime's time of its last line."""
        return (self.uncertain[-1] if self.uncertain else self.entry).last_time

    def join(self, text: str, time: str | None, lines: int, size: int) -> None:
        """Join one line."""
        entry = self.entry
        entry.text.append(text)
        entry.last_time = time
        entry.lines += lines
        entry.size += size + 1

    def confirm(self) -> None:
        """Join the uncertain lines."""
        for line in self.uncertain:
            self.join(line.text[0], line.last_time, line.lines, line.size)
        self.uncertain = []


@dataclass(slots=True)
class Texts:
    """The held texts of a log, by stream."""

    bounds: Bounds
    held: dict[str, OpenText] = field(default_factory=dict)

    def entries(self) -> tuple[list[OpenEntry], list[OpenEntry]]:
        """Return the texts and the uncertain lines after them, as a checkpoint holds them."""
        texts = [self.held[stream] for stream in sorted(self.held)]
        return [text.entry for text in texts], [line for text in texts for line in text.uncertain]

    def restore(self, texts: list[OpenEntry], uncertain: list[OpenEntry]) -> None:
        """Restore what `entries` returned. Raises msgspec.ValidationError if it does not fit together."""
        self.held = {text.stream: OpenText(text, _trace_of(text.text)) for text in texts}
        for line in uncertain:
            if line.stream not in self.held:
                raise msgspec.ValidationError("an uncertain line without the text before it")
            self.held[line.stream].uncertain.append(line)
            self.held[line.stream].trace.offer(line.text[0])

    def add(  # noqa: PLR0913, PLR0917 -- the columns of one line, passed on the hot path without a wrapper
        self,
        text: str,
        stream: str,
        time: str | None,
        offset: int,
        digest: bytes,
        lines: int = 1,
        cut: str | None = None,
    ) -> Iterator[Entry]:
        """Yield the entries that one message completes; it is held while further lines may continue it."""
        text = clean(text)
        held = self.held.get(stream)
        if held is not None:
            verdict: Verdict = "no" if cut is not None else self._offer(held, text, time)
            if verdict == "maybe":
                held.uncertain.append(OpenEntry([text], stream, time, time, offset, lines, len(text), digest))
                return
            if verdict == "yes":
                if held.uncertain:
                    held.confirm()
                held.join(text, time, lines, len(text))
                return
            del self.held[stream]
            yield self._entry_of(held.entry)
            if held.uncertain:
                yield from self._add_again(held.uncertain)
                yield from self.add(text, stream, time, offset, digest, lines, cut)
                return
        if cut is None and can_be_continued(text):
            self.hold(text, stream, time, offset, digest, lines)
        else:
            yield Entry(text, stream, time, offset, lines, digest, None, cut)

    def hold(  # noqa: PLR0913, PLR0917 -- the columns of one line
        self, text: str, stream: str, time: str | None, offset: int, digest: bytes, lines: int = 1
    ) -> None:
        """Hold a clean text, which further lines may continue."""
        unfinished = OpenEntry([text], stream, time, time, offset, lines, len(text), digest, joint="\n")
        self.held[stream] = OpenText(unfinished, Trace(text))

    def _add_again(self, lines: list[OpenEntry]) -> Iterator[Entry]:
        """Add lines that did not belong to the text before them."""
        for line in lines:
            yield from self.add(line.text[0], line.stream, line.time, line.offset, line.digest, line.lines)

    def complete(self, stream: str) -> Entry:
        """Return the entry of the held text of a stream, which has no uncertain lines and is held no longer."""
        return self._entry_of(self.held.pop(stream).entry)

    def finish(self, text: OpenText) -> Iterator[Entry]:
        """Yield a text without a continuation, and the entries of its uncertain lines."""
        yield self._entry_of(text.entry)
        yield from self._add_again(text.uncertain)
        rest = self.held.pop(text.entry.stream, None)
        if rest is not None:
            yield from self.finish(rest)

    def _offer(self, held: OpenText, text: str, time: str | None) -> Verdict:
        bounds, entry = self.bounds, held.entry
        lines, size = entry.lines, entry.size
        for line in held.uncertain:
            lines, size = lines + line.lines, size + line.size + 1
        fits = lines < bounds.lines and size + len(text) < bounds.bytes
        return held.trace.offer(text) if fits and is_near(held.last_time, time, bounds.wait) else "no"

    @staticmethod
    def _entry_of(text: OpenEntry) -> Entry:
        """Return the entry of a text; blank lines at its end belong to it, but are not shown."""
        joined = "\n".join(text.text)
        if joined[-1:] == "\n":
            joined = joined.rstrip("\n")
        return Entry(joined, text.stream, text.time, text.offset, text.lines, text.digest, None, None)


def is_near(earlier: str | None, later: str | None, seconds: float) -> bool:
    """True if two runtime times are at most `seconds` apart, in either direction, or if one is unknown."""
    if earlier is None or later is None or earlier == later:
        return True
    first, second = parse_ms(earlier), parse_ms(later)
    return first is None or second is None or abs(second - first) <= seconds * 1000


def _trace_of(lines: list[str]) -> Trace:
    trace = Trace(lines[0])
    for line in lines[1:]:
        trace.offer(line)
    return trace
