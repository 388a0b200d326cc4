"""Lines longer than a chunk: read as a whole up to the limit, truncated beyond it once their end is reached.

A run of NULs before a line does not count: it is the hole in a file that was truncated under a writer without append.
"""

from collections.abc import Iterator

from shipper.inputs.files.cursor import Cursor
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.log_file import LongLine
from shipper_processors.fast_path import FastBatch
from shipper_schemas.entry import Entry

SEARCHED_PER_READ = 64 * 1024 * 1024
"""Bytes of a long line that are searched per read: a compressed one may be terabytes long."""
HOLE_BYTES = 512
"""Least number of NULs within a long line that count as a hole: the writer was cut off, and another line follows."""
ENDING = 1024
"""Last bytes of a long line, where a json-file record has its stream and time."""


def read_long_line(cursor: Cursor, limits: Limits, until: int | None) -> Iterator[Entry | FastBatch] | None:
    """Return the entries of a line longer than a chunk; None if its end is not written yet.

    A line without a newline before `until` was read as a last line by the count cursor, which is at `until`.
    """
    assert cursor.file is not None  # noqa: S101 -- only a cursor in a file reads
    line = cursor.file.long_line_at(cursor.offset)
    if line is not None:
        return _search_end(cursor, limits, line, until)
    bound = limits.line_bytes
    left = bound + 1 if until is None else until - cursor.offset
    data = cursor.handle.read(cursor.offset, min(left, bound + 1))
    end = data.find(b"\n") + 1
    if end:
        return cursor.feed(data[:end])
    if len(data) <= bound:
        return cursor.feed_unterminated(data) if len(data) == left else None
    visible = data.lstrip(b"\0")
    if visible and len(visible) < len(data):
        cursor.skip_hole(cursor.offset + len(data) - len(visible))
        return iter(())
    beginning = data[:bound] if cursor.handle.size() is None else b""
    line = cursor.file.long_line = LongLine(cursor.offset, cursor.offset + len(data), beginning, not visible)
    _note_nuls(line, data, cursor.offset)
    return _search_end(cursor, limits, line, until)


def _search_end(
    cursor: Cursor, limits: Limits, line: LongLine, until: int | None
) -> Iterator[Entry | FastBatch] | None:
    """Continue the search for the end, by at most `SEARCHED_PER_READ`; empty if more has to be searched."""
    most = line.searched + SEARCHED_PER_READ
    stop = most if until is None else min(most, until)
    while line.searched < stop:
        chunk = cursor.handle.read(line.searched, limits.within_chunk(stop - line.searched))
        if not chunk:
            break
        if line.hole and (visible := chunk.lstrip(b"\0")):
            line.hole = False
            if visible[:1] != b"\n":
                cursor.skip_hole(line.searched + len(chunk) - len(visible))
                return iter(())
        newline = chunk.find(b"\n")
        if newline >= 0:
            end = line.searched + newline
            _note_nuls(line, chunk[:newline], line.searched)
            if _is_torn(cursor, line, end):
                return _cut_at_hole(cursor, limits, line)
            return _cut(cursor, limits, line, end, end + 1)
        _note_nuls(line, chunk, line.searched)
        line.searched += len(chunk)
    if until is not None and line.searched >= until:
        return _cut(cursor, limits, line, until, until)
    return iter(()) if line.searched >= most else None


def _note_nuls(line: LongLine, data: bytes, offset: int) -> None:
    """Note the last NUL in `data`, which begins at `offset`."""
    last = data.rfind(b"\0")
    if last >= 0:
        line.hole_end = offset + last + 1


def _is_torn(cursor: Cursor, line: LongLine, end: int) -> bool:
    """Return True if a line that ends at `end` holds a hole, behind which another line begins."""
    begin = line.hole_end - HOLE_BYTES
    if not line.begin < begin or line.hole_end >= end:
        return False
    return cursor.handle.read(begin, HOLE_BYTES) == b"\0" * HOLE_BYTES


def _cut_at_hole(cursor: Cursor, limits: Limits, line: LongLine) -> Iterator[Entry | FastBatch]:
    """Return the entry of a line that ends in a hole, and count what the hole replaced as lost."""
    begin, end = line.begin, line.hole_end
    known = line.beginning or cursor.handle.read(begin, min(end - begin, limits.line_bytes))
    visible = len(known[: end - begin].rstrip(b"\0"))
    if cursor.counts and cursor.file is not None:
        why = "it holds NULs in place of the end of a line, and perhaps of other lines"
        cursor.log.incidents.lose(cursor.file.path, begin + visible, end - begin - visible, why)
    if end - begin > limits.line_bytes:
        return _cut(cursor, limits, line, end, end)
    if cursor.file is not None:
        cursor.file.long_line = None
    return cursor.feed_unterminated(known[: end - begin])


def _cut(cursor: Cursor, limits: Limits, line: LongLine, end: int, following: int) -> Iterator[Entry]:
    """Return the truncated entry of a line that ends at `end`; the next line starts at `following`."""
    start = max(cursor.offset, end - ENDING)
    ending = cursor.handle.read(start, end - start)
    beginning = line.beginning or cursor.handle.read(cursor.offset, limits.line_bytes)
    return cursor.feed_cut(beginning, end, following, ending)


def read_last_line(cursor: Cursor, limits: Limits) -> Iterator[Entry | FastBatch] | None:
    """Return the entries of the last line of a finished file if it has no newline; None if it has one."""
    assert cursor.file is not None  # noqa: S101
    bound, line = limits.line_bytes, cursor.file.long_line_at(cursor.offset)
    known = line.beginning if line is not None else b""
    rest = known + b"+" if known else cursor.handle.read(cursor.offset, bound + 1)
    if cursor.counts and getattr(cursor.handle, "damage", None):
        cursor.log.incidents.damaged += 1
    if len(rest) > bound:
        return _cut_at_end(cursor, limits, rest[:bound])
    return cursor.feed_unterminated(rest) if rest else None


def _cut_at_end(cursor: Cursor, limits: Limits, beginning: bytes) -> Iterator[Entry]:
    """Return the truncated entry of a last line that has no newline and exceeds the limit."""
    assert cursor.file is not None  # noqa: S101
    line = cursor.file.long_line_at(cursor.offset)
    end = cursor.offset + len(beginning) if line is None else line.searched
    ending = beginning
    while chunk := cursor.handle.read(end, limits.chunk_bytes):
        end, ending = end + len(chunk), (ending + chunk)[-ENDING:]
    return cursor.feed_cut(beginning, end, end, ending[-ENDING:])
