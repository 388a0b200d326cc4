"""Replays into a failing output, stopped, killed, and run again."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.replay.job import Job, Outcome, Progress, ReadingFailed, ReplayLog
from shipper.replay.run import run_into
from shipper.system.errors import OutputUnavailable, StateError
from shipper.system.logging_setup import configure_own_log
from tests.replay.hostile import docker_line, plain_line
from tests.replay.rig import NOW_MS, SETTINGS, Keeping, logs_in, whole, write

SMALL = 512


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Containers are unknown here."""
    configure_own_log("json", "error")


@pytest.fixture
def logs(tmp_path: Path) -> list[ReplayLog]:
    """A log over a rotation, with parts, traces and duplicates, and a plain one; about 60 KB."""
    content = []
    for n in range(260):
        entry = '{"event":"login_failed","correlation_id":"c-%d","medication":"m-%d"}' % (n, n % 9)
        content += [
            docker_line(entry, "stdout", 10 * n, whole=n % 4 > 0),
            docker_line("Traceback (most recent call last):", "stderr", 10 * n, whole=True),
        ]
        content += [docker_line("  File 'x'", "stderr", 10 * n, whole=True)] * (n % 3)
    docker, plain = tmp_path / "logs" / ("4f" * 32), tmp_path / "logs" / "plain"
    docker.mkdir(parents=True)
    plain.mkdir()
    write(docker, [b"".join(line + b"\n" for line in part) for part in (content[:300], content[300:])], [True])
    write(plain, [b"".join(plain_line(f"step {n % 3}", "", 0, True) + b"\n" for n in range(300))], [False])
    return [*logs_in(docker), *logs_in(plain, "plain")]


def replayed(
    logs: list[ReplayLog],
    output: Keeping,
    state: Path | None,
    *,
    workers: int = 1,
    compiled: bool = True,
    size: int = SMALL,
    stop_after: int = 1 << 30,
    at_first: "list[Progress] | None" = None,
) -> Outcome:
    """Run a replay, stopped after `stop_after` segments."""
    reports: list[Progress] = [] if at_first is None else at_first
    settings = SETTINGS.model_copy(update={"compiled": compiled})
    job = Job(settings, history=state is None, now_ms=NOW_MS, segment_bytes=size, chunk_bytes=size)
    return run_into(
        output,
        job,
        logs,
        state,
        workers=workers,
        on_progress=reports.append,
        stopped=lambda: len(reports) >= stop_after,
    )


def same(outcome: Outcome, other: Outcome) -> bool:
    """Return True if all totals agree; a kill between writing and committing turns stored events into duplicates."""
    return (outcome.counters, outcome.indices, outcome.lines, outcome.bytes, outcome.problems, outcome.events.total()) == (
        other.counters, other.indices, other.lines, other.bytes, other.problems, other.events.total()
    )  # fmt: skip


@pytest.mark.integration
def test_processes_leave_behind_what_one_reading_leaves(logs: list[ReplayLog]) -> None:
    """Documents in their order, to the byte; all figures; the history."""
    documents, expected, _ = whole(logs)
    output = Keeping()
    outcome = replayed(logs, output, None, workers=3, size=2048)
    assert list(output.documents.values()) == documents
    assert outcome.history is not None
    outcome.history = None
    assert outcome == expected


@pytest.mark.integration
@pytest.mark.parametrize("compiled", [False, True])
def test_threads_and_processes_leave_behind_what_one_reading_leaves(
    logs: list[ReplayLog], tmp_path: Path, *, compiled: bool
) -> None:
    """Documents in their order, to the byte, and all figures; the native path uses threads, the Python path processes."""
    logs = [log for log in logs if log.log.kind == "docker"]
    documents, expected, _ = whole(logs)
    output = Keeping()
    outcome = replayed(logs, output, tmp_path / "state", workers=3, size=2048, compiled=compiled)
    assert list(output.documents.values()) == documents
    assert same(outcome, expected)


@pytest.mark.integration
@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_stopped_replay_resumes_with_any_number_of_processes(
    logs: list[ReplayLog], tmp_path: Path, after: int
) -> None:
    """Stopped repeatedly, then finished by two processes: nothing lost or duplicated, and the totals cover all runs."""
    documents, expected, _ = whole(logs)
    output = Keeping()
    first = replayed(logs, output, tmp_path / "state", stop_after=after)
    assert (first.finished, (tmp_path / "state").exists()) == (False, True)
    assert 0 < len(output.documents) < len(documents)
    assert not replayed(logs, output, tmp_path / "state", size=300, stop_after=after).finished
    last = replayed(logs, output, tmp_path / "state", workers=2, size=2048)
    assert (last.finished, (tmp_path / "state").exists()) == (True, False)
    assert list(output.documents.values()) == documents
    assert last.events == expected.events
    assert same(last, expected)


class Killed(BaseException):
    """The instant of a kill."""


class Killing(Keeping):
    """An output that kills the process in call `number`, after storing the documents."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Store them, and raise before the result is returned."""
        result = super().submit(documents)
        self.left -= 1
        if self.left == 0:
            raise Killed
        return result


@pytest.mark.parametrize("call", [1, 2, 9])
def test_a_kill_between_writing_and_committing_loses_and_duplicates_nothing(
    logs: list[ReplayLog], tmp_path: Path, call: int
) -> None:
    """On the next run, written documents are duplicates, and counters count each event once."""
    documents, expected, _ = whole(logs)
    output = Killing(call)
    with pytest.raises(Killed):
        replayed(logs, output, tmp_path / "state")
    last = replayed(logs, output, tmp_path / "state", size=700)
    assert list(output.documents.values()) == documents
    assert last.finished
    assert same(last, expected)


@pytest.mark.integration
def test_a_killed_process_is_reported_with_its_task_and_the_next_run_resumes(
    logs: list[ReplayLog], tmp_path: Path
) -> None:
    """Segments before its own are committed; no process is left over."""
    documents, expected, _ = whole(logs)
    output = Keeping()

    class KillingOne(list[Progress]):
        def append(self, progress: Progress) -> None:
            if not self:
                multiprocessing.active_children()[0].kill()
            super().append(progress)

    with pytest.raises(ReadingFailed, match=r"replay process \d+ was killed by SIGKILL while") as failed:
        replayed(logs, output, tmp_path / "state", workers=2, compiled=False, at_first=KillingOne())
    assert "run the same command again" in failed.value.hint
    assert multiprocessing.active_children() == []
    last = replayed(logs, output, tmp_path / "state", workers=2)
    assert list(output.documents.values()) == documents
    assert last.finished
    assert same(last, expected)


class Failing(Keeping):
    """An output that is unavailable at these calls."""

    def __init__(self, *calls: int) -> None:
        super().__init__()
        self.calls, self.number = calls, 0

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Store the documents, or fail."""
        self.number += 1
        if self.number in self.calls:
            failed = Future[Written]()
            failed.set_exception(OutputUnavailable("busy for a second", "wait"))
            return failed
        return super().submit(documents)


@pytest.mark.parametrize("calls", [(1,), (2,), (1, 2), (2, 3)])
def test_a_briefly_unavailable_output_gets_all_documents(
    logs: list[ReplayLog], tmp_path: Path, calls: tuple[int, ...]
) -> None:
    """A failed batch is retried before the next is acknowledged."""
    documents, expected, _ = whole(logs)
    output = Failing(*calls)
    outcome = replayed(logs, output, tmp_path / "state", size=1 << 20)
    assert outcome.finished
    assert set(output.documents.values()) == set(documents)
    assert outcome.events == expected.events


def test_an_unavailable_output_is_logged(logs: list[ReplayLog], tmp_path: Path) -> None:
    """Once, when the wait starts, with a hint; a replay waits for minutes before it gives up."""
    configure_own_log("json", "warning")
    with capture_logs() as said:
        replayed(logs, Failing(1, 2), tmp_path / "state", size=1 << 20)
    (outage,) = (line for line in said if line["event"] == "output_unavailable")
    assert (outage["error"], outage["hint"]) == ("busy for a second", "wait")


def test_the_same_replay_cannot_run_twice_at_once(logs: list[ReplayLog], tmp_path: Path) -> None:
    """The second fails while the first is running, and changes nothing."""
    errors = []

    class Second(Keeping):
        def submit(self, documents: Sequence[Document]) -> Future[Written]:
            if not errors:
                with pytest.raises(StateError, match="in use") as error:
                    replayed(logs, Keeping(), tmp_path / "state")
                errors.append(error.value)
            return super().submit(documents)

    assert replayed(logs, Second(), tmp_path / "state").finished
    assert errors
