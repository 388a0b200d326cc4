"""Checkpoints: offsets of logs and counters, committed in one transaction."""

from dataclasses import dataclass, field
from typing import Any

from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.read_batch import CheckpointedLog
from shipper.inputs.files.tailer import Tail
from shipper.metrics.catalogue import DAMAGED, LOST, LOST_BYTES, OVERFLOWS, ROTATIONS, TRUNCATIONS
from shipper.metrics.registry import Ledger
from shipper.model.batch import Tally
from shipper.state.store import State
from shipper.system.errors import StateError, hint_while_running
from shipper.system.own_log import own_log
from shipper_processors.count import Counting

Logs = dict[str, CheckpointedLog]
"""By path."""


@dataclass(slots=True)
class Checkpoints:
    """Commits changed checkpoints and counters, then publishes the counters and closes deleted logs."""

    state: State
    ledger: Ledger
    tail: Tail
    error: str | None = None
    """Error of the last commit; None if it succeeded."""
    gone: bool = False
    """True while the state directory is removed or replaced: nothing can be committed."""
    _committed_at: float = 0.0
    _log: Any = field(default_factory=lambda: own_log("shipper.agent"))

    def record(self, counted: Tally, counting: Counting, now_s: float) -> None:
        """Add the increments to the ledger, with incidents of files and overflows of labels."""
        incidents = self.tail.incidents()
        for metric, number in (
            (ROTATIONS, incidents.rotations),
            (TRUNCATIONS, incidents.truncations),
            (LOST, incidents.lost),
            (LOST_BYTES, incidents.lost_bytes),
            (DAMAGED, incidents.damaged),
        ):
            if number:
                counted.sums[metric.name, ()] += number
        for name, number in counting.take_overflows().items():
            counted.sums[OVERFLOWS.name, (name,)] += number
        self.ledger.add(counted, now_s)

    def may_wait(self, now: float, interval: float) -> bool:
        """Return True if the last commit succeeded less than `interval` seconds ago."""
        return self.error is None and now - self._committed_at < interval

    def commit(self, touched: Logs, removed: dict[str, LogReader], now: float, turned_at: float) -> bool:
        """Commit the touched logs and the counters, and forget removed logs that are read to their end.

        Returns False if the state is not writable. After a commit, both dictionaries are empty.
        """
        self._committed_at = now
        if not self.present():
            return False
        finished = {path: log for path, log in removed.items() if log.finished(turned_at)}
        for log in finished.values():
            if (parent := log.hand_over()) is not None:
                touched[parent.path] = parent
        left = set(self.tail.left)
        if not touched and not finished and not left and not self.ledger.changes():
            return True
        if not self._save(touched, finished, left):
            return False
        self.tail.left -= left
        self.ledger.publish()
        for log in finished.values():
            log.log.release_spooled()
            self.tail.forget(log)
        touched.clear()
        removed.clear()
        return True

    def present(self) -> bool:
        """Return False while the state is not at its path, and report it."""
        if not self.state.gone:
            if self.gone:
                self.gone, self.error = False, None
            return True
        if not self.gone:
            self.gone = True
            self._save({}, {}, set())
        return False

    def _save(self, touched: Logs, finished: dict[str, LogReader], left: set[str]) -> bool:
        logs = [log.checkpoint() for path, log in touched.items() if path not in finished]
        try:
            self.state.commit(logs, finished.keys() | left, self.ledger.changes(), self.ledger.created)
        except StateError as error:
            if self.error is None:
                self._log.error("state_not_writable", error=error.what, hint=hint_while_running(error))
            self.error = error.what
            return False
        self.error = None
        return True
