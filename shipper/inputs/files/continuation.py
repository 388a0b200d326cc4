"""Which file is which: a file on disk compared with what was read of a known one. The content decides."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from shipper.inputs.files.fingerprint import Fingerprint, Readable
from shipper.inputs.files.line_times import first_later, latest_time, time_of
from shipper.state.checkpoint import TAIL_BYTES, hashed

EDITED_BEFORE, EDITED_AFTER = 4 << 20, 1 << 20
"""Bytes around the offset in which the last line read is looked for."""
TIMES_WITHIN = 4096
"""Bytes before a landmark in which a plain log that has times shows one."""
SCANNED, LONGEST = 256 * 1024, 1024 * 1024
"""Bytes scanned at once for times, and most bytes of a line in which one is found."""


class Verdict(Enum):
    """Relation of a file on disk to a known file that is nowhere else."""

    CONTINUES = "it holds all that was read, and reading goes on where it was"
    EDITED = "earlier lines were changed, and reading goes on behind the last line that was read"
    SHORTENED = "the end of what was read is missing, and reading goes on behind what is there"
    TRUNCATED = "it was emptied and written again, and is read from its beginning"
    ANOTHER = "it is another file, and is read from its beginning"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Comparison of a file on disk with a known one."""

    whole: bool
    """True if it holds all that was read, up to the offset."""
    agrees: int
    """End of the last landmark that it has, in bytes."""
    edited: int = 0
    """End of the last line that was read, in a file whose lines before it were changed; 0 if it is not there."""
    timed: bool = False
    """True if the part that agrees has times, so that no other file begins like it."""
    same_inode: bool = False
    rebooted: bool = False
    """True if the machine was started since the known file was read."""
    elsewhere: bool = False
    """True if the known file is known to exist under another name, or was missing for a while."""


def verdict(evidence: Evidence) -> Verdict:
    """Return the relation that follows from a comparison.

    Lines with times are never written twice. Lines without are: programs start with the same words.
    """
    if evidence.whole and (evidence.timed or evidence.same_inode or not evidence.elsewhere):
        return Verdict.CONTINUES
    if evidence.edited and (evidence.timed or not (evidence.same_inode or evidence.elsewhere)):
        return Verdict.EDITED
    if evidence.agrees and (evidence.timed or (evidence.rebooted and not evidence.whole)):
        return Verdict.SHORTENED
    return Verdict.TRUNCATED if evidence.same_inode else Verdict.ANOTHER


class Sized(Readable, Protocol):
    """Bytes at offsets, of a known number."""

    inode: int

    def size(self) -> int | None:
        """Return the present size in bytes; None if unknown until read."""


def compared(known: Fingerprint, file: Sized, kind: str, *, rebooted: bool, elsewhere: bool) -> Evidence:
    """Compare a file on disk with a known file of a log of input type `kind`."""
    size = file.size()
    whole = known.offset > 0 and (size is None or size >= known.offset) and known.matches(file)
    agrees = known.offset if whole else 0 if size is None else known.agrees_up_to(file, size)
    edited = 0 if whole or not size else last_line_in(known, file, size, kind)
    at = edited or agrees
    timed = at > 0 and (kind != "plain" or has_times(kind, file, at))
    return Evidence(whole, agrees, edited, timed, file.inode == known.inode, rebooted, elsewhere)


def last_line_in(known: Fingerprint, file: Readable, size: int, kind: str) -> int:
    """Return the end of the last line read, by the bytes before it and its time; 0 if the file does not have it.

    It is looked for around the place where it was. Without a time, it must be there once.
    """
    time, begin, matches = known.latest_time(kind), max(0, known.offset - EDITED_BEFORE), []
    if not time and known.offset < TAIL_BYTES:
        return 0
    data = file.read(begin, min(size, known.offset + EDITED_AFTER) - begin)
    end = data.rfind(b"\n") + 1
    while end > 0:
        line = data.rfind(b"\n", 0, end - 1) + 1
        if hashed(data[max(0, end - TAIL_BYTES) : end]) == known.tail_hash:
            if not time:
                matches.append(begin + end)
            elif time_of(kind, data[line : end - 1]) == time:
                return begin + end
        end = line
    return matches[0] if len(matches) == 1 else 0


def has_times(kind: str, file: Readable, end: int) -> bool:
    """Return True if lines shortly before `end` have a time."""
    within = min(end, TIMES_WITHIN)
    return bool(latest_time(kind, file.read(end - within, within)))


def begins_with(file: Readable, other: Readable, size: int) -> bool:
    """Return True if a file begins with the first `size` bytes of another one."""
    return all(
        file.read(at, min(SCANNED, size - at)) == other.read(at, min(SCANNED, size - at))
        for at in range(0, size, SCANNED)
    )


def resume_at(known: Fingerprint, file: Sized, kind: str, agrees: int) -> int:
    """Return the offset in a shortened file behind which nothing was read.

    This is the first line later than the last one read, or the end. Without times, a file that has grown beyond the
    old offset is read on behind the last landmark that agrees.
    """
    size, time = file.size() or 0, known.latest_time(kind)
    at, rest = agrees, b""
    while time and at < size:
        data = file.read(at, SCANNED)
        if not data:
            break
        at += len(data)
        lines, newline, rest = (rest + data).rpartition(b"\n")
        later = first_later(kind, lines, time) if newline else -1
        if later >= 0:
            return at - len(rest) - len(newline) - len(lines) + later
        rest = rest[-LONGEST:]
    later = first_later(kind, rest, time) if rest else -1
    if later >= 0:
        return at - len(rest) + later
    return size if size <= known.offset else agrees


def agreement(one: Readable, other: Readable, begin: int) -> int:
    """Return the end of the last line that two files have in common, which agree up to `begin`."""
    at = end = begin
    while True:
        left, right = one.read(at, SCANNED), other.read(at, SCANNED)
        size = _common(left, right)
        end = max(end, at + left.rfind(b"\n", 0, size) + 1) if b"\n" in left[:size] else end
        if size < SCANNED:
            return end
        at += size


def _common(left: bytes, right: bytes) -> int:
    """Return the number of equal bytes at the beginning."""
    size = min(len(left), len(right))
    if left[:size] == right[:size]:
        return size
    low, high = 0, size
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if left[:middle] == right[:middle] else (low, middle - 1)
    return low
