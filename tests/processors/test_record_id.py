"""Ids: one for a record, whichever driver wrote it, wherever its log is, and however much is joined to it."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shipper_processors.assemble import ASSEMBLERS, Bounds
from shipper_processors.record_id import (
    broken_record,
    canonical_record,
    cut_record,
    instant,
    log_seed,
    ordinal_digest,
    plain_record,
    record_digest,
    seeded_digest,
)
from shipper_processors.times import parse_ms
from shipper_schemas.entry import Entry

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEED = seeded_digest(log_seed("c1"))
TIME = "2026-11-23T10:00:00.123456789Z"

nanoseconds = st.one_of(
    st.integers(0, 4_000_000_000 * 10**9), st.integers(0, 4_000_000_000).map(lambda second: second * 10**9),
    st.integers(0, 4_000_000_000_000).map(lambda ms: ms * 10**6),
)  # fmt: skip
streams = st.sampled_from(["stdout", "stderr"])
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=40),
    st.sampled_from(['{"level": "info", "text": "a\\nb"}', " F x", "P x", "", " ", "\r", "\\", '"', "<b>&amp;", "\u2028", "�"]),
)  # fmt: skip


def spelled(ns: int, *, digits: int, zone: int | None) -> str:
    """Return a time with at least `digits` fractional digits, in a zone `zone` minutes east; None means `Z`."""
    second, fraction = divmod(ns, 10**9)
    shift = timezone(timedelta(minutes=zone or 0))
    clock = (EPOCH + timedelta(seconds=second)).astimezone(shift).strftime("%Y-%m-%dT%H:%M:%S")
    needed = f"{fraction:09d}".rstrip("0").ljust(digits, "0")
    sign, minutes = ("-" if (zone or 0) < 0 else "+"), abs(zone or 0)
    end = "Z" if zone is None else f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{clock}.{needed}{end}" if needed else f"{clock}{end}"


@st.composite
def times_of(draw: st.DrawFn, ns: int) -> str:
    """Draw any spelling of an instant."""
    zone = draw(st.one_of(st.none(), st.integers(-14 * 60, 14 * 60)))
    return spelled(ns, digits=draw(st.integers(0, 9)), zone=zone)


@st.composite
def json_file_lines(draw: st.DrawFn, ns: int, stream: str, text: str, *, whole: bool) -> bytes:
    """Draw a json-file line of a record: keys in any order, any attributes, any escapes."""
    fields = {"log": text + ("\n" if whole else ""), "stream": stream, "time": draw(times_of(ns))}
    if draw(st.booleans()):
        fields["attrs"] = {"tag": draw(st.text(max_size=3))}  # type: ignore[assignment]
    order = draw(st.permutations(sorted(fields)))
    line = json.dumps(
        {name: fields[name] for name in order},
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])),
    )
    for sign in draw(st.sampled_from(["", "<>&", "/"])):
        line = line.replace(sign, f"\\u{ord(sign):04x}") if "attrs" not in fields else line
    return line.encode()


def entries(kind: str, lines: Iterable[bytes], bounds: Bounds | None = None, source: str = "c1") -> list[Entry]:
    """Return the entries of runtime lines."""
    assembler = ASSEMBLERS[kind](source, bounds or Bounds())  # type: ignore[index]
    complete = [entry for line in lines for entry in assembler.feed(line + b"\n", 0)]
    return [entry for entry in [*complete, *assembler.flush()] if isinstance(entry, Entry)]


@given(st.data(), nanoseconds, streams, texts, st.booleans())
def test_a_record_has_one_digest_whichever_driver_wrote_it(
    data: st.DataObject, ns: int, stream: str, text: str, whole: bool
) -> None:
    """Two json-file lines of any form and a CRI line in any zone have one digest, whole or as a part."""
    docker = [data.draw(json_file_lines(ns, stream, text, whole=whole)) for _ in range(2)]
    cri = f"{data.draw(times_of(ns))} {stream} {'F' if whole else 'P'} {text}".encode()
    digests = {
        entry.digest
        for kind, line in (("docker", docker[0]), ("docker", docker[1]), ("cri", cri))
        for entry in entries(kind, [line])
    }
    assert digests == {
        record_digest(SEED, canonical_record(spelled(ns, digits=9, zone=None), stream, text, whole=whole))
    }


@given(nanoseconds, nanoseconds, st.data())
def test_an_instant_has_one_text_for_all_spellings_and_no_other_instant_has_it(
    one: int, other: int, data: st.DataObject
) -> None:
    """Precision is full: times a nanosecond apart differ."""
    text = instant(data.draw(times_of(one)))
    assert text == instant(data.draw(times_of(one)))
    assert (text == instant(data.draw(times_of(other)))) == (one == other)
    assert text != instant(data.draw(times_of(one + 1)))
    assert parse_ms(f"{text}0Z") == one // 10**6


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-11-30T22:00:00.12+02:00", "2026-11-30T20:00:00.12"),
        ("2026-11-30T20:00:00.120000000Z", "2026-11-30T20:00:00.12"),
        ("2026-11-30T20:00:00Z", "2026-11-30T20:00:00."),
        ("2026-11-30T20:00:00.000Z", "2026-11-30T20:00:00."),
        ("2027-01-01T00:30:00+0100", "2026-12-31T23:30:00."),
        ("0001-01-01T00:00:00+01:00", "?25:0001-01-01T00:00:00+01:00"),
        ("2026-11-30T20:00:00.１Z", "?22:2026-11-30T20:00:00.１Z"),
        ("nonsense", "?8:nonsense"),
        ("", "?0:"),
    ],
)
def test_times_in_canonical_form(time: str, expected: str) -> None:
    """Times are in UTC without trailing zeros; invalid ones follow their length."""
    assert instant(time) == expected


parts = st.tuples(
    st.one_of(st.sampled_from([TIME, "", "?0:", " stdout F ", "x stdout F y", "2026-11-23T10:00:00Z"]), st.text(max_size=6)),
    streams, st.one_of(st.sampled_from(["", " ", "stdout F x", "F x", f"{TIME} stdout F x"]), texts), st.booleans(),
)  # fmt: skip


@given(parts, parts)
@example((TIME, "stdout", "a", True), (TIME, "stdout", "a", False))
@example(("x", "stdout", "F y stdout F z", True), ("x stdout F F y", "stdout", "z", True))
def test_no_two_records_have_the_same_form(one: tuple[str, str, str, bool], other: tuple[str, str, str, bool]) -> None:
    """Time, stream, text and tag all count, whatever separators they contain."""
    assume("�" not in one[2] + other[2])
    first, second = (canonical_record(time, stream, text, whole=whole) for time, stream, text, whole in (one, other))
    same = (instant(one[0]), *one[1:]) == (instant(other[0]), *other[1:])
    assert (first == second) == same


@given(st.text(max_size=20), st.text(max_size=20), st.binary(max_size=20), st.binary(max_size=20))
@example("c1", "c", b"x", b"1x")
@example("1:c", "1", b"x", b":cx")
def test_identity_and_record_cannot_be_confused(one: str, other: str, first: bytes, second: bytes) -> None:
    """The identity is hashed to a fixed size."""
    assert (log_seed(one) + first == log_seed(other) + second) == ((one, first) == (other, second))


@given(parts, st.binary(max_size=30), st.integers(0, 1 << 20))
def test_other_kinds_of_lines_have_different_forms(one: tuple[str, str, str, bool], raw: bytes, number: int) -> None:
    """The first byte distinguishes broken envelopes, truncated lines, plain files and ordinals."""
    time, stream, text, whole = one
    beginning = canonical_record(time, stream, text, whole=whole)[:1]
    assert beginning.isdigit() or beginning == b"?"
    assert [form[:1] for form in (broken_record(raw), cut_record(raw, number), plain_record(raw[:14], raw))] == [
        b"!", b"<", b">",
    ]  # fmt: skip
    digest = record_digest(SEED, raw)
    assert ordinal_digest(SEED, digest, 0) == digest
    assert len({digest, ordinal_digest(SEED, digest, 1), ordinal_digest(SEED, digest, 0, 1)}) == 3


def test_stream_time_and_text_all_count() -> None:
    """A difference in any of them makes another event."""
    base = (TIME, "stdout", "x", True)
    others = [(TIME[:-2] + "8Z", *base[1:]), (TIME, "stderr", "x", True), (TIME, "stdout", "x\r", True)]
    digests = {
        record_digest(SEED, canonical_record(time, stream, text, whole=whole))
        for time, stream, text, whole in (base, *others)
    }
    assert len(digests) == 4


@pytest.mark.parametrize("kind", ["docker", "cri"])
@pytest.mark.parametrize("number", [2, 3, 300])
def test_identical_neighbours_are_different_events(kind: str, number: int) -> None:
    """Their ordinals differ, and are the same for both drivers."""
    lines = {
        "docker": json.dumps({"log": "again\n", "stream": "stdout", "time": "2026-11-23T10:00:00.5Z"}),
        "cri": "2026-11-23T11:00:00.500+01:00 stdout F again",
    }
    digests = [entry.digest for entry in entries(kind, [lines[kind].encode()] * number)]
    assert len(set(digests)) == number
    first = record_digest(SEED, canonical_record("2026-11-23T10:00:00.5Z", "stdout", "again", whole=True))
    assert digests == [ordinal_digest(SEED, first, ordinal) for ordinal in range(number)]


TRACE = ["Traceback (most recent call last):", '  File "x.py", line 1, in f', "ValueError: bad", "up again"]
traces = st.lists(st.sampled_from(TRACE), min_size=1, max_size=12)
rules = st.sampled_from([Bounds(lines=1), Bounds(lines=2), Bounds(lines=1000), Bounds(wait=0.0), Bounds(bytes=40)])


@pytest.mark.parametrize("kind", ["docker", "cri", "plain"])
@given(lines=traces, gaps=st.data(), one=rules, other=rules)
def test_a_changed_rule_of_joining_keeps_the_ids_of_entries_that_begin_alike(
    kind: str, lines: list[str], gaps: st.DataObject, one: Bounds, other: Bounds
) -> None:
    """Entries that begin with the same record have the same id, however many lines are joined, and no two share one."""
    at, written = 0, []
    for line in lines:
        at += gaps.draw(st.sampled_from([1, 500_000_000, 3_000_000_000]))
        time = spelled(1_795_428_000 * 10**9 + at, digits=9, zone=None)
        written.append(
            {
                "docker": json.dumps({"log": f"{line}\n", "stream": "stderr", "time": time}),
                "cri": f"{time} stderr F {line}",
                "plain": line,
            }[kind].encode()
        )
    first, second = ([(entry.lines, entry.digest) for entry in entries(kind, written, rule)] for rule in (one, other))
    ids = []
    for pairs in (first, second):
        starts = [0, *(sum(lines for lines, _ in pairs[: number + 1]) for number in range(len(pairs)))]
        ids.append(dict(zip(starts, (digest for _, digest in pairs), strict=False)))
        assert len({digest for _, digest in pairs}) == len(pairs)
    assert all(ids[0][start] == ids[1][start] for start in ids[0].keys() & ids[1].keys())
    assert 0 in ids[0].keys() & ids[1].keys()


def test_a_message_in_parts_has_the_id_of_its_first_part() -> None:
    """The number of further parts, and how much of them is kept, does not matter."""
    part = b'{"log":"one ","stream":"stdout","time":"2026-11-23T10:00:00.3Z"}'
    end = b'{"log":"two\\n","stream":"stdout","time":"2026-11-23T10:00:00.3Z"}'
    kept = [Bounds(), Bounds(message_bytes=5)]
    digests = {entry.digest for bounds in kept for entry in entries("docker", [part, end], bounds)}
    digests |= {entries("docker", [part])[0].digest, entries("docker", [part, part, end])[0].digest}
    assert digests == {record_digest(SEED, canonical_record("2026-11-23T10:00:00.3Z", "stdout", "one ", whole=False))}


@pytest.mark.parametrize("kind", ["docker", "cri"])
def test_long_messages_that_begin_with_the_same_part_are_different_events(kind: str) -> None:
    """Also at the same instant: the parts that continue a message are no neighbours of the first ones."""
    time, stream, first = "2026-11-23T10:00:00.123456789Z", "stdout", "x" * 20
    parts = [(first, False), ("one", True), (first, False), ("two", True)]
    if kind == "docker":
        texts = [text if not whole else f"{text}\n" for text, whole in parts]
        lines = [json.dumps({"log": text, "stream": stream, "time": time}).encode() for text in texts]
    else:
        lines = [f"{time} {stream} {'F' if whole else 'P'} {text}".encode() for text, whole in parts]
    one, two = entries(kind, lines)
    assert (one.text, two.text) == (f"{first}one", f"{first}two")
    assert one.digest != two.digest


def test_drivers_agree_on_invalid_utf8() -> None:
    """Docker writes a replacement character for each invalid byte; a CRI file contains the bytes themselves."""
    docker = entries("docker", ['{"log":"a��b\\n","stream":"stdout","time":"2026-11-23T10:00:00Z"}'.encode()])
    cri = entries("cri", [b"2026-11-23T10:00:00Z stdout F a\xe2\x82b"])
    assert docker[0].digest == cri[0].digest


@given(st.lists(st.sampled_from(["started", "again", "ready"]), max_size=12))
def test_preceding_lines_distinguish_lines_of_a_plain_file(lines: list[str]) -> None:
    """No two lines share a digest, neighbours or not, also across logs."""
    digests = [entry.digest for entry in entries("plain", [line.encode() for line in lines])]
    assert len(set(digests)) == len(lines)
    elsewhere = [entry.digest for entry in entries("plain", [line.encode() for line in lines], source="c2")]
    assert not set(digests) & set(elsewhere)
    assert all(one != other for one, other in pairwise(digests))
