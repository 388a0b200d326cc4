"""The Kafka indexer's loop: consume, translate, submit, commit.

Crash order: an offset is committed after every message before it is acknowledged. Messages that were indexed and not
committed are read again, under the same ids, and become duplicates. Only the node agents count business events: a
message was counted before it was sent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shipper.agent.kafka_faults import Fault
from shipper.agent.kafka_messages import MessageBatch, Translate
from shipper.agent.kafka_offsets import PartitionOffsets
from shipper.agent.maintenance import Maintenance
from shipper.delivery.availability import Availability, after_failure
from shipper.delivery.loop import Acknowledged, Delivery, Result, RolledBack
from shipper.delivery.pace import Pace
from shipper.inputs.kafka.consumer import Consumer, Partition, Progress, Rebalanced, Span
from shipper.inputs.kafka.read_message import Received
from shipper.metrics.catalogue import COMMITTED, MESSAGES, MESSAGES_LOST, REBALANCES, RESETS
from shipper.metrics.registry import Ledger
from shipper.model.batch import Tally
from shipper.outputs.kafka.client import KafkaUnavailable
from shipper.system.clock import Clock
from shipper.system.errors import ShipperError, hint_while_running
from shipper.system.own_log import own_log
from shipper.system.shutdown import StopEvent
from shipper_schemas.metrics import SeriesKey

MAX_POLL_MESSAGES = 2000
POLL_IN_FLIGHT_S = 0.05
"""Seconds that a poll may delay the processing of responses."""
MEASURE_S = 5.0
"""Seconds between two requests for the end offsets of partitions; a request may take a fifth of it."""
MEASURE_AGAIN_S = 1.0
"""The same while nothing is read, since a topic is unknown."""
REVOKE_S = 5.0
"""Seconds that a rebalance waits for the batches in flight: well below the session timeout of the group."""
COMMIT_AGAIN_S = 1.0
PATIENCE_S = 5.0
"""Seconds that a broker may be unavailable before a single run gives up."""
FAULT_SHOWN_S = 3600.0
"""Seconds for which a fault of a partition degrades the health: long enough to be seen."""
UNASSIGNED_S = 10.0
"""Seconds that a member waits for partitions before a single run takes the group to be full."""


@dataclass(slots=True)
class Indexer(Rebalanced):
    """One member of a consumer group, with one output."""

    join: Callable[[Rebalanced], Consumer]
    """Joins the group. Raises KafkaUnavailable."""
    translate: Translate
    delivery: Delivery[MessageBatch]
    ledger: Ledger
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    maintenance: Maintenance = field(default_factory=Maintenance)
    stopping: StopEvent = field(default_factory=StopEvent)
    input_state: Availability = field(default_factory=Availability)
    """Availability of Kafka for reading and commits."""
    ready: bool = False
    """True once partitions were assigned."""
    after_turn: Callable[[], None] | None = None
    turned_at: float = 0.0
    """Start of the current turn (monotonic seconds); the health check reads it."""
    faults: dict[Partition, tuple[float, Fault]] = field(default_factory=dict)
    """The last fault of each partition, with its time (monotonic seconds)."""
    _consumer: Consumer | None = None
    _open: MessageBatch = field(default_factory=MessageBatch)
    _begun_at: float | None = None
    _offsets: PartitionOffsets = field(default_factory=PartitionOffsets)
    _commit_at: float = 0.0
    _measure_at: float = 0.0
    _measured: bool = False
    _assigned_at: float = 0.0
    _log: Any = field(default_factory=lambda: own_log("shipper.indexer"))

    @property
    def spans(self) -> Mapping[Partition, Span]:
        """Offsets of the assigned partitions, as last measured."""
        return self._offsets.spans

    # --- the loop ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Index until `stopping` is set, then index and commit what was read, within `Pace.grace`."""
        while not self.stopping.is_set():
            self.turn()
        self._drain(self.pace.grace)

    def run_once(self) -> None:
        """Index the present content of the assigned partitions, then return.

        Raises KafkaUnavailable or OutputUnavailable if either is unavailable; what was committed stays committed.
        """
        while not self.stopping.is_set():
            self.turn()
            self.delivery.raise_unavailable()
            since = self.input_state.unavailable_since
            if self.input_state.error is not None and since is not None and self.clock.monotonic() - since > PATIENCE_S:
                raise KafkaUnavailable(self.input_state.error, self.input_state.hint_to_rerun())
            if self.caught_up():
                break
        self._drain(self.pace.grace)

    def caught_up(self) -> bool:
        """Return True if everything up to the last measured end offsets is indexed and committed."""
        offsets = self._offsets
        held = self.delivery.in_flight or self._begun_at is not None or offsets.acknowledged or offsets.rewind
        assigned = self.spans or self.clock.monotonic() - self._assigned_at > UNASSIGNED_S
        return self.ready and self._measured and bool(assigned) and not held and self.lag() == 0

    def lag(self) -> int:
        """Return the number of messages in the assigned partitions that are not indexed yet, as last measured."""
        return self._offsets.lag()

    def oldest_age_ms(self, now_ms: int) -> int:
        """Return the age of the oldest message that was read and is not indexed, in milliseconds."""
        in_flight = (batch.marks.oldest_ms for batch in self.delivery.in_flight)
        times = (*in_flight, self._open.oldest_ms, self._offsets.given_up_ms)
        return max((now_ms - written for written in times if written is not None), default=0)

    def outcomes(self) -> dict[str, int]:
        """Return the events of this run by outcome."""
        return self.delivery.outcomes()

    def turn(self) -> None:
        """Run one turn: process finished requests, send a batch that is full or old, commit, poll."""
        self.turned_at = self.clock.monotonic()
        self.maintenance.run_if_due(self.turned_at, self.pace.maintenance, self.clock.wall_ms())
        if self._consumer is None and not self._try_join():
            self.stopping.wait(self.pace.poll)
        elif self._consumer is not None:
            self._settle(self._consumer)
            self._take(self._consumer)
            self._settle(self._consumer)
            self._measure(self._consumer)
        self.ledger.publish()
        if self.after_turn is not None:
            self.after_turn()

    def _try_join(self) -> bool:
        if self.clock.monotonic() < self.input_state.retry_at:
            return False
        try:
            self._consumer = self.join(self)
        except KafkaUnavailable as error:
            self._input_failed(error)
            return False
        return True

    def _take(self, consumer: Consumer) -> None:
        """Read messages if there is room for them; else wait for the output, and poll to stay in the group."""
        self._offsets.seek(consumer.seek)
        try:
            received = self._poll(consumer)
        except KafkaUnavailable as error:
            self._input_failed(error)
            self.stopping.wait(self.pace.poll)
            return
        if received:
            self._add(received)

    def _poll(self, consumer: Consumer) -> Sequence[Received]:
        if self._may_read():
            consumer.resume()
            return consumer.poll(POLL_IN_FLIGHT_S if self.delivery.in_flight else self.pace.poll, MAX_POLL_MESSAGES)
        consumer.pause()
        self.delivery.rest(self.pace.poll, self.stopping)
        return consumer.poll(0, MAX_POLL_MESSAGES)

    def _add(self, messages: Sequence[Received]) -> None:
        now_ms, batch, prefix = self.clock.wall_ms(), self._open, self.translate.prefixes.quarantine
        rewind = self._offsets.rewind
        for received in messages:
            partition = Partition(received.topic, received.partition)
            if partition not in self._offsets.spans:  # its topic may be another one before it was looked at
                rewind.setdefault(partition, received.offset)
            if rewind and partition in rewind:
                continue  # it is read again after the seek
            self._offsets.reading(partition).received(received.offset)
            batch.add(received, self.translate(received, now_ms), prefix)
        if self._begun_at is None and batch.next:
            self._begun_at = self.clock.monotonic()
        self._count((MESSAGES.name, ()), len(messages))

    def _drain(self, seconds: float) -> None:
        """Send what was read and commit what is acknowledged in time; another member reads the rest again."""
        if self._consumer is None:
            return
        self._begun_at = None if self._begun_at is None else -self.pace.batch_age
        self._settle(self._consumer)
        for result in self.delivery.drain(seconds):
            self._apply(result)
            self._settle(self._consumer)
        self._commit(self._consumer, hurry=True)
        self.ledger.publish()

    def close(self) -> None:
        """Leave the group and close the output."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self.delivery.output.close()

    # --- sending and committing -------------------------------------------------------------------

    def _may_read(self) -> bool:
        """Return True if there is room for more messages, no unavailable output holds them up, and topics are known."""
        has_room = self._open.bytes < self.pace.batch_bytes and not self._offsets.unmeasured()
        return has_room and (self.delivery.state.error is None or self._may_send())

    def _may_send(self) -> bool:
        return self.delivery.may_send(self.clock.monotonic())

    def _settle(self, consumer: Consumer) -> None:
        """Process finished requests, send the open batch if it is full or old, commit."""
        self._process_finished()
        if self._begun_at is not None and self._may_send():
            old = self.clock.monotonic() - self._begun_at >= self.pace.batch_age
            if old or self._open.bytes >= self.pace.batch_bytes:
                self._send()
                self._process_finished()
        self._commit(consumer)

    def _send(self) -> None:
        batch, self._open, self._begun_at = self._open, MessageBatch(), None
        self.delivery.submit(batch.documents, batch, batch.events)

    def _process_finished(self) -> None:
        """Process finished requests in submission order, so that no offset passes an unacknowledged batch."""
        while (result := self.delivery.settle()) is not None:
            self._apply(result)

    def _apply(self, result: Result[MessageBatch]) -> None:
        match result:
            case Acknowledged(batch):
                self._offsets.acknowledge(batch)
            case RolledBack(batches):
                self._roll_back(batches)

    def _roll_back(self, batches: Sequence[MessageBatch]) -> None:
        """Roll back `batches` and the open one: they are read again from the oldest unacknowledged offset."""
        self._offsets.roll_back((*batches, self._open))
        self._count_lost("recreated", sum(batch.orphaned for batch in (*batches, self._open)))
        self._open, self._begun_at = MessageBatch(), None

    def _commit(self, consumer: Consumer, *, hurry: bool = False) -> None:
        """Commit the acknowledged offsets. Messages beyond a failed commit are read again, as duplicates."""
        offsets = self._offsets.to_commit(self._offsets.acknowledged)
        if not offsets or (self.clock.monotonic() < self._commit_at and not hurry):
            return
        try:
            result = "ok" if consumer.commit(offsets) else "refused"
        except KafkaUnavailable as error:
            self._input_failed(error)
            result = "unavailable"
        self._count((COMMITTED.name, (result,)))
        if result == "ok":
            self._offsets.committed(offsets)
        else:
            self._commit_at = self.clock.monotonic() + COMMIT_AGAIN_S

    # --- rebalances: called within `poll` or `close` ------------------------------------------------

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Start at the group's committed offsets; partitions kept over a rebalance, at what was rolled back.

        A client may keep its own offset of such a partition, which lies behind the messages that were rolled back.
        """
        self._offsets.assigned(partitions)
        self.ready, self._measured, self._measure_at = True, False, 0.0
        self._assigned_at = self.clock.monotonic()
        self._count((REBALANCES.name, ()))
        if partitions:
            self._log.info("partitions_assigned", partitions=_partition_names(partitions))

    def revoked(self, partitions: Sequence[Partition]) -> Mapping[Partition, Progress]:
        """Wait briefly for the batches in flight, roll back the rest, and return the offsets to commit."""
        for result in self.delivery.drain(REVOKE_S):
            self._apply(result)
        self._roll_back(self.delivery.roll_back().marks)
        offsets = self._offsets.to_commit(partitions)
        self._offsets.forget(partitions)
        if partitions:
            self._log.info("partitions_revoked", partitions=_partition_names(partitions))
        return offsets

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Roll back what was read of these partitions."""
        self._roll_back(self.delivery.roll_back().marks)
        self._offsets.forget(partitions)
        self._log.warning("partitions_lost", partitions=_partition_names(partitions))

    # --- measuring --------------------------------------------------------------------------------

    def _measure(self, consumer: Consumer) -> None:
        """Request the end offsets of partitions if that is due; a success also ends an outage of Kafka."""
        now = self.clock.monotonic()
        if not self.ready or now < self._measure_at:
            return
        self._measure_at = now + MEASURE_S
        try:
            spans = consumer.spans(MEASURE_S / 5)
        except KafkaUnavailable as error:
            self._input_failed(error)
            if self._offsets.unmeasured():
                self._measure_at = now + MEASURE_AGAIN_S
            return
        for fault in self._offsets.measured(spans):
            self._report(fault)
        self._measured = True
        if self.input_state.error is not None:
            self._log.info("input_available")
            self.input_state = Availability()

    def _report(self, fault: Fault) -> None:
        """Count and log a fault. Batches of a partition that restarts no longer carry its offsets."""
        if fault.restarts:
            for batch in (*(sent.marks for sent in self.delivery.in_flight), self._open):
                batch.forget(fault.partition)
        self.faults[fault.partition] = (self.clock.monotonic(), fault)
        self._count((RESETS.name, (fault.reason,)))
        self._count_lost(fault.reason, fault.lost)
        self._log.warning(f"partition_{fault.reason}", error=fault.what, hint=fault.hint, lost=fault.lost)

    def recent_faults(self) -> dict[Partition, str]:
        """Return the faults of the last hour."""
        since = self.clock.monotonic() - FAULT_SHOWN_S
        return {partition: fault.what for partition, (at, fault) in self.faults.items() if at >= since}

    def _count_lost(self, reason: str, number: int) -> None:
        if number:
            self._count((MESSAGES_LOST.name, (reason,)), number)

    def _input_failed(self, error: ShipperError) -> None:
        if self.input_state.error is None:
            self._log.warning("input_unavailable", error=error.what, hint=hint_while_running(error))
        now, delivery = self.clock.monotonic(), self.delivery
        self.input_state = after_failure(self.input_state, error, now, delivery.backoff, delivery.jitter)

    def _count(self, key: SeriesKey, number: int = 1) -> None:
        tally = Tally()
        tally.sums[key] += number
        self.ledger.add(tally, self.clock.wall_ms() / 1000)


def _partition_names(partitions: Sequence[Partition]) -> list[str]:
    return [f"{topic}/{number}" for topic, number in sorted(partitions)]
