"""Which file is which: the decision as a table, and the place in a shortened file as a property."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.inputs.files.continuation import Evidence, Verdict, agreement, compared, resume_at, verdict
from shipper.inputs.files.fingerprint import MOST_LANDMARKS, Fingerprint
from shipper.inputs.files.line_times import first_later, latest_time, time_of
from shipper.state.checkpoint import TAIL_BYTES

CONTINUES, EDITED, SHORTENED, TRUNCATED, ANOTHER = Verdict


class Bytes:
    """A file in memory."""

    def __init__(self, data: bytes, inode: int = 1) -> None:
        self.data, self.inode = data, inode

    def size(self) -> int:
        """Return its size."""
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        """Read at an offset."""
        return self.data[offset : offset + size]


def read_of(data: bytes, reads: list[int]) -> Fingerprint:
    """Return the fingerprint of a file after reads that end behind the lines of these numbers."""
    known, at = Fingerprint(1, 1), 0
    ends = [number for number, byte in enumerate(data, 1) if byte == ord("\n")]
    for number in sorted({*reads, len(ends)}):
        if number:
            end = ends[number - 1]
            known.update(Bytes(data), end, data[at:end] if end - at >= TAIL_BYTES else data[:end])
            at = end
    return known


def docker(first: int, number: int) -> bytes:
    """Return lines of Docker with rising times, of different lengths."""
    return b"".join(
        b'{"log":"%b\\n","stream":"stdout","time":"2026-11-23T10:00:%02d.%09dZ"}\n' % (b"x" * (n % 90), n // 100, n)
        for n in range(first, first + number)
    )


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence(whole=True, agrees=9, timed=True), CONTINUES),
        (Evidence(whole=True, agrees=9, timed=True, elsewhere=True), CONTINUES),
        (Evidence(whole=True, agrees=9), CONTINUES),
        (Evidence(whole=True, agrees=9, elsewhere=True), ANOTHER),
        (Evidence(whole=True, agrees=9, same_inode=True, elsewhere=True), CONTINUES),
        (Evidence(whole=False, agrees=5, edited=7, timed=True), EDITED),
        (Evidence(whole=False, agrees=0, edited=7), EDITED),
        (Evidence(whole=False, agrees=0, edited=7, elsewhere=True), ANOTHER),
        (Evidence(whole=False, agrees=0, edited=7, same_inode=True), TRUNCATED),
        (Evidence(whole=False, agrees=0, edited=7, same_inode=True, timed=True), EDITED),
        (Evidence(whole=False, agrees=5, timed=True), SHORTENED),
        (Evidence(whole=False, agrees=5, timed=True, same_inode=True), SHORTENED),
        (Evidence(whole=False, agrees=5, rebooted=True), SHORTENED),
        (Evidence(whole=False, agrees=5, same_inode=True), TRUNCATED),
        (Evidence(whole=False, agrees=5), ANOTHER),
        (Evidence(whole=False, agrees=0, timed=False, rebooted=True), ANOTHER),
        (Evidence(whole=False, agrees=0, rebooted=True, same_inode=True), TRUNCATED),
    ],
)
def test_the_decision(evidence: Evidence, expected: Verdict) -> None:
    """The content decides; lines without times may be written twice."""
    assert verdict(evidence) is expected


@given(
    written=st.integers(1, 300),
    cut=st.integers(0, 20_000),
    after=st.integers(0, 300),
    reads=st.lists(st.integers(0, 300)),
)
def test_a_shortened_log_of_a_runtime_goes_on_at_the_first_later_line(
    written: int, cut: int, after: int, reads: list[int]
) -> None:
    """Wherever it was cut, and however much was written before the next look at it."""
    before = docker(0, written)
    known = read_of(before, [number for number in reads if number < written])
    kept = before[: max(0, len(before) - cut)]
    later = docker(written, after)
    file = Bytes(kept + later)
    evidence = compared(known, file, "docker", rebooted=False, elsewhere=False)
    if cut == 0:
        assert verdict(evidence) is CONTINUES
    elif b"\n" in kept:
        assert verdict(evidence) is SHORTENED
        assert resume_at(known, file, "docker", evidence.agrees) == len(kept)
        known.cut(file, len(kept))
        assert known.matches(file)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=400))
def test_landmarks_stay_few_and_rise(lengths: list[int]) -> None:
    """They are at ends of lines, and the last one is the offset."""
    data = b"".join(b"%d %b\n" % (number, b"y" * length) for number, length in enumerate(lengths))
    known = read_of(data, list(range(len(lengths))))
    places = [place for place, _ in known.landmarks]
    assert len(places) <= MOST_LANDMARKS
    assert places == sorted(set(places))
    assert places[-1] == len(data)
    assert all(data[place - 1 : place] == b"\n" for place in places)
    assert known.agrees_up_to(Bytes(data), len(data)) == len(data)
    first = data.index(b"\n") + 1
    assert known.agrees_up_to(Bytes(data[: first + 1]), first + 1) == first


def test_one_large_read_leaves_landmarks_within_it() -> None:
    """A file that is read at once can be recognised when it is shorter."""
    data = docker(0, 3000)
    known = read_of(data, [])
    places = [place for place, _ in known.landmarks]
    assert all(later <= 2 * earlier + 400 for earlier, later in itertools.pairwise(places[1:]))


def test_a_plain_log_without_times_that_begins_alike_is_another() -> None:
    """Without times and without another start of the machine, a shorter file is a new one."""
    known = read_of(b"started\nready\n" * 50, [2, 10])
    file = Bytes(b"started\nready\n" * 3)
    assert verdict(compared(known, file, "plain", rebooted=False, elsewhere=False)) is TRUNCATED
    assert verdict(compared(known, file, "plain", rebooted=True, elsewhere=False)) is SHORTENED


def test_a_banner_without_a_time_does_not_count_as_timed() -> None:
    """Only times within what agrees show that it is the same file."""
    known = read_of(b"started\n2026-11-23 10:00:00 one\n", [1])
    file = Bytes(b"started\n2026-11-24 10:00:00 one\n")
    assert verdict(compared(known, file, "plain", rebooted=False, elsewhere=False)) is TRUNCATED


@pytest.mark.parametrize(
    ("kind", "line", "time"),
    [
        ("docker", b'{"log":"2026-01-01 10:00:00","stream":"stdout","time":"2026-11-23T10:00:00.12Z"}', b"120000000"),
        ("docker", b'{"log":"2026-01-01 10:00:00","stream":"std', None),
        ("cri", b"2026-11-23T10:00:00.123456789+01:00 stdout F text", b"123456789"),
        ("cri", b"text 2026-11-23T10:00:00.123456789Z stdout F text", None),
        ("plain", b'{"timestamp": "2026-11-23T10:00:00,5"}', b"500000000"),
        ("plain", b"2026-11-23 10:00:00 text", b"000000000"),
        ("plain", b"no time", None),
    ],
)
def test_times_of_lines(kind: str, line: bytes, time: bytes | None) -> None:
    """Times compare as bytes, whatever the number of their digits."""
    assert time_of(kind, line) == (b"" if time is None else b"2026-11-23 10:00:00." + time)
    assert latest_time(kind, b"cut off\n" + line + b"\n") == time_of(kind, line)


def test_a_record_behind_one_that_is_torn_off_is_found() -> None:
    """A runtime appends to what a loss of power left."""
    torn, later = docker(5, 1)[:20], docker(7, 1)
    assert first_later("docker", docker(4, 1) + torn + later, time_of("docker", docker(5, 1).strip())) == len(
        docker(4, 1) + torn
    )
    cri = b"2026-11-23T10:00:00.1Z stdout F he2026-11-23T10:00:09.1Z stdout F new\n"
    assert first_later("cri", cri, b"2026-11-23 10:00:05.000000000") == cri.index(b"he") + 2


def test_two_files_agree_to_the_end_of_a_line() -> None:
    """Also far from the beginning, and in none."""
    one = docker(0, 5000)
    assert agreement(Bytes(one), Bytes(one), 0) == len(one)
    end = len(docker(0, 4000))
    assert agreement(Bytes(one), Bytes(one[:end] + b'{"log":"other'), 0) == end
    assert agreement(Bytes(b"a\n"), Bytes(b"b\n"), 0) == 0
