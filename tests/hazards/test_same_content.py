"""The same content at another inode: known by what it holds, and counted once."""

import os
import shutil
from pathlib import Path

import pytest

from tests.hazards.rig import Rig

KINDS = ["docker", "plain"]


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    """Return a rig for a kind of log, each with its own line ids."""
    return Rig(tmp_path, kind=request.param)


def copied_over(path: Path) -> None:
    """Replace a file by its copy, as an editor does."""
    copy = path.with_name("copy.tmp")
    shutil.copy2(path, copy)
    copy.replace(path)


def ended(rig: Rig, lines: int) -> None:
    """Require that `lines` lines were stored and counted once."""
    rig.drain()
    rig.drain()
    assert rig.serials() == list(range(1, lines + 1))
    assert rig.counter("shipper_lines_read_total") == lines
    rig.stop()


@pytest.mark.parametrize("running", [False, True])
def test_a_log_that_was_replaced_by_its_copy_goes_on(rig: Rig, *, running: bool) -> None:
    """Three times, with lines before and after."""
    for _ in range(3):
        rig.write(rig.lines(4))
        rig.read()
        if not running:
            rig.stop()
        copied_over(rig.path)
        rig.read(3)
        rig.write(rig.lines(1))
        rig.read()
    ended(rig, 15)


@pytest.mark.parametrize("running", [False, True])
def test_a_log_that_is_replaced_by_its_grown_copy_goes_on(rig: Rig, *, running: bool) -> None:
    """As rsync brings it from another machine."""
    for _ in range(3):
        rig.write(rig.lines(40))
        rig.read()
        if not running:
            rig.stop()
        copy = rig.path.with_name("copy.tmp")
        shutil.copy2(rig.path, copy)
        rig.write(rig.lines(40), copy)
        copy.replace(rig.path)
        rig.read()
    ended(rig, 240)


def test_lines_that_a_copy_lacks_are_read_before_it(rig: Rig) -> None:
    """The writer went on in the file while it was copied, and then in the copy."""
    rig.write(rig.lines(10))
    rig.read()
    copy = rig.path.with_name("copy.tmp")
    shutil.copy2(rig.path, copy)
    rig.write(rig.lines(3))
    copy.replace(rig.path)
    rig.read()
    rig.write(rig.lines(2))
    rig.read(3)
    ended(rig, 15)


def test_a_rotated_log_is_not_taken_for_its_copy(tmp_path: Path) -> None:
    """Lines without a time that repeat the beginning of the last file are lines of their own."""
    rig = Rig(tmp_path, kind="plain")
    archive = tmp_path / "archive"
    for number in range(3):
        rig.write(b"started\nready\n")
        rig.drain()
        os.replace(rig.path, f"{archive}-{number}")
    rig.drain()
    assert rig.messages() == ["started", "ready"] * 3


@pytest.mark.parametrize("cut", [1, 30, 150])
@pytest.mark.parametrize("grown", [0, 3, 90])
def test_a_log_that_lost_its_end_goes_on_behind_what_is_there(
    rig: Rig, cut: int, grown: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a loss of power; what was lost had been read, and what is written later is read once."""
    first = rig.lines(200)
    rig.write(first)
    rig.drain()
    rig.kill()
    os.truncate(rig.path, len(first) - cut)
    monkeypatch.setattr("shipper.system.boot.boot_id", lambda: b"another")
    rig.boot = b"another"
    timed = rig.kind == "docker"
    if grown and timed:
        rig.write(rig.lines(grown))
    rig.start()
    rig.read()
    if grown and not timed:
        rig.write(rig.lines(grown))
    rig.drain()
    assert rig.counter("shipper_files_lost_total") == 1
    ended(rig, 200 + grown)
