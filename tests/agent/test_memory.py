"""What is answered for is let go of at once: what only the collector of circles would find makes memory creep."""

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
    """How many objects of these types are there still."""
    return sum(type(found) in kinds for found in gc.get_objects())


def test_an_agent_keeps_no_batch_that_was_answered(tmp_path: Path) -> None:
    """One after another, by an output that answers at once, and by one that answers later."""
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


def test_an_agent_keeps_no_batch_that_was_refused(tmp_path: Path) -> None:
    """An output that is away for days is asked again and again."""
    rig = Rig(tmp_path)
    agent, rig.output.unavailable = rig.start(), True
    rig.write(rig.lines(2))
    for failures in range(1, 4):
        rig.read()
        assert agent.output_state.failures == failures
        rig.clock.pass_seconds(60)
    assert kept(InFlight) == 0


def test_a_refusal_of_a_disk_keeps_nothing_of_what_was_written(tmp_path: Path) -> None:
    """The error goes without the frames that it passed: those hold the documents."""
    in_the_way = tmp_path / "store"
    in_the_way.write_text("a file where the directory should be")
    document = Document("keneyapp-logs-2026.11.23", bytes(20), 0, None, None, None, None, None, b"{}")
    error = LocalStore(in_the_way).submit([document]).exception()
    causes = 0
    while error is not None:
        assert error.__traceback__ is None
        error, causes = error.__cause__ or error.__context__, causes + 1
    assert causes > 1


def test_an_indexer_keeps_no_parcel_that_was_answered_or_refused() -> None:
    """A parcel holds its documents, some megabytes of them."""
    member = Member()
    for away in (False, True, False):
        member.output.unavailable = away
        member.turn(8)
    assert member.topics[0].committed == len(member.output.stored) > 8
    assert kept(InFlight, MessageBatch) <= 3  # what is read next, and what is under way


def test_memory_is_given_back_now_and_then_under_load() -> None:
    """Between two turns, never more often than asked for, beside what else is done there."""
    clock, given_back, taken = ManualClock(), [0], [0]

    def give_back() -> None:
        given_back[0] += 1

    def take() -> None:
        taken[0] += 1

    after_turn = in_turn(take, each(30.0, give_back, clock))
    for _ in range(100):
        after_turn()
        clock.pass_seconds(1)
    assert taken == [100]
    assert given_back == [3]
