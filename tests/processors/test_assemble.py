"""Assembling: the result depends on the lines alone, not on the size of reads or on interruptions."""

import json
from collections.abc import Iterable
from typing import Literal

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
    '{"log":"  {\\"event\\":\\"login_failed\\"}\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '{"log":"\\u001b[31m{\\"a\\":1}\\u001b[0m\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '{"log":"2026-11-23 10:00:00 ERROR failed\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '{"log":"java.lang.IllegalStateException: no\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '{"log":"of two lines\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '{"log":"\\tat a.B.c(B.java:1)\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '{"log":"{\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '{"log":"  \\"a\\": 1,\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '{"log":"}\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '{"log":"torn{"log":"{\\"a\\":2}\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '\0\0\0{"log":"{\\"a\\":3}\\n","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    '{"log":"' + "x" * 16384 + '","stream":"stdout","time":"2026-11-23T10:00:00.2Z"}',
    "2026-11-23T10:00:00.2Z stdout P cri ",
    "2026-11-23T10:00:09.2Z stdout F text",
    "\0\0\ufeff{}",
    " 10%\r 20%\r",
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
    """The lines of all entries add up to the lines of the log; of a line with a torn record, the whole one counts."""
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


TIME = "2026-11-23T10:00:00.2Z"
EVENT = '{"event":"login_failed"}'


def record(log: str, time: str = TIME, stream: str = "stdout") -> str:
    """Return a json-file record without its newline."""
    return json.dumps({"log": log, "stream": stream, "time": time}, separators=(",", ":"))


def test_an_indented_event_after_a_text_is_an_entry() -> None:
    """A line that begins with `{`, blanks and colours apart, begins a record."""
    for led in ("  ", "\t", "\ufeff", "\x1b[0m", "\x1b[0m  ", "\r", "\0"):
        entries = fed(JsonFileAssembler("c", Bounds()), [record("Starting\n"), record(f"{led}{EVENT}\x1b[0m\r\n")])
        assert [entry.text.strip() for entry in entries] == ["Starting", EVENT]


def test_ids_cover_the_record_as_logged() -> None:
    """Colours are not shown, but distinguish records."""
    plain, coloured = (fed(JsonFileAssembler("c", Bounds()), [record(f"{led}x\n")])[0] for led in ("", "\x1b[0m"))
    assert plain.text == coloured.text
    assert plain.digest != coloured.digest


def test_an_exception_without_frames_stays_apart_from_the_line_before() -> None:
    """It is uncertain until a frame follows; then its lines are joined, else each is an entry with its own digest."""
    lines = [record("2026-11-23 10:00:00 ERROR failed\n"), record("java.lang.IllegalStateException: no\n")]
    assert [entry.lines for entry in fed(JsonFileAssembler("c", Bounds()), lines)] == [1, 1]
    apart = fed(JsonFileAssembler("c", Bounds()), [*lines, record("2026-11-23 10:00:01 INFO next\n")])
    assert [entry.lines for entry in apart] == [1, 1, 1]
    assert len({entry.digest for entry in apart}) == 3
    joined = fed(JsonFileAssembler("c", Bounds()), [*lines, record("\tat a.B.c(B.java:1)\n")])
    assert [entry.lines for entry in joined] == [3]
    assert joined[0].digest == apart[0].digest


def test_bounds_hold_for_uncertain_lines() -> None:
    """A text that would grow beyond its bounds by them ends before."""
    lines = [record("2026-11-23 10:00:00 ERROR failed\n"), record("java.lang.IllegalStateException: no\n")]
    entries = fed(JsonFileAssembler("c", Bounds(lines=2)), [*lines, *[record("\tat a.B.c(B.java:1)\n")] * 3])
    assert max(entry.lines for entry in entries) <= 2
    assert sum(entry.lines for entry in entries) == 5


def test_a_torn_record_does_not_hide_the_whole_one_after_it() -> None:
    """The torn one is broken, the whole one is read with its own id, however many stand on the line."""
    whole = record(f"{EVENT}\n")
    (alone,) = fed(JsonFileAssembler("c", Bounds()), [whole])
    for before in ('{"log":"to', '{"log":"x\\"{\\"log\\":', "\0\0garbage", record("y\n")[:-3]):
        entries = fed(JsonFileAssembler("c", Bounds()), [before + whole])
        assert [(entry.text, entry.digest) for entry in entries if entry.broken is None] == [(EVENT, alone.digest)]
        assert sum(entry.broken is not None for entry in entries) == 1
    both = fed(JsonFileAssembler("c", Bounds()), [record('{"a":1}\n') + whole + '{"log":"to'])
    assert [entry.text for entry in both if entry.broken is None] == ['{"a":1}', EVENT]
    quoted = record('{"text":"{\\"log\\":\\"x"}\n')
    assert [entry.broken for entry in fed(JsonFileAssembler("c", Bounds()), [quoted])] == [None]


@pytest.mark.parametrize("kind", ["docker", "cri"])
def test_a_line_of_the_other_runtime_is_read_as_what_it_is(kind: Literal["docker", "cri"]) -> None:
    """Its id is that of its own envelope."""
    lines: dict[Literal["docker", "cri"], list[str]] = {
        "docker": [record(f"{EVENT}\n"), record("part ", stream="stderr"), record("end\n", stream="stderr")],
        "cri": [f"{TIME} stdout F {EVENT}", f"{TIME} stderr P part ", f"{TIME} stderr F end"],
    }
    other: Literal["docker", "cri"] = "cri" if kind == "docker" else "docker"
    right, wrong = (fed(ASSEMBLERS[name]("c", Bounds()), lines[other]) for name in (other, kind))
    assert [(entry.text, entry.digest, entry.broken) for entry in wrong] == [
        (entry.text, entry.digest, None) for entry in right
    ]


def test_a_piece_waits_for_its_rest_however_late() -> None:
    """Docker's full piece and a CRI part are not finished by time; an unfinished end of a stream is."""
    half = EVENT + " " * (16384 - len(EVENT) - 1)
    cases: list[tuple[Literal["docker", "cri"], str, str]] = [
        ("docker", record("[" + half), record('"late"]\n', "2026-11-23T10:05:00Z")),
        ("cri", f"{TIME} stdout P [{half}", '2026-11-23T10:05:00Z stdout F "late"]'),
    ]
    for kind, first, second in cases:
        assembler = ASSEMBLERS[kind]("c", Bounds(wait=1))
        assert list(assembler.feed(f"{first}\n".encode(), 0)) == []
        assert list(assembler.flush_waiting()) == []
        assert assembler.has_partial
        assert not assembler.has_waiting
        again = ASSEMBLERS[kind]("c", Bounds(wait=1))
        again.restore(assembler.partial_state())
        entries = [*again.python_path(f"{second}\n".encode(), 20000), *again.flush()]
        assert [entry.text for entry in entries] == [f'[{half}"late"]']
    assembler = ASSEMBLERS["docker"]("c", Bounds(wait=1))
    assert list(assembler.feed(f"{record('no newline')}\n".encode(), 0)) == []
    assert [waiting.text for waiting in assembler.flush_waiting()] == ["no newline"]


def test_a_cut_record_keeps_its_beginning_stream_and_time() -> None:
    """The text is decoded, so that its fields count; a cut escape is dropped."""
    line = record('{"event":"login_failed","big":"é\\n' + "x" * 5000 + '"}\n', stream="stderr")
    for end in (200, 44, 58, 60):
        (entry,) = JsonFileAssembler("c", Bounds()).overlong(line.encode()[:end], 0, len(line), line.encode()[-1024:])
        assert entry.broken is None
        assert (entry.stream, entry.time) == ("stderr", TIME)
        assert entry.cut is not None


def test_a_hole_before_a_line_is_no_part_of_it() -> None:
    """Of any length, in each kind of log; the id is that of the line."""
    lines: dict[Literal["docker", "cri", "plain"], str] = {
        "docker": record(f"{EVENT}\n"), "cri": f"{TIME} stdout F {EVENT}", "plain": EVENT,
    }  # fmt: skip
    for kind, line in lines.items():
        (whole,) = fed(ASSEMBLERS[kind]("c", Bounds()), [line])
        (after,) = fed(ASSEMBLERS[kind]("c", Bounds()), ["\0" * 3000 + line])
        assert after == whole


@pytest.mark.parametrize("kind", ["docker", "cri"])
def test_a_whole_event_is_no_rest_of_a_torn_one(kind: Literal["docker", "cri"]) -> None:
    """A container that was killed while it wrote a long record, and started again, hides no event."""
    torn = '{"event":"login_failed","big":"' + "x" * 16384
    lines = {"docker": [record(torn), record(f"{EVENT}\n", "2026-11-23T10:00:01Z")]}
    lines["cri"] = [f"{TIME} stdout P {torn}", f"2026-11-23T10:00:01Z stdout F {EVENT}"]
    assert [entry.text for entry in fed(ASSEMBLERS[kind]("c", Bounds()), lines[kind])] == [torn, EVENT]
