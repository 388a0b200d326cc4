"""Vitals: what the agent tells of itself - gauges, health and status - taken in its own thread, read in others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shipper.agent.agent import Agent
from shipper.metrics.exposition import Snapshot
from shipper.metrics.health import Health
from shipper_processors.envelope import without_surrogates
from shipper_processors.times import format_ms
from shipper_schemas.metrics import Metric, SeriesKey

FILES = Metric("shipper_files_followed", "gauge", "Logs followed, each with its rotated files.")
UNREADABLE = Metric("shipper_files_unreadable", "gauge", "Logs that are there and cannot be opened.")
LAG_BYTES = Metric("shipper_lag_bytes", "gauge", "Bytes read from no file or not shipped yet.", ("output",))
LAG_SECONDS = Metric(
    "shipper_lag_seconds", "gauge", "How long the oldest bytes have waited to be shipped.", ("output",)
)
OUTPUT_UP = Metric("shipper_output_up", "gauge", "Whether the output took the last batch.", ("output",))
RELOADED = Metric(
    "shipper_config_last_reload_successful", "gauge", "Whether the configuration was taken over when it last changed."
)
LOADED_AT = Metric(
    "shipper_config_last_reload_success_timestamp_seconds", "gauge", "When the configuration in effect was taken over."
)
COMMITS = Metric("shipper_state_commits_total", "counter", "Commits of positions and counters since the start.")
INTERVAL_S = 1.0
GAUGES = (FILES, UNREADABLE, LAG_BYTES, LAG_SECONDS, OUTPUT_UP, COMMITS, RELOADED, LOADED_AT)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration in effect: since when (seconds since the epoch), and what became of the last attempt."""

    file: str | None
    at: float
    error: str | None = None
    """Why what the file says now was refused."""
    waiting: bool = False
    """Whether a change is accepted, and waits for the output to answer for what was sent."""
    restart: tuple[str, ...] = ()
    """Keys that were changed since the start, and wait for a restart."""

    def told(self) -> dict[str, Any]:
        """As `shipper status` prints it."""
        return {
            "file": self.file,
            "loaded_at": format_ms(int(self.at * 1000)),
            "error": self.error,
            "waiting": self.waiting,
            "restart_needed": list(self.restart),
        }


@dataclass(slots=True)
class Vitals:
    """The agent as others see it. `take` runs in the agent's thread; the rest only reads what it left."""

    agent: Agent
    output_kind: str
    stuck_after: float = 60.0
    max_lag: float | None = None
    loaded: Loaded | None = None
    """The configuration in effect, where it can change."""
    _gauges: Mapping[SeriesKey, float] = field(default_factory=dict)
    _taken_at: float = 0.0
    _behind_since: dict[str, float] = field(default_factory=dict)
    _logs: list[dict[str, Any]] = field(default_factory=list)

    def take(self) -> None:
        """Measure, at most once a second; costs a look at every log's numbers and no system call for quiet ones."""
        agent, now = self.agent, self.agent.turned_at
        if self._gauges and now - self._taken_at < INTERVAL_S:
            return
        self._taken_at = now
        logs = agent.tail.logs
        lags = {path: log.lag_bytes() for path, log in logs.items()}
        self._behind_since = {path: self._behind_since.get(path, now) for path, lag in lags.items() if lag}
        waited = now - min(self._behind_since.values(), default=now)
        output = (self.output_kind,)
        self._gauges = {
            (FILES.name, ()): len(logs),
            (UNREADABLE.name, ()): len(agent.tail.unreadable),
            (LAG_BYTES.name, output): sum(lags.values()),
            (LAG_SECONDS.name, output): waited,
            (OUTPUT_UP.name, output): agent.output_state.error is None,
            (COMMITS.name, ()): agent.state.commits,
        }
        self._logs = [
            {
                "path": without_surrogates(path),
                "service": log.source.origin.service,
                "container": log.source.origin.container_name,
                "size": log.size,
                "counted": log.count_cursor.offset,
                "shipped": (log.ship_cursor or log.count_cursor).offset,
                "lag_bytes": lags[path],
                "lag_seconds": round(now - self._behind_since.get(path, now), 3),
            }
            for path, log in logs.items()
        ]

    def snapshot(self) -> Snapshot:
        """Committed counters, and the gauges last taken."""
        ledger, loaded = self.agent.ledger, self.loaded
        metrics = {**ledger.metrics, **{metric.name: metric for metric in GAUGES}}
        gauges = dict(self._gauges)
        if loaded is not None:
            gauges |= {(RELOADED.name, ()): loaded.error is None, (LOADED_AT.name, ()): loaded.at}
        return Snapshot(metrics, dict(ledger.committed), dict(ledger.created), gauges)

    def ready(self) -> bool:
        """Whether state and files were looked through once."""
        return self.agent.ready

    def health(self) -> Health:
        """Healthy, degraded where a restart would not help, or stuck."""
        agent = self.agent
        idle = agent.clock.monotonic() - agent.turned_at
        lag = self._gauges.get((LAG_SECONDS.name, (self.output_kind,)), 0.0)
        checks = {
            "loop": "healthy" if not agent.ready or idle < self.stuck_after else "stuck",
            "state": "healthy" if agent.state_error is None else "degraded",
            "output": "healthy" if agent.output_state.error is None else "degraded",
            "inputs": "healthy" if not agent.tail.unreadable else "degraded",
            "lag": "healthy" if self.max_lag is None or lag < self.max_lag else "degraded",
            "configuration": "healthy" if self.loaded is None or self.loaded.error is None else "degraded",
        }
        worst = next((word for word in ("stuck", "degraded") if word in checks.values()), "healthy")
        return Health(worst, checks)

    def status(self) -> dict[str, Any]:
        """What `shipper status` prints: output, totals, logs."""
        agent, output = self.agent, self.agent.output_state
        return {
            "running": True,
            "output": {"url": agent.output.url, "error": output.error, "hint": output.hint if output.error else None},
            "state": {"directory": str(agent.state.directory), "error": agent.state_error},
            "configuration": None if self.loaded is None else self.loaded.told(),
            "unreadable": {
                without_surrogates(path): without_surrogates(str(error))
                for path, error in dict(agent.tail.unreadable).items()
            },
            "logs": self._logs,
        }
