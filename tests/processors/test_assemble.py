"""Assembling: the result depends on the lines alone, not on the size of reads or on interruptions."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.assemble import ASSEMBLERS, Assembler, Bounds, JsonFileAssembler
from shipper_schemas.entry import Entry

LINES = [
    '{"log":"{\\"a\\":1}\\n","stream":"stdout","time":"2026-11-23T10:00:00.1Z"}',
    '{"log":"plain text\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '{"log":"part one ","stream":"stdout","time":"2026-11-23T10:00:00.3Z"}',
    '{"log":"part two\\n","stream":"stdout","time":"2026-11-23T10:00:00.3Z"}',
    '{"log":"part of stderr ","stream":"stderr","time":"2026-11-23T10:00:00.4Z"}',
    '{"log":"its end\\n","stream":"stderr","time":"2026-11-23T10:00:00.4Z"}',
    '{"log":"ERROR:    Exception in ASGI application\\n","stream":"stderr","time":"2026-11-23T10:00:00.5Z"}',
    '{"log":"Traceback (most recent call last):\\n","stream":"stderr","time":"2026-11-23T10:00:00.5Z"}',
    '{"log":"  File \\"x.py\\", line 1, in f\\n","stream":"stderr","time":"2026-11-23T10:00:00.5Z"}',
    '{"log":"ValueError: bad\\n","stream":"stderr","time":"2026-11-23T10:00:00.5Z"}',
    '{"log":"\\n","stream":"stdout","time":"2026-11-23T10:00:00.6Z"}',
    '{"log":"{\\"late\\":1}\\n","stream":"stderr","time":"2026-11-23T10:00:09Z"}',
    '{"log":"{\\"crlf\\":1}\\r\\n","stream":"stdout","time":"2026-11-23T10:00:09.5Z"}',
    "not a record",
    "",
    '{"log":"no end","stream":"stdout","time":"2026-11-23T10:00:10Z"}',
]  # fmt: skip


def fed(assembler: Assembler, lines: Iterable[str]) -> list[Entry]:
    """Return the entries of lines that are fed one by one; the rest is flushed."""
    entries: list[Entry] = []
    offset = 0
    for line in lines:
        raw = line.encode() + b"\n"
        entries += assembler.feed(raw, offset)
        offset += len(raw)
    return entries + list(assembler.flush())


@given(st.lists(st.sampled_from(LINES), max_size=25), st.lists(st.integers(1, 6), min_size=1))
def test_chunks_of_any_size_give_the_same_entries(lines: list[str], sizes: list[int]) -> None:
    """Decoding whole chunks and decoding line by line agree byte for byte."""
    expected = fed(JsonFileAssembler("c", Bounds()), lines)
    assembler, entries, offset, start, turn = JsonFileAssembler("c", Bounds()), [], 0, 0, 0
    while start < len(lines):
        size = sizes[turn % len(sizes)]
        raw = "".join(f"{line}\n" for line in lines[start : start + size]).encode()
        entries += assembler.feed(raw, offset)
        offset, start, turn = offset + len(raw), start + size, turn + 1
    assert entries + list(assembler.flush()) == expected


@pytest.mark.parametrize("kind", ASSEMBLERS)
@given(lines=st.lists(st.sampled_from(LINES), max_size=25), cut=st.integers(0, 25))
def test_interruption_anywhere_changes_nothing(kind: str, lines: list[str], cut: int) -> None:
    """The partial state contains all that the rest of the log needs: entries, digests, ordinals."""
    expected = fed(ASSEMBLERS[kind]("c", Bounds()), lines)  # type: ignore[index]
    before, after = ASSEMBLERS[kind]("c", Bounds()), ASSEMBLERS[kind]("c", Bounds())  # type: ignore[index]
    entries: list[Entry] = []
    offset = 0
    assembler = before
    for number, line in enumerate(lines):
        if number == cut:
            after.restore(before.partial_state())
            assembler = after
        raw = line.encode() + b"\n"
        entries += assembler.feed(raw, offset)
        offset += len(raw)
    assert entries + list(assembler.flush()) == expected


@given(st.lists(st.sampled_from(LINES), max_size=25))
def test_every_line_belongs_to_one_entry(lines: list[str]) -> None:
    """The lines of all entries add up to the lines of the log."""
    entries = fed(JsonFileAssembler("c", Bounds()), lines)
    assert sum(entry.lines for entry in entries) == len(lines)


@given(st.lists(st.sampled_from(LINES), max_size=25))
def test_lines_in_a_row_have_different_digests(lines: list[str]) -> None:
    """Byte-identical neighbours get different digests."""
    assembler = JsonFileAssembler("c", Bounds())
    digests = [assembler.digest(line.encode()) for line in lines]
    assert all(first != second for first, second in zip(digests, digests[1:], strict=False))


def test_digests_depend_on_the_container() -> None:
    """The same line of two containers is two events."""
    first, second = (fed(JsonFileAssembler(source, Bounds()), LINES[:1])[0].digest for source in "ab")
    assert first != second


def test_a_trace_is_one_entry_within_its_stream() -> None:
    """Lines of stdout do not interrupt a stack trace on stderr."""
    out = LINES[0]
    lines = [LINES[6], out, LINES[7], out, LINES[8], LINES[9], LINES[11]]
    texts = [entry.text for entry in fed(JsonFileAssembler("c", Bounds()), lines)]
    trace = 'ERROR:    Exception in ASGI application\nTraceback (most recent call last):\n  File "x.py", line 1, in f\nValueError: bad'
    assert texts == ['{"a":1}', '{"a":1}', trace, '{"late":1}']


def test_a_late_line_starts_a_new_entry() -> None:
    """Joining ends if the runtime's times are further apart than the waiting time, whenever the lines are read."""
    early = json.dumps(
        {"log": "Traceback (most recent call last):\n", "stream": "stderr", "time": "2026-11-23T10:00:00Z"}
    )
    late = json.dumps({"log": "  File\n", "stream": "stderr", "time": "2026-11-23T10:00:05Z"})
    assert [entry.lines for entry in fed(JsonFileAssembler("c", Bounds(wait=1)), [early, late])] == [1, 1]


@pytest.mark.parametrize("bounds", [Bounds(lines=10), Bounds(bytes=100)])
def test_bounds_of_a_trace_lose_no_line(bounds: Bounds) -> None:
    """A trace beyond the limits continues in further entries."""
    line = json.dumps({"log": "  File x.py\n", "stream": "stderr", "time": "2026-11-23T10:00:00Z"})
    entries = fed(JsonFileAssembler("c", bounds), [LINES[7], *[line] * 50])
    assert sum(entry.lines for entry in entries) == 51
    assert len(entries) > 4
    assert max(entry.lines for entry in entries) <= 10


def test_partial_entries_of_two_files_are_finished_in_the_same_order_after_a_restart() -> None:
    """Both start at byte 0 of their file, so that offsets do not order them."""
    first = b'{"log":"of stdout ","stream":"stdout","time":"2026-11-23T10:00:00.1Z"}\n'
    second = b'{"log":"of stderr ","stream":"stderr","time":"2026-11-23T10:00:00.1Z"}\n'
    through, again = JsonFileAssembler("c", Bounds()), JsonFileAssembler("c", Bounds())
    assert [*through.feed(first, 0), *through.feed(second, 0)] == []
    again.restore(through.partial_state())
    assert list(again.flush()) == list(through.flush())
