"""The spool: rotated files that the output has not yet are bounded, and lost neither by a kill nor by a stop."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shipper.inputs.files.held_files import Bounds
from shipper.state import spool_file
from tests.hazards.rig import Rig

LOST, LOST_BYTES = "shipper_files_lost_total", "shipper_files_lost_bytes_total"


@pytest.fixture(params=["docker", "plain"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    """Return a rig for a kind of log, with the output unavailable after the first lines."""
    rig = Rig(tmp_path, kind=request.param)
    rig.write(rig.lines(3))
    rig.read()
    rig.output.unavailable = True
    return rig


def storm(rig: Rig, files: int, lines: int = 20) -> None:
    """Write and rotate; one rotated file remains at a time, so that others are deleted."""
    for _ in range(files):
        rig.write(rig.lines(lines))
        rig.rotate(keep=1)
        rig.write(rig.lines(1))
        rig.clock.pass_seconds(6)
        rig.read(3)


def recovered(rig: Rig) -> None:
    """Make the output available, and ship."""
    rig.output.unavailable = False
    for _ in range(4):
        rig.clock.pass_seconds(60)
        rig.drain()


def spooled(rig: Rig) -> list[Path]:
    """Return the spooled files."""
    return sorted((rig.folder / "state" / "spool").glob("*"))


def open_files(rig: Rig) -> int:
    """Return the number of files that are open for the log."""
    assert rig.agent is not None
    return sum(
        file.handle is not None and not file.spooled for log in rig.agent.tail.logs.values() for file in log.log.files
    )


def exact(rig: Rig) -> None:
    """Every line is stored and counted once, and nothing was lost."""
    assert rig.serials() == list(range(1, rig.sequence + 1))
    assert rig.counter("shipper_lines_read_total") == rig.sequence
    assert rig.counter(LOST) == 0


@pytest.mark.parametrize("end", [None, "kill"])
def test_deleted_files_of_an_outage_are_shipped_from_the_spool(rig: Rig, end: str | None) -> None:
    """Also if the agent is killed meanwhile: then nothing else has them."""
    storm(rig, 5)
    rig.clock.pass_seconds(100)
    rig.drain()
    assert spooled(rig)
    assert open_files(rig) <= 3
    assert rig.counter("shipper_lines_read_total") == rig.sequence
    if end:
        rig.kill()
        rig.start()
    recovered(rig)
    exact(rig)
    assert spooled(rig) == []


def test_deleted_files_are_spooled_at_the_stop(rig: Rig) -> None:
    """However short ago they were deleted."""
    assert rig.agent is not None
    storm(rig, 5)
    rig.agent.drain()
    rig.kill()
    rig.start()
    recovered(rig)
    exact(rig)


def test_few_descriptors_suffice(tmp_path: Path) -> None:
    """Rotated files over the bound move to the spool at once; counting goes on."""
    rig = Rig(tmp_path, held=Bounds(held_files=4, after=3600.0))
    rig.read()
    rig.output.unavailable = True
    for _ in range(30):
        rig.write(rig.lines(5))
        rig.rotate(keep=2)
        rig.write(rig.lines(1))
        rig.read()
        assert open_files(rig) <= 6
    rig.drain()
    assert rig.counter("shipper_lines_read_total") == rig.sequence
    assert rig.agent is not None
    rig.agent.drain()
    rig.kill()
    rig.start()
    recovered(rig)
    exact(rig)


@pytest.mark.parametrize("drop", ["oldest", "newest"])
def test_a_full_spool_lets_go_of_files_by_its_policy(tmp_path: Path, drop: Any) -> None:
    """What is let go of is counted, with its bytes, and named; everything else arrives."""
    rig = Rig(tmp_path, held=Bounds(max_bytes=6000, after=0.0, drop=drop))
    rig.read()
    rig.output.unavailable = True
    with capture_logs() as logs:
        storm(rig, 8, lines=100)
        rig.clock.pass_seconds(20)
        rig.drain()
    assert rig.counter("shipper_lines_read_total") == rig.sequence
    lost = int(rig.counter(LOST))
    assert 0 < lost < 8
    named = [entry for entry in logs if entry["event"] == "file_lost"]
    assert len(named) == lost
    assert sum(entry["lost_bytes"] for entry in named) == rig.counter(LOST_BYTES) > 0
    assert sum(path.stat().st_size for path in spooled(rig)) <= 6000
    recovered(rig)
    assert rig.counter(LOST) == lost
    missing = set(range(1, rig.sequence + 1)) - set(rig.serials())
    assert len(missing) == 101 * lost - (drop == "oldest")
    assert (min(missing) < 100) == (drop == "oldest")
    assert spooled(rig) == []


def test_files_too_old_are_let_go_of(tmp_path: Path) -> None:
    """The spool is bounded in age, too."""
    rig = Rig(tmp_path, held=Bounds(max_age=3600.0, after=0.0))
    rig.read()
    rig.output.unavailable = True
    storm(rig, 3)
    agent = rig.agent
    assert agent is not None
    assert agent.tail.spool is not None
    for file in agent.tail.spool.files.values():
        file.since = rig.clock.wall_ms() / 1000
    assert spooled(rig)
    rig.clock.pass_seconds(4000)
    rig.write(rig.lines(1))
    rig.drain()
    assert rig.counter(LOST) > 0
    recovered(rig)
    assert rig.serials()[-1] == rig.sequence


def test_a_full_disk_loses_nothing_within_the_bounds(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted files are held open until the spool can be written."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(spool_file.os, "fsync", full)
        storm(rig, 3)
        rig.clock.pass_seconds(100)
        rig.write(rig.lines(1))
        rig.drain()
        assert spooled(rig) == []
        assert rig.agent is not None
        assert rig.agent.held is not None
        assert rig.agent.held.error
    rig.write(rig.lines(1))
    rig.drain()
    assert spooled(rig)
    recovered(rig)
    exact(rig)


def test_a_full_disk_lets_go_of_what_is_over_the_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting goes on, and what was let go of is counted."""
    rig = Rig(tmp_path, held=Bounds(held_bytes=1000, after=0.0))
    rig.read()
    rig.output.unavailable = True

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spool_file.os, "fsync", full)
    storm(rig, 5)
    rig.write(rig.lines(1))
    rig.drain()
    assert rig.counter("shipper_lines_read_total") == rig.sequence
    assert rig.counter(LOST) > 0


def test_a_removed_container_is_shipped_from_the_spool(rig: Rig) -> None:
    """Its last line has no newline."""
    rig.write(rig.lines(2) + rig.lines(1).rstrip(b"\n"))
    rig.read()
    rig.path.unlink()
    rig.drain()
    rig.clock.pass_seconds(60)
    rig.drain()
    rig.kill()
    rig.start()
    recovered(rig)
    assert rig.serials() == [1, 2, 3, 4, 5, 6]
    assert rig.agent is not None
    assert not rig.agent.tail.logs
    assert spooled(rig) == []


def test_damage_of_the_spool_is_counted(rig: Rig) -> None:
    """A changed byte loses its file, and nothing else."""
    storm(rig, 4)
    rig.clock.pass_seconds(100)
    rig.drain()
    rig.kill()
    files = spooled(rig)
    data = bytearray(files[0].read_bytes())
    data[-40] ^= 1
    files[0].write_bytes(data)
    rig.start()
    recovered(rig)
    assert rig.counter(LOST) == 1
    assert rig.counter("shipper_lines_read_total") == rig.sequence
    assert len(rig.serials()) in range(rig.sequence - 21, rig.sequence)


def test_the_spool_hides_what_was_logged(rig: Rig) -> None:
    """Redaction has not seen these lines: neither they nor their paths are in the spool in clear."""
    storm(rig, 3)
    rig.clock.pass_seconds(100)
    rig.drain()
    data = b"".join(path.read_bytes() for path in spooled(rig))
    assert data
    assert b"correlation" not in data
    assert b"app.log" not in data


def test_a_draft_of_a_killed_agent_is_removed(rig: Rig) -> None:
    """The file itself is read again, or its loss is counted."""
    folder = rig.folder / "state" / "spool"
    folder.mkdir()
    (folder / "x-1.spool.draft").write_bytes(b"half")
    rig.kill()
    rig.start()
    assert spooled(rig) == []


def test_deleted_files_that_are_not_read_are_spooled_at_the_stop(rig: Rig) -> None:
    """Late lines of the rotated file were still waited for, and nobody has looked at the folder since."""
    rig.output.unavailable = False
    rig.write(rig.lines(3))
    rig.rotate(keep=1)
    rig.write(rig.lines(3))
    rig.read()
    rig.write(rig.lines(200))
    Path(f"{rig.path}.1").unlink()
    rig.path.unlink()
    assert rig.agent is not None
    rig.agent.drain()
    rig.kill()
    rig.write(rig.lines(2))
    rig.start()
    recovered(rig)
    exact(rig)
    assert spooled(rig) == []
