"""Read batches: entries with the checkpoints before and after them, each available only once it is valid."""

from pathlib import Path

import pytest

from shipper.inputs.files.glob_scan import Folders, Scanner
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.read_batch import EntriesPending, ReadBatch
from shipper.inputs.files.read_round import ReadRound
from shipper.inputs.files.tailer import Input, Tail
from shipper.state.checkpoint import SavedLog
from shipper_processors.assemble import Bounds
from shipper_schemas.entry import Entry, Origin
from tests.hazards.rig import ManualClock, docker_line


def tail_of(folder: Path, saved: dict[str, SavedLog] | None = None) -> Tail:
    """Return a tail over all logs of a folder."""
    source = Input("docker", Scanner(f"{folder}/*.log", Folders()), lambda path, _real: Origin(path, "c1"))
    return Tail([source], Bounds(), Limits(), saved or {})


@pytest.fixture
def log(tmp_path: Path) -> LogReader:
    """Return a log of three entries, polled and not read."""
    (tmp_path / "app.log").write_bytes(b"".join(docker_line(f'{{"event":"{n}"}}\n', at=n) for n in range(3)))
    (reader,) = tail_of(tmp_path).scan()
    assert reader.poll(0.0)
    return reader


def texts(batch: ReadBatch) -> list[str]:
    """Consume the entries, and return their texts."""
    return [entry.text for entry in batch.entries if isinstance(entry, Entry)]


def test_no_checkpoint_is_available_before_its_entries_are_consumed(log: LogReader) -> None:
    """Neither from the batch nor from its log, which cannot be read either: partial entries would be missing."""
    (batch,) = log.read(0.0, 0)
    entries = iter(batch.entries)
    next(entries)
    with pytest.raises(EntriesPending):
        _ = batch.after
    with pytest.raises(EntriesPending):
        log.checkpoint()
    with pytest.raises(EntriesPending):
        list(log.read(0.0, 0))
    assert len(list(entries)) == 2
    assert batch.after == log.checkpoint()
    assert batch.after.count_position.offset == batch.bytes == log.size


def test_reading_from_a_checkpoint_continues_after_it(log: LogReader, tmp_path: Path) -> None:
    """The one before returns the same entries again, the one after returns later ones, by another reader, too."""
    (batch,) = log.read(0.0, 0)
    first = texts(batch)
    assert batch.before is not None
    assert (batch.count, batch.ship, batch.before.offset) == (True, True, 0)
    saved = batch.after
    log.hold(None)
    log.roll_back(batch.before)
    assert log.poll(0.0)
    (again,) = log.read(0.0, 0)
    assert (again.count, again.ship, again.bytes, texts(again)) == (False, True, 0, first)
    with (tmp_path / "app.log").open("ab") as file:
        file.write(docker_line('{"event":"later"}\n', at=9))
    (other,) = tail_of(tmp_path, {saved.path: saved}).scan()
    assert other.poll(0.0)
    (later,) = other.read(0.0, 0)
    assert texts(later) == ['{"event":"later"}']


def test_without_an_output_entries_are_counted_and_shipped_later(log: LogReader) -> None:
    """The ship cursor stays before the counted entries, and is attached again once it has caught up."""
    (counted,) = log.read(0.0, 0, may_ship=False)
    assert (counted.count, counted.ship, counted.before) == (True, False, None)
    first = texts(counted)
    assert counted.after.ship_position is not None
    assert counted.after.ship_position.offset == 0
    (shipped,) = log.read(0.0, 0)
    assert (shipped.count, shipped.ship, texts(shipped)) == (False, True, first)
    assert list(log.read(0.0, 0)) == []
    assert log.checkpoint().ship_position is None


def test_a_held_position_is_saved_until_it_is_acknowledged(log: LogReader) -> None:
    """After a crash between sending and acknowledging, sent entries are read again."""
    (batch,) = log.read(0.0, 0)
    texts(batch)
    log.hold(batch.before)
    assert batch.after.ship_position == batch.before
    log.hold(None)
    assert batch.after.ship_position is None


def test_a_partial_round_reports_what_it_read(tmp_path: Path) -> None:
    """A full batch ends it before the next log, with which the next round starts."""
    for name in ("a.log", "b.log", "c.log"):
        (tmp_path / name).write_bytes(docker_line(f'{{"event":"{name}"}}\n'))
    tail, read = tail_of(tmp_path), list[str]()
    tail.scan()
    first = ReadRound(tail, 0.0, ManualClock(), full=lambda: len(read) == 2)
    for batch in first.batches():
        read += texts(batch)
    assert (len(read), len(first.changed), first.moved) == (2, 2, True)
    second = ReadRound(tail, 0.0, ManualClock())
    for batch in second.batches():
        read += texts(batch)
    assert sorted(read) == [f'{{"event":"{name}"}}' for name in ("a.log", "b.log", "c.log")]
    quiet = ReadRound(tail, 0.0, ManualClock())
    assert (list(quiet.batches()), quiet.moved, quiet.changed) == ([], False, {})


def test_reads_ahead_begin_before_earlier_entries_are_consumed_and_come_in_order(tmp_path: Path) -> None:
    """Threads scan them meanwhile; the round ends with none of them left."""
    for name in "abcde":
        (tmp_path / f"{name}.log").write_bytes(docker_line(f'{{"event":"{name}"}}\n'))
    tail, read = tail_of(tmp_path), list[str]()
    tail.scan()
    ahead = ReadRound(tail, 0.0, ManualClock(), full=lambda: len(read) == 3, reads_ahead=2)
    begun = []
    for batch in ahead.batches():
        begun.append((len(ahead.changed), ahead.bytes_ahead // batch.bytes))
        read += texts(batch)
    assert begun == [(3, 2), (4, 2), (5, 2), (5, 1), (5, 0)]
    assert read == [f'{{"event":"{name}"}}' for name in sorted("abcde")]


def test_a_full_batch_ends_a_round_after_the_reads_ahead(tmp_path: Path) -> None:
    """What has begun is consumed; the next round starts with the first log that has not."""
    for name in "abcde":
        (tmp_path / f"{name}.log").write_bytes(docker_line(f'{{"event":"{name}"}}\n'))
    tail, read = tail_of(tmp_path), list[str]()
    tail.scan()
    first = ReadRound(tail, 0.0, ManualClock(), full=lambda: len(read) == 1, reads_ahead=2)
    for batch in first.batches():
        read += texts(batch)
    assert (len(read), first.moved) == (3, True)
    for batch in ReadRound(tail, 0.0, ManualClock(), reads_ahead=2).batches():
        read += texts(batch)
    assert sorted(read) == [f'{{"event":"{name}"}}' for name in "abcde"]
