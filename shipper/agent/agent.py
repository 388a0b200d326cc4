"""The agent's loop: tail, process, write, commit. Nothing else loops or waits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shipper.agent import ship_marks
from shipper.agent.checkpoints import Checkpoints
from shipper.agent.hot_reload import Change, HotReload, apply_change
from shipper.agent.maintenance import Maintenance
from shipper.agent.unreadable_logs import UnreadableLogs
from shipper.delivery.in_flight import oldest_marks
from shipper.delivery.loop import Acknowledged, Delivery, Result, RolledBack
from shipper.delivery.pace import Pace
from shipper.inputs.files.held_files import HeldFiles
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.read_batch import CheckpointedLog, ReadBatch
from shipper.inputs.files.read_round import ReadRound
from shipper.inputs.files.tailer import Tail
from shipper.metrics.catalogue import BYTES_READ, LINES_READ
from shipper.metrics.registry import Ledger
from shipper.model.batch import Batch
from shipper.pipeline.pipeline import Pipeline
from shipper.state.checkpoint import Position
from shipper.state.store import State
from shipper.system.clock import Clock
from shipper.system.errors import AGAIN, StateError
from shipper.system.own_log import own_log
from shipper.system.shutdown import StopEvent


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
    maintenance: Maintenance = field(default_factory=Maintenance)
    held: HeldFiles | None = None
    """Moves rotated files that the output has not yet to the spool; None where nothing is spooled."""
    stopping: StopEvent = field(default_factory=StopEvent)
    ready: bool = False
    when_quiet: Callable[[], None] | None = None
    """Called once whenever there was nothing to read for `Pace.quiet` seconds."""
    after_turn: Callable[[], None] | None = None
    """Called at the end of each turn, in the loop's thread."""
    turned_at: float = 0.0
    """Start of the current turn (monotonic seconds); the health check reads it."""
    _batch: Batch = field(default_factory=Batch)
    _begun_at: float | None = None
    _marks: dict[str, Position] = field(default_factory=dict)
    """The marks of the open batch."""
    _waited: float = 0.0
    """Seconds that reading has waited for room since nothing was in flight."""
    _changed: dict[str, CheckpointedLog] = field(default_factory=dict)
    """Logs whose checkpoint is not committed yet."""
    _removed: dict[str, LogReader] = field(default_factory=dict)
    _checkpoints: Checkpoints = field(init=False)
    _reload: HotReload = field(default_factory=HotReload)
    _unreadable: UnreadableLogs = field(default_factory=UnreadableLogs)
    _scan_at: float = 0.0
    _moved_at: float = 0.0
    _busy: bool = False
    """True if the last round filled a batch."""
    _quiet_called: bool = False
    """True if `when_quiet` was called since the last read."""
    _log: Any = field(default_factory=lambda: own_log("shipper.agent"))

    def __post_init__(self) -> None:
        """Commit to `state`."""
        self._checkpoints = Checkpoints(self.state, self.ledger, self.tail)

    @property
    def state_error(self) -> str | None:
        """The error while the state is not writable; None while it is."""
        return self._checkpoints.error

    @property
    def state_gone(self) -> bool:
        """True while the state directory is removed or replaced; only a restart helps then."""
        return self._checkpoints.gone

    # --- the loop ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Follow the logs until `stopping` is set, then ship and commit what was read, within `Pace.grace`."""
        while not self.stopping.is_set():
            if not self.turn():
                self.rest()
        self.drain()

    def run_once(self) -> None:
        """Ship the present content of the logs, partial entries included, then return.

        Raises OutputUnavailable or StateError if either is unavailable; what was committed stays committed.
        """
        while not self.stopping.is_set():
            more = self.turn(hurry=True)
            self.delivery.raise_unavailable()
            if self.state_error is not None:
                raise StateError(self.state_error, AGAIN)
            if not more and not self._has_pending():
                break
            if not more:
                self.rest()
        self.drain()
        if self.after_turn is not None:
            self.after_turn()

    def rest(self) -> None:
        """Wait for one poll interval, or until a request is finished."""
        quiet = self.turned_at - self._moved_at >= self.pace.quiet
        if self.when_quiet is not None and quiet and not self._quiet_called:
            self._quiet_called = True
            self.when_quiet()
        seconds, left = self.pace.poll, self.pace.idle
        if self._begun_at is not None:
            left = max(0.0, self._begun_at + self.pace.batch_age - self.pace.gather - self.clock.monotonic())
        if not self.tail.attention.is_asked():
            seconds = max(seconds, self.pace.idle)
        self.delivery.rest(min(seconds, left), self.stopping, self.tail.attention.fileno(), self.pace.gather)

    def drain(self) -> None:
        """Send what was read and commit what is acknowledged within `Pace.grace`; the next start reads the rest."""
        self.settle()
        for result in self.delivery.drain(self.pace.grace):
            self._apply(result)
            self.settle()
        if self.held is not None:
            self._changed |= self.tail.follow_grown(self.clock.monotonic())
            self.settle()
            self.held.spool_deleted()

    def turn(self, *, hurry: bool = False) -> bool:
        """Run one turn and call `after_turn`; return True if something was read."""
        more = self._turn(hurry=hurry)
        if self.after_turn is not None:
            self.after_turn()
        return more

    def _turn(self, *, hurry: bool) -> bool:
        """Scan, read, and settle the batch when it is full or old."""
        now = self.turned_at = self.clock.monotonic()
        if not self._checkpoints.present():
            return False
        self._scan_if_due(now)
        self.maintenance.run_if_due(now, self.pace.maintenance, self.clock.wall_ms())
        if self.state_error is not None and not self.settle():
            return False
        self._await_room(hurry=hurry)
        more = self._read_round(now)
        if more:
            self._moved_at, self._quiet_called = now, False
        if self._due(now) or (hurry and not more):
            self.settle(busy=self._busy)
        if self._reload.change is not None:
            self._apply_change(self._reload.change)
        self.ready = True
        self._unreadable.report(self.tail.unreadable)
        return more

    def _scan_if_due(self, now: float) -> None:
        if self.tail.scan_is_due() or now >= self._scan_at:
            self._register_logs(self.tail.scan())
            self._scan_at = now + self.tail.scan_interval(self.pace.scan)
        for path in list(self.tail.moving):
            self._follow_moved(path)

    def _follow_moved(self, path: str) -> None:
        """Follow a log at its new path once none of its entries is in flight: batches name logs by their paths."""
        readers = self.tail.readers_of(path)
        if any(reader.path in self._marks or reader.sent_from is not None for reader in readers):
            return
        for reader in readers:
            self._changed.pop(reader.path, None)
            self._removed.pop(reader.path, None)
        self._changed |= {moved.path: moved for moved in self.tail.follow_moved(path)}

    def _due(self, now: float) -> bool:
        """Return True if the open batch is full or old, or if there is none and something else to commit."""
        if self._begun_at is None:
            return self._full() or bool(self.ledger.changes() or self._changed or self.delivery.can_settle())
        if self._full() or now + self.pace.gather >= self._begun_at + self.pace.batch_age:
            return True
        return self.held is not None and self.delivery.state.error is not None and self.held.is_pressing()

    def request_change(self, change: Change) -> None:
        """Apply `change` between two batches; it replaces a change that still waits."""
        self._reload.request(change)

    @property
    def change_pending(self) -> bool:
        """True while a change waits to be applied."""
        return self._reload.change is not None

    def _apply_change(self, change: Change) -> None:
        """Apply the change once everything is committed and, if the change needs that, acknowledged."""
        uncertain = self._reload.uncertain(self.tail.logs)
        self.delivery.paused = change.waits and not uncertain
        if not self.settle() or uncertain or (change.waits and self.delivery.in_flight):
            return
        if change.inputs is not None:
            self._register_logs(self.tail.scan())
        now_s = self.clock.wall_ms() / 1000
        self.pipeline, self.maintenance = apply_change(change, self.tail, self.delivery, self.ledger, now_s)
        self.delivery.paused, self._scan_at = False, 0.0
        self._reload.finish()

    def _register_logs(self, logs: list[LogReader]) -> None:
        """Register new logs and start their service's counters at 0, before the first event is added."""
        if not (self.ready or self.tail.logs):
            self._log.warning("no_logs_found", hint="run `shipper check` to validate paths and permissions")
        for log in logs:
            series = self.pipeline.counting.admit_service(log.source.origin.service or "unknown")
            self.ledger.declare(series, self.clock.wall_ms() / 1000)
            if not log.log.fresh or log.log.files:  # it starts at its end, or moved: the next start has to know that
                self._changed[log.path] = log

    def _full(self, bytes_ahead: int = 0) -> bool:
        batch, pace = self._batch, self.pace
        return batch.bytes + bytes_ahead >= pace.batch_bytes or batch.lines >= pace.batch_lines

    def _has_pending(self) -> bool:
        """Return True if an entry waits for further lines, or shipping is behind counting."""
        logs = self.tail.logs.values()
        in_flight = bool(self.delivery.in_flight)
        return in_flight or any(log.count_cursor.assembler.has_waiting or log.ship_cursor is not None for log in logs)

    def close(self) -> None:
        """Close files, output and state; the next start reads again what was not settled."""
        if self.held is not None:
            self.held.close()
        self.tail.close()
        self.delivery.output.close()
        self.state.close()

    def outcomes(self) -> dict[str, int]:
        """Return the events of this run by outcome."""
        return self.delivery.outcomes()

    # --- reading ----------------------------------------------------------------------------------

    def _read_round(self, now: float) -> bool:
        """Read the logs in turns until the batch is full; return True if a cursor moved."""
        reading = ReadRound(
            self.tail, now, self.clock, lambda: self._may_ship(now),
            lambda: self._full(reading.bytes_ahead) and not self._may_send_within_round(),
            self.tail.reads_ahead, changed=self._changed, removed=self._removed,
        )  # fmt: skip
        self._busy = False
        for read in reading.batches():
            if self.tail.renamed:  # events may have a new service
                renamed, self.tail.renamed = self.tail.renamed, []
                self._register_logs(renamed)
            self._process(read)
            if self._full():
                self._busy = True
                self._send_within_round()
        return reading.moved

    def _process(self, read: ReadBatch) -> None:
        """Run the entries through the pipeline into the open batch; `read.before` is its mark for a roll-back."""
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
        """Return True if events read at `now` may be sent with the open batch."""
        return self.delivery.may_send(now)

    def _await_room(self, *, hurry: bool) -> None:
        """Wait briefly for room in the window; without room, reading goes on for the counters alone."""
        while not (self.delivery.has_room() or self.stopping.is_set()):
            patience = self.pace.poll if hurry else self.pace.patience - self._waited
            if patience <= 0:
                return
            began = self.clock.monotonic()
            self.delivery.wait_oldest(patience)
            self._waited += self.clock.monotonic() - began
            if not (self.delivery.can_settle() or hurry):
                return
            self.settle(busy=True)

    def settle(self, *, busy: bool = False) -> bool:
        """Send the open batch, process finished requests, commit checkpoints and counters.

        A log's checkpoint holds two offsets: counted up to here, and shipped up to the oldest batch in flight. While
        the agent is `busy`, the commit may wait for the next one. Returns False if the state is not writable.
        """
        self._process_finished()
        self._close_batch()
        self._process_finished()
        now = self.clock.monotonic()
        if busy and self._checkpoints.may_wait(now, self.pace.commit):
            return True
        committed = self._checkpoints.commit(self._changed, self._removed, now, self.turned_at)
        if committed and self.held is not None:
            self.held.spool.remove_released()
            self._changed |= self.held.step(now, wall_s=self.clock.wall_ms() / 1000)
        return committed

    def _close_batch(self) -> None:
        """Send the open batch, and add its increments to the ledger; the next commit saves them."""
        batch, self._batch, self._begun_at = self._batch, Batch(), None
        marks, self._marks = self._marks, {}
        if batch.ended:
            self._send(batch, marks)
        self._checkpoints.record(batch.counted, self.pipeline.counting, self.clock.wall_ms() / 1000)

    def _may_send_within_round(self) -> bool:
        """Return True if a batch may be sent while reads ahead wait: no commit is due, and the next batch has room.

        A commit needs the checkpoint of each log, and a roll-back changes it: neither may come while a read waits.
        """
        delivery = self.delivery
        if delivery.state.error is not None or len(delivery.in_flight) + 1 >= delivery.output.window:
            return False
        return self._checkpoints.may_wait(self.clock.monotonic(), self.pace.commit)

    def _send_within_round(self) -> None:
        """Send the full batch, so that threads go on scanning, if that is possible within a round."""
        while self.delivery.can_settle() and not self.delivery.in_flight[0].failed():
            self._process_oldest()
        if self._may_send_within_round():
            self._close_batch()

    def _send(self, batch: Batch, marks: dict[str, Position]) -> None:
        self.delivery.submit(batch.documents, marks, batch.events, batch.lines_by_outcome)
        ship_marks.sent(self.tail.logs, marks)

    def _process_finished(self) -> None:
        """Process finished requests in submission order, so that no checkpoint passes an unacknowledged batch."""
        while self._process_oldest():
            pass
        if not self.delivery.in_flight:
            self._waited = 0.0

    def _process_oldest(self) -> bool:
        result = self.delivery.settle()
        if result is not None:
            self._apply(result)
        return result is not None

    def _apply(self, result: Result[dict[str, Position]]) -> None:
        match result:
            case Acknowledged(marks):
                later = [batch.marks for batch in self.delivery.in_flight]
                self._changed |= ship_marks.acknowledged(self.tail.logs, marks, later)
            case RolledBack(batches):
                self._roll_back(batches)

    def _roll_back(self, batches: tuple[dict[str, Position], ...]) -> None:
        """Move ship cursors back to the checkpoints before `batches`, which are read again under the same ids."""
        sent = oldest_marks(batches)
        for path in sent.keys() & self.tail.logs.keys():
            self._reload.sent.add(self.tail.logs[path])
        self._changed |= ship_marks.rolled_back(self.tail.logs, {**self._marks, **sent})
        self._batch.discard_unshipped()
        self._marks, self._removed = {}, {}
