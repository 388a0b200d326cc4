"""Attention: quiet logs cost nothing where changes are reported, and nothing is missed where they are not."""

from pathlib import Path

import pytest

from shipper.inputs.files.attention import Attention
from shipper.inputs.files.glob_scan import Folders, Scanner
from shipper.inputs.files.inotify import Inotify
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.tailer import Input, Tail
from shipper.inputs.files.watches import UNREPORTED, Watches, open_watches
from shipper_processors.assemble import Bounds
from shipper_schemas.entry import Origin

LINE = b'{"log":"{\\"event\\":\\"a\\"}\\n","stream":"stdout","time":"2026-11-23T10:00:00.000000001Z"}\n'


class Deaf(Inotify):
    """A queue that loses all events once it is `lossy`."""

    lossy = False

    def events(self) -> list:  # type: ignore[type-arg]
        events = super().events()
        return [] if self.lossy else events


@pytest.fixture
def queue() -> Deaf:
    """A queue of this system."""
    watches, reason = open_watches()
    if watches is None:
        pytest.skip(reason)
    watches.close()
    return Deaf()


def followed(folder: Path, queue: Deaf, **options: float) -> Tail:
    """Return a tail over `folder/*/*.log` that relies on `queue`."""
    watches = Watches(queue, lambda _folder: "ext4")
    folders = Folders(watches=watches)
    source = Input("docker", Scanner(f"{folder}/*/*.log", folders), lambda path, _real: Origin(path, path))
    return Tail([source], Bounds(), Limits(), {}, folders, attention=Attention(watches, **options))  # type: ignore[arg-type]


def read(tail: Tail, now: float) -> list[str]:
    """Take one turn; return the names of the logs that were polled, and read those with new data."""
    if tail.scan_is_due():
        tail.scan()
    tail.attention.touched.clear()
    for log in tail.ready(now):
        for batch in log.read(now, 0):
            list(batch.entries)
    return sorted(Path(path).stem for path in tail.attention.touched)


def log_of(folder: Path, name: str) -> Path:
    """Create the log of a container."""
    (folder / name).mkdir()
    path = folder / name / f"{name}.log"
    path.write_bytes(LINE)
    return path


def test_only_the_log_that_changed_is_polled(tmp_path: Path, queue: Deaf) -> None:
    """The others are quiet, however many they are."""
    one, _ = log_of(tmp_path, "one"), log_of(tmp_path, "two")
    tail = followed(tmp_path, queue)
    tail.scan()
    while read(tail, 0.0):
        pass
    assert not tail.attention.is_asked()
    with one.open("ab") as log:
        log.write(LINE)
    assert read(tail, 0.1) == ["one"]
    assert tail.logs[str(one)].count_cursor.offset == 2 * len(LINE)


def test_a_new_container_is_seen_without_a_scan_being_due(tmp_path: Path, queue: Deaf) -> None:
    """Its folder first, its log then; other files of the runtime cause no scan."""
    tail = followed(tmp_path, queue)
    tail.scan()
    read(tail, 0.0)
    (tmp_path / "new").mkdir()
    assert tail.scan_is_due()
    tail.scan()
    (tmp_path / "new" / "config.json").touch()
    assert not tail.scan_is_due()
    (tmp_path / "new" / "new.log").write_bytes(LINE)
    assert tail.scan_is_due()
    assert [Path(log.path).name for log in tail.scan()] == ["new.log"]


def test_a_change_that_was_not_reported_is_found_and_its_folder_polled(tmp_path: Path, queue: Deaf) -> None:
    """By the slow poll of all logs; from then on the folder is polled as often as unwatched ones."""
    one = log_of(tmp_path, "one")
    tail = followed(tmp_path, queue, safety_s=10.0)
    tail.scan()
    now = 0.0
    while read(tail, now):
        now += 1e-6
    queue.lossy = True
    with one.open("ab") as log:
        log.write(LINE)
    for turn in range(12):
        read(tail, float(turn))
    assert tail.logs[str(one)].count_cursor.offset == 2 * len(LINE)
    status = tail.attention.status(1)
    assert (status["logs_polled"], status["reasons"]) == (1, [UNREPORTED])
    with one.open("ab") as log:
        log.write(LINE)
    read(tail, 12.0)
    assert tail.logs[str(one)].count_cursor.offset == 3 * len(LINE)


def test_lost_reports_poll_everything_once(tmp_path: Path, queue: Deaf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue of the kernel is bounded."""
    log_of(tmp_path, "one"), log_of(tmp_path, "two")
    tail = followed(tmp_path, queue)
    tail.scan()
    while read(tail, 0.0):
        pass
    from shipper.inputs.files.inotify import OVERFLOW, Event

    monkeypatch.setattr(queue, "events", lambda: [Event(-1, OVERFLOW, "")])
    assert read(tail, 0.1) == ["one", "two"]


def test_without_watches_every_log_is_polled_each_time(tmp_path: Path) -> None:
    """And the status says why."""
    log_of(tmp_path, "one")
    source = Input("docker", Scanner(f"{tmp_path}/*/*.log", Folders()), lambda path, _real: Origin(path, path))
    tail = Tail([source], Bounds(), Limits(), {}, attention=Attention(reason="no inotify"))
    tail.scan()
    for now in (0.0, 1.0, 2.0):
        assert len(tail.attention.due(tail.logs, now)) == 1
    assert tail.attention.status(1) == {
        "by": "polling", "folders_watched": 0, "logs_polled": 1, "reasons": ["no inotify"],
    }  # fmt: skip
