"""Faults of partitions, from offsets and identities of topics alone."""

from shipper.agent.kafka_faults import EXPIRED, RECREATED, SHRUNK, Fault, Reading
from shipper.agent.kafka_offsets import PartitionOffsets
from shipper.inputs.kafka.consumer import Partition, Progress, Span

PLACE = Partition("logs", 0)


def read(reading: Reading, *offsets: int) -> Reading:
    """Note messages at these offsets."""
    for offset in offsets:
        reading.received(offset)
    return reading


def offsets_at(next_: int, end: int, topic_id: str = "a") -> PartitionOffsets:
    """A member that has measured once."""
    offsets = PartitionOffsets()
    assert offsets.measured({PLACE: Span(next_, end, 0, topic_id, topic_id)}) == []
    return offsets


def test_another_topic_of_the_same_name_restarts_the_partition() -> None:
    """What was unread of the old one is counted, and nothing of it is committed for the new one."""
    offsets = offsets_at(0, 500)
    read(offsets.reading(PLACE), *range(247))
    offsets.acknowledged[PLACE] = 247
    assert offsets.measured({PLACE: Span(247, 500, 0, "b", "a")}) == [Fault(PLACE, RECREATED, 253, restarts=True)]
    assert offsets.rewind == {PLACE: 0}
    assert offsets.to_commit([PLACE]) == {}
    assert offsets.lag() == 500
    assert offsets.measured({PLACE: Span(247, 500, 0, "b", "a")}) == []
    offsets.acknowledged[PLACE] = 10
    assert offsets.to_commit([PLACE]) == {PLACE: Progress(10, "b")}


def test_the_committed_identity_decides_at_the_start() -> None:
    """Another member, or this one before a restart, has read another topic; an old commit names none."""
    assert [fault.reason for fault in PartitionOffsets().measured({PLACE: Span(247, 500, 0, "b", "a")})] == [RECREATED]
    assert PartitionOffsets().measured({PLACE: Span(247, 500, 0, "b", "")}) == []
    assert PartitionOffsets().measured({PLACE: Span(247, 500, 0, "", "")}) == []


def test_a_topic_without_committed_offsets_is_known_by_what_this_member_read() -> None:
    """The broker deletes the offsets with the topic; a rebalance comes in between."""
    offsets = offsets_at(247, 500)
    offsets.assigned([PLACE])
    assert [fault.reason for fault in offsets.measured({PLACE: Span(0, 100, 0, "b", "")})] == [RECREATED]
    offsets.assigned([PLACE])
    assert offsets.measured({PLACE: Span(50, 100, 0, "c", "c")}) == []


def test_nothing_is_committed_before_the_topic_was_looked_at() -> None:
    """The commit would say that the offset belongs to it."""
    offsets = PartitionOffsets()
    offsets.acknowledged[PLACE] = 5
    assert offsets.to_commit([PLACE]) == {}
    offsets.measured({PLACE: Span(0, 9, 0, "a", "")})
    assert offsets.to_commit([PLACE]) == {PLACE: Progress(5, "a")}


def test_an_offset_beyond_the_end_counts_at_the_second_look() -> None:
    """A new leader may know the end a moment late."""
    offsets = offsets_at(0, 500)
    read(offsets.reading(PLACE), *range(500))
    assert offsets.measured({PLACE: Span(500, 300, 0, "a", "a")}) == []
    assert offsets.measured({PLACE: Span(500, 500, 0, "a", "a")}) == []
    assert offsets.measured({PLACE: Span(500, 300, 0, "a", "a")}) == []
    assert offsets.measured({PLACE: Span(500, 300, 0, "a", "a")}) == [Fault(PLACE, SHRUNK, 0, restarts=True)]
    assert offsets.rewind == {PLACE: 0}


def test_a_client_that_goes_back_by_itself_is_noticed() -> None:
    """It reads the beginning again without a word; a seek of ours is none of these."""
    offsets = offsets_at(0, 500)
    read(offsets.reading(PLACE), *range(400), 0, 1)
    assert offsets.measured({PLACE: Span(400, 300, 0, "a", "a")}) == [Fault(PLACE, SHRUNK, 100)]
    assert offsets.rewind == {}
    offsets.rewind[PLACE] = 0
    offsets.seek(lambda _partition, _offset: True)
    read(offsets.reading(PLACE), 0, 1)
    assert offsets.measured({PLACE: Span(400, 500, 0, "a", "a")}) == []


def test_only_what_is_no_longer_there_counts_as_expired() -> None:
    """Offsets that compaction and transactions leave out are not messages; each lost one is counted once."""
    offsets = offsets_at(0, 500)
    read(offsets.reading(PLACE), 0, 1, 5, 6, 200)
    assert offsets.measured({PLACE: Span(0, 500, 0, "a", "a")}) == []
    read(offsets.reading(PLACE), 300)
    assert offsets.measured({PLACE: Span(0, 500, 250, "a", "a")}) == [Fault(PLACE, EXPIRED, 49)]
    assert offsets.measured({PLACE: Span(0, 500, 250, "a", "a")}) == []
    assert offsets.measured({PLACE: Span(0, 500, 500, "a", "a")}) == [Fault(PLACE, EXPIRED, 199)]
    assert offsets.measured({PLACE: Span(0, 500, 500, "a", "a")}) == []


def test_what_expired_before_the_start_is_counted() -> None:
    """Between the committed offset and the first message, whether or not one was read already."""
    for messages in ((), (170, 171)):
        offsets = PartitionOffsets()
        read(offsets.reading(PLACE), *messages)
        assert offsets.measured({PLACE: Span(100, 300, 170, "a", "a")}) == [Fault(PLACE, EXPIRED, 70)]
        assert offsets.measured({PLACE: Span(100, 300, 170, "a", "a")}) == []


def test_messages_that_came_before_the_first_look_are_read_again() -> None:
    """Where they began, the client had gone by itself: beyond the end, or to the oldest message."""
    offsets = PartitionOffsets(rewind={PLACE: 0})
    assert offsets.measured({PLACE: Span(5000, 300, 0, "a", "a")}) == [Fault(PLACE, SHRUNK, 0)]
    offsets = PartitionOffsets(rewind={PLACE: 170})
    assert offsets.measured({PLACE: Span(100, 300, 170, "a", "a")}) == [Fault(PLACE, EXPIRED, 70)]
