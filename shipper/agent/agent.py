"""The agent: tail, process, write, commit, again and again. The only loop, and the only place that waits."""

import random
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass, field
from typing import Any

import structlog

from shipper.agent.hot_reload import Change, UncertainRange
from shipper.delivery.loop import Arrival, OutputState, Pace, Sent
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.read_batch import CheckpointedLog, ReadBatch
from shipper.inputs.files.read_round import ReadRound
from shipper.inputs.files.tailer import Tail
from shipper.metrics.catalogue import (
    BYTES_READ,
    DAMAGED,
    EVENTS,
    FAILURE,
    LINES,
    LINES_READ,
    LOST,
    OVERFLOWS,
    REFUSED,
    RELOADS,
    RETRIES,
    ROTATIONS,
    SUCCESS,
    THROTTLED,
    TRUNCATIONS,
    WRITE_SECONDS,
    WRITES,
)
from shipper.metrics.registry import Ledger
from shipper.model.batch import OUTCOMES, Batch, Tally, Written, turned_out
from shipper.outputs.base import Output, settled
from shipper.pipeline.pipeline import Pipeline
from shipper.state.checkpoint import Position
from shipper.state.store import State
from shipper.system.clock import Clock
from shipper.system.errors import AGAIN, OutputUnavailable, StateError, to_read
from shipper.system.shutdown import Stopping
from shipper_schemas.metrics import Increment, SeriesKey

SHOWN = 3
"""Unreadable logs that are told one by one where many are found at once."""
METRICS = (
    LINES_READ, BYTES_READ, EVENTS, LINES, ROTATIONS, TRUNCATIONS, LOST, DAMAGED, WRITES, WRITE_SECONDS, RETRIES,
    THROTTLED, REFUSED, RELOADS,
)  # fmt: skip
DECLARED: tuple[SeriesKey, ...] = (
    *((metric.name, ()) for metric in METRICS if not metric.labels),
    *((metric.name, (outcome,)) for metric in (EVENTS, LINES) for outcome in OUTCOMES),
    *((WRITES.name, (result,)) for result in ("ok", "unavailable")),
    *((RELOADS.name, (result,)) for result in (SUCCESS, FAILURE)),
)


@dataclass(slots=True)
class Agent:
    """One agent over one state directory."""

    tail: Tail
    pipeline: Pipeline
    output: Output
    state: State
    ledger: Ledger
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    jitter: random.Random = field(default_factory=random.Random)
    upkeep: Callable[[int], None] | None = None
    """Called now and then with the wall clock's milliseconds: what the store has to tidy up."""
    stopping: Stopping = field(default_factory=Stopping)
    output_state: OutputState = field(default_factory=OutputState)
    shipped: Counter[str] = field(default_factory=Counter)
    """Events since the start by what became of them."""
    ready: bool = False
    state_error: str | None = None
    when_quiet: Callable[[], None] | None = None
    """Called once each time that nothing was to be read for `Pace.quiet` seconds."""
    after_turn: Callable[[], None] | None = None
    """Called at the end of each turn, in the loop's thread."""
    turned_at: float = 0.0
    """When the loop last came round; the health check looks at it."""
    _batch: Batch = field(default_factory=Batch)
    _begun_at: float | None = None
    _marks: dict[str, Position] = field(default_factory=dict)
    """Where shipping stood before the open batch, by log: where it goes back to if the batch cannot be written."""
    _under_way: deque[Sent] = field(default_factory=deque)
    """Batches that the output has not answered for, oldest first: they are acknowledged in this order."""
    _waited: float = 0.0
    """How long reading has waited for room since the output last had nothing to do."""
    _touched: dict[str, CheckpointedLog] = field(default_factory=dict)
    """Logs whose position is not committed yet."""
    _removed: dict[str, LogReader] = field(default_factory=dict)
    _doubt: UncertainRange = field(default_factory=UncertainRange)
    _change: Change | None = None
    """Parts that are to take the place of those that are there, as soon as nothing is lost or doubled by it."""
    _draining: bool = False
    """Nothing is sent for a moment, so that all that was sent is answered for; counting goes on."""
    _scan_at: float = 0.0
    _committed_at: float = 0.0
    _moved_at: float = 0.0
    _called: bool = False
    """Whether `when_quiet` was called since something was read."""
    _upkeep_at: float = 0.0
    _told: set[str] = field(default_factory=set)
    """Logs of which it was said that they cannot be read."""
    _log: Any = field(default_factory=lambda: structlog.get_logger("shipper.agent"))

    # --- the loop ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Follow until `stopping` is set, then ship and commit what was read, for as long as `Pace.grace` allows."""
        while not self.stopping.is_set():
            if not self.turn():
                self.rest()
        self.settle()
        self.drain()

    def run_once(self) -> None:
        """Ship what is there, and what it still holds back, then return.

        Raises OutputUnavailable or StateError where either cannot take it; what was committed stays committed.
        """
        while not self.stopping.is_set():
            more = self.turn(hurry=True)
            if self.output_state.error is not None:
                raise OutputUnavailable(self.output_state.error, self.output_state.asking_again())
            if self.state_error is not None:
                raise StateError(self.state_error, AGAIN)
            if not more and not self._holding():
                break
            if not more:
                self.rest()
        self.settle()
        self.drain()
        if self.after_turn is not None:
            self.after_turn()

    def rest(self) -> None:
        """Wait for a poll's time, or until the output answers."""
        if self.when_quiet is not None and not self._called and self.turned_at - self._moved_at >= self.pace.quiet:
            self._called = True
            self.when_quiet()
        if self._under_way and not self.stopping.is_set():
            wait([self._under_way[0].answer], timeout=self.pace.poll)
        else:
            self.stopping.wait(self.pace.poll)

    def drain(self) -> None:
        """Wait for the batches under way and commit; after `Pace.grace` the rest is left to the next start."""
        end = self.clock.monotonic() + self.pace.grace
        while self._under_way and (left := end - self.clock.monotonic()) > 0:
            wait([self._under_way[0].answer], timeout=left)
            self.settle()

    def turn(self, *, hurry: bool = False) -> bool:
        """Go round once, and publish what others see of it; return True where something was read."""
        more = self._turn(hurry=hurry)
        if self.after_turn is not None:
            self.after_turn()
        return more

    def _turn(self, *, hurry: bool) -> bool:
        """Scan, read, settle the batch when it is full or old."""
        now = self.turned_at = self.clock.monotonic()
        if now >= self._scan_at:
            self._welcome(self.tail.scan())
            self._scan_at = now + self.pace.scan
        if self.upkeep is not None and now >= self._upkeep_at:
            self._tidy(self.upkeep, now)
        if self.state_error is not None and not self.settle():
            return False
        self._await_room(hurry=hurry)
        more = self._read_round(now)
        if more:
            self._moved_at, self._called = now, False
        old = self._begun_at is not None and now - self._begun_at >= self.pace.batch_age
        news = self._begun_at is None and (self.ledger.changes() or self._touched or self._answered())
        if self._full() or old or (hurry and not more) or news:
            self.settle(busy=self._full())
        if self._change is not None:
            self._take_over(self._change)
        self.ready = True
        if self.tail.unreadable or self._told:
            self._tell_unreadable()
        return more

    def adopt(self, change: Change) -> None:
        """Take over other parts between two batches; one that was asked for before and still waits is given up."""
        if self._change is not None and self._change.output is not None:
            self._change.output.close()
        self._change = change

    @property
    def changing(self) -> bool:
        """Whether parts wait to be taken over."""
        return self._change is not None

    def _take_over(self, change: Change) -> None:
        """Put the parts in place, if everything is committed and, where that matters, answered for."""
        doubtful = change.reroutes and self._doubt.remains(self.tail.logs)
        self._draining = change.waits and not doubtful
        if not self.settle() or doubtful or (change.waits and self._under_way):
            return
        now = self.clock.wall_ms() / 1000
        if change.inputs is not None:
            self._welcome(self.tail.scan())
            self.tail.follow(list(change.inputs))
        if change.output is not None:
            self.output.close()
            self.output, self.output_state = change.output, OutputState()
        self.upkeep, self._upkeep_at = change.upkeep(self.output), 0.0
        self.pipeline = change.pipeline(self.ledger.committed)
        self.tail.recompile(change.compiled(self.pipeline))
        self.ledger.redeclare(self.pipeline.counting.metrics())
        self.ledger.declare(change.declared(self.pipeline), now)
        for log in self.tail.logs.values():
            self.ledger.declare(self.pipeline.counting.admit_service(log.source.origin.service or "unknown"), now)
        self._change, self._draining, self._scan_at = None, False, 0.0
        change.done()

    def _tidy(self, upkeep: Callable[[int], None], now: float) -> None:
        self._upkeep_at = now + self.pace.upkeep
        try:
            upkeep(self.clock.wall_ms())
        except OutputUnavailable as error:
            self._log.warning("upkeep_failed", error=error.what, hint=error.hint)

    def _welcome(self, logs: list[LogReader]) -> None:
        """Counters of a service that is seen for the first time start at zero, before its first event adds to them."""
        if not (self.ready or self.tail.logs):
            self._log.warning("nothing_to_follow", hint="`shipper check` tells whether paths and permissions are right")
        for log in logs:
            series = self.pipeline.counting.admit_service(log.source.origin.service or "unknown")
            self.ledger.declare(series, self.clock.wall_ms() / 1000)
            if not log.log.fresh:  # begun at its end, which has to be known after a restart
                self._touched[log.path] = log

    def _tell_unreadable(self) -> None:
        """Say once of each log that it cannot be read; of many at once, the first ones and how many there are."""
        found = dict(self.tail.unreadable)
        new = sorted(found.keys() - self._told)
        for path in new[:SHOWN]:
            error = found[path]
            self._log.warning("log_unreadable", path=path, error=error.strerror, hint=to_read(error))
        if len(new) > SHOWN:
            self._log.warning("logs_unreadable", more=len(new) - SHOWN, hint="`shipper status` lists them")
        self._told = set(found)

    def _full(self) -> bool:
        return self._batch.bytes >= self.pace.batch_bytes or self._batch.lines >= self.pace.batch_lines

    def _holding(self) -> bool:
        """Whether an entry is held back for a line that may come, or shipping is behind counting."""
        logs = self.tail.logs.values()
        return bool(self._under_way) or any(
            log.count_cursor.assembler.waiting or log.ship_cursor is not None for log in logs
        )

    def close(self) -> None:
        """Give back files, store and state; what was not settled comes again at the next start."""
        self.tail.close()
        self.output.close()
        self.state.close()

    def outcomes(self) -> dict[str, int]:
        """Events of this run by what became of them."""
        return {outcome: self.shipped[outcome] for outcome in OUTCOMES}

    # --- reading ----------------------------------------------------------------------------------

    def _read_round(self, now: float) -> bool:
        """Read every log that has something, in turns, until the batch is full; return True where a cursor moved."""
        reading = ReadRound(
            self.tail, now, self.clock, lambda: self._may_ship(now), self._full,
            changed=self._touched, removed=self._removed,
        )  # fmt: skip
        for read in reading.batches():
            self._process(read)
        return reading.moved

    def _process(self, read: ReadBatch) -> None:
        """Run the entries through the pipeline into the open batch, which goes back to `read.before` if it fails."""
        batch = self._batch
        if read.before is not None:
            self._marks.setdefault(read.path, read.before)
        before = batch.lines
        self.pipeline.process(read.entries, read.source, batch, self.clock.wall_ms(), count=read.count, ship=read.ship)
        lines = batch.lines - before
        if not (lines or read.bytes):
            return
        if self._begun_at is None:
            self._begun_at = self.turned_at
        if read.count:
            batch.counted.sums[LINES_READ.name, ()] += lines
            batch.counted.sums[BYTES_READ.name, ()] += read.bytes

    # --- writing and committing -------------------------------------------------------------------

    def _may_ship(self, now: float) -> bool:
        """Whether the output is there, as far as is known, and has room for one batch more."""
        if self._draining:
            return False
        if self.output_state.error is None:
            return len(self._under_way) < self.output.window
        return now >= self.output_state.retry_at and not self._under_way

    def _await_room(self, *, hurry: bool) -> None:
        """Where the output has no room, wait a little before reading goes on without it; in a hurry, for long."""
        while len(self._under_way) >= self.output.window and not self.stopping.is_set():
            patience = self.pace.poll if hurry else self.pace.patience - self._waited
            if patience <= 0:
                return
            began = self.clock.monotonic()
            wait([self._under_way[0].answer], timeout=patience)
            self._waited += self.clock.monotonic() - began
            if not self._answered() and not hurry:
                return
            self.settle(busy=True)

    def _answered(self) -> bool:
        return bool(self._under_way) and self._under_way[0].answer.done()

    def settle(self, *, busy: bool = False) -> bool:
        """Send the open batch on its way, hear what became of earlier ones, commit positions and counters.

        A log's position is committed as counted up to here, and as shipped up to the oldest batch not answered for.
        Where it is `busy`, the commit may wait for the next one. Whether the commit went through.
        """
        self._hear()
        batch, self._batch, self._begun_at = self._batch, Batch(), None
        marks, self._marks = self._marks, {}
        if batch.ended:
            self._send(batch, marks)
            self._hear()
        self._add_incidents(batch.counted)
        self.ledger.add(batch.counted, self.clock.wall_ms() / 1000)
        now = self.clock.monotonic()
        if busy and self.state_error is None and now - self._committed_at < self.pace.commit:
            return True
        self._committed_at = now
        return self._commit()

    def _send(self, batch: Batch, marks: dict[str, Position]) -> None:
        now = self.clock.monotonic()
        answer = self.output.submit(batch.documents) if batch.documents else settled(Written(0, 0))
        arrival = Arrival(self.clock)
        if batch.documents:
            answer.add_done_callback(arrival.note)
        self._under_way.append(Sent(answer, batch.events, batch.lines_by_outcome, marks, now, arrival))
        for path, mark in marks.items():
            log = self.tail.logs[path]
            log.hold(log.sent_from or mark)

    def _hear(self) -> None:
        """Take the answers that are there, oldest first, so that no log's position passes a batch not answered for."""
        while self._answered():
            sent = self._under_way[0]
            failure = sent.answer.exception()
            if isinstance(failure, OutputUnavailable):  # raised, it would keep this frame, and with it the batch
                self._output_failed(failure)
                self._go_back()
                return
            written = sent.answer.result()
            self._under_way.popleft()
            self._acknowledge(sent, written)
        if not self._under_way:
            self._waited = 0.0

    def _acknowledge(self, sent: Sent, written: Written) -> None:
        for path in sent.marks:
            if (log := self.tail.logs.get(path)) is not None:
                log.hold(next((later.marks[path] for later in self._under_way if path in later.marks), None))
                self._touched[path] = log
        events = turned_out(sent.events, written)
        tally = Tally()
        for kind, outcomes in ((EVENTS, events), (LINES, sent.lines)):
            for outcome, number in outcomes.items():
                tally.sums[kind.name, (outcome,)] += number
        if sent.arrival.at is not None:
            tally.sums[WRITES.name, ("ok",)] += 1
            tally.observations.append(Increment(WRITE_SECONDS.name, (), sent.arrival.at - sent.sent_at))
            self._output_works(sent.sent_at)
        for metric, number in ((RETRIES, written.retried), (THROTTLED, written.throttled), (REFUSED, written.refused)):
            tally.sums[metric.name, ()] += number
        self.ledger.add(tally, self.clock.wall_ms() / 1000)
        self.shipped += events

    def _go_back(self) -> None:
        """Give up all that is on its way: it is read again from where its logs stood, under the same ids."""
        marks: dict[str, Position] = {}
        for sent in self._under_way:
            marks = {**sent.marks, **marks}
        for path in marks.keys() & self.tail.logs.keys():
            self._doubt.add(self.tail.logs[path])
        marks = {**self._marks, **marks}
        for path, mark in marks.items():
            if (log := self.tail.logs.get(path)) is not None:
                log.roll_back(mark)
                self._touched[path] = log
        self._under_way.clear()
        self._batch.unship()
        self._marks, self._removed = {}, {}

    def _output_works(self, since: float) -> None:
        before = self.output_state
        if before.error is not None:
            away = round(since - (before.away_since or since), 1)
            self._log.info("output_back", output=self.output.url, away_s=away)
            self.output_state = OutputState()

    def _output_failed(self, error: OutputUnavailable) -> None:
        now, before = self.clock.monotonic(), self.output_state
        if before.error is None:
            self._log.warning("output_away", output=self.output.url, error=error.what, hint=error.hint)
        tally = Tally()
        tally.sums[WRITES.name, ("unavailable",)] += 1
        self.ledger.add(tally, self.clock.wall_ms() / 1000)
        longest = min(self.pace.backoff_most, self.pace.backoff_first * 2.0**before.failures)
        self.output_state = OutputState(
            error.what,
            now if before.away_since is None else before.away_since,
            now + max(self.jitter.uniform(0, longest), error.retry_after),
            min(before.failures + 1, 32),
            error.hint,
        )

    def _add_incidents(self, tally: Tally) -> None:
        found = self.tail.incidents()
        for metric, number in (
            (ROTATIONS, found.rotations),
            (TRUNCATIONS, found.truncations),
            (LOST, found.lost),
            (DAMAGED, found.damaged),
        ):
            if number:
                tally.sums[metric.name, ()] += number
        for name, number in self.pipeline.counting.take_overflows().items():
            tally.sums[OVERFLOWS.name, (name,)] += number

    def _commit(self) -> bool:
        gone = [log for log in self._removed.values() if log.finished(self.turned_at)]
        paths = {log.path for log in gone}
        changes = self.ledger.changes()
        if not self._touched and not changes and not gone:
            return True
        try:
            kept = [log.checkpoint() for path, log in self._touched.items() if path not in paths]
            self.state.commit(kept, paths, changes, self.ledger.created)
        except StateError as error:
            if self.state_error is None:
                self._log.error("state_not_writable", error=error.what, hint=error.hint)
            self.state_error = error.what
            return False
        self.state_error = None
        self.ledger.publish()
        for log in gone:
            self.tail.forget(log)
        self._touched, self._removed = {}, {}
        return True
