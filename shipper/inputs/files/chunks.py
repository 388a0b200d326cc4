"""Chunks: the complete lines returned by one read."""

from collections.abc import Iterator

from shipper.inputs.files.cursor import Cursor
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.log_file import LogFile
from shipper.inputs.files.long_lines import read_long_line
from shipper.state.checkpoint import PREFIX_BYTES, TAIL_BYTES
from shipper_processors.fast_path import FastBatch
from shipper_schemas.entry import Entry


def read_chunk(cursor: Cursor, limits: Limits, until: int | None = None) -> Iterator[Entry | FastBatch] | None:
    """Return the entries of the lines of one read, up to offset `until`; None if no line is complete."""
    assert cursor.file is not None  # noqa: S101 -- only a cursor in a file reads
    if until is not None and until <= cursor.offset:
        return None
    if cursor.file.long_line_at(cursor.offset) is not None:
        return read_long_line(cursor, limits, until)
    size = limits.chunk_bytes if until is None else limits.within_chunk(until - cursor.offset)
    data = cursor.handle.read(cursor.offset, size)
    end = data.rfind(b"\n") + 1
    if end:
        return cursor.feed(data[:end])
    if data and until == cursor.offset + len(data):
        return cursor.feed_unterminated(data)
    return read_long_line(cursor, limits, until) if data and len(data) == size else None


def skip_to_end(cursor: Cursor, limits: Limits) -> None:
    """Move a cursor past the present content of all files, except for a last line without its newline."""
    live = cursor.log.live()
    cursor.enter(live)
    for file in cursor.log.files:
        if file is not live:
            _skip(file)
    if live is None or live.handle is None:
        return
    size = live.handle.size() or 0
    while size > 0:
        start = max(0, size - limits.chunk_bytes)
        end = live.handle.read(start, size - start).rfind(b"\n") + 1
        if end:
            cursor.advance(start + end, live.handle.read(max(0, start + end - TAIL_BYTES), TAIL_BYTES))
            cursor.bytes_read, live.begun = 0, True
            return
        size = start


def _skip(file: LogFile) -> None:
    """Read only the bytes of a file that its fingerprint needs, and mark it as read."""
    if file.handle is not None:
        beginning = file.handle.read(0, PREFIX_BYTES)
        size = file.handle.size() or len(beginning)  # of a compressed file it is unknown
        before = beginning if size == len(beginning) else file.handle.read(max(0, size - TAIL_BYTES), TAIL_BYTES)
        file.fingerprint.update(file.handle, size, before)
    file.passed = True
    file.close()
