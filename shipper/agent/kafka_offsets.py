"""Offsets of the assigned partitions: acknowledged, rolled back, measured. Nothing here connects to a broker."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from shipper.agent.kafka_faults import Fault, Reading
from shipper.agent.kafka_messages import MessageBatch
from shipper.delivery.in_flight import oldest_marks
from shipper.inputs.kafka.consumer import Partition, Progress, Span


@dataclass(slots=True)
class PartitionOffsets:
    """Offsets of one member of a consumer group."""

    spans: dict[Partition, Span] = field(default_factory=dict)
    """Offsets of the assigned partitions, as last measured; `next` follows the acknowledged messages."""
    held: set[Partition] = field(default_factory=set)
    """The assigned partitions."""
    acknowledged: dict[Partition, int] = field(default_factory=dict)
    """Acknowledged and not committed yet."""
    rewind: dict[Partition, int] = field(default_factory=dict)
    """Offsets from which partitions are read again, since later messages were rolled back."""
    readings: dict[Partition, Reading] = field(default_factory=dict)
    """How far each assigned partition was read, to notice messages that are gone."""
    identities: dict[Partition, str] = field(default_factory=dict)
    """Identity of the topic that was read last, also of partitions that are no longer assigned."""
    restarted: dict[Partition, int] = field(default_factory=dict)
    """Beginnings of partitions that are read again; their committed offsets have no meaning any more."""
    given_up_ms: int | None = None
    """Time of the oldest message that was rolled back, in milliseconds since the epoch."""

    def acknowledge(self, batch: MessageBatch) -> None:
        """Advance past a batch that is stored."""
        self.acknowledged |= batch.next
        self.given_up_ms = None
        for partition, offset in batch.next.items():
            self.restarted.pop(partition, None)
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
        for partition, offset in list(self.rewind.items()):
            if seek(partition, offset):
                del self.rewind[partition]
                self.reading(partition).next = offset

    def unmeasured(self) -> bool:
        """Return True while the topic of an assigned partition was not looked at."""
        return not self.held <= self.spans.keys()

    def reading(self, partition: Partition) -> Reading:
        """How far a partition was read since it was assigned."""
        if (reading := self.readings.get(partition)) is None:
            reading = self.readings[partition] = Reading()
        return reading

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Start at the committed offsets; partitions that were assigned before, at what was rolled back."""
        self.forget(partitions)
        self.held = set(partitions)
        self.rewind = {partition: offset for partition, offset in self.rewind.items() if partition in partitions}

    def to_commit(self, partitions: Iterable[Partition]) -> dict[Partition, Progress]:
        """Return the acknowledged offsets of `partitions`, as far as their topics were looked at."""
        return {
            partition: Progress(self.acknowledged[partition], self.spans[partition].topic_id)
            for partition in partitions
            if partition in self.acknowledged and partition in self.spans
        }

    def committed(self, offsets: Iterable[Partition]) -> None:
        """Drop what was committed."""
        for partition in offsets:
            self.acknowledged.pop(partition, None)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop the offsets of partitions that are no longer assigned."""
        for partition in partitions:
            self.held.discard(partition)
            self.acknowledged.pop(partition, None)
            self.spans.pop(partition, None)
            self.readings.pop(partition, None)
            self.restarted.pop(partition, None)

    def measured(self, spans: Mapping[Partition, Span]) -> list[Fault]:
        """Store the offsets that the group reports, or the acknowledged ones; return what happened to partitions.

        A partition that another topic has taken the place of, or that has become shorter, is read from its beginning:
        what is there again has the same ids.
        """
        faults = []
        for partition, span in spans.items():
            reading = self.reading(partition)
            fault = reading.judge(
                partition, span, self.spans.get(partition), self.rewind.get(partition), self.identities.get(partition)
            )
            if fault is not None:
                faults.append(fault)
                if fault.restarts:
                    self._restart(partition, span.beginning)
            self.identities[partition] = span.topic_id
        self.spans = {partition: span._replace(next=self._next(partition, span)) for partition, span in spans.items()}
        return faults

    def _restart(self, partition: Partition, beginning: int) -> None:
        self.acknowledged.pop(partition, None)
        self.readings[partition] = Reading()
        self.rewind[partition] = self.restarted[partition] = beginning

    def _next(self, partition: Partition, span: Span) -> int:
        """Return the offset after the acknowledged messages, which the group may not have committed yet."""
        if partition in self.acknowledged:
            return self.acknowledged[partition]
        return self.restarted.get(partition, span.next)

    def lag(self) -> int:
        """Return the number of messages that are not indexed yet, as last measured."""
        return sum(max(0, span.end - span.next) for span in self.spans.values())
