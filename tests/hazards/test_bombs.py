"""Decompression bombs: files of some kilobytes that unpack to far more, among rotated siblings and in a replay."""

import gzip
import tracemalloc
from pathlib import Path

import pytest

from shipper.inputs.files.handles import open_handle
from shipper.inputs.files.limits import Limits
from tests.hazards.rig import Rig, docker_line

MIB = 1 << 20
LIMITS = Limits(chunk_bytes=16_384, line_bytes=65_536)


def bomb(path: Path, mib: int, *, before: bytes = b"", after: bytes = b"") -> None:
    """Write a compressed file with `mib` MiB of one line without a newline, without holding them in memory."""
    with gzip.open(path, "wb", 6) as file:
        file.write(before)
        for _ in range(mib):
            file.write(b"\0" * MIB)
        file.write(after)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a bomb of the tests' size take several searches for its end, as a real one does."""
    monkeypatch.setattr("shipper.inputs.files.long_lines.SEARCHED_PER_READ", 2 * MIB)


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("ended", [True, False], ids=["ended", "endless"])
@pytest.mark.parametrize("kind", ["docker", "plain"])
def test_a_bomb_among_rotated_siblings_is_one_cut_entry_and_costs_no_memory(
    tmp_path: Path, kind: str, *, ended: bool
) -> None:
    """It is reported as a cut line and counted, and the lines before, after and beside it are read."""
    rig = Rig(tmp_path, kind=kind, limits=LIMITS)
    before, after = rig.lines(1), (b"\n" + rig.lines(1)) if ended else b""
    bomb(Path(f"{rig.path}.1.gz"), 12, before=before, after=after)
    rig.write(rig.lines(1))
    rig.start()
    tracemalloc.start()
    rig.drain()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * MIB
    assert rig.serials_of_entries() == list(range(1, rig.sequence + 1))
    assert len(rig.output.stored) == rig.sequence + 1
    details = [
        reason["detail"]
        for body in rig.output.stored.values()
        for reason in body.get("reasons", body.get("schema", {}).get("errors", []))
    ]
    assert any(f"a line of {12 * MIB} bytes" in detail for detail in details), details


@pytest.mark.usefixtures("measured")
def test_a_bomb_is_searched_in_parts_between_which_other_logs_are_read(tmp_path: Path) -> None:
    """No turn of the agent lasts as long as the whole bomb: a log beside it is read before the bomb ends."""
    rig = Rig(tmp_path, limits=LIMITS)
    bomb(Path(f"{rig.path}.1.gz"), 12, after=b"\n")
    rig.write(docker_line("live\n"))
    beside = rig.logs / "zz-beside.log"
    rig.write(rig.lines(1), beside)
    agent, turns = rig.start(), 0
    while not rig.serials_of_entries():
        agent.turn(hurry=True)
        turns += 1
    assert turns <= 2
    assert agent.tail.logs[str(rig.path)].count_cursor.offset == 0  # the bomb's line is not at its end yet


def test_both_cursors_keep_their_own_long_line(tmp_path: Path) -> None:
    """The count cursor's progress through its long line is not that of the ship cursor through another."""
    rig = Rig(tmp_path, kind="plain", limits=Limits(chunk_bytes=1024, line_bytes=4096))
    rig.output.unavailable = True
    rig.write(b"a" * 9000 + b"\n" + rig.lines(2) + b"b" * 9000)
    rig.read(3)
    rig.output.unavailable = False
    rig.clock.pass_seconds(60)
    rig.read(3)
    assert rig.serials_of_entries() == [1, 2]
    rig.write(b"b" * 10 + b"\n" + rig.lines(1))
    rig.drain()
    assert rig.serials_of_entries() == [1, 2, 3]
    cut = sorted(body["message"][0] for body in rig.output.stored.values() if body.get("schema"))
    assert cut == ["a", "b"]


def test_a_damaged_file_ends_where_its_damage_begins_at_each_reading(tmp_path: Path) -> None:
    """Bytes after the damage are never read as a new beginning, and the readable part is the same from every offset."""
    path = tmp_path / "app.log.1.gz"
    content = b"".join(b"%d a line of a log\n" % number for number in range(40_000))
    packed = gzip.compress(content)
    found_by_fuzzing = (
        Path(__file__).parents[1] / "fuzz" / "corpus" / "compressed" / "not_gzip_read_again"
    ).read_bytes()
    for damaged in (
        packed[: len(packed) // 2],
        packed[: len(packed) // 2] + b"\xff" * 40 + packed[len(packed) // 2 + 40 :],
        b"plain text\n" * 9,
        found_by_fuzzing,
    ):
        path.write_bytes(damaged)
        whole = read_in(path, 1000)
        for size in (7777, 100_000, 1_000_000):
            assert read_in(path, size) == whole
        handle = open_handle(str(path))
        for place in (len(whole), len(whole) + 1) * 50:
            assert handle.read(place, 1000) == b""
        assert handle.read(0, 100) == whole[:100]
        handle.close()


def read_in(path: Path, size: int) -> bytes:
    """Return all of a file, in reads of a size."""
    handle, content = open_handle(str(path)), b""
    while chunk := handle.read(len(content), size):
        content += chunk
    handle.close()
    return content
