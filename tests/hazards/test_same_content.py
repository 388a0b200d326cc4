"""The same content at another inode: known by what it holds, and counted once."""

import os
import shutil
import time
from pathlib import Path

import pytest

from deploy.services.waiting import waited
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


# --- links, hard links, folders that move ---------------------------------------------------------


def moved(source: Path, target: Path, *, copy: bool) -> None:
    """Move a file or a folder within the disk, or to another one."""
    if not copy:
        source.rename(target)
    elif source.is_dir():
        shutil.copytree(source, target)
        shutil.rmtree(source)
    else:
        shutil.copy2(source, target)
        source.unlink()


@pytest.fixture(params=KINDS)
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    """Return a rig for logs in separate folders."""
    rig = Rig(tmp_path, kind=request.param, glob="*/*.log")
    rig.path = rig.logs / "app" / "app.log"
    rig.path.parent.mkdir()
    return rig


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("running", [False, True])
def test_a_folder_that_moves_takes_its_logs_along(
    folders: Rig, tmp_path: Path, *, copy: bool, link: bool, running: bool
) -> None:
    """To another disk or not, with a link left in its place or to another folder that is read."""
    rig = folders
    rig.write(rig.lines(3))
    rig.drain()
    rig.rotate()
    rig.write(rig.lines(10))
    rig.drain()
    if not running:
        rig.stop()
    target = tmp_path / "disk" if link else rig.logs / "moved"
    moved(rig.path.parent, target, copy=copy)
    if link:
        rig.path.parent.symlink_to(target)
    else:
        rig.path = target / "app.log"
    rig.read(3)
    rig.write(rig.lines(2))
    rig.drain()
    rig.stop()
    rig.write(rig.lines(2))
    rig.rotate()
    rig.write(rig.lines(1))
    ended(rig, 18)


def test_a_folder_that_moves_before_its_newest_file_was_read_takes_its_logs_along(tmp_path: Path) -> None:
    """The newest file of which something was read is compared then, which is a rotated one."""
    rig = Rig(tmp_path, kind="plain", glob="*/*.log")
    rig.path = rig.logs / "app" / "app.log"
    rig.path.parent.mkdir()
    rig.write(rig.lines(10))
    rig.drain()
    rig.rotate()
    rig.path.touch()
    rig.read()
    rig.stop()
    moved(rig.path.parent, rig.logs / "moved", copy=True)
    rig.path = rig.logs / "moved" / "app.log"
    rig.write(rig.lines(2))
    ended(rig, 12)


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("running", [False, True])
def test_a_live_path_that_is_replaced_by_a_link_goes_on(rig: Rig, tmp_path: Path, *, copy: bool, running: bool) -> None:
    """The file is on another disk, and the link leads there."""
    rig.write(rig.lines(10))
    rig.drain()
    if not running:
        rig.stop()
    target = tmp_path / "elsewhere.log"
    moved(rig.path, target, copy=copy)
    rig.path.symlink_to(target)
    rig.read(2)
    rig.write(rig.lines(2))
    rig.drain()
    rig.stop()
    rig.write(rig.lines(2))
    ended(rig, 14)


@pytest.mark.parametrize("later", [False, True])
def test_hard_links_in_one_glob_are_one_log(rig: Rig, *, later: bool) -> None:
    """At the first start and after; what remains of two names goes on where the log was."""
    other = rig.logs / "a-other.log"
    rig.write(rig.lines(5))
    if later:
        rig.read()
    os.link(rig.path, other)
    rig.read(2)
    rig.write(rig.lines(2))
    rig.drain()
    rig.stop()
    rig.write(rig.lines(1))
    rig.drain()
    rig.path.unlink()
    rig.path = other
    rig.write(rig.lines(1))
    rig.read(2)
    rig.write(rig.lines(1))
    ended(rig, 10)


def test_a_link_to_the_file_of_the_day_is_no_other_log(rig: Rig) -> None:
    """The link is in the glob as well, and leads to one file after the other, each of which is followed itself."""
    current = rig.logs / "current.log"
    for day in range(3):
        rig.path = rig.logs / f"{'azb'[day]}-day.log"
        rig.write(rig.lines(2))
        current.unlink(missing_ok=True)
        os.link(rig.path, current)
        rig.read(2)
        rig.write(rig.lines(1))
        rig.drain()
    ended(rig, 9)


def test_a_copy_that_lives_beside_the_original_is_another_log(tmp_path: Path) -> None:
    """Both are read to their end."""
    rig = Rig(tmp_path, kind="plain")
    rig.write(rig.lines(3))
    rig.drain()
    shutil.copy2(rig.path, rig.logs / "copy.log")
    rig.drain()
    assert rig.counter("shipper_lines_read_total") == 6
    rig.stop()


def test_a_folder_that_is_back_after_a_while_goes_on(folders: Rig, tmp_path: Path) -> None:
    """The agent had let go of its deleted log by then."""
    rig = folders
    rig.write(rig.lines(4))
    rig.drain()
    rig.path.parent.rename(tmp_path / "away")
    rig.drain()
    rig.drain()
    assert rig.agent is not None
    assert not rig.agent.tail.logs
    (tmp_path / "away").rename(rig.logs / "back")
    rig.path = rig.logs / "back" / "app.log"
    rig.write(rig.lines(1))
    ended(rig, 5)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("copied", [60, 100])
def test_a_first_start_while_a_log_is_copied_and_truncated_reads_it_once(
    rig: Rig, copied: int, *, restarts: bool
) -> None:
    """The copy, complete or not, has the lines of the live file, which go away after they were read."""
    rig.write(rig.lines(copied))
    shutil.copy(rig.path, f"{rig.path}.1")
    rig.write(rig.lines(105 - copied))
    rig.read(2)
    assert rig.counter("shipper_lines_read_total") == 105
    if restarts:
        rig.stop()
    os.truncate(rig.path, 0)
    rig.read()
    rig.write(rig.lines(3))
    ended(rig, 108)


def test_files_that_are_alike_and_were_renamed_are_no_copies(tmp_path: Path) -> None:
    """A program that writes the same words at each start, whose log is renamed, is read each time."""
    rig = Rig(tmp_path, kind="plain")
    for generation in range(3):
        if rig.path.exists():
            waited(lambda: time.time_ns() > rig.path.stat().st_mtime_ns + 20_000_000, 1)
            rig.rotate()
        rig.write(b"started\nready\n")
        assert generation == 0 or rig.path.stat().st_mtime_ns > Path(f"{rig.path}.1").stat().st_mtime_ns
    rig.drain()
    rig.drain()
    assert rig.messages() == ["started", "ready"] * 3
    rig.stop()


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("number", [0, 3, 8])
@pytest.mark.parametrize("edit", ["same length", "longer", "removed"])
def test_a_log_that_is_edited_goes_on_behind_its_last_line(
    tmp_path: Path, *, number: int, edit: str, running: bool
) -> None:
    """As `sed -i` and editors do: a new file with some earlier line changed or removed."""
    rig = Rig(tmp_path, kind="docker")
    rig.write(rig.lines(10))
    rig.read()
    if not running:
        rig.stop()
    lines = rig.path.read_bytes().splitlines(keepends=True)
    changed = {"same length": b"stdxyz", "longer": b"stdout of a program", "removed": b""}[edit]
    lines[number] = b"" if edit == "removed" else lines[number].replace(b"stdout", changed)
    copy = rig.path.with_name("copy.tmp")
    copy.write_bytes(b"".join(lines))
    copy.replace(rig.path)
    rig.read(2)
    rig.write(rig.lines(2))
    ended(rig, 12)


def test_a_log_that_moved_is_not_taken_for_the_link_beside_it(tmp_path: Path) -> None:
    """The link comes first by its name and has the same content; the log has the name of before."""
    rig = Rig(tmp_path, kind="plain", glob="*/*.log")
    rig.path = rig.logs / "app" / "app.log"
    rig.path.parent.mkdir()
    rig.write(rig.lines(10))
    rig.drain()
    rig.stop()
    moved(rig.path.parent, rig.logs / "moved", copy=False)
    rig.path = rig.logs / "moved" / "app.log"
    os.link(rig.path, rig.path.with_name("0-app.log"))
    rig.read(2)
    assert rig.agent is not None
    assert list(rig.agent.tail.logs) == [str(rig.path)]
    rig.write(rig.lines(1))
    ended(rig, 11)


def test_a_kill_before_the_first_look_at_a_shortened_log_keeps_the_machine_s_start(tmp_path: Path) -> None:
    """A checkpoint of a log that was not looked at since does not hide that the machine was started."""
    rig = Rig(tmp_path, kind="plain")
    rig.write(rig.lines(50))
    rig.drain()
    rig.kill()
    os.truncate(rig.path, rig.path.stat().st_size - 100)
    rig.boot = b"another"
    agent = rig.start()
    agent.tail.scan()
    logs = [log.checkpoint() for log in agent.tail.logs.values()]
    agent.state.commit(logs, (), {}, {})
    rig.kill()
    rig.read()
    rig.write(rig.lines(1))
    ended(rig, 51)


def test_a_link_to_a_file_that_was_just_replaced_is_no_other_log(rig: Rig) -> None:
    """The scan meets the link before the log has seen its new file."""
    rig.write(rig.lines(10))
    rig.drain()
    rig.stop()
    copied_over(rig.path)
    os.link(rig.path, rig.logs / "0-app.log")
    rig.read(2)
    assert rig.agent is not None
    assert list(rig.agent.tail.logs) == [str(rig.path)]
    ended(rig, 10)
