"""Late lines: a writer that keeps its descriptor after the rotation loses no line."""

import gzip
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from shipper.inputs.files.limits import Limits
from tests.hazards.rig import Rig


@pytest.fixture(params=["docker", "cri-like", "plain"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    """Return a rig for a kind of log; the second one takes the Python path."""
    kind = "plain" if request.param == "plain" else "docker"
    return Rig(tmp_path, kind=kind, native=request.param != "cri-like")


def late_writer(rig: Rig) -> BinaryIO:
    """Return a writer that keeps its descriptor after the rotation that follows."""
    return rig.path.open("ab", buffering=0)


def rotated(rig: Rig) -> BinaryIO:
    """Write, rotate and go on in the new file; return the descriptor of the old one."""
    rig.write(rig.lines(3))
    rig.read()
    writer = late_writer(rig)
    rig.rotate()
    rig.write(rig.lines(3))
    rig.read()
    rig.clock.pass_seconds(6)
    rig.read(3)
    assert rig.serials() == [1, 2, 3, 4, 5, 6]
    return writer


def settled(rig: Rig, seconds: float = 15) -> None:
    """Let the checks of rotated files come round."""
    while seconds > 0:
        rig.clock.pass_seconds(step := min(seconds, 11))
        rig.read(2)
        seconds -= step


def test_lines_written_long_after_the_rotation_are_read(rig: Rig) -> None:
    """A hundred lines, the last of them 70 s after the rotation, beside lines in the new file: all once, and counted once."""
    with rotated(rig) as writer:
        for _ in range(10):
            writer.write(rig.lines(5))
            rig.write(rig.lines(5))
            settled(rig, 7)
    settled(rig)
    assert rig.serials() == list(range(1, rig.sequence + 1))
    assert rig.counter("shipper_lines_read_total") == rig.sequence
    assert rig.counter("shipper_files_lost_total") == 0


def test_the_live_file_does_not_wait_for_late_lines(rig: Rig) -> None:
    """A busy old file delays no line of the new one."""
    with rotated(rig) as writer:
        for _ in range(10):
            writer.write(rig.lines(1))
            rig.write(rig.lines(1))
            rig.read()
            assert str(rig.sequence) in rig.messages()


def test_late_lines_are_read_after_any_time_while_the_file_exists(rig: Rig) -> None:
    """A closed rotated file is checked by stat, also after another rotation."""
    with rotated(rig) as writer:
        settled(rig, 200)
        rig.rotate()
        rig.write(rig.lines(1))
        settled(rig, 200)
        writer.write(rig.lines(2))
        settled(rig)
    assert rig.serials() == list(range(1, 10))
    assert rig.counter("shipper_lines_read_total") == 9


def test_late_lines_of_a_deleted_file_are_read_while_it_is_held(tmp_path: Path) -> None:
    """A rotated file that is deleted soon is held until it has been quiet for `tail.late_wait`."""
    rig = Rig(tmp_path, kind="plain", limits=Limits(late_wait=30.0))
    with rotated(rig) as writer:
        Path(f"{rig.path}.1").unlink()
        settled(rig, 20)
        writer.write(rig.lines(2))
        settled(rig)
        assert rig.serials() == list(range(1, 9))
        settled(rig, 5)
        writer.write(rig.lines(1))
        settled(rig, 40)
        rig.write(rig.lines(1))
        settled(rig)
    rig.rotate()
    rig.write(rig.lines(1))
    settled(rig, 40)
    assert rig.serials() == list(range(1, 12))
    assert rig.agent is not None
    (log,) = rig.agent.tail.logs.values()
    assert [os.path.basename(file.path) for file in log.log.files] == ["app.log.1", "app.log"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_late_lines_written_while_the_agent_is_down_are_read(rig: Rig, end: str) -> None:
    """A start compares the sizes of all rotated files with what was read of them."""
    with rotated(rig) as writer:
        settled(rig, 100)
        getattr(rig, end)()
        writer.write(rig.lines(2))
        rig.rotate()
        rig.write(rig.lines(1))
        rig.start()
        settled(rig)
        getattr(rig, end)()
        rig.start()
        writer.write(rig.lines(2))
        settled(rig)
    assert rig.serials() == list(range(1, 12))
    assert rig.counter("shipper_lines_read_total") == 11


def test_rotated_files_found_at_the_first_start_are_checked(rig: Rig) -> None:
    """Also those that nobody has seen under another name."""
    rig.write(rig.lines(2))
    writer = late_writer(rig)
    rig.rotate()
    rig.write(rig.lines(2))
    rig.read(3)
    settled(rig, 100)
    with writer:
        writer.write(rig.lines(2))
        settled(rig)
    assert rig.serials() == [1, 2, 3, 4, 5, 6]


def test_late_lines_keep_the_ids_of_another_reading(rig: Rig, tmp_path: Path) -> None:
    """An agent that reads the whole file at once, as a replay does, gives each line the same id."""
    with rotated(rig) as writer:
        writer.write(rig.lines(2))
        settled(rig, 100)
        rig.kill()
        writer.write(rig.lines(2))
        rig.start()
        settled(rig)
    rig.kill()
    before = dict(rig.output.stored)
    assert len(before) == rig.sequence
    os.rename(rig.folder / "state", rig.folder / "old-state")
    rig.drain()
    assert rig.output.stored == before


def test_late_lines_wait_for_the_output(rig: Rig) -> None:
    """They are counted at once, and shipped once the output is available, also after a kill."""
    writer = rotated(rig)
    rig.output.unavailable = True
    with writer:
        writer.write(rig.lines(2))
        rig.write(rig.lines(2))
        settled(rig)
        assert rig.counter("shipper_lines_read_total") == 10
        rig.kill()
        rig.start()
        writer.write(rig.lines(2))
        settled(rig)
        assert rig.counter("shipper_lines_read_total") == 12
    rig.output.unavailable = False
    settled(rig, 90)
    assert rig.serials() == list(range(1, 13))
    assert rig.counter("shipper_lines_read_total") == 12
    assert sum(rig.counter("shipper_lines_total", outcome) for outcome in ("indexed", "quarantined")) == 12


def test_late_lines_after_a_rotation_during_an_outage(rig: Rig) -> None:
    """The rotated file is not shipped yet when its late lines come."""
    rig.write(rig.lines(3))
    rig.read()
    rig.output.unavailable = True
    writer = late_writer(rig)
    rig.write(rig.lines(2))
    rig.rotate()
    rig.write(rig.lines(3))
    settled(rig)
    with writer:
        writer.write(rig.lines(2))
        settled(rig)
        assert rig.counter("shipper_lines_read_total") == 10
    rig.output.unavailable = False
    settled(rig, 90)
    assert rig.serials() == list(range(1, 11))
    assert rig.counter("shipper_lines_read_total") == 10
    assert sum(rig.counter("shipper_lines_total", outcome) for outcome in ("indexed", "quarantined")) == 10


def test_late_lines_of_a_file_compressed_since_are_read(rig: Rig) -> None:
    """As with logrotate: somebody wrote to the file after it had been read."""
    with rotated(rig) as writer:
        rig.kill()
        writer.write(rig.lines(2))
    rig.compress(Path(f"{rig.path}.1"))
    rig.start()
    settled(rig)
    assert rig.serials() == list(range(1, 9))
    assert rig.counter("shipper_lines_read_total") == 8


def test_a_late_line_without_its_newline_waits(rig: Rig) -> None:
    """It is stored once it is whole."""
    with rotated(rig) as writer:
        line = rig.lines(1)
        writer.write(line[:10])
        settled(rig, 5)
        writer.write(line[10:])
        settled(rig)
    assert rig.serials() == [1, 2, 3, 4, 5, 6, 7]


def test_files_passed_over_at_the_first_start_are_not_late(tmp_path: Path) -> None:
    """`--from end` passes over rotated files of any size, and reads what is written to them later."""
    rig = Rig(tmp_path, kind="plain", from_end=True)
    rig.write(rig.lines(100))
    writer = late_writer(rig)
    rig.rotate()
    rig.write(gzip.compress(rig.lines(100)), Path(f"{rig.path}.2.gz"))
    rig.write(rig.lines(1))
    settled(rig, 3)
    rig.kill()
    rig.start()
    settled(rig)
    assert rig.serials() == []
    with writer:
        writer.write(rig.lines(1))
        settled(rig)
    assert rig.serials() == [rig.sequence]
