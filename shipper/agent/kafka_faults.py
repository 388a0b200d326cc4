"""Faults of partitions: a topic created again, a partition that became shorter, messages deleted before they were read.

A client continues silently in each of these cases: at the old offset in another topic, or at one end of what is there.
Only offsets and identities of topics tell. Nothing here connects to a broker.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from shipper.inputs.kafka.consumer import Partition, Span

RECREATED, SHRUNK, EXPIRED = "recreated", "shrunk", "expired"
WHAT = {
    RECREATED: "was deleted and created again; it is read from its beginning",
    SHRUNK: "became shorter than what was read of it; it is read from its beginning",
    EXPIRED: "lost messages before they were read; it is read from the oldest message that is there",
}
HINTS = {
    RECREATED: "stop the node agents before a topic is deleted; `shipper replay` sends what their files still hold",
    SHRUNK: "check the brokers' logs for truncation, and unclean.leader.election.enable",
    EXPIRED: "raise retention.ms and retention.bytes of the topic, or add indexers",
}
MOST_JUMPS = 1000


class Fault(NamedTuple):
    """Something that happened to a partition, and how many of its messages can no longer be read, as far as known."""

    partition: Partition
    reason: str
    lost: int
    restarts: bool = False
    """True if the partition has to be sought to its beginning; the client may have gone there by itself."""

    @property
    def what(self) -> str:
        """The fault in one sentence."""
        count = f"; {self.lost:,} messages were not read" if self.lost else ""
        return f"partition {self.partition.number} of topic {self.partition.topic} {WHAT[self.reason]}{count}"

    @property
    def hint(self) -> str:
        """What to do about it."""
        return HINTS[self.reason]


@dataclass(slots=True)
class Reading:
    """How far a partition was read since it was assigned or its restart."""

    next: int | None = None
    """Offset after the last message, or the one that was sought; None before either."""
    first: int | None = None
    """Offset of the first message, if none was sought."""
    reached: int = 0
    """Highest offset after a message."""
    jumps: list[tuple[int, int]] = field(default_factory=list)
    """Offsets left out since the last measurement: most are gaps of compaction and transactions."""
    went_back: bool = False
    """True if the client went back by itself since the last measurement: its offset was beyond the end."""
    committed: int = 0
    """The offset of the group if it was beyond the end at the first measurement."""
    is_beyond: bool = False
    """True if the offset was beyond the end at the last measurement; a new leader may know the end a little late."""

    def received(self, offset: int) -> None:
        """Note a message."""
        if self.next is None:
            self.first = offset
            self.went_back = offset < self.committed
        elif offset < self.next:
            self.went_back = True
        elif offset > self.next and len(self.jumps) < MOST_JUMPS:
            self.jumps.append((self.next, offset))
        self.next = offset + 1
        self.reached = max(self.reached, offset + 1)

    def judge(
        self, partition: Partition, span: Span, before: Span | None, rewind: int | None, identity: str | None
    ) -> Fault | None:
        """Return what happened to the partition since the last measurement, if anything.

        `before` is that measurement, `rewind` an offset that will be sought, `identity` that of the topic read before.
        """
        known = (identity if before is not None else None) or span.committed_id or identity
        unread = 0 if before is None else max(0, before.end - max(self.reached, before.next))
        offset = next(one for one in (rewind, self.next, span.next) if one is not None)
        if known and span.topic_id and known != span.topic_id:
            return Fault(partition, RECREATED, unread, restarts=True)
        start = next((one for one in (self.first, rewind, self.next) if one is not None), None)
        if before is None and span.next > span.end:
            self.committed = span.next
            self.went_back |= start is not None and start < span.next
        was_beyond, self.is_beyond = self.is_beyond, offset > span.end
        if self.went_back:
            self.went_back, self.reached, self.jumps = False, self.next or 0, []
            return Fault(partition, SHRUNK, unread)
        if was_beyond and self.is_beyond:
            return Fault(partition, SHRUNK, unread, restarts=True)
        if before is None and start is not None:
            self.jumps.append((span.next, start))
        lost = self._expired(span, offset)
        return Fault(partition, EXPIRED, lost) if lost else None

    def _expired(self, span: Span, offset: int) -> int:
        """Return the number of messages that were left out and are no longer there; each is counted once."""
        jumps, self.jumps = self.jumps, []
        if offset < span.beginning:
            jumps.append((offset, span.beginning))
            self.next = span.beginning
        return sum(max(0, min(end, span.beginning) - start) for start, end in jumps)
