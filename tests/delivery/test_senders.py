"""Agent, indexer and replay: their reactions to the same failure of the delivery loop."""

from pathlib import Path

import pytest

from shipper.delivery.loop import Delivery, OnFailure
from shipper.metrics.catalogue import WRITES
from shipper.replay.committer import PATIENCE_S, Committer
from shipper.replay.job import Job
from shipper.replay.run import read_segments, tasks_of
from shipper.replay.segment import Processor
from shipper.system.errors import OutputUnavailable
from tests.agent.indexer_rig import Member
from tests.delivery.scripted import FakeClock, ScriptedOutput, Wait
from tests.hazards.rig import Rig
from tests.replay.hostile import plain_line
from tests.replay.rig import NOW_MS, SETTINGS, logs_in, write


def test_an_agent_reads_again_what_is_rolled_back(tmp_path: Path) -> None:
    """Its marks are the logs' checkpoints before the batch."""
    rig = Rig(tmp_path)
    agent, rig.output.slow = rig.start(), True
    assert isinstance(agent.delivery, Delivery)
    rig.write(rig.lines(2))
    rig.read()
    (batch,) = agent.delivery.in_flight
    assert [(path, mark.offset) for path, mark in batch.marks.items()] == [(str(rig.path), 0)]
    rig.output.answer(0, fail=True)
    rig.read()
    assert not agent.delivery.in_flight
    assert agent.delivery.state.failures == 1
    assert rig.counter(WRITES.name, "unavailable") == 1
    rig.output.slow = False
    rig.clock.pass_seconds(60)
    rig.read(2)
    assert rig.serials() == [1, 2]
    assert rig.counter(WRITES.name, "ok") == 1


def test_an_indexer_seeks_to_what_is_rolled_back() -> None:
    """Its marks are the messages with their offsets."""
    member = Member()
    assert isinstance(member.indexer.delivery, Delivery)
    member.turn()
    member.output.slow = True
    member.turn(3)
    first = member.indexer.delivery.in_flight[0].marks.first
    topic = member.topics[0]
    read = topic.read
    member.output.answer(0, fail=True)
    member.indexer.turn()
    assert not member.indexer.delivery.in_flight
    assert topic.read <= read
    member.output.slow = False
    member.turn(4)
    assert first[topic.partition] < topic.committed == len(member.output.stored)
    assert member.indexer.ledger.committed[WRITES.name, ("unavailable",)] == 1


class Replay:
    """A replay of a small log into a scripted output."""

    def __init__(self, folder: Path) -> None:
        write(folder, [b"".join(plain_line(f"step {n}", "", 0, True) + b"\n" for n in range(300))], [False])
        self.logs, self.clock, self.stopped = logs_in(folder, "plain"), FakeClock(), False
        self.output = ScriptedOutput(self.clock, window=2)
        self.job = Job(SETTINGS, history=False, now_ms=NOW_MS, segment_bytes=512, chunk_bytes=512)
        self.committer = Committer(self.job, self.output, stopped=lambda: self.stopped, clock=self.clock)
        self.wait = self.committer.delivery.wait = Wait(self.clock, self.output)

    def take(self, most: int) -> None:
        """Add segments until the number of requests is sent."""
        self.committer.register_logs(self.logs)
        for segment in read_segments(Processor(self.job), tasks_of(self.job, self.logs, {})):
            self.committer.add(segment)
            if len(self.output.requests) == most:
                return


def test_a_replay_sends_the_same_batch_again(tmp_path: Path) -> None:
    """Its segments cannot be read again."""
    replay = Replay(tmp_path)
    replay.take(1)
    assert replay.committer.delivery.on_failure is OnFailure.RESEND
    replay.wait.ends = [(1.0, lambda request: request.fail()), *[(1.0, lambda request: request.succeed())] * 9]
    assert replay.committer.finish()
    first, again = replay.output.requests[:2]
    assert again.documents is first.documents
    outcome = replay.committer.outcome(finished=True)
    assert outcome.events["duplicate"] == 0
    assert outcome.events.total() == sum(len(request.documents) for request in replay.output.requests[1:])


def test_a_replay_gives_up_an_output_that_stays_unavailable(tmp_path: Path) -> None:
    """After minutes of attempts with growing delays; the hint names the next step."""
    replay = Replay(tmp_path)
    replay.take(1)
    replay.wait.ends = [(0.0, lambda request: request.fail())] * 1000
    began = replay.clock.now
    with pytest.raises(OutputUnavailable, match="connection refused") as error:
        replay.committer.finish()
    assert "run the command again" in error.value.hint
    assert PATIENCE_S <= replay.clock.now - began <= PATIENCE_S + 31
    assert len(replay.output.requests) < 100


def test_a_stopped_replay_waits_once_for_all_batches_in_flight(tmp_path: Path) -> None:
    """Not once for each batch, and not at all while the output is unavailable."""
    replay = Replay(tmp_path)
    replay.take(2)
    replay.stopped = True
    replay.wait.ends = [(15.0, lambda request: request.succeed()), (15.0, lambda request: request.succeed())]
    began = replay.clock.now
    assert not replay.committer.finish()
    assert replay.clock.now - began == pytest.approx(20, abs=0.5)
