"""Faults around the files: permissions, clocks, disks, damaged or foreign state, two agents at once."""

import contextlib
import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from deploy.services.unavailable import Unavailable
from shipper.agent.agent_status import AgentPublisher
from shipper.agent.unreadable_logs import SHOWN
from shipper.state.store import State
from shipper.system.errors import StateError
from tests.chaos.disks import SmallDisk
from tests.hazards.rig import Killed, Rig, docker_line
from tests.integration.conftest import missing
from tests.outputs.test_dead_letters import full_disk


def test_unreadable_file_is_read_once_it_can_be(tmp_path: Path) -> None:
    """A file without permission is reported, does not disturb others, and is read in full later."""
    rig = Rig(tmp_path)
    rig.write(rig.lines(2))
    rig.write(rig.lines(2), rig.logs / "other.log")
    agent = rig.start()
    denied = rig.path

    rig.path.chmod(0)
    if os.geteuid() == 0:  # root reads everything: a folder in place of the file fails as well
        rig.path.rename(tmp_path / "aside")
        rig.path.mkdir()
    rig.read(2)
    assert rig.serials() == [3, 4]
    assert str(denied) in agent.tail.unreadable
    if os.geteuid() == 0:
        rig.path.rmdir()
        (tmp_path / "aside").rename(rig.path)
    rig.path.chmod(0o600)
    rig.read(2)
    assert rig.serials() == [1, 2, 3, 4]
    assert not agent.tail.unreadable


def test_unreadable_files_are_reported_once_and_many_are_summed_up(tmp_path: Path) -> None:
    """Each is reported when it is detected, not at every scan; of many at once the first ones and the number of the rest."""
    rig = Rig(tmp_path)
    paths = [rig.logs / f"app-{number}.log" for number in range(SHOWN + 2)]
    for path in paths:
        path.mkdir()  # a folder in the place of a file: root may read everything else
    with structlog.testing.capture_logs() as events:
        rig.start()
        rig.read(3)
    named = [entry["path"] for entry in events if entry["event"] == "log_unreadable"]
    assert named == [str(path) for path in paths[:SHOWN]]
    assert [entry["more"] for entry in events if entry["event"] == "logs_unreadable"] == [2]


def test_a_rotated_file_that_cannot_be_opened_costs_no_descriptors(tmp_path: Path) -> None:
    """The log is tried again at each scan, and files that were opened beside it are closed each time."""
    rig = Rig(tmp_path)
    rig.write(rig.lines(1))
    rig.write(rig.lines(1), rig.logs / "app.log.2")
    (rig.logs / "app.log.1").mkdir()  # root may read everything else
    agent = rig.start()
    rig.read(2)
    assert str(rig.path) in agent.tail.unreadable
    before = len(os.listdir("/proc/self/fd"))
    rig.read(20)
    assert len(os.listdir("/proc/self/fd")) == before
    (rig.logs / "app.log.1").rmdir()
    rig.read(2)
    assert rig.serials() == [1, 2]


@pytest.mark.parametrize("kind", ["docker", "plain"])
def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """For example when descriptors run out: offsets of its logs are known when it can be listed again."""
    rig = Rig(tmp_path, kind=kind)
    pods = tmp_path / "pods"
    pods.mkdir()
    rig.path = pods / "0.log"
    (rig.logs / "pod_ns_c.log").symlink_to(rig.path)
    rig.write(rig.lines(3))
    rig.read()
    rig.rotate()
    rig.write(rig.lines(3))
    rig.drain()
    rig.stop()
    listdir = os.listdir

    def exhausted(folder: str) -> list[str]:
        if folder == str(pods):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return listdir(folder)

    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", exhausted)
        agent = rig.start()
        rig.drain()
        assert str(rig.path) in agent.tail.unreadable
    rig.write(rig.lines(1))
    rig.drain()
    assert not agent.tail.unreadable
    assert rig.serials() == list(range(1, 8))
    assert rig.counter("shipper_lines_read_total") == 7


@pytest.mark.parametrize("jump_s", [-86_400, 86_400])
def test_a_clock_that_jumps_does_not_end_the_waiting_for_the_rest_of_an_entry(tmp_path: Path, jump_s: int) -> None:
    """The waiting time starts with the time of its line, once, and is measured by the monotonic clock."""
    rig = Rig(tmp_path)
    entry = rig.entry()
    rig.write(docker_line(entry[:20]))
    rig.read(2)
    rig.clock.wall += jump_s * 1_000_000_000
    rig.write(docker_line(rig.entry() + "\n", "stderr"))
    rig.read(2)
    assert rig.serials() == [2]
    rig.write(docker_line(entry[20:] + "\n"))
    rig.drain()
    assert rig.serials() == [1, 2]
    assert not rig.quarantined()


@pytest.mark.parametrize("jump_s", [-86_400, 86_400])
def test_clock_jumps_lose_and_duplicate_nothing(tmp_path: Path, jump_s: int) -> None:
    """A wall clock that steps a day either way changes neither what is read nor where it is stored."""
    rig = Rig(tmp_path)
    rig.write(rig.lines(3))
    rig.read()
    rig.clock.wall += jump_s * 10**9
    rig.write(rig.lines(3))
    rig.drain()
    assert rig.serials() == list(range(1, 7))
    assert {index for index, _ in rig.output.stored} == {"keneyapp-logs-2026.11.23"}


def test_an_unavailable_output_never_stops_counting(tmp_path: Path) -> None:
    """Counters advance and match the truth; the index catches up afterwards without a change of counters."""
    rig = Rig(tmp_path)
    rig.write(rig.lines(5))
    rig.read()
    rig.output.unavailable = True
    for _ in range(3):
        rig.write(rig.lines(40))
        rig.read(2)
        rig.rotate()
    assert rig.counter("shipper_lines_read_total") == 125
    assert len(rig.serials()) == 5
    rig.kill()
    rig.start()
    rig.read(2)
    assert rig.counter("shipper_lines_read_total") == 125
    rig.output.unavailable = False
    rig.clock.pass_seconds(60)
    rig.read(5)
    assert rig.serials() == list(range(1, 126))
    assert rig.counter("shipper_lines_read_total") == 125
    assert rig.counter("shipper_lines_total", "indexed") == 125
    assert rig.agent is not None
    assert all(log.ship_cursor is None for log in rig.agent.tail.logs.values())


def test_kill_between_write_and_commit_duplicates_nothing(tmp_path: Path) -> None:
    """Documents that were written and not committed are written again under the same ids and counted once."""
    rig = Rig(tmp_path)
    rig.write(rig.lines(10))
    rig.output.killed_after_write = True
    with pytest.raises(Killed):
        rig.read()
    assert len(rig.serials()) == 10
    rig.kill()
    rig.output.killed_after_write = False
    rig.start()
    rig.read()
    assert rig.serials() == list(range(1, 11))
    assert rig.counter("shipper_events_total", "duplicate") == 10
    assert rig.counter("shipper_lines_read_total") == 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 2 MiB; only root can mount one."""
    try:
        disk = SmallDisk(tmp_path / "small", 2)
    except Unavailable as error:
        missing(str(error), "run the tests as root")
    yield disk.folder
    disk.unmount()


def test_full_disk_under_the_state_directory_stops_reading_until_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    """No uncommitted counter is published, and once there is space everything is stored once."""
    rig = Rig(tmp_path)
    (tmp_path / "state").symlink_to(small_disk, target_is_directory=True)
    agent = rig.start()
    rig.write(rig.lines(5))
    rig.read()
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    for number in range(60):  # new rows until the database has to grow
        rig.write(rig.lines(2), rig.logs / f"{number}.log")
    rig.read(3)
    assert agent.state_error is not None
    assert "full" in agent.state_error
    assert rig.counter("shipper_lines_read_total") == 5
    filler.unlink()
    rig.read(5)
    assert agent.state_error is None
    assert rig.serials() == list(range(1, 126))
    assert rig.counter("shipper_lines_read_total") == 125


@pytest.mark.parametrize("new", [True, False])
def test_a_full_disk_at_the_start_is_reported_as_such(tmp_path: Path, new: bool) -> None:
    """Both before anything is written there and with an existing state."""
    directory, key = tmp_path / "state", b"given"
    if not new:
        State(directory, key).close()
    with full_disk(0), pytest.raises(StateError, match=r"cannot use state directory .*\n.*free disk space"):
        State(directory, key)
    State(directory, key).close()


def test_two_agents_on_one_state_directory_are_refused(tmp_path: Path) -> None:
    """The second one reports which process holds the directory and what to do."""
    first = State(tmp_path / "state")
    with pytest.raises(StateError, match=rf"process {os.getpid()}.*\n.*--state-dir"):
        State(tmp_path / "state")
    first.close()
    State(tmp_path / "state").close()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_state_directory_that_is_removed_while_running_is_noticed(tmp_path: Path, replaced: bool) -> None:
    """Nothing is read or committed from then on, health says so, and no second agent starts beside it."""
    rig = Rig(tmp_path)
    rig.write(rig.lines(5))
    rig.read()
    agent = rig.agent
    assert agent is not None
    (tmp_path / "state").rename(tmp_path / "away")
    if replaced:
        shutil.copytree(tmp_path / "away", tmp_path / "state")
    rig.write(rig.lines(5))
    rig.read()
    publisher = AgentPublisher(agent, "memory")
    assert publisher.snapshot.health().checks["state"] == "stuck"
    assert publisher.snapshot.health().status == "stuck"
    assert "was removed or replaced" in str(agent.state_error)
    assert rig.counter("shipper_lines_read_total") == 5
    with pytest.raises(StateError, match=r"in use by another agent"):
        State(tmp_path / "state")
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "away").rename(tmp_path / "state")
    rig.read()
    assert agent.state_error is None
    assert rig.counter("shipper_lines_read_total") == 10
    assert rig.serials() == list(range(1, 11))


def test_state_of_another_version_is_refused(tmp_path: Path) -> None:
    """A state written by another version stops the start with a hint."""
    State(tmp_path / "state").close()
    db = sqlite3.connect(tmp_path / "state" / "state.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StateError, match=r"version 99.*\n.*run the shipper version that wrote it"):
        State(tmp_path / "state")


@pytest.mark.parametrize("damage", ["noise", "empty", "foreign", "text"])
def test_damaged_state_is_refused_and_never_taken_for_empty(tmp_path: Path, damage: str) -> None:
    """Whatever is wrong with the file, the start fails with a hint."""
    rig = Rig(tmp_path)
    rig.write(rig.lines(200))
    rig.read()
    rig.stop()
    path = tmp_path / "state" / "state.db"
    content = bytearray(path.read_bytes())
    if damage == "noise":
        content[100:4000] = os.urandom(3900)
    elif damage == "foreign":
        path.unlink()
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE other (x)")
        db.close()
        content = bytearray(path.read_bytes())
    path.write_bytes({"empty": b"", "text": b"hello" * 500}.get(damage, bytes(content)))
    path.with_name("state.db-journal").unlink(missing_ok=True)
    with pytest.raises(StateError, match="start with an empty state"):
        State(tmp_path / "state")


def test_a_kill_during_the_very_first_start_is_no_damage(tmp_path: Path) -> None:
    """An empty file that never held anything is an interrupted first start."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "state.db").touch()
    (tmp_path / "state" / "lock").write_text("123\n")
    State(tmp_path / "state").close()


def test_a_state_directory_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    """The message names the directory and the option."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match="--state-dir"):
        State(tmp_path / "file" / "state")


def test_state_is_private(tmp_path: Path) -> None:
    """State holds raw fragments of log lines: only its owner may read it."""
    State(tmp_path / "state").close()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "state").iterdir())


def test_an_output_without_room_never_stops_counting(tmp_path: Path) -> None:
    """Batches in flight fill the window; counting continues, shipping catches up, nothing is counted or stored twice."""
    rig = Rig(tmp_path)
    rig.output.slow = True
    for _ in range(6):
        rig.write(rig.lines(10))
        rig.read()
    assert len(rig.output.unanswered) == rig.output.window
    assert rig.counter("shipper_lines_read_total") == 60
    assert rig.counter("shipper_lines_total", "indexed") == 0
    rig.output.slow = False
    while rig.output.unanswered:
        rig.output.answer(0)
    rig.read(5)
    assert rig.serials() == list(range(1, 61))
    assert rig.counter("shipper_lines_total", "indexed") == 60
    assert rig.counter("shipper_events_total", "duplicate") == 0


def test_a_later_batch_is_not_acknowledged_before_an_earlier_one(tmp_path: Path) -> None:
    """The second response comes first; a kill then ships both again, because the first was never stored."""
    rig = Rig(tmp_path)
    rig.output.slow = True
    for _ in range(2):
        rig.write(rig.lines(5))
        rig.read()
    rig.output.answer(1)
    rig.read(2)
    assert rig.counter("shipper_lines_total", "indexed") == 0
    rig.kill()
    rig.output.unanswered.clear()
    rig.output.slow = False
    rig.start()
    rig.read(3)
    assert rig.serials() == list(range(1, 11))
    assert rig.counter("shipper_lines_read_total") == 10
    assert rig.counter("shipper_events_total", "indexed") == 5
    assert rig.counter("shipper_events_total", "duplicate") == 5
