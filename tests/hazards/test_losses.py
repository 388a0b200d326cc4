"""Losses: what cannot be read is counted with its bytes, and named in the log; what can be found is read."""

import os
import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shipper.inputs.files.limits import Limits
from tests.hazards.rig import Rig

LOST, LOST_BYTES = "shipper_files_lost_total", "shipper_files_lost_bytes_total"


@pytest.fixture(params=["docker", "plain"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    """Return a rig for a kind of log."""
    return Rig(tmp_path, kind=request.param)


@pytest.mark.parametrize("rotated", [False, True])
def test_a_file_removed_with_unread_lines_while_stopped_is_counted(rig: Rig, *, rotated: bool) -> None:
    """The log names the file; that a new one is at its path changes nothing."""
    rig.write(rig.lines(3))
    rig.read()
    rig.stop()
    rig.write(rig.lines(2))
    rig.path.unlink()
    if rotated:
        rig.write(rig.lines(2))
    rig.start()
    with capture_logs() as logs:
        rig.drain()
    assert rig.counter(LOST) == 1
    assert [entry["path"] for entry in logs if entry["event"] == "file_lost"] == [str(rig.path)]
    rig.drain()
    rig.stop()
    rig.start()
    rig.drain()
    assert rig.counter(LOST) == 1
    assert rig.serials() == ([1, 2, 3, 6, 7] if rotated else [1, 2, 3])


def test_bytes_that_were_counted_and_not_shipped_are_named(rig: Rig) -> None:
    """The output was unavailable, and the file is gone at the next start."""
    rig.start()
    rig.output.unavailable = True
    rig.write(lines := rig.lines(3))
    rig.read()
    rig.rotate()
    rig.write(rig.lines(2))
    rig.clock.pass_seconds(6)
    rig.read(3)
    rig.kill()
    Path(f"{rig.path}.1").unlink()
    rig.output.unavailable = False
    rig.start()
    rig.clock.pass_seconds(60)
    rig.drain()
    assert rig.serials() == [4, 5]
    assert rig.counter(LOST) == 1
    assert rig.counter(LOST_BYTES) == len(lines)


def test_files_read_to_their_end_are_not_lost_with_their_names(rig: Rig) -> None:
    """Rotated files that were read fall out of the rotation while the agent is stopped."""
    for _ in range(3):
        rig.write(rig.lines(2))
        rig.read()
        rig.rotate()
        rig.clock.pass_seconds(6)
    rig.write(rig.lines(1))
    rig.clock.pass_seconds(100)
    rig.drain()
    rig.stop()
    for file in rig.logs.glob("app.log.*"):
        file.unlink()
    rig.start()
    rig.drain()
    assert rig.counter(LOST) == 0
    assert rig.serials() == list(range(1, 8))


@pytest.mark.parametrize("link", ["current", "current/app.log"])
@pytest.mark.parametrize("kind", ["docker", "plain"])
def test_a_log_whose_link_leads_elsewhere_since_is_read_to_its_end(tmp_path: Path, link: str, kind: str) -> None:
    """A deployment points `current` at its next release while the agent is stopped: nothing is lost."""
    rig = Rig(tmp_path, kind=kind, glob="current/*.log")
    releases = [tmp_path / number for number in "12"]
    current, rig.path = rig.logs / link, rig.logs / "current" / "app.log"
    current.parent.mkdir(exist_ok=True)
    for release in releases:
        release.mkdir()
        (release / "app.log").touch()
        if current.is_symlink():
            rig.stop()
            rig.write(rig.lines(2))
        current.unlink(missing_ok=True)
        current.symlink_to(release / Path(link).relative_to("current"))
        rig.write(rig.lines(2))
        rig.start()
        rig.drain()
    assert rig.serials() == [1, 2, 3, 4, 5, 6]
    assert rig.counter(LOST) == 0


def test_a_log_whose_link_leads_elsewhere_since_and_is_removed_is_counted(tmp_path: Path) -> None:
    """The release of before is gone with what was written last."""
    rig = Rig(tmp_path, kind="plain", glob="*.log")
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(rig.lines(2))
    rig.path.symlink_to(old)
    rig.drain()
    rig.stop()
    rig.path.unlink()
    old.unlink()
    new.write_bytes(rig.lines(2))
    rig.path.symlink_to(new)
    rig.start()
    rig.drain()
    assert rig.serials() == [1, 2, 3, 4]
    assert rig.counter(LOST) == 1


def test_a_log_that_is_no_longer_an_input_is_left_alone(tmp_path: Path) -> None:
    """Without a link in a glob, nothing leads to it."""
    rig = Rig(tmp_path, kind="plain")
    rig.write(rig.lines(2), rig.other(1))
    rig.drain()
    rig.stop()
    rig.write(rig.lines(2), rig.other(1))
    rig.glob = "app*.log"
    rig.start()
    rig.drain()
    assert rig.serials() == [1, 2]
    assert rig.counter(LOST) == 0


@pytest.mark.parametrize("hole", [20_000, 300_000])
def test_a_hole_within_a_line_hides_no_line_behind_it(rig: Rig, hole: int) -> None:
    """A writer was cut off in the middle of a line: what the NULs replaced is lost and counted, the next line is not."""
    rig.limits = Limits(chunk_bytes=1000, line_bytes=10_000)
    rig.write(rig.lines(2) + rig.lines(1)[:30])
    rig.write(b"\0" * hole)
    rig.write(rig.lines(3))
    rig.output.unavailable = True
    rig.drain()
    rig.output.unavailable = False
    rig.clock.pass_seconds(60)
    rig.drain()
    assert {4, 5, 6} <= set(rig.serials_of_entries())
    assert rig.counter(LOST) == 1
    assert rig.counter(LOST_BYTES) == hole
    assert len(rig.output.stored) == 6
    before = dict(rig.output.stored)
    rig.kill()
    shutil.rmtree(rig.folder / "state")
    rig.drain()
    assert rig.output.stored == before


def test_a_truncated_file_is_not_lost(rig: Rig) -> None:
    """While the agent runs, it is counted as truncated."""
    rig.write(rig.lines(3))
    rig.drain()
    os.truncate(rig.path, 0)
    rig.write(rig.lines(1))
    rig.drain()
    assert rig.counter(LOST) == 0
    assert rig.counter("shipper_truncations_total") == 1
