"""Rotation, truncation and removal: every line is read once, whatever happens to the file."""

import errno
import gzip
import os
import shutil
from logging import INFO, LogRecord
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import Any

import pytest

from shipper.inputs.files.handles import Handle
from shipper.inputs.files.limits import Limits
from tests.hazards.rig import Rig, docker_line


@pytest.fixture(params=["docker", "plain"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    """Return a rig for a kind of log, each with its own line ids."""
    return Rig(tmp_path, kind=request.param)


def settled(rig: Rig) -> None:
    """Read until late lines of rotated files are no longer waited for."""
    rig.read(2)
    rig.clock.pass_seconds(6)
    rig.read(3)


def test_rename_rotation_goes_on_in_the_new_file(rig: Rig) -> None:
    """A line before, between and after rotations is stored once."""
    for _ in range(4):
        rig.write(rig.lines(3))
        rig.read()
        rig.rotate()
        rig.write(rig.lines(3))
        settled(rig)
    assert rig.serials() == list(range(1, 25))


def test_a_file_that_is_never_seen_at_its_path_is_read(rig: Rig) -> None:
    """A job writes and rotates between two scans, each time: the file is seen only under its rotated name."""
    for number in range(1, 8):
        rig.write(rig.lines(1))
        rig.rotate()
        settled(rig)
        assert rig.serials() == list(range(1, number + 1))


def test_rotation_by_a_hard_link_reads_a_file_once(rig: Rig) -> None:
    """For a while the live file already has its next name as well, as newsyslog does it."""
    new = rig.logs / "new"
    for _ in range(3):
        rig.write(rig.lines(2))
        rig.read()
        if Path(f"{rig.path}.1").exists():
            Path(f"{rig.path}.1").rename(f"{rig.path}.2")
        os.link(rig.path, f"{rig.path}.1")
        rig.stop()
        rig.start()
        settled(rig)
        rig.write(rig.lines(1))
        new.write_bytes(rig.lines(1))
        new.rename(rig.path)
        settled(rig)
    assert rig.serials() == list(range(1, 13))
    assert rig.counter("shipper_lines_read_total") == 12


def test_a_link_to_the_file_of_the_day_reads_it_once(rig: Rig) -> None:
    """As `rotatelogs -L` does: dated files from the beginning, and a hard link to the youngest."""
    for day in (23, 24, 25):
        dated = Path(f"{rig.path}.202611{day}")
        rig.write(rig.lines(2), dated)
        rig.path.unlink(missing_ok=True)
        os.link(dated, rig.path)
        settled(rig)
        rig.write(rig.lines(2))
        settled(rig)
    assert rig.serials() == list(range(1, 13))
    assert rig.counter("shipper_lines_read_total") == 12


def test_several_rotations_between_two_polls_lose_nothing(rig: Rig) -> None:
    """Files that were live and rotated away unseen are read from the oldest to the youngest."""
    rig.write(rig.lines(2))
    rig.read()
    for _ in range(3):
        rig.write(rig.lines(2))
        rig.rotate()
    rig.write(rig.lines(2))
    settled(rig)
    settled(rig)
    settled(rig)
    assert rig.serials() == list(range(1, 9 + rig.sequence - 8))
    assert [int(message) for message in rig.messages()] == sorted(map(int, rig.messages()))


@pytest.mark.parametrize("compress", [False, True])
def test_rotation_while_stopped_is_read_on_in_the_siblings(rig: Rig, compress: bool) -> None:
    """After a stop, reading continues in .1, .2.gz and older files, from the saved offset."""
    rig.write(rig.lines(3))
    rig.read()
    rig.stop()
    rig.write(rig.lines(2))
    rig.rotate(compress=compress)
    rig.write(rig.lines(2))
    rig.rotate(compress=compress)
    rig.write(rig.lines(2))
    rig.start()
    rig.read(3)
    assert rig.serials() == list(range(1, 10))
    assert rig.counter("shipper_lines_read_total") == 9


@pytest.mark.parametrize("compress", [False, True])
def test_kubelet_rotation_while_stopped_is_read_on(tmp_path: Path, compress: bool) -> None:
    """The kubelet's `0.log.<time>(.gz)` are older files of `0.log`."""
    rig = Rig(tmp_path, kind="plain")
    rig.path = rig.logs / "0.log"
    rig.write(rig.lines(3))
    rig.read()
    rig.stop()
    for time in ("20261123-101010", "20261123-111010"):
        rig.write(rig.lines(2))
        rotated = Path(f"{rig.path}.{time}")
        rig.path.rename(rotated)
        if compress:
            rig.compress(rotated)
    rig.write(rig.lines(2))
    rig.start()
    rig.read(3)
    assert rig.serials() == list(range(1, 10))


def test_files_that_timed_handlers_rotate_while_stopped_are_read(tmp_path: Path) -> None:
    """The rotated name is the handler's own."""
    rig = Rig(tmp_path, kind="plain")
    rig.write(rig.lines(3))
    rig.read()
    rig.stop()
    handler = TimedRotatingFileHandler(rig.path, when="M", utc=True)
    for minute in (1, 2):
        handler.emit(LogRecord("app", INFO, "", 0, rig.entry(), None, None))
        handler.rolloverAt = 1_795_428_000 + 60 * minute
        handler.doRollover()
        rig.write(rig.lines(1))
    handler.close()
    rig.start()
    rig.read(3)
    assert rig.serials() == list(range(1, rig.sequence + 1))


def test_rotated_files_that_were_read_are_not_read_again(rig: Rig) -> None:
    """A restart recognises rotated files by content, even if they were compressed meanwhile."""
    rig.write(rig.lines(3))
    rig.rotate()
    rig.write(rig.lines(3))
    rig.read(2)
    rig.stop()
    rig.compress(Path(f"{rig.path}.1"))
    rig.start()
    rig.read(2)
    assert rig.serials() == list(range(1, 7))
    assert rig.counter("shipper_lines_read_total") == 6


def test_first_start_reads_rotated_files_too(rig: Rig) -> None:
    """A new log is read from its oldest file."""
    rig.write(rig.lines(2))
    rig.rotate(compress=True)
    rig.write(rig.lines(2))
    rig.rotate()
    rig.write(rig.lines(2))
    rig.read(2)
    assert rig.serials() == list(range(1, 7))


def test_from_end_passes_over_what_is_there_and_follows_what_comes(tmp_path: Path) -> None:
    """`--from end` starts after the last whole line of files that exist at the start, and at the beginning of later files."""
    rig = Rig(tmp_path, kind="plain", from_end=True)
    rig.write(rig.lines(2))
    rig.rotate()
    rig.write(rig.lines(2))
    rig.read()
    rig.write(rig.lines(2))
    rig.read()
    rig.write(rig.lines(3), rig.logs / "later.log")
    rig.read()
    assert rig.serials() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("live", ["lines", "none yet", "no file"])
@pytest.mark.parametrize("restart", [False, True])
def test_from_end_passes_over_rotated_files_for_good(tmp_path: Path, live: str, restart: bool) -> None:
    """Also with an empty or missing live file, after a restart, and after a truncation."""
    rig = Rig(tmp_path, kind="plain", from_end=True)
    for compress in (True, False):
        rig.write(rig.lines(2))
        rig.rotate(compress=compress)
    if live == "lines":
        rig.write(rig.lines(1))
    elif live == "none yet":
        rig.path.touch()
    rig.read()
    before = rig.sequence
    if restart:
        rig.kill()
    rig.write(added := rig.lines(2))
    settled(rig)
    assert rig.counter("shipper_lines_read_total") == 2
    assert rig.counter("shipper_bytes_read_total") == len(added)
    os.truncate(rig.path, 0)
    rig.write(rig.lines(1))
    settled(rig)
    assert rig.serials() == [before + 1, before + 2, before + 3]


def test_copytruncate_reads_the_copy_to_its_end(rig: Rig) -> None:
    """Lines copied before they were read are read in the copy, lines after the truncation in place."""
    rig.write(rig.lines(4))
    rig.read()
    rig.write(rig.lines(3))
    shutil.copy(rig.path, f"{rig.path}.1")
    os.truncate(rig.path, 0)
    rig.write(rig.lines(2))
    settled(rig)
    assert rig.serials() == list(range(1, 10))


def test_truncation_starts_from_the_beginning_and_is_counted(rig: Rig) -> None:
    """A file cut to nothing is read from its beginning."""
    rig.write(rig.lines(4))
    rig.read()
    os.truncate(rig.path, 0)
    rig.write(rig.lines(2))
    settled(rig)
    assert rig.serials() == list(range(1, 7))
    assert rig.counter("shipper_truncations_total") == 1


@pytest.mark.parametrize("stopped", [False, True])
def test_a_lost_live_file_rolls_back_no_cursor(rig: Rig, stopped: bool) -> None:
    """The output is unavailable, so the file before it is still needed; its lines were counted already."""
    rig.start()
    rig.output.unavailable = True
    rig.write(rig.lines(2))
    rig.read()
    rig.rotate()
    rig.write(rig.lines(2))
    settled(rig)
    if stopped:
        rig.kill()
    os.truncate(rig.path, 0)
    rig.path.unlink()
    settled(rig)
    rig.write(rig.lines(2))
    settled(rig)
    assert rig.counter("shipper_lines_read_total") == 6
    rig.output.unavailable = False
    rig.clock.pass_seconds(60)
    settled(rig)
    assert rig.counter("shipper_lines_read_total") == 6
    assert rig.serials() == [1, 2, 5, 6]


def test_truncation_and_growth_beyond_the_position_is_noticed(rig: Rig) -> None:
    """A file that was truncated and is longer than before is detected by the bytes before the offset."""
    rig.write(rig.lines(2))
    rig.read()
    os.truncate(rig.path, 0)
    rig.write(rig.lines(40))
    settled(rig)
    assert rig.serials() == list(range(1, 43))


def test_reused_inode_is_another_file(rig: Rig) -> None:
    """A new file under the inode of the one just read is read from its beginning."""
    rig.write(rig.lines(3))
    rig.read()
    content = rig.lines(5)
    rig.stop()
    with rig.path.open("r+b") as file:  # reuse looks like the same inode with other content
        file.write(content)
    rig.start()
    settled(rig)
    assert rig.serials() == list(range(1, 9))


def test_inode_of_a_deleted_rotated_file_comes_back_as_the_live_one(rig: Rig) -> None:
    """As Docker does at every rotation: the new live file has the inode of the deleted sibling."""
    for _ in range(6):
        rig.write(rig.lines(4))
        rig.rotate(keep=2)
        rig.write(rig.lines(1))
        settled(rig)
    assert rig.serials() == list(range(1, 31))


class WideInode:
    """A stat result with an inode of 64 bits."""

    def __init__(self, status: os.stat_result) -> None:
        self._found = status
        self.st_ino = status.st_ino | 1 << 63

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found, name)


def test_inodes_of_network_file_systems_are_remembered(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's integers have 63 bits and a sign."""
    stat, fstat = os.stat, os.fstat
    monkeypatch.setattr(os, "stat", lambda *args, **options: WideInode(stat(*args, **options)))
    monkeypatch.setattr(os, "fstat", lambda *args: WideInode(fstat(*args)))
    rig.write(rig.lines(2))
    rig.drain()
    rig.kill()
    rig.rotate()
    rig.write(rig.lines(1))
    rig.start()
    rig.drain()
    assert rig.serials() == [1, 2, 3]
    assert rig.counter("shipper_lines_read_total") == 3


def test_small_files_grow_without_being_taken_for_new(rig: Rig) -> None:
    """Files far below a kilobyte are recognised after restarts by their short content."""
    for _ in range(5):
        rig.write(rig.lines(1))
        rig.read()
        rig.stop()
        rig.start()
    rig.read()
    assert rig.serials() == [1, 2, 3, 4, 5]
    assert rig.counter("shipper_lines_read_total") == 5


def test_a_compressed_log_is_unpacked_once(tmp_path: Path) -> None:
    """A glob may match one that is not a rotated file: while it does not change, its handle is kept."""
    rig = Rig(tmp_path, glob="*")
    rig.path = rig.logs / "old.log.gz"
    rig.write(gzip.compress(rig.lines(500)))
    rig.read()
    assert rig.agent is not None
    (file,) = rig.agent.tail.logs[str(rig.path)].log.files
    handle = file.handle
    rig.read(3)
    assert file.handle is handle
    rig.write(gzip.compress(rig.lines(5)))
    rig.read(2)
    assert rig.serials() == list(range(1, 506))
    rig.path.unlink()
    rig.drain()
    rig.drain()
    assert not rig.agent.tail.logs


def test_same_first_line_in_many_files(tmp_path: Path) -> None:
    """Files that begin alike are kept apart."""
    rig = Rig(tmp_path)
    banner = docker_line("Starting up\n")
    for number in range(20):
        rig.write(banner + rig.lines(1), rig.logs / f"app-{number}.log")
    rig.drain()
    assert sorted(rig.messages()) == sorted(["Starting up"] * 20 + [str(n) for n in range(1, 21)])


def test_a_plain_log_that_always_begins_alike_loses_no_line(tmp_path: Path) -> None:
    """The same banner after every rotation and truncation is an event each time."""
    rig = Rig(tmp_path, kind="plain")
    for _ in range(3):
        rig.write(b"Starting up\n")
        rig.read()
        rig.rotate()
        settled(rig)
    for _ in range(2):
        rig.write(b"Starting up\nready\n")
        rig.drain()
        os.truncate(rig.path, 0)
        rig.read()
    rig.drain()
    assert rig.messages().count("Starting up") == 5
    assert rig.counter("shipper_lines_total", "indexed") == 7


def test_deleted_while_read_is_read_to_its_end(rig: Rig) -> None:
    """Lines written before the file was removed are read through the open handle."""
    rig.write(rig.lines(2))
    rig.read()
    rig.write(rig.lines(3))
    rig.path.unlink()
    rig.read()
    assert rig.serials() == [1, 2, 3, 4, 5]


def test_a_removed_log_is_held_until_its_end_is_read(rig: Rig) -> None:
    """However far behind the agent is, and however long ago the file was removed."""
    rig.limits = Limits(chunk_bytes=1000)
    rig.write(rig.lines(100))
    agent = rig.start()
    agent.turn()
    rig.path.unlink()
    for _ in range(5):
        agent.turn()
        rig.clock.pass_seconds(3)
    rig.drain()
    rig.drain()
    assert rig.serials() == list(range(1, 101))
    assert rig.counter("shipper_lines_read_total") == 100
    assert not agent.tail.logs


class Unreadable:
    """The handle of a file that cannot be read from some offset."""

    def __init__(self, handle: Handle, code: int, first: int = 0) -> None:
        self._handle, self._code, self._first = handle, code, first
        self.device, self.inode = handle.device, handle.inode

    def size(self) -> int | None:
        return self._handle.size()

    def names(self) -> int:
        return self._handle.names()

    def read(self, offset: int, size: int) -> bytes:
        if offset >= self._first:
            raise OSError(self._code, os.strerror(self._code))
        return self._handle.read(offset, min(size, self._first - offset))

    def close(self) -> None:
        self._handle.close()


def test_a_log_removed_on_a_network_file_system_is_forgotten(rig: Rig) -> None:
    """Its handle is invalid once its name is gone: unread bytes count as lost, and nothing stays unreadable."""
    rig.write(rig.lines(2))
    rig.drain()
    assert rig.agent is not None
    (file,) = rig.agent.tail.logs[str(rig.path)].log.files
    assert file.handle is not None
    file.handle = Unreadable(file.handle, errno.ESTALE)
    rig.path.unlink()
    rig.drain()
    assert not rig.agent.tail.logs
    assert not rig.agent.tail.unreadable
    assert rig.counter("shipper_files_lost_total") == 1


def test_an_unreadable_removed_file_holds_up_no_other(rig: Rig) -> None:
    """It is retried for as long as late lines are waited for, uses no descriptors meanwhile, and is counted as lost."""
    rig.write(rig.lines(2))
    rig.read()
    agent = rig.agent
    assert agent is not None
    (file,) = agent.tail.logs[str(rig.path)].log.files
    assert file.handle is not None
    file.handle = Unreadable(file.handle, errno.EIO)
    rig.path.unlink()
    rig.write(rig.lines(2))
    rig.read()
    before = len(os.listdir("/proc/self/fd"))
    rig.read(10)
    assert len(os.listdir("/proc/self/fd")) == before
    assert str(rig.path) in agent.tail.unreadable
    rig.drain()
    assert rig.serials() == [1, 2, 3, 4]
    assert not agent.tail.unreadable
    assert rig.counter("shipper_files_lost_total") == 1


def test_a_removed_log_is_forgotten_after_its_last_line(rig: Rig) -> None:
    """A last line without newline becomes an event once nothing can follow; then the log is forgotten."""
    rig.write(rig.lines(2) + rig.lines(1).rstrip(b"\n"))
    rig.read()
    assert rig.serials() == [1, 2]
    rig.path.unlink()
    rig.drain()
    rig.drain()
    assert rig.serials() == [1, 2, 3]
    assert rig.agent is not None
    assert not rig.agent.tail.logs
    assert not rig.agent.state.logs()


@pytest.mark.parametrize("line_bytes", [3000, 100_000])
def test_a_long_last_line_is_shipped_after_its_log_was_removed(rig: Rig, line_bytes: int) -> None:
    """It was counted without its end while the output was unavailable, and is longer than one read."""
    rig.limits = Limits(chunk_bytes=1000, line_bytes=line_bytes)
    rig.write(rig.lines(2))
    agent = rig.start()
    rig.read()
    rig.output.unavailable = True
    rig.write(docker_line(rig.entry(pad="x" * 5000) + "\n").rstrip(b"\n"))
    rig.drain()
    rig.path.unlink()
    rig.drain()
    assert rig.counter("shipper_lines_read_total") == 3
    rig.output.unavailable = False
    for _ in range(3):
        rig.clock.pass_seconds(60)
        rig.drain()
    assert len(rig.output.stored) == 3
    outcomes = ("indexed", "quarantined", "dropped")
    assert sum(rig.counter("shipper_lines_total", outcome) for outcome in outcomes) == 3
    assert not agent.tail.logs


def test_folder_removed_before_the_end_was_read(tmp_path: Path) -> None:
    """`docker rm` takes the whole folder at once; the open file is still read to its end."""
    rig = Rig(tmp_path, glob="*/*-json.log")
    folder = rig.logs / "c1"
    folder.mkdir()
    rig.path = folder / "c1-json.log"
    rig.write(rig.lines(2))
    rig.read()
    rig.write(rig.lines(200))
    shutil.rmtree(folder)
    rig.drain()
    assert rig.serials() == list(range(1, 203))


def test_line_without_its_newline_waits(rig: Rig) -> None:
    """Half a line is not an event until its newline is written, also across a restart."""
    line = rig.lines(1)
    rig.write(line[:20])
    rig.drain()
    assert rig.messages() == []
    rig.stop()
    rig.start()
    rig.write(line[20:])
    rig.read()
    assert rig.serials() == [1]


def test_symlinks_are_followed_to_the_real_file(tmp_path: Path) -> None:
    """Kubernetes lists links; the files they point to, with their rotated siblings, are read."""
    rig = Rig(tmp_path, kind="plain", glob="*.log")
    pods = tmp_path / "pods"
    pods.mkdir()
    rig.path = pods / "0.log"
    rig.write(rig.lines(2))
    (rig.logs / "pod_ns_c.log").symlink_to(rig.path)
    rig.read()
    rig.rotate()
    rig.write(rig.lines(2))
    settled(rig)
    assert rig.serials() == [1, 2, 3, 4]


@pytest.mark.parametrize("link", ["current", "current/app.log"])
def test_a_link_that_leads_elsewhere_is_followed_there(tmp_path: Path, link: str) -> None:
    """A deployment points `current` at its next release; lines of the release before are read as well."""
    rig = Rig(tmp_path, glob="current/*.log")
    releases = [tmp_path / number for number in "123"]
    for release in releases:
        release.mkdir()
        (release / "app.log").touch()
    current, rig.path = rig.logs / link, rig.logs / "current" / "app.log"
    current.parent.mkdir(exist_ok=True)
    for release in releases:
        current.unlink(missing_ok=True)
        current.symlink_to(release / Path(link).relative_to("current"))
        rig.write(rig.lines(2))
        rig.read()
        rig.write(rig.lines(1))
    rig.read()
    assert rig.serials() == list(range(1, 10))
    assert rig.counter("shipper_lines_read_total") == 9


@pytest.mark.integration
def test_ten_thousand_files_are_followed_within_the_descriptors_allowed(tmp_path: Path) -> None:
    """More files than descriptors: all are read, at first and later."""
    rig = Rig(tmp_path, kind="plain")
    for number in range(10_000):
        (rig.logs / f"{number}.log").write_bytes(rig.entry().encode() + b"\n")
    agent = rig.start()
    agent.tail.max_open = 500
    rig.read()
    assert len(rig.serials()) == 10_000
    rig.write(rig.lines(1), rig.logs / "77.log")
    rig.write(rig.lines(1), rig.logs / "9999.log")
    rig.read(2)
    assert len(rig.serials()) == 10_002
    assert sum(any(file.handle for file in log.log.files) for log in agent.tail.logs.values()) <= 502


def test_a_removed_file_is_held_where_descriptors_are_few(rig: Rig) -> None:
    """It cannot be opened again, and is needed for as long as the output is unavailable."""
    agent = rig.start()
    agent.tail.max_open = 1
    rig.output.unavailable = True
    rig.write(rig.lines(5))
    rig.read()
    rig.path.unlink()
    rig.read()
    for number in range(3):
        rig.write(rig.lines(1), rig.logs / f"{number}.log")
        rig.read()
    rig.output.unavailable = False
    rig.clock.pass_seconds(60)
    rig.drain()
    assert rig.serials() == list(range(1, 9))


def test_half_a_line_keeps_no_agent_busy_where_descriptors_are_few(rig: Rig) -> None:
    """Its file is opened and closed at each scan, which counts as no progress."""
    agent = rig.start()
    agent.tail.max_open = 0
    line = rig.lines(1)
    rig.write(line[:20])
    agent.turn()
    assert not any(agent.turn() for _ in range(3))
    rig.write(line[20:])
    rig.drain()
    assert rig.serials() == [1]


def test_an_empty_rotated_file_is_left_where_descriptors_are_few(rig: Rig) -> None:
    """It is reopened at each scan, and the time of its rotation stays."""
    agent = rig.start()
    agent.tail.max_open = 0
    rig.write(rig.lines(1))
    rig.read()
    for _ in range(2):
        rig.rotate()
        rig.path.touch()
        rig.read()
    rig.write(rig.lines(1))
    for _ in range(8):
        rig.clock.pass_seconds(3)
        rig.read()
    assert rig.serials() == [1, 2]
    assert rig.counter("shipper_rotations_total") == 2


def test_the_state_holds_the_files_that_are_there_and_no_others(tmp_path: Path) -> None:
    """A live file that waits behind a backlog is checked again and again; no check adds it a second time."""
    rig = Rig(tmp_path, limits=Limits(chunk_bytes=1000))
    rig.write(rig.lines(50))
    rig.read()
    rig.write(rig.lines(50))
    rig.rotate()
    agent = rig.agent
    assert agent is not None
    for _ in range(10):
        rig.write(rig.lines(1))
        rig.clock.pass_seconds(1)
        agent.turn()
        (saved,) = agent.state.logs().values()
        assert len(saved.files) <= 2
    rig.drain()
    assert rig.serials() == list(range(1, 111))
    for _ in range(20):
        rig.write(rig.lines(1))
        rig.rotate()
        rig.read()
    rig.drain()
    (saved,) = agent.state.logs().values()
    assert len(saved.files) == len(list(rig.logs.iterdir()))


def test_an_unreadable_last_line_ends_no_agent(rig: Rig) -> None:
    """Lines that were read stay, the rest is counted as lost, and the other logs are followed."""
    rig.write(read := rig.lines(2))
    rig.write(rig.lines(1).rstrip(b"\n"))
    rig.drain()
    assert rig.agent is not None
    (file,) = rig.agent.tail.logs[str(rig.path)].log.files
    assert file.handle is not None
    file.handle = Unreadable(file.handle, errno.EIO, len(read))
    rig.path.unlink()
    rig.drain()
    rig.drain()
    assert rig.serials() == [1, 2]
    assert not rig.agent.tail.logs
    assert not rig.agent.tail.unreadable
    assert rig.counter("shipper_files_lost_total") == 1
