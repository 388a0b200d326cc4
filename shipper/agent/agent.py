"""The agent: tail, process, write, commit, again and again. The only loop, and the only place that waits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from shipper.agent import ship_marks
from shipper.agent.checkpoints import Checkpoints
from shipper.agent.hot_reload import Change, HotReload, put_in_place
from shipper.agent.unreadable_logs import UnreadableLogs
from shipper.agent.upkeep import Upkeep
from shipper.delivery.availability import Availability
from shipper.delivery.in_flight import oldest_marks
from shipper.delivery.loop import Acknowledged, Delivery, Result, RolledBack
from shipper.delivery.pace import Pace
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.read_batch import CheckpointedLog, ReadBatch
from shipper.inputs.files.read_round import ReadRound
from shipper.inputs.files.tailer import Tail
from shipper.metrics.catalogue import BYTES_READ, LINES_READ
from shipper.metrics.registry import Ledger
from shipper.model.batch import Batch
from shipper.outputs.base import Output
from shipper.pipeline.pipeline import Pipeline
from shipper.state.checkpoint import Position
from shipper.state.store import State
from shipper.system.clock import Clock
from shipper.system.errors import AGAIN, OutputUnavailable, StateError
from shipper.system.shutdown import Stopping


@dataclass(slots=True)
class Agent:
    """One agent over one state directory."""

    tail: Tail
    pipeline: Pipeline
    delivery: Delivery[dict[str, Position]]
    """The marks of a batch: each log's checkpoint before it, by path."""
    state: State
    ledger: Ledger
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    upkeep: Upkeep = field(default_factory=Upkeep)
    stopping: Stopping = field(default_factory=Stopping)
    ready: bool = False
    when_quiet: Callable[[], None] | None = None
    """Called once each time that nothing was to be read for `Pace.quiet` seconds."""
    after_turn: Callable[[], None] | None = None
    """Called at the end of each turn, in the loop's thread."""
    turned_at: float = 0.0
    """When the loop last came round; the health check looks at it."""
    _batch: Batch = field(default_factory=Batch)
    _begun_at: float | None = None
    _marks: dict[str, Position] = field(default_factory=dict)
    """The marks of the open batch."""
    _waited: float = 0.0
    """How long reading has waited for room since nothing was in flight."""
    _touched: dict[str, CheckpointedLog] = field(default_factory=dict)
    """Logs whose position is not committed yet."""
    _removed: dict[str, LogReader] = field(default_factory=dict)
    _checkpoints: Checkpoints = field(init=False)
    _reload: HotReload = field(default_factory=HotReload)
    _unreadable: UnreadableLogs = field(default_factory=UnreadableLogs)
    _scan_at: float = 0.0
    _moved_at: float = 0.0
    _called: bool = False
    """Whether `when_quiet` was called since something was read."""
    _log: Any = field(default_factory=lambda: structlog.get_logger("shipper.agent"))

    def __post_init__(self) -> None:
        """Commit to `state`."""
        self._checkpoints = Checkpoints(self.state, self.ledger, self.tail)

    @property
    def output(self) -> Output:
        """The output in use."""
        return self.delivery.output

    @property
    def output_state(self) -> Availability:
        """The availability of the output."""
        return self.delivery.state

    @property
    def state_error(self) -> str | None:
        """Why the state is not writable; None while it is."""
        return self._checkpoints.error

    # --- the loop ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Follow until `stopping` is set, then ship and commit what was read, for as long as `Pace.grace` allows."""
        while not self.stopping.is_set():
            if not self.turn():
                self.rest()
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
        self.drain()
        if self.after_turn is not None:
            self.after_turn()

    def rest(self) -> None:
        """Wait for a poll's time, or until the output answers."""
        if self.when_quiet is not None and not self._called and self.turned_at - self._moved_at >= self.pace.quiet:
            self._called = True
            self.when_quiet()
        self.delivery.rest(self.pace.poll, self.stopping)

    def drain(self) -> None:
        """Send what was read and commit what is acknowledged within `Pace.grace`; the next start reads the rest."""
        self.settle()
        for result in self.delivery.drain(self.pace.grace):
            self._apply(result)
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
        self._scan_if_due(now)
        self.upkeep.run_if_due(now, self.pace.upkeep, self.clock.wall_ms())
        if self.state_error is not None and not self.settle():
            return False
        self._await_room(hurry=hurry)
        more = self._read_round(now)
        if more:
            self._moved_at, self._called = now, False
        if self._due(now) or (hurry and not more):
            self.settle(busy=self._full())
        if self._reload.change is not None:
            self._take_over(self._reload.change)
        self.ready = True
        self._unreadable.report(self.tail.unreadable)
        return more

    def _scan_if_due(self, now: float) -> None:
        if now >= self._scan_at:
            self._welcome(self.tail.scan())
            self._scan_at = now + self.pace.scan

    def _due(self, now: float) -> bool:
        """Return True where the open batch is full or old, or where there is none and something else to commit."""
        if self._begun_at is None:
            return self._full() or bool(self.ledger.changes() or self._touched or self.delivery.answered())
        return self._full() or now - self._begun_at >= self.pace.batch_age

    def adopt(self, change: Change) -> None:
        """Put the parts of `change` in place between two batches; it replaces a change that still waits."""
        self._reload.request(change)

    @property
    def changing(self) -> bool:
        """Whether parts wait to be taken over."""
        return self._reload.change is not None

    def _take_over(self, change: Change) -> None:
        """Put the parts in place once everything is committed and, where that matters, acknowledged."""
        uncertain = self._reload.uncertain(self.tail.logs)
        self.delivery.paused = change.waits and not uncertain
        if not self.settle() or uncertain or (change.waits and self.delivery.in_flight):
            return
        if change.inputs is not None:
            self._welcome(self.tail.scan())
        now_s = self.clock.wall_ms() / 1000
        self.pipeline, self.upkeep = put_in_place(change, self.tail, self.delivery, self.ledger, now_s)
        self.delivery.paused, self._scan_at = False, 0.0
        self._reload.finish()

    def _welcome(self, logs: list[LogReader]) -> None:
        """Counters of a service that is seen for the first time start at zero, before its first event adds to them."""
        if not (self.ready or self.tail.logs):
            self._log.warning("nothing_to_follow", hint="`shipper check` tells whether paths and permissions are right")
        for log in logs:
            series = self.pipeline.counting.admit_service(log.source.origin.service or "unknown")
            self.ledger.declare(series, self.clock.wall_ms() / 1000)
            if not log.log.fresh:  # begun at its end, which has to be known after a restart
                self._touched[log.path] = log

    def _full(self) -> bool:
        return self._batch.bytes >= self.pace.batch_bytes or self._batch.lines >= self.pace.batch_lines

    def _holding(self) -> bool:
        """Whether an entry is held back for a line that may come, or shipping is behind counting."""
        logs = self.tail.logs.values()
        in_flight = bool(self.delivery.in_flight)
        return in_flight or any(log.count_cursor.assembler.waiting or log.ship_cursor is not None for log in logs)

    def close(self) -> None:
        """Give back files, store and state; what was not settled comes again at the next start."""
        self.tail.close()
        self.output.close()
        self.state.close()

    def outcomes(self) -> dict[str, int]:
        """Events of this run by what became of them."""
        return self.delivery.outcomes()

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

    # --- sending and committing -------------------------------------------------------------------

    def _may_ship(self, now: float) -> bool:
        """Return True where events read at `now` may be sent with the open batch."""
        return self.delivery.may_send(now)

    def _await_room(self, *, hurry: bool) -> None:
        """Where the window is full, wait a little before reading goes on for the counters alone; in a hurry, longer."""
        while not (self.delivery.has_room() or self.stopping.is_set()):
            patience = self.pace.poll if hurry else self.pace.patience - self._waited
            if patience <= 0:
                return
            began = self.clock.monotonic()
            self.delivery.wait_oldest(patience)
            self._waited += self.clock.monotonic() - began
            if not (self.delivery.answered() or hurry):
                return
            self.settle(busy=True)

    def settle(self, *, busy: bool = False) -> bool:
        """Send the open batch, process finished requests, commit checkpoints and counters.

        A log's checkpoint says: counted up to here, shipped up to the oldest batch in flight. Where the agent is
        `busy`, the commit may wait for the next one. Returns False where the state is not writable.
        """
        self._process_finished()
        batch, self._batch, self._begun_at = self._batch, Batch(), None
        marks, self._marks = self._marks, {}
        if batch.ended:
            self._send(batch, marks)
            self._process_finished()
        self._checkpoints.record(batch.counted, self.pipeline.counting, self.clock.wall_ms() / 1000)
        now = self.clock.monotonic()
        if busy and self._checkpoints.may_wait(now, self.pace.commit):
            return True
        return self._checkpoints.commit(self._touched, self._removed, now, self.turned_at)

    def _send(self, batch: Batch, marks: dict[str, Position]) -> None:
        self.delivery.submit(batch.documents, marks, batch.events, batch.lines_by_outcome)
        ship_marks.sent(self.tail.logs, marks)

    def _process_finished(self) -> None:
        """Process finished requests in submission order, so that no checkpoint passes an unacknowledged batch."""
        while (result := self.delivery.settle()) is not None:
            self._apply(result)
        if not self.delivery.in_flight:
            self._waited = 0.0

    def _apply(self, result: Result[dict[str, Position]]) -> None:
        match result:
            case Acknowledged(marks):
                later = [batch.marks for batch in self.delivery.in_flight]
                self._touched |= ship_marks.acknowledged(self.tail.logs, marks, later)
            case RolledBack(batches):
                self._go_back(batches)

    def _go_back(self, batches: tuple[dict[str, Position], ...]) -> None:
        """Move ship cursors back to the checkpoints before `batches`: they are read again, under the same ids."""
        sent = oldest_marks(batches)
        for path in sent.keys() & self.tail.logs.keys():
            self._reload.sent.add(self.tail.logs[path])
        self._touched |= ship_marks.rolled_back(self.tail.logs, {**self._marks, **sent})
        self._batch.unship()
        self._marks, self._removed = {}, {}
