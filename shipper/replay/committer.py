"""Commit: stretches in their order become batches, batches are written, and what is written is committed.

One process does this for all, so that label bounds, duplicates and positions are the same however many read.
"""

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from shipper.bootstrap import build_inputs, build_pipeline
from shipper.metrics.catalogue import BYTES_READ, EVENTS, LINES_READ, REPLAY_PROBLEMS, REPLAYED, VIOLATIONS, saved
from shipper.metrics.registry import Ledger
from shipper.model.batch import Tally, Written, turned_out
from shipper.model.documents import Document
from shipper.outputs.base import Output, settled
from shipper.replay.discover import Problem
from shipper.replay.job import Job, Located, Outcome, Progress
from shipper.replay.segment import Stretch
from shipper.state.checkpoint import SavedLog
from shipper.state.store import State
from shipper.system.errors import OutputUnavailable, StateError, asking_again
from shipper_schemas.metrics import Distribution, Increment, Metric

if TYPE_CHECKING:
    from shipper.metrics.openmetrics_history import History

PATIENCE_S = 300.0
"""How long an output may be away before a replay gives up."""
GRACE_S = 20.0
"""How long an interrupted replay waits for what is on its way."""
LOOK_S = 0.2


@dataclass(slots=True)
class Pending:
    """A batch: stretches that are written and committed together."""

    documents: list[Document] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    events: Counter[str] = field(default_factory=Counter)
    saved: dict[str, SavedLog] = field(default_factory=dict)
    bytes: int = 0
    begun_at: float | None = None


@dataclass(slots=True)
class Sent:
    """A batch on its way."""

    batch: Pending
    answer: Future[Written]


@dataclass(slots=True)
class Away:
    """Since when the output takes nothing, and how often it was asked since (monotonic seconds)."""

    since: float
    failures: int = 0


class Committer:
    """Takes stretches, in their order."""

    def __init__(
        self,
        job: Job,
        output: Output,
        state: State | None = None,
        stopped: Callable[[], bool] = lambda: False,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Take up what `state` has of a time before an interruption; without one nothing is kept for a later one."""
        settings = job.settings
        values, created = ({}, {}) if state is None else state.series()
        self.job, self.output, self.state, self.stopped = job, output, state, stopped
        self.history = build_pipeline.history_of(settings) if job.history else None
        self._counting = build_pipeline.counting_of(settings, values)
        self._ledger = Ledger({metric.name: metric for metric in (*saved("replay"), *self._counting.metrics())})
        self._ledger.restore(values, created)
        self._pace, self._jitter = build_inputs.pace(settings), jitter
        self._open = Pending()
        self._under_way: deque[Sent] = deque()
        self._away: Away | None = None
        self._log = structlog.get_logger("shipper.replay")

    def welcome(self, logs: Sequence[Located]) -> None:
        """Services have their place under the label bounds before any event of theirs comes."""
        for located in logs:
            series = self._counting.admit_service(located.origin.service or "unknown")
            self._ledger.declare(series, self.job.now_ms / 1000)

    def take(self, stretch: Stretch) -> None:
        """Add a stretch to the open batch; written where that is full or old. Raises ShipperError."""
        now = time.monotonic()
        self._add(stretch)
        batch = self._open
        batch.begun_at = now if batch.begun_at is None else batch.begun_at
        if batch.bytes >= self._pace.batch_bytes or now - batch.begun_at >= self._pace.batch_age:
            self.settle()

    def _add(self, stretch: Stretch) -> None:
        batch, tally = self._open, self._open.tally
        batch.documents += stretch.documents
        batch.bytes += sum(len(document.body) for document in stretch.documents)
        for (outcome, _), number in stretch.ended.items():
            batch.events[outcome] += number
        for key, amount in stretch.sums.items():
            tally.sums[self._counting.placed(key)] += amount
        for metric, labels, amount in stretch.observations:
            tally.observations.append(Increment(*self._counting.placed((metric, labels)), amount))
        tally.sums[LINES_READ.name, ()] += stretch.lines
        tally.sums[BYTES_READ.name, ()] += stretch.bytes
        for index, number in stretch.indices.items():
            tally.sums[REPLAYED.name, (index,)] += number
        for problem in stretch.problems:
            tally.sums[REPLAY_PROBLEMS.name, tuple(problem)] += 1
        batch.saved |= {log.path: log for log in stretch.saved}
        if self.history is not None and stretch.history is not None:
            self._remember(self.history, stretch.history)

    def _remember(self, whole: "History", piece: "History") -> None:
        for key, columns in piece.added.items():
            placed = copy(piece)
            placed.added = {self._counting.placed(key): columns}
            whole.merge(placed)

    def settle(self) -> None:
        """Send the open batch on its way, once the output has room. Raises ShipperError."""
        while len(self._under_way) >= self.output.window:
            if not self._hear():
                return
        batch, self._open = self._open, Pending()
        self._under_way.append(Sent(batch, self._submitted(batch)))
        while self._under_way and self._under_way[0].answer.done():
            if not self._hear():
                return

    def finish(self) -> bool:
        """Write and commit all that was taken. Whether it was, and not given up for a stop. Raises ShipperError."""
        if self._open.begun_at is not None:
            self.settle()
        while self._under_way:
            if not self._hear():
                return False
        return self._open.begun_at is None

    def _submitted(self, batch: Pending) -> Future[Written]:
        return self.output.submit(batch.documents) if batch.documents else settled(Written(0, 0))

    def _hear(self) -> bool:
        """Wait for the oldest batch under way and commit it; False where a stop does not allow to wait for it."""
        sent = self._under_way[0]
        until: float | None = None
        while True:
            if self.stopped():
                until = time.monotonic() + GRACE_S if until is None else until
            if until is not None and (time.monotonic() >= until or self._away is not None):
                return False
            wait([sent.answer], timeout=LOOK_S)
            if not sent.answer.done():
                continue
            try:
                written = sent.answer.result()
            except OutputUnavailable as error:
                self._wait_for_output(error)
                sent.answer = self._submitted(sent.batch)
                continue
            self._away = None
            self._under_way.popleft()
            self._commit(sent.batch, written)
            return True

    def _wait_for_output(self, error: OutputUnavailable) -> None:
        """Leave the output alone for a while. Raises OutputUnavailable where it is away for too long."""
        now = time.monotonic()
        if self._away is None:
            self._away = Away(now)
            self._log.warning("output_away", output=self.job.settings.output, error=error.what, hint=error.hint)
        if now - self._away.since >= PATIENCE_S:
            raise OutputUnavailable(error.what, asking_again(error.hint))
        longest = min(self._pace.backoff_most, self._pace.backoff_first * 2.0**self._away.failures)
        self._away.failures += 1
        until = now + max(self._jitter(0, longest), error.retry_after)
        while (left := until - time.monotonic()) > 0 and not self.stopped():
            time.sleep(min(left, LOOK_S))

    def _commit(self, batch: Pending, written: Written) -> None:
        for outcome, number in turned_out(batch.events, written).items():
            batch.tally.sums[EVENTS.name, (outcome,)] += number
        self._ledger.add(batch.tally, self.job.now_ms / 1000)
        if self.state is not None:
            try:
                self.state.commit(batch.saved.values(), (), self._ledger.changes(), self._ledger.created)
            except StateError as error:
                raise StateError(error.what, "free space or restore access; nothing is lost: run it again") from error
        self._ledger.publish()

    def progress(self) -> Progress:
        """How much is committed."""
        return Progress(self._number(BYTES_READ), self._number(LINES_READ))

    def _number(self, metric: Metric) -> int:
        return _total(self._ledger.committed.get((metric.name, ()), 0.0))

    def outcome(self, *, finished: bool) -> Outcome:
        """What was committed, the time before an interruption included."""
        found = Outcome(finished=finished, history=self.history)
        own = {metric.name for metric in saved("replay")} - {VIOLATIONS.name}
        for (metric, labels), value in self._ledger.committed.items():
            number = _total(value)
            if metric == EVENTS.name:
                found.events[labels[0]] += number
            elif metric == REPLAYED.name:
                found.indices[labels[0]] += number
            elif metric == REPLAY_PROBLEMS.name:
                found.problems.append(Problem(*labels))
            elif metric not in own and number:
                found.counters[metric, labels] += number
        found.lines, found.bytes = self._number(LINES_READ), self._number(BYTES_READ)
        return found

    def saved(self) -> dict[str, SavedLog]:
        """Where logs were left."""
        return {} if self.state is None else self.state.logs()


def _total(value: "float | Distribution") -> int:
    return int(sum(value.counts) if isinstance(value, Distribution) else value)
