"""Segments: wherever the logs are cut, and whichever process reads a part, the outcome equals that of one segment."""

import gzip
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given as given_
from hypothesis import strategies as st

from shipper.metrics.catalogue import WITH_OR_NEEDING_ID
from shipper.model.source import Source
from shipper.pipeline.service_bounds import ServiceBounds
from shipper.replay import discover
from shipper.replay.committer import Committer
from shipper.replay.job import Job
from shipper.replay.run import tasks_of
from shipper.replay.segment import Processor, Reading, Segment, SegmentReader
from shipper.system.logging_setup import configure_own_log
from shipper_schemas.entry import Entry, Origin
from tests.examples import examples
from tests.replay.hostile import docker_line, files
from tests.replay.rig import NOW_MS, SETTINGS, Keeping, cut, logs_in, whole, write


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Containers are unknown here."""
    configure_own_log("json", "error")


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["docker", "cri", "plain"])
def test_cuts_do_not_show(kind: discover.Kind) -> None:
    """Parts, traces, duplicates, long lines, missing newlines: documents, order, totals and history are identical."""

    @given_(
        logs=st.lists(files(kind), min_size=1, max_size=2),
        packed=st.lists(st.booleans(), min_size=1, max_size=2),
        sizes=st.lists(st.integers(1, 900), min_size=1, max_size=4),
        turns=st.lists(st.integers(0, 2), min_size=1, max_size=5),
        history=st.booleans(),
    )
    @examples(40)
    def check(
        logs: list[list[bytes]], packed: list[bool], sizes: list[int], turns: list[int], *, history: bool
    ) -> None:
        folder = Path(tempfile.mkdtemp(prefix="shipper-cuts-"))
        try:
            for number, contents in enumerate(logs):
                (folder / f"{number}").mkdir()
                write(folder / f"{number}", contents, packed)
            replay_logs = logs_in(folder, kind)
            expected = whole(replay_logs, history=history)
            assert cut(replay_logs, sizes, turns, history=history) == expected
            assert not expected[1].problems
        finally:
            shutil.rmtree(folder)

    check()


def lines(start: int, stop: int) -> bytes:
    """Lines of Docker's json-file, each a separate event."""
    entry = '{"event":"tick","correlation_id":"c-%d"}'
    return b"".join(docker_line(entry % n, "stdout", n, whole=True) + b"\n" for n in range(start, stop))


def ids(segments: list[Segment]) -> list[str | None]:
    """Correlation ids in the order of reading."""
    return [document.correlation_id for segment in segments for document in segment.documents]


def test_a_rotation_is_followed_and_later_files_are_ignored(tmp_path: Path) -> None:
    """The initial files are read to their end under their new names, by any process, without a problem."""
    write(tmp_path, [lines(0, 10), lines(10, 40)], [False])
    job = Job(SETTINGS, now_ms=NOW_MS, segment_bytes=700, chunk_bytes=300)
    processor = Processor(job)
    (task,) = tasks_of(job, logs_in(tmp_path), {})
    reading = SegmentReader(job).read(task)
    segments = [processor.process(reading)]
    (tmp_path / "app.log.1").rename(tmp_path / "app.log.2")
    (tmp_path / "app.log").rename(tmp_path / "app.log.1")
    (tmp_path / "app.log").write_bytes(lines(90, 99))
    while reading.following is not None:
        reading = SegmentReader(job).read(reading.following)
        segments.append(processor.process(reading))
    assert ids(segments) == [f"c-{n}" for n in range(40)]
    assert [segment.problems for segment in segments if segment.problems] == []


@pytest.mark.parametrize("kept_open", [True, False])
def test_a_file_truncated_during_a_replay_is_reported(tmp_path: Path, kept_open: bool) -> None:
    """The process that reads next detects different content at the offset."""
    write(tmp_path, [lines(0, 40)], [False])
    job = Job(SETTINGS, now_ms=NOW_MS, segment_bytes=700, chunk_bytes=300)
    (task,) = tasks_of(job, logs_in(tmp_path), {})
    reader = SegmentReader(job)
    reading = reader.read(task)
    (tmp_path / "app.log").write_bytes(lines(50, 52))
    problems = []
    while reading.following is not None:
        reading = (reader if kept_open else SegmentReader(job)).read(reading.following)
        problems += reading.problems
    assert any("app.log" in problem.what and "truncated" in problem.what for problem in problems)


def test_a_file_deleted_before_it_is_read_is_reported(tmp_path: Path) -> None:
    """The others are read."""
    write(tmp_path, [lines(0, 5), lines(5, 9)], [False])
    logs = logs_in(tmp_path)
    (tmp_path / "app.log.1").unlink()
    documents, outcome, _ = whole(logs)
    assert [document.correlation_id for document in documents] == [f"c-{n}" for n in range(5, 9)]
    (problem,) = outcome.problems
    assert problem.what == f"1 of the 2 files of {tmp_path}/app.log were deleted before they were read"


@pytest.mark.parametrize("size", [200, 1 << 30])
def test_a_damaged_file_is_reported_once_and_read_up_to_its_damage(tmp_path: Path, size: int) -> None:
    """However it is cut into segments."""
    packed = gzip.compress(b"".join(os.urandom(20).hex().encode() + b"\n" for _ in range(500)))
    (tmp_path / "app.log.1.gz").write_bytes(packed[: len(packed) // 2])
    logs = logs_in(tmp_path, "plain")
    expected, outcome, _ = whole(logs)
    assert len(expected) > 100
    (problem,) = outcome.problems
    assert problem.what.startswith(f"{tmp_path}/app.log.1.gz is damaged after ")
    assert "replace the file with an intact copy" in problem.hint
    assert cut(logs, [size], [0, 1])[:2] == (expected, outcome)


def test_a_last_line_over_the_limit_is_one_truncated_entry(tmp_path: Path) -> None:
    """It is the same entry with and without a newline: nothing beyond the limit is read as another line."""
    write(tmp_path, [b"short\n" + b"z" * 5000], [False])
    ended = whole(logs_in(tmp_path, "plain"))[0]
    write(tmp_path, [b"short\n" + b"z" * 5000 + b"\n"], [False])
    assert [document.id for document in ended] == [document.id for document in whole(logs_in(tmp_path, "plain"))[0]]
    assert b"a line of 5000 bytes" in ended[1].body


def test_label_values_are_bounded_in_the_order_of_the_logs(tmp_path: Path) -> None:
    """The values that become `other` do not depend on the process that reads them first."""
    entry = '{"event":"prescription_created","correlation_id":"c","medication":"m-%d"}'
    content = b"".join(docker_line(entry % (n % 7), "stdout", n, whole=True) + b"\n" for n in range(30))
    write(tmp_path, [content], [False])
    logs = logs_in(tmp_path)
    counters = whole(logs)[1].counters
    numbers = {key[1][0]: number for key, number in counters.items() if key[0] == "prescription_created_total"}
    assert numbers == {"m-0": 5, "m-1": 5, "other": 20}
    assert cut(logs, [150], [0, 1, 2])[1].counters == counters


def test_services_of_ids_are_bounded_in_the_order_of_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The services that become `other` do not depend on the process that reads them."""
    monkeypatch.setattr("shipper.replay.committer.ServiceBounds", partial(ServiceBounds, most=1))
    committer = Committer(Job(SETTINGS, now_ms=NOW_MS), Keeping())
    processor = Processor(committer.job)
    for service in ("a", "b"):
        source = Source.of(Origin("/x.log", service, service=service))
        entry = Entry('{"correlation_id":"c"}', "stdout", "2026-11-23T10:00:00Z", 0, 1, b"d" * 14)
        segment = processor.process(Reading([(source, [entry])]))
        committer.add(segment)
    assert committer.finish()
    values = committer._ledger.committed
    assert {key[1] for key in values if key[0] == WITH_OR_NEEDING_ID.name} == {("a", "accepted"), ("other", "accepted")}
