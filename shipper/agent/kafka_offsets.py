"""Offsets of the assigned partitions: acknowledged, rolled back, measured. Nothing here connects to a broker."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from shipper.agent.kafka_messages import MessageBatch
from shipper.delivery.in_flight import oldest_marks
from shipper.inputs.kafka.consumer import Partition, Span


@dataclass(slots=True)
class PartitionOffsets:
    """Offsets of one member of a consumer group."""

    spans: dict[Partition, Span] = field(default_factory=dict)
    """Offsets of the assigned partitions, as last measured; `next` follows the acknowledged messages."""
    acknowledged: dict[Partition, int] = field(default_factory=dict)
    """Acknowledged and not committed yet."""
    rewind: dict[Partition, int] = field(default_factory=dict)
    """Offsets from which partitions are read again, since later messages were rolled back."""
    given_up_ms: int | None = None
    """Time of the oldest message that was rolled back, in milliseconds since the epoch."""

    def acknowledge(self, batch: MessageBatch) -> None:
        """Advance past a batch that is stored."""
        self.acknowledged |= batch.next
        self.given_up_ms = None
        for partition, offset in batch.next.items():
            if partition in self.spans:
                self.spans[partition] = self.spans[partition]._replace(next=offset)

    def roll_back(self, batches: Iterable[MessageBatch]) -> None:
        """Read again from the first message of each partition; `batches` come oldest first.

        The seek waits for the next turn, since this may be called in the middle of a rebalance.
        """
        batches = tuple(batches)
        self.rewind |= oldest_marks(batch.first for batch in batches)
        times = [batch.oldest_ms for batch in batches if batch.oldest_ms is not None]
        if self.given_up_ms is not None:
            times.append(self.given_up_ms)
        self.given_up_ms = min(times, default=None)

    def seek(self, seek: Callable[[Partition, int], bool]) -> None:
        """Apply the rewinds with `seek`, which returns False if it has to be called again later."""
        self.rewind = {partition: offset for partition, offset in self.rewind.items() if not seek(partition, offset)}

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Start at the committed offsets; partitions that were assigned before, at what was rolled back."""
        self.forget(partitions)
        self.rewind = {partition: offset for partition, offset in self.rewind.items() if partition in partitions}

    def to_commit(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the acknowledged offsets of `partitions`."""
        return {partition: self.acknowledged[partition] for partition in partitions if partition in self.acknowledged}

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop the offsets of partitions that are no longer assigned."""
        for partition in partitions:
            self.acknowledged.pop(partition, None)
            self.spans.pop(partition, None)

    def measured(self, spans: Mapping[Partition, Span]) -> None:
        """Store the offsets that the group reports, or the acknowledged ones where they are ahead."""
        self.spans = {
            partition: span._replace(next=max(span.next, self.acknowledged.get(partition, 0)))
            for partition, span in spans.items()
        }

    def lag(self) -> int:
        """Return the number of messages that are not indexed yet, as last measured."""
        return sum(max(0, span.end - span.next) for span in self.spans.values())
