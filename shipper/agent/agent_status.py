"""Publisher of the agent's snapshot: built in the agent's thread, read in any."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from shipper.agent.agent import Agent
from shipper.agent.agent_snapshot import AgentSnapshot, Loaded, LogsMeasured, LogStatus, OutputStatus, StateStatus
from shipper.inputs.files.log_reader import LogReader

INTERVAL_S = 1.0


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
    _rows: dict[str, LogStatus] = field(default_factory=dict)

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
            measured = self._measured = self._measure(agent.tail.logs, now)
        state = agent.state
        self.snapshot = AgentSnapshot(
            published_at=agent.clock.monotonic(),
            monotonic=agent.clock.monotonic,
            ready=agent.ready,
            path="python" if agent.tail.fast_chain is None else "native",
            output=OutputStatus.of(self.output_kind, agent.delivery),
            state=StateStatus(str(state.directory), agent.state_error, state.commits, agent.state_gone),
            unreadable=MappingProxyType(dict(agent.tail.unreadable)),
            measured=measured,
            counters=agent.ledger.published,
            loaded=self._loaded,
            stuck_after=self.stuck_after,
            max_lag=self.max_lag,
        )

    def _measure(self, logs: Mapping[str, LogReader], now: float) -> LogsMeasured:
        """Return the offsets of all logs, without a system call; logs that did not change keep their row."""
        rows, before, lag_bytes, oldest = {}, self._rows, 0, now
        for path, log in logs.items():
            row = rows[path] = _row(log, before.get(path), now)
            if row.behind_since is not None:
                lag_bytes += row.lag_bytes
                oldest = min(oldest, row.behind_since)
        self._rows = rows
        return LogsMeasured(now, tuple(rows.values()), lag_bytes, now - oldest)


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
