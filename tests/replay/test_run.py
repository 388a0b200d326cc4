"""A replay into an output that fails when it hurts most, stopped, killed, and run again."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.replay.job import Job, Located, Outcome, Progress, ReadingFailed
from shipper.replay.run import run_into
from shipper.system.errors import OutputUnavailable, StateError
from shipper.system.logging_setup import configure_own_log
from tests.replay.hostile import docker_line, plain_line
from tests.replay.rig import NOW_MS, SETTINGS, Keeping, found, whole, write

SMALL = 512


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Containers are unknown here."""
    configure_own_log("json", "error")


@pytest.fixture
def logs(tmp_path: Path) -> list[Located]:
    """A log over a rotation, with parts, traces and twins, and a plain one; about 60 KB."""
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
    return [*found(docker), *found(plain, "plain")]


def replayed(
    logs: list[Located],
    output: Keeping,
    state: Path | None,
    *,
    workers: int = 1,
    size: int = SMALL,
    stop_after: int = 1 << 30,
    at_first: "list[Progress] | None" = None,
) -> Outcome:
    """Run it, stopped after so many stretches."""
    told: list[Progress] = [] if at_first is None else at_first
    job = Job(SETTINGS, history=state is None, now_ms=NOW_MS, stretch_bytes=size, chunk_bytes=size)
    return run_into(
        output, job, logs, state, workers=workers, tell=told.append, stopped=lambda: len(told) >= stop_after
    )


def same(outcome: Outcome, other: Outcome) -> bool:
    """Whether all figures agree, but for what was found where a kill came between writing and committing."""
    return (outcome.counters, outcome.indices, outcome.lines, outcome.bytes, outcome.problems, outcome.events.total()) == (
        other.counters, other.indices, other.lines, other.bytes, other.problems, other.events.total()
    )  # fmt: skip


@pytest.mark.integration
def test_processes_leave_behind_what_one_reading_leaves(logs: list[Located]) -> None:
    """Documents in their order, to the byte; all figures; the history."""
    documents, expected, _ = whole(logs)
    output = Keeping()
    outcome = replayed(logs, output, None, workers=3, size=2048)
    assert list(output.documents.values()) == documents
    assert outcome.history is not None
    outcome.history = None
    assert outcome == expected


@pytest.mark.integration
@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_stopped_replay_goes_on_with_any_number_of_processes(logs: list[Located], tmp_path: Path, after: int) -> None:
    """Stopped again and again, then finished by two: nothing lost, nothing twice, and the figures are of all of it."""
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
    """An output in whose call `number` the process is killed, when all is written."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Keep them; nobody hears of it."""
        answer = super().submit(documents)
        self.left -= 1
        if self.left == 0:
            raise Killed
        return answer


@pytest.mark.parametrize("call", [1, 2, 9])
def test_a_kill_between_writing_and_committing_loses_and_doubles_nothing(
    logs: list[Located], tmp_path: Path, call: int
) -> None:
    """The same again: written documents are found, counters count each event once."""
    documents, expected, _ = whole(logs)
    output = Killing(call)
    with pytest.raises(Killed):
        replayed(logs, output, tmp_path / "state")
    last = replayed(logs, output, tmp_path / "state", size=700)
    assert list(output.documents.values()) == documents
    assert last.finished
    assert same(last, expected)


@pytest.mark.integration
def test_a_killed_process_is_named_with_what_it_was_at_and_the_next_run_goes_on(
    logs: list[Located], tmp_path: Path
) -> None:
    """What the others made before it is committed; no process stays behind."""
    documents, expected, _ = whole(logs)
    output = Keeping()

    class KillingOne(list[Progress]):
        def append(self, progress: Progress) -> None:
            if not self:
                multiprocessing.active_children()[0].kill()
            super().append(progress)

    with pytest.raises(ReadingFailed, match=r"process \d+ of the replay was killed by SIGKILL while") as failed:
        replayed(logs, output, tmp_path / "state", workers=2, at_first=KillingOne())
    assert "run it again" in failed.value.hint
    assert multiprocessing.active_children() == []
    last = replayed(logs, output, tmp_path / "state", workers=2)
    assert list(output.documents.values()) == documents
    assert last.finished
    assert same(last, expected)


class Failing(Keeping):
    """An output that is away at the calls that are named."""

    def __init__(self, *calls: int) -> None:
        super().__init__()
        self.calls, self.number = calls, 0

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Store, or be away."""
        self.number += 1
        if self.number in self.calls:
            away = Future[Written]()
            away.set_exception(OutputUnavailable("busy for a second", "wait"))
            return away
        return super().submit(documents)


@pytest.mark.parametrize("calls", [(1,), (2,), (1, 2), (2, 3)])
def test_an_output_that_is_away_for_a_moment_gets_it_all_the_same(
    logs: list[Located], tmp_path: Path, calls: tuple[int, ...]
) -> None:
    """In the same order, since a batch that was refused is sent again before the next is acknowledged."""
    documents, expected, _ = whole(logs)
    output = Failing(*calls)
    outcome = replayed(logs, output, tmp_path / "state", size=1 << 20)
    assert outcome.finished
    assert set(output.documents.values()) == set(documents)
    assert outcome.events == expected.events


def test_an_output_that_is_away_is_told(logs: list[Located], tmp_path: Path) -> None:
    """Once, when the waiting begins, with what to do; a replay waits for minutes before it gives up."""
    configure_own_log("json", "warning")
    with capture_logs() as said:
        replayed(logs, Failing(1, 2), tmp_path / "state", size=1 << 20)
    (outage,) = (line for line in said if line["event"] == "output_unavailable")
    assert (outage["error"], outage["hint"]) == ("busy for a second", "wait")


def test_the_same_replay_twice_at_once_is_refused(logs: list[Located], tmp_path: Path) -> None:
    """The second finds the first at work, and touches nothing of it."""
    refused = []

    class Second(Keeping):
        def submit(self, documents: Sequence[Document]) -> Future[Written]:
            if not refused:
                with pytest.raises(StateError, match="in use") as error:
                    replayed(logs, Keeping(), tmp_path / "state")
                refused.append(error.value)
            return super().submit(documents)

    assert replayed(logs, Second(), tmp_path / "state").finished
    assert refused
