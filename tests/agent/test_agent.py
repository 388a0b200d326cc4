"""The agent's loop: commits under load, idle turns, and fairness between logs."""

from dataclasses import replace
from pathlib import Path

from shipper.inputs.files.limits import Limits
from tests.hazards.rig import Rig


def test_commits_under_load_are_grouped_and_a_kill_between_them_loses_nothing(tmp_path: Path) -> None:
    """Full batches are written immediately; checkpoints follow a few times a second, and ids make the rest duplicates."""
    rig = Rig(tmp_path)
    agent = rig.start()
    agent.pace = replace(agent.pace, batch_lines=1, commit=60.0)
    rig.write(rig.lines(1))
    agent.turn()
    before = agent.state.logs()
    rig.write(rig.lines(5))
    agent.turn()
    assert len(rig.output.stored) == 6
    assert agent.state.logs() == before
    rig.kill()
    rig.read()
    assert rig.serials() == list(range(1, 7))
    assert rig.counter("shipper_lines_read_total") == 6


def test_full_batches_are_sent_within_a_round_while_the_next_one_has_room(tmp_path: Path) -> None:
    """Threads go on scanning; the last place in the window is left for the reads that have begun."""
    rig = Rig(tmp_path)
    for number in range(9):
        rig.write(rig.lines(1), rig.logs / f"{number}.log")
    agent, rig.output.slow = rig.start(), True
    agent.pace = replace(agent.pace, batch_lines=2, commit=60.0)
    agent.settle()
    agent.turn()
    sent = [len(documents) for _, documents in rig.output.unanswered]
    assert sent[:-1] == [2] * (rig.output.window - 1)
    assert sent[-1] <= 2 + rig.threads
    rig.output.slow = False
    while rig.output.unanswered:
        rig.output.answer(0)
    rig.read()
    assert rig.serials() == list(range(1, 10))
    assert rig.counter("shipper_lines_read_total") == 9


def test_no_batch_is_rolled_back_while_a_read_waits(tmp_path: Path) -> None:
    """A failed batch ends the round first; then all is read again under the same ids, and counted once."""
    rig = Rig(tmp_path)
    for number in range(9):
        rig.write(rig.lines(3), rig.logs / f"{number}.log")
    agent = rig.start()
    agent.pace = replace(agent.pace, batch_lines=2, commit=60.0)
    agent.settle()
    rig.output.unavailable = True
    agent.turn()
    rig.output.unavailable = False
    rig.clock.pass_seconds(60)
    rig.read(3)
    assert rig.serials() == list(range(1, 28))
    assert rig.counter("shipper_lines_read_total") == 27
    assert rig.counter("shipper_events_total", "duplicate") == 0


def test_a_stop_commits_delayed_checkpoints(tmp_path: Path) -> None:
    """The next start sends nothing twice."""
    rig = Rig(tmp_path)
    agent = rig.start()
    agent.pace = replace(agent.pace, batch_lines=1, commit=60.0)
    rig.write(rig.lines(3))
    agent.turn()
    rig.stop()
    rig.read()
    assert rig.counter("shipper_events_total", "duplicate") == 0
    assert rig.counter("shipper_events_total", "indexed") == 3


def test_quiet_is_reported_once_until_lines_arrive(tmp_path: Path) -> None:
    """Memory is released after a while without lines, not at every poll."""
    rig = Rig(tmp_path)
    agent = rig.start()
    calls: list[float] = []
    agent.when_quiet = lambda: calls.append(rig.clock.now)
    agent.pace = replace(agent.pace, poll=0.0)

    def rests(seconds: float) -> None:
        for _ in range(int(seconds)):
            agent.turn()
            agent.rest()
            rig.clock.pass_seconds(1)

    rig.write(rig.lines(1))
    rests(4)
    assert not calls
    rests(6)
    assert len(calls) == 1
    rig.write(rig.lines(1))
    rests(10)
    assert len(calls) == 2


def loud(rig: Rig, logs: int, lines: int) -> None:
    """Write logs with a backlog, whose names sort before all others."""
    for number in range(logs):
        rig.write(rig.lines(lines), rig.logs / f"a{number:02}.log")


def test_a_quiet_log_is_read_within_a_batch_of_a_loud_one(tmp_path: Path) -> None:
    """Each round reads one chunk of each log: a backlog in one delays the others by that chunk."""
    rig = Rig(tmp_path, limits=Limits(chunk_bytes=2000))
    loud(rig, 1, 500)
    agent = rig.start()
    agent.turn()
    for number in range(5):
        rig.write(rig.lines(1), rig.logs / "quiet.log")
        written = str(rig.sequence)
        agent.turn()
        assert written in rig.messages()
        assert len(rig.messages()) < 100, number  # the backlog still exists


def test_a_quiet_log_is_not_starved_by_many_loud_ones(tmp_path: Path) -> None:
    """A full batch ends a round: the next one continues with the log that was left out, not with the first."""
    rig = Rig(tmp_path, limits=Limits(chunk_bytes=2000))
    loud(rig, 20, 100)
    rig.write(rig.lines(1), rig.logs / "quiet.log")
    written = str(rig.sequence)
    agent = rig.start()
    agent.pace = replace(agent.pace, batch_lines=20)
    rounds = 0
    while written not in rig.messages():
        rounds += 1
        assert rounds <= 21, "every log has had its turn"
        agent.turn()
    assert len(rig.messages()) < 500  # of 2,000
    rig.read()
    assert rig.serials() == list(range(1, 2002))


def test_a_deleted_log_is_dropped_beside_one_that_is_never_quiet(tmp_path: Path) -> None:
    """A batch is always in flight; a log without events in it does not wait for its response."""
    rig = Rig(tmp_path)
    agent, rig.output.slow = rig.start(), True
    short = rig.logs / "short.log"
    rig.write(rig.lines(3), short)
    for second in range(20):
        rig.write(rig.lines(1))
        agent.turn()
        if second == 2:
            short.unlink()
        while len(rig.output.unanswered) > 1:
            rig.output.answer(0)
        assert second == 0 or agent.delivery.in_flight
        rig.clock.pass_seconds(1)
    assert list(agent.tail.logs) == [str(rig.path)]
    assert list(agent.state.logs()) == [str(rig.path)]
    rig.output.answer(0)
    rig.output.slow = False
    rig.read()
    assert rig.serials() == list(range(1, 24))
    assert rig.counter("shipper_events_total", "duplicate") == 0


def test_many_deleted_logs_cost_no_commit_while_they_wait(tmp_path: Path) -> None:
    """A log without new lines is not written to the state again at each commit."""
    rig = Rig(tmp_path)
    agent = rig.start()
    for number in range(5):
        rig.write(rig.lines(1), rig.logs / f"short-{number}.log")
    rig.read()
    for path in rig.logs.iterdir():
        path.unlink()
    agent.turn()
    before = agent.state.commits
    for _ in range(10):
        agent.turn()
    assert agent.state.commits == before
    rig.clock.pass_seconds(6)
    rig.read(2)
    assert not agent.tail.logs
    assert not agent.state.logs()
