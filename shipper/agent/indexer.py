"""The indexer: consume, translate, submit, commit, again and again. The agent's sibling between Kafka and the index.

The order that makes kills harmless: an offset is committed after the index has answered for every message before it.
What was indexed and not committed is read again, under the same ids, and found to be there. Business counters are the
node agents' alone: what is read here was counted there.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field
from typing import Any

import structlog

from shipper.agent.kafka_messages import MessageBatch, Submitted, Translate
from shipper.delivery.loop import Arrival, OutputState, Pace, after_failure
from shipper.inputs.kafka.consumer import Consumer, Partition, Rebalanced, Span
from shipper.inputs.kafka.read_message import Received
from shipper.metrics.catalogue import (
    COMMITTED,
    EVENTS,
    MESSAGES,
    REBALANCES,
    REFUSED,
    RETRIES,
    THROTTLED,
    WRITE_SECONDS,
    WRITES,
)
from shipper.metrics.registry import Ledger
from shipper.model.batch import OUTCOMES, Tally, Written, turned_out
from shipper.outputs.base import Output
from shipper.outputs.kafka.client import KafkaUnavailable
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable, ShipperError, while_waiting
from shipper.system.shutdown import Stopping
from shipper_schemas.metrics import Increment, SeriesKey

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
    output: Output
    ledger: Ledger
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    jitter: random.Random = field(default_factory=random.Random)
    upkeep: Callable[[int], None] | None = None
    """Called now and then with the wall clock's milliseconds: what the store has to tidy up."""
    stopping: Stopping = field(default_factory=Stopping)
    input_state: OutputState = field(default_factory=OutputState)
    """Whether Kafka gives messages and takes commits."""
    output_state: OutputState = field(default_factory=OutputState)
    indexed: Counter[str] = field(default_factory=Counter)
    """Events since the start by what became of them."""
    spans: dict[Partition, Span] = field(default_factory=dict)
    """What the assigned partitions hold, as last measured; `next` follows what the index has answered for."""
    ready: bool = False
    """Whether partitions were assigned once."""
    after_turn: Callable[[], None] | None = None
    turned_at: float = 0.0
    """When the loop last came round; the health check looks at it."""
    _consumer: Consumer | None = None
    _open: MessageBatch = field(default_factory=MessageBatch)
    _begun_at: float | None = None
    _under_way: deque[Submitted] = field(default_factory=deque)
    """Parcels that the index has not answered for, oldest first: they are acknowledged in this order."""
    _acknowledged: dict[Partition, int] = field(default_factory=dict)
    """What is answered for and not committed yet."""
    _rewind: dict[Partition, int] = field(default_factory=dict)
    """Where partitions are to be read on, since what came after was given up."""
    _behind_ms: int | None = None
    """When the oldest message was written that was given up to be read again."""
    _commit_at: float = 0.0
    _measure_at: float = 0.0
    _measured: bool = False
    _assigned_at: float = 0.0
    _upkeep_at: float = 0.0
    _log: Any = field(default_factory=lambda: structlog.get_logger("shipper.indexer"))

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
        if self.after_turn is not None:
            self.after_turn()

    def caught_up(self) -> bool:
        """Whether all that was there when it was last measured is indexed and committed."""
        held = self._under_way or self._begun_at is not None or self._acknowledged or self._rewind
        assigned = self.spans or self.clock.monotonic() - self._assigned_at > EMPTY_HANDED_S
        return self.ready and self._measured and bool(assigned) and not held and self.lag() == 0

    def lag(self) -> int:
        """Messages of the assigned partitions that are not indexed yet, as last measured."""
        return sum(max(0, span.end - span.next) for span in self.spans.values())

    def waited_ms(self, now_ms: int) -> int:
        """How long the oldest message that was read and is not indexed has existed, in milliseconds."""
        parcels = (*(sent.parcel.oldest_ms for sent in self._under_way), self._open.oldest_ms, self._behind_ms)
        return max((now_ms - written for written in parcels if written is not None), default=0)

    def outcomes(self) -> dict[str, int]:
        """Events of this run by what became of them."""
        return {outcome: self.indexed[outcome] for outcome in OUTCOMES}

    def turn(self) -> None:
        """Once round: poll, hear what the index says, commit, send what is full or old."""
        self.turned_at = self.clock.monotonic()
        if self.upkeep is not None and self.turned_at >= self._upkeep_at:
            self._tidy(self.upkeep)
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

    def _tidy(self, upkeep: Callable[[int], None]) -> None:
        self._upkeep_at = self.turned_at + self.pace.upkeep
        try:
            upkeep(self.clock.wall_ms())
        except OutputUnavailable as error:
            self._log.warning("upkeep_failed", error=error.what, hint=while_waiting(error))

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
        """Read what there is, where there is room for it; without room, wait for an answer and keep the membership."""
        self._rewind = {found: offset for found, offset in self._rewind.items() if not consumer.seek(found, offset)}
        try:
            if self._may_read():
                consumer.resume()
                found = consumer.poll(HEARING_S if self._under_way else self.pace.poll, MESSAGES_A_POLL)
            else:
                consumer.pause()
                self._rest()
                found = consumer.poll(0, MESSAGES_A_POLL)
        except KafkaUnavailable as error:
            self._input_failed(error)
            self.stopping.wait(self.pace.poll)
            return
        if found:
            self._add(found)

    def _rest(self) -> None:
        if self._under_way and not self.stopping.is_set():
            wait([self._under_way[0].answer], timeout=self.pace.poll)
        else:
            self.stopping.wait(self.pace.poll)

    def _add(self, found: Sequence[Received]) -> None:
        now_ms, parcel, prefix = self.clock.wall_ms(), self._open, self.translate.prefixes.quarantine
        for received in found:
            if self._rewind and Partition(received.topic, received.partition) in self._rewind:
                continue  # it comes again, after what is to be read again
            parcel.add(received, self.translate(received, now_ms), prefix)
        if self._begun_at is None and parcel.next:
            self._begun_at = self.clock.monotonic()
        self._tell({(MESSAGES.name, ()): len(found)})

    def _drain(self, seconds: float) -> None:
        """Send what is read, wait for answers, commit; what is not answered by then is read again by another."""
        if self._consumer is None:
            return
        end = self.clock.monotonic() + seconds
        self._begun_at = None if self._begun_at is None else -self.pace.batch_age
        self._settle(self._consumer)
        while self._under_way and (left := end - self.clock.monotonic()) > 0:
            wait([self._under_way[0].answer], timeout=left)
            self._settle(self._consumer)
        self._commit(self._consumer, hurry=True)
        self.ledger.publish()

    def close(self) -> None:
        """Leave the group, and release the output."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self.output.close()

    # --- writing and committing -------------------------------------------------------------------

    def _may_read(self) -> bool:
        """Whether there is room for more messages, and no output away that it would wait for."""
        return self._open.bytes < self.pace.batch_bytes and (self.output_state.error is None or self._may_send())

    def _may_send(self) -> bool:
        """Whether the output is there, as far as is known, and has room for one parcel more."""
        if self.output_state.error is None:
            return len(self._under_way) < self.output.window
        return self.clock.monotonic() >= self.output_state.retry_at and not self._under_way

    def _settle(self, consumer: Consumer) -> None:
        """Hear what became of parcels, send the open one where it is full or old, commit."""
        self._hear()
        if self._begun_at is not None and self._may_send():
            old = self.clock.monotonic() - self._begun_at >= self.pace.batch_age
            if old or self._open.bytes >= self.pace.batch_bytes:
                self._send()
                self._hear()
        self._commit(consumer)

    def _send(self) -> None:
        parcel, self._open, self._begun_at = self._open, MessageBatch(), None
        answer, now, arrival = self.output.submit(parcel.documents), self.clock.monotonic(), Arrival(self.clock)
        answer.add_done_callback(arrival.note)
        self._under_way.append(Submitted(parcel, answer, now, arrival))

    def _hear(self) -> None:
        """Take the answers that are there, oldest first, so that no offset passes a parcel not answered for."""
        while self._under_way and self._under_way[0].answer.done():
            sent = self._under_way[0]
            failure = sent.answer.exception()
            if isinstance(failure, OutputUnavailable):  # raised, it would keep this frame, and with it the batch
                self._output_failed(failure)
                self._go_back()
                return
            written = sent.answer.result()
            self._under_way.popleft()
            self._acknowledge(sent, written)

    def _acknowledge(self, sent: Submitted, written: Written) -> None:
        self._acknowledged |= sent.parcel.next
        self._behind_ms = None
        for partition, offset in sent.parcel.next.items():
            if partition in self.spans:
                self.spans[partition] = self.spans[partition]._replace(next=offset)
        events = turned_out(sent.parcel.events, written)
        self.indexed += events
        took = (sent.arrival.at or self.clock.monotonic()) - sent.sent_at
        self._tell(
            {
                **{(EVENTS.name, (outcome,)): number for outcome, number in events.items()},
                (WRITES.name, ("ok",)): 1,
                (RETRIES.name, ()): written.retried,
                (THROTTLED.name, ()): written.throttled,
                (REFUSED.name, ()): written.refused,
            },
            Increment(WRITE_SECONDS.name, (), took),
        )
        if self.output_state.error is not None:
            self._log.info("output_back", output=self.output.url)
            self.output_state = OutputState()

    def _go_back(self) -> None:
        """Give up all that is on its way and what was read: it is read again from the oldest offset not answered for.

        The seek waits for the next turn, since this may be called in the middle of a rebalance.
        """
        for parcel in (self._open, *(sent.parcel for sent in reversed(self._under_way))):
            self._rewind |= parcel.first
            if parcel.oldest_ms is not None:
                self._behind_ms = min(parcel.oldest_ms, self._behind_ms or parcel.oldest_ms)
        self._under_way.clear()
        self._open, self._begun_at = MessageBatch(), None

    def _commit(self, consumer: Consumer, *, hurry: bool = False) -> None:
        """Commit what is answered for. What is not committed is read again, and found to be there."""
        if not self._acknowledged or (self.clock.monotonic() < self._commit_at and not hurry):
            return
        try:
            result = "ok" if consumer.commit(self._acknowledged) else "refused"
        except KafkaUnavailable as error:
            self._input_failed(error)
            result = "unavailable"
        self._tell({(COMMITTED.name, (result,)): 1})
        if result == "ok":
            self._acknowledged = {}
        else:
            self._commit_at = self.clock.monotonic() + COMMIT_AGAIN_S

    # --- rebalances: called while `poll` or `close` is under way -----------------------------------

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Partitions are read from where the group committed, those kept over a rebalance from what was given up.

        A client may leave the position of a partition that it keeps where it was, behind what was read and given up.
        """
        self._forget(partitions)
        self._rewind = {found: offset for found, offset in self._rewind.items() if found in partitions}
        self.ready, self._measured, self._measure_at = True, False, 0.0
        self._assigned_at = self.clock.monotonic()
        self._tell({(REBALANCES.name, ()): 1})
        if partitions:
            self._log.info("partitions_assigned", partitions=_named(partitions))

    def revoked(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Wait shortly for what is under way, give up the rest, and give what is to be committed."""
        wait([sent.answer for sent in self._under_way], timeout=REVOKE_S)
        self._hear()
        self._go_back()
        offsets = {found: self._acknowledged[found] for found in partitions if found in self._acknowledged}
        self._forget(partitions)
        if partitions:
            self._log.info("partitions_revoked", partitions=_named(partitions))
        return offsets

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Give up what was read of them."""
        self._go_back()
        self._forget(partitions)
        self._log.warning("partitions_lost", partitions=_named(partitions))

    def _forget(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._acknowledged.pop(partition, None)
            self.spans.pop(partition, None)

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
        self.spans = {
            partition: span._replace(next=max(span.next, self._acknowledged.get(partition, 0)))
            for partition, span in spans.items()
        }
        self._measured = True
        if self.input_state.error is not None:
            self._log.info("input_back")
            self.input_state = OutputState()

    def _input_failed(self, error: ShipperError) -> None:
        if self.input_state.error is None:
            self._log.warning("input_away", error=error.what, hint=while_waiting(error))
        self.input_state = after_failure(self.input_state, error, self.clock.monotonic(), self.pace, self.jitter)

    def _output_failed(self, error: OutputUnavailable) -> None:
        if self.output_state.error is None:
            self._log.warning("output_away", output=self.output.url, error=error.what, hint=while_waiting(error))
        self._tell({(WRITES.name, ("unavailable",)): 1})
        self.output_state = after_failure(self.output_state, error, self.clock.monotonic(), self.pace, self.jitter)

    def _tell(self, sums: Mapping[SeriesKey, float], *observations: Increment) -> None:
        tally = Tally(observations=[*observations])
        tally.sums.update(sums)
        self.ledger.add(tally, self.clock.wall_ms() / 1000)


def _named(partitions: Sequence[Partition]) -> list[str]:
    return [f"{topic}/{number}" for topic, number in sorted(partitions)]
