"""Publisher of the agent's snapshot: built in the agent's thread, read in any."""

from collections import deque
from dataclasses import dataclass, field
from types import MappingProxyType

from shipper.agent.agent import Agent
from shipper.agent.agent_snapshot import (
    AgentSnapshot,
    Loaded,
    LogsMeasured,
    LogStatus,
    OutputStatus,
    SpoolStatus,
    StateStatus,
)
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.tailer import Tail
from shipper.metrics.catalogue import BYTES_READ

INTERVAL_S = 1.0
RATE_S = 300.0
"""Seconds over which the rate of reading is measured."""
EXPECTED_RATIO = 0.15
"""Bytes in the spool per byte of a log, until something was spooled."""


@dataclass(slots=True)
class AgentPublisher:
    """Publishes the agent's snapshot: `publish` replaces `snapshot` in the agent's thread; any thread may read it."""

    agent: Agent
    output_kind: str
    stuck_after: float = 60.0
    max_lag: float | None = None
    interval_s: float = INTERVAL_S
    """Least seconds between two measurements of the logs; with many logs each costs time."""
    snapshot: AgentSnapshot = field(init=False)
    _loaded: Loaded | None = None
    _measured: LogsMeasured | None = None
    _spool: SpoolStatus = field(default_factory=SpoolStatus)
    _read: deque[tuple[float, float]] = field(default_factory=deque)
    """Times, and bytes read by then, of the last `RATE_S` seconds."""
    _rows: dict[str, LogStatus] = field(default_factory=dict)
    _behind: dict[str, LogStatus] = field(default_factory=dict)
    """Those with bytes to be acknowledged."""

    def __post_init__(self) -> None:
        """Publish the first snapshot, so that readers always have one."""
        self.publish()

    @property
    def loaded(self) -> Loaded | None:
        """The configuration in effect; None if it cannot be reloaded."""
        return self._loaded

    @loaded.setter
    def loaded(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self.publish()

    def publish(self) -> None:
        """Publish a snapshot, with logs that are measured at most every `interval_s` seconds."""
        agent, now = self.agent, self.agent.turned_at
        measured = self._measured
        if measured is None or now - measured.at >= self.interval_s:
            measured = self._measured = self._measure(agent.tail, now, measured)
            self._spool = self._measure_spool(now)
        state = agent.state
        self.snapshot = AgentSnapshot(
            published_at=agent.clock.monotonic(),
            monotonic=agent.clock.monotonic,
            ready=agent.ready,
            path="python" if agent.tail.fast_chain is None else "native",
            output=OutputStatus.of(self.output_kind, agent.delivery),
            state=StateStatus(str(state.directory), agent.state_error, state.commits, agent.state_gone),
            notices=agent.tail.attention.status(len(agent.tail.logs)),
            unreadable=MappingProxyType(dict(agent.tail.unreadable)),
            measured=measured,
            counters=agent.ledger.published,
            loaded=self._loaded,
            stuck_after=self.stuck_after,
            max_lag=self.max_lag,
            spool=self._spool,
        )

    def _measure_spool(self, now: float) -> SpoolStatus:
        """Return the state of held files and the spool, and how long it lasts at the present rate."""
        held = self.agent.held
        if held is None:
            return SpoolStatus()
        spool, bounds = held.spool, held.bounds
        value = self.agent.ledger.published.values.get((BYTES_READ.name, ()), 0)
        self._read.append((now, float(value) if isinstance(value, int | float) else 0.0))
        while now - self._read[0][0] > RATE_S:
            self._read.popleft()
        (since, before), (_, total) = self._read[0], self._read[-1]
        rate = (total - before) / (now - since) * (spool.ratio or EXPECTED_RATIO) if now > since else 0.0
        stored = spool.stored
        hours = round(max(0, bounds.max_bytes - stored) / rate / 3600, 1) if rate > 0 else None
        files = len(spool.files)
        return SpoolStatus(held.number, held.unshipped, files, stored, bounds.max_bytes, hours, held.error)

    def _measure(self, tail: Tail, now: float, before: LogsMeasured | None) -> LogsMeasured:
        """Return the offsets of all logs, without a system call; logs that did not change keep their row."""
        logs, rows, changed = tail.logs, self._rows, before is None
        for path in tail.attention.take_touched(logs):
            log, known = logs.get(path), rows.get(path)
            row = None if log is None else _row(log, known, now)
            if row is known:
                continue
            changed = True
            self._behind.pop(path, None)
            if row is None:
                rows.pop(path, None)
                continue
            rows[path] = row
            if row.behind_since is not None:
                self._behind[path] = row
        lag_bytes = sum(row.lag_bytes for row in self._behind.values())
        oldest = min((row.behind_since or now for row in self._behind.values()), default=now)
        all_rows = tuple(rows.values()) if changed or before is None else before.logs
        return LogsMeasured(now, all_rows, lag_bytes, now - oldest)


def _row(log: LogReader, before: LogStatus | None, now: float) -> LogStatus:
    """Return the row of a log: the previous one if nothing changed."""
    lag, counted, shipped = log.lag_bytes(), log.count_cursor.offset, (log.ship_cursor or log.count_cursor).offset
    if (
        before is not None
        and before.lag_bytes == lag
        and before.size == log.size
        and before.counted == counted
        and before.shipped == shipped
        and before.source is log.source
    ):
        return before
    since = None
    if lag:
        since = now if before is None or before.behind_since is None else before.behind_since
    return LogStatus(log.path, log.source, log.size, counted, shipped, lag, since)
