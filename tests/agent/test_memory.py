"""Acknowledged batches are freed immediately: if only the cycle collector found them, memory would grow."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.agent.kafka_messages import MessageBatch
from shipper.cli.commands.run import each, in_turn
from shipper.delivery.in_flight import InFlight
from shipper.model.documents import Document
from shipper.outputs.sqlite.output import LocalStore
from tests.agent.indexer_rig import Member
from tests.hazards.rig import ManualClock, Rig


@pytest.fixture(autouse=True)
def _uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def kept(*kinds: type) -> int:
    """Return the number of objects of these types that still exist."""
    return sum(type(instance) in kinds for instance in gc.get_objects())


def test_an_agent_keeps_no_acknowledged_batch(tmp_path: Path) -> None:
    """One after another, with an output that responds immediately and with one that responds later."""
    rig = Rig(tmp_path)
    for slow in (False, True):
        rig.output.slow = slow
        for _ in range(3):
            rig.write(rig.lines(2))
            rig.read()
            while rig.output.unanswered:
                rig.output.answer(0)
            rig.read()
    assert len(rig.serials()) == 12
    assert kept(InFlight) == 0


def test_an_agent_keeps_no_failed_batch(tmp_path: Path) -> None:
    """An output that is unavailable for days is retried many times."""
    rig = Rig(tmp_path)
    agent, rig.output.unavailable = rig.start(), True
    rig.write(rig.lines(2))
    for failures in range(1, 4):
        rig.read()
        assert agent.delivery.state.failures == failures
        rig.clock.pass_seconds(60)
    assert kept(InFlight) == 0


def test_a_disk_error_keeps_no_reference_to_the_documents(tmp_path: Path) -> None:
    """The error drops the frames of its traceback, which hold the documents."""
    in_the_way = tmp_path / "store"
    in_the_way.write_text("a file where the directory should be")
    document = Document("keneyapp-logs-2026.11.23", bytes(20), 0, None, None, None, None, None, b"{}")
    error = LocalStore(in_the_way).submit([document]).exception()
    causes = 0
    while error is not None:
        assert error.__traceback__ is None
        error, causes = error.__cause__ or error.__context__, causes + 1
    assert causes > 1


def test_an_indexer_keeps_no_acknowledged_or_failed_batch() -> None:
    """A batch holds its documents, some megabytes of them."""
    member = Member()
    for away in (False, True, False):
        member.output.unavailable = away
        member.turn(8)
    assert member.topics[0].committed == len(member.output.stored) > 8
    assert kept(InFlight, MessageBatch) <= 3  # the open batch and the one in flight


def test_memory_is_released_periodically_under_load() -> None:
    """Between two turns, never more often than configured, beside other callbacks."""
    clock, released, published = ManualClock(), [0], [0]

    def release() -> None:
        released[0] += 1

    def publish() -> None:
        published[0] += 1

    after_turn = in_turn(publish, each(30.0, release, clock))
    for _ in range(100):
        after_turn()
        clock.pass_seconds(1)
    assert published == [100]
    assert released == [3]
