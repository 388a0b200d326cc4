"""The indexer: consume, translate, submit, commit, again and again. The agent's sibling between Kafka and the index.

The order that makes kills harmless: an offset is committed after the index has answered for every message before it.
What was indexed and not committed is read again, under the same ids, and found to be there. Business counters are the
node agents' alone: what is read here was counted there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from shipper.agent.kafka_messages import MessageBatch, Translate
from shipper.agent.kafka_offsets import PartitionOffsets
from shipper.agent.upkeep import Upkeep
from shipper.delivery.availability import Availability, after_failure
from shipper.delivery.loop import Acknowledged, Delivery, Result, RolledBack
from shipper.delivery.pace import Pace
from shipper.inputs.kafka.consumer import Consumer, Partition, Rebalanced, Span
from shipper.inputs.kafka.read_message import Received
from shipper.metrics.catalogue import COMMITTED, MESSAGES, REBALANCES
from shipper.metrics.registry import Ledger
from shipper.model.batch import Tally
from shipper.outputs.base import Output
from shipper.outputs.kafka.client import KafkaUnavailable
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable, ShipperError, while_waiting
from shipper.system.shutdown import Stopping
from shipper_schemas.metrics import SeriesKey

MESSAGES_A_POLL = 2000
HEARING_S = 0.05
"""How long a poll may keep answers waiting."""
MEASURE_S = 5.0
"""How often the ends of partitions are asked for, and at most how long such an answer may take (a fifth of it)."""
REVOKE_S = 5.0
"""How long a rebalance waits for what is on its way: well below the silence that costs the membership."""
COMMIT_AGAIN_S = 1.0
AWAY_S = 5.0
"""How long a broker may be away before a single run is given up."""
EMPTY_HANDED_S = 10.0
"""How long a member without partitions waits for some, before it is taken for one too many."""


@dataclass(slots=True)
class Indexer(Rebalanced):
    """One member of a consumer group, in front of one output."""

    join: Callable[[Rebalanced], Consumer]
    """Becomes a member of the group. Raises KafkaUnavailable."""
    translate: Translate
    delivery: Delivery[MessageBatch]
    ledger: Ledger
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    upkeep: Upkeep = field(default_factory=Upkeep)
    stopping: Stopping = field(default_factory=Stopping)
    input_state: Availability = field(default_factory=Availability)
    """Whether Kafka gives messages and takes commits."""
    ready: bool = False
    """Whether partitions were assigned once."""
    after_turn: Callable[[], None] | None = None
    turned_at: float = 0.0
    """When the loop last came round; the health check looks at it."""
    _consumer: Consumer | None = None
    _open: MessageBatch = field(default_factory=MessageBatch)
    _begun_at: float | None = None
    _offsets: PartitionOffsets = field(default_factory=PartitionOffsets)
    _commit_at: float = 0.0
    _measure_at: float = 0.0
    _measured: bool = False
    _assigned_at: float = 0.0
    _log: Any = field(default_factory=lambda: structlog.get_logger("shipper.indexer"))

    @property
    def output(self) -> Output:
        """The output in use."""
        return self.delivery.output

    @property
    def output_state(self) -> Availability:
        """The availability of the output."""
        return self.delivery.state

    @property
    def spans(self) -> Mapping[Partition, Span]:
        """Offsets of the assigned partitions, as last measured."""
        return self._offsets.spans

    # --- the loop ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Index until `stopping` is set, then for as long as `Pace.grace` allows what was read; commit it."""
        while not self.stopping.is_set():
            self.turn()
        self._drain(self.pace.grace)

    def run_once(self) -> None:
        """Index what the assigned partitions hold, then return.

        Raises KafkaUnavailable or OutputUnavailable where either is away; what was committed stays committed.
        """
        while not self.stopping.is_set():
            self.turn()
            if self.output_state.error is not None:
                raise OutputUnavailable(self.output_state.error, self.output_state.asking_again())
            away = self.input_state.away_since
            if self.input_state.error is not None and away is not None and self.clock.monotonic() - away > AWAY_S:
                raise KafkaUnavailable(self.input_state.error, self.input_state.asking_again())
            if self.caught_up():
                break
        self._drain(self.pace.grace)

    def caught_up(self) -> bool:
        """Whether all that was there when it was last measured is indexed and committed."""
        offsets = self._offsets
        held = self.delivery.in_flight or self._begun_at is not None or offsets.acknowledged or offsets.rewind
        assigned = self.spans or self.clock.monotonic() - self._assigned_at > EMPTY_HANDED_S
        return self.ready and self._measured and bool(assigned) and not held and self.lag() == 0

    def lag(self) -> int:
        """Messages of the assigned partitions that are not indexed yet, as last measured."""
        return self._offsets.lag()

    def waited_ms(self, now_ms: int) -> int:
        """How long the oldest message that was read and is not indexed has existed, in milliseconds."""
        in_flight = (batch.marks.oldest_ms for batch in self.delivery.in_flight)
        times = (*in_flight, self._open.oldest_ms, self._offsets.given_up_ms)
        return max((now_ms - written for written in times if written is not None), default=0)

    def outcomes(self) -> dict[str, int]:
        """Events of this run by what became of them."""
        return self.delivery.outcomes()

    def turn(self) -> None:
        """Once round: poll, hear what the index says, commit, send what is full or old."""
        self.turned_at = self.clock.monotonic()
        self.upkeep.run_if_due(self.turned_at, self.pace.upkeep, self.clock.wall_ms())
        if self._consumer is None and not self._joined():
            self.stopping.wait(self.pace.poll)
        elif self._consumer is not None:
            self._settle(self._consumer)
            self._take(self._consumer)
            self._settle(self._consumer)
            self._measure(self._consumer)
        self.ledger.publish()
        if self.after_turn is not None:
            self.after_turn()

    def _joined(self) -> bool:
        if self.clock.monotonic() < self.input_state.retry_at:
            return False
        try:
            self._consumer = self.join(self)
        except KafkaUnavailable as error:
            self._input_failed(error)
            return False
        return True

    def _take(self, consumer: Consumer) -> None:
        """Read messages where there is room for them; without room, wait for the output and keep the membership."""
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
            return consumer.poll(HEARING_S if self.delivery.in_flight else self.pace.poll, MESSAGES_A_POLL)
        consumer.pause()
        self.delivery.rest(self.pace.poll, self.stopping)
        return consumer.poll(0, MESSAGES_A_POLL)

    def _add(self, messages: Sequence[Received]) -> None:
        now_ms, batch, prefix = self.clock.wall_ms(), self._open, self.translate.prefixes.quarantine
        rewind = self._offsets.rewind
        for received in messages:
            if rewind and Partition(received.topic, received.partition) in rewind:
                continue  # it comes again, after what is to be read again
            batch.add(received, self.translate(received, now_ms), prefix)
        if self._begun_at is None and batch.next:
            self._begun_at = self.clock.monotonic()
        self._count((MESSAGES.name, ()), len(messages))

    def _drain(self, seconds: float) -> None:
        """Send what was read, commit what is acknowledged in time; another member reads the rest again."""
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
        """Leave the group, and release the output."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self.output.close()

    # --- sending and committing -------------------------------------------------------------------

    def _may_read(self) -> bool:
        """Whether there is room for more messages, and no output away that it would wait for."""
        return self._open.bytes < self.pace.batch_bytes and (self.output_state.error is None or self._may_send())

    def _may_send(self) -> bool:
        return self.delivery.may_send(self.clock.monotonic())

    def _settle(self, consumer: Consumer) -> None:
        """Process finished requests, send the open batch where it is full or old, commit."""
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
                self._go_back(batches)

    def _go_back(self, batches: Sequence[MessageBatch]) -> None:
        """Give up `batches` and the open one: they are read again from the oldest offset not acknowledged."""
        self._offsets.go_back((*batches, self._open))
        self._open, self._begun_at = MessageBatch(), None

    def _commit(self, consumer: Consumer, *, hurry: bool = False) -> None:
        """Commit what is acknowledged. What is not committed is read again, and found to be there."""
        offsets = self._offsets.acknowledged
        if not offsets or (self.clock.monotonic() < self._commit_at and not hurry):
            return
        try:
            result = "ok" if consumer.commit(offsets) else "refused"
        except KafkaUnavailable as error:
            self._input_failed(error)
            result = "unavailable"
        self._count((COMMITTED.name, (result,)))
        if result == "ok":
            self._offsets.acknowledged = {}
        else:
            self._commit_at = self.clock.monotonic() + COMMIT_AGAIN_S

    # --- rebalances: called while `poll` or `close` is under way -----------------------------------

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Partitions are read from where the group committed, those kept over a rebalance from what was given up.

        A client may leave the position of a partition that it keeps where it was, behind what was read and given up.
        """
        self._offsets.assigned(partitions)
        self.ready, self._measured, self._measure_at = True, False, 0.0
        self._assigned_at = self.clock.monotonic()
        self._count((REBALANCES.name, ()))
        if partitions:
            self._log.info("partitions_assigned", partitions=_named(partitions))

    def revoked(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Wait shortly for the batches in flight, give up the rest, and return the offsets to commit."""
        for result in self.delivery.drain(REVOKE_S):
            self._apply(result)
        self._go_back(self.delivery.roll_back().marks)
        offsets = self._offsets.to_commit(partitions)
        self._offsets.forget(partitions)
        if partitions:
            self._log.info("partitions_revoked", partitions=_named(partitions))
        return offsets

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Give up what was read of them."""
        self._go_back(self.delivery.roll_back().marks)
        self._offsets.forget(partitions)
        self._log.warning("partitions_lost", partitions=_named(partitions))

    # --- telling ----------------------------------------------------------------------------------

    def _measure(self, consumer: Consumer) -> None:
        """Ask for the ends of partitions now and then; this also finds out whether Kafka is back."""
        now = self.clock.monotonic()
        if not self.ready or now < self._measure_at:
            return
        self._measure_at = now + MEASURE_S
        try:
            spans = consumer.spans(MEASURE_S / 5)
        except KafkaUnavailable as error:
            self._input_failed(error)
            return
        self._offsets.measured(spans)
        self._measured = True
        if self.input_state.error is not None:
            self._log.info("input_back")
            self.input_state = Availability()

    def _input_failed(self, error: ShipperError) -> None:
        if self.input_state.error is None:
            self._log.warning("input_away", error=error.what, hint=while_waiting(error))
        now, delivery = self.clock.monotonic(), self.delivery
        self.input_state = after_failure(self.input_state, error, now, delivery.backoff, delivery.jitter)

    def _count(self, key: SeriesKey, number: int = 1) -> None:
        tally = Tally()
        tally.sums[key] += number
        self.ledger.add(tally, self.clock.wall_ms() / 1000)


def _named(partitions: Sequence[Partition]) -> list[str]:
    return [f"{topic}/{number}" for topic, number in sorted(partitions)]
