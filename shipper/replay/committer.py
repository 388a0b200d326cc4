"""Committer: joins segments to batches in the order of the logs, sends them, and commits acknowledged batches.

One process does this for all readers, so that label bounds, duplicates and checkpoints do not depend on their number.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipper.bootstrap import build_inputs, build_pipeline
from shipper.delivery.loop import Acknowledged, Delivery, OnFailure, Postponed
from shipper.metrics.catalogue import BYTES_READ, EVENTS, LINES_READ, REPLAYED, VIOLATIONS, saved
from shipper.metrics.registry import Ledger
from shipper.model.batch import Tally
from shipper.model.documents import Documents
from shipper.outputs.base import Output
from shipper.pipeline.service_bounds import ServiceBounds
from shipper.replay.discover import Problem
from shipper.replay.job import Job, Outcome, Progress, ReplayLog
from shipper.replay.segment import Segment
from shipper.state.checkpoint import SavedLog
from shipper.state.store import State
from shipper.system.clock import Clock
from shipper.system.errors import StateError
from shipper_schemas.metrics import Distribution, Increment, Metric

if TYPE_CHECKING:
    from shipper.metrics.openmetrics_history import History

PATIENCE_S = 300.0
"""Seconds that an output may be unavailable before a replay gives up."""
STOP_CHECK_S = 0.2
"""Interval in seconds of checks for a stop while a replay waits for its output."""


@dataclass(slots=True)
class Pending:
    """A batch: segments that are sent and committed together."""

    documents: Documents = field(default_factory=Documents)
    tally: Tally = field(default_factory=Tally)
    events: Counter[str] = field(default_factory=Counter)
    saved: dict[str, SavedLog] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    begun_at: float | None = None
    """Time of its first segment (monotonic seconds)."""


class Committer:
    """Sends and commits segments, in their order."""

    def __init__(
        self,
        job: Job,
        output: Output,
        state: State | None = None,
        stopped: Callable[[], bool] = lambda: False,
        clock: Clock | None = None,
    ) -> None:
        """Resume from `state`; without a state, nothing is saved for a later run."""
        settings = job.settings
        values, created = ({}, {}) if state is None else state.series()
        self.job, self.state, self.stopped = job, state, stopped
        self.history = build_pipeline.history_of(settings) if job.history else None
        self._counting, self._services = build_pipeline.counting_of(settings, values), ServiceBounds(values)
        self._ledger = Ledger({metric.name: metric for metric in (*saved("replay"), *self._counting.metrics())})
        self._ledger.restore(values, created)
        self._problems = {} if state is None else dict.fromkeys(Problem(*row) for row in state.problems())
        self._pace, self._clock = build_inputs.pace(settings), clock or Clock()
        self._open = Pending()
        self.delivery: Delivery[Pending] = Delivery(output, self._ledger, self._clock, OnFailure.RESEND)
        self._stop_by: float | None = None
        """End of the grace period after a stop (monotonic seconds)."""

    def register_logs(self, logs: Sequence[ReplayLog]) -> None:
        """Register the services of all logs under the label bounds, and start their counters at 0."""
        for log in logs:
            series = self._counting.admit_service(log.origin.service or "unknown")
            self._ledger.declare(series, self.job.now_ms / 1000)

    def add(self, segment: Segment) -> None:
        """Add a segment to the open batch; send the batch if it is full or old. Raises ShipperError."""
        now = self._clock.monotonic()
        self._merge(segment)
        batch = self._open
        batch.begun_at = now if batch.begun_at is None else batch.begun_at
        if batch.documents.bytes >= self._pace.batch_bytes or now - batch.begun_at >= self._pace.batch_age:
            self._send()

    def _merge(self, segment: Segment) -> None:
        batch, tally = self._open, self._open.tally
        batch.documents.join(segment.documents)
        for (outcome, _), number in segment.ended.items():
            batch.events[outcome] += number
        for key, amount in segment.sums.items():
            tally.sums[self._services.bounded_series(self._counting.bounded_series(key))] += amount
        for metric, labels, amount in segment.observations:
            tally.observations.append(Increment(*self._counting.bounded_series((metric, labels)), amount))
        tally.sums[LINES_READ.name, ()] += segment.lines
        tally.sums[BYTES_READ.name, ()] += segment.bytes
        for index, number in segment.indices.items():
            tally.sums[REPLAYED.name, (index,)] += number
        batch.problems += segment.problems
        batch.saved |= {log.path: log for log in segment.saved}
        if self.history is not None and segment.history is not None:
            self._merge_history(self.history, segment.history)

    def _merge_history(self, whole: "History", part: "History") -> None:
        for key, columns in part.added.items():
            placed = copy(part)
            placed.added = {self._counting.bounded_series(key): columns}
            whole.merge(placed)

    def _send(self) -> None:
        """Send the open batch once the output has capacity, and commit acknowledged ones. Raises ShipperError."""
        while not self.delivery.may_send(self._clock.monotonic()):
            if not self._commit_oldest():
                return
        batch, self._open = self._open, Pending()
        self.delivery.submit(batch.documents, batch, batch.events)
        while self.delivery.can_settle():
            if not self._commit_oldest():
                return

    def finish(self) -> bool:
        """Send and commit all segments; False if a stop left some uncommitted. Raises ShipperError."""
        if self._open.begun_at is not None:
            self._send()
        while self.delivery.in_flight:
            if not self._commit_oldest():
                return False
        return self._open.begun_at is None

    def _commit_oldest(self) -> bool:
        """Commit the oldest batch once it is acknowledged; False if a stop ends the wait.

        Raises OutputUnavailable if the output is unavailable for too long.
        """
        while not self._stop_is_due():
            result = self.delivery.settle()
            if isinstance(result, Acknowledged):
                self._commit(result.marks)
                return True
            if isinstance(result, Postponed):
                self._raise_if_unavailable_too_long()
            else:
                self.delivery.wait_oldest(STOP_CHECK_S)
        return False

    def _stop_is_due(self) -> bool:
        """Return True after a stop if the output is unavailable or the grace period is over."""
        if not self.stopped():
            return False
        now = self._clock.monotonic()
        if self._stop_by is None:
            self._stop_by = now + self._pace.grace
        return now >= self._stop_by or self.delivery.state.error is not None

    def _raise_if_unavailable_too_long(self) -> None:
        """Raise OutputUnavailable if the output has been unavailable for `PATIENCE_S`."""
        state, now = self.delivery.state, self._clock.monotonic()
        if state.unavailable_since is not None and now - state.unavailable_since >= PATIENCE_S:
            self.delivery.raise_unavailable()

    def _commit(self, batch: Pending) -> None:
        self._ledger.add(batch.tally, self.job.now_ms / 1000)
        if self.state is not None:
            try:
                changes, created = self._ledger.changes(), self._ledger.created
                self.state.commit(batch.saved.values(), (), changes, created, batch.problems)
            except StateError as error:
                raise StateError(
                    error.what, "free space or restore access, then run it again; nothing is lost"
                ) from error
        self._ledger.publish()
        self._problems |= dict.fromkeys(batch.problems)

    def progress(self) -> Progress:
        """Return the bytes and lines committed."""
        return Progress(self._number(BYTES_READ), self._number(LINES_READ))

    def _number(self, metric: Metric) -> int:
        return _total(self._ledger.committed.get((metric.name, ()), 0.0))

    def outcome(self, *, finished: bool) -> Outcome:
        """Return the totals committed, including those before an interruption."""
        outcome = Outcome(finished=finished, history=self.history, problems=list(self._problems))
        own = {metric.name for metric in saved("replay")} - {VIOLATIONS.name}
        for (metric, labels), value in self._ledger.committed.items():
            number = _total(value)
            if metric == EVENTS.name:
                outcome.events[labels[0]] += number
            elif metric == REPLAYED.name:
                outcome.indices[labels[0]] += number
            elif metric not in own and number:
                outcome.counters[metric, labels] += number
        outcome.lines, outcome.bytes = self._number(LINES_READ), self._number(BYTES_READ)
        return outcome

    def saved(self) -> dict[str, SavedLog]:
        """Return the saved checkpoints by path."""
        return {} if self.state is None else self.state.logs()


def _total(value: "float | Distribution") -> int:
    return int(sum(value.counts) if isinstance(value, Distribution) else value)
